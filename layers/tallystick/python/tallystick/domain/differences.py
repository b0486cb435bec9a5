"""What a provider's books and ours disagree about, and how far comparing them has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import ProviderRecord, Wanted
from tallystick.domain.webhooks import Provider


@dataclass(frozen=True, slots=True)
class Difference:
    """Describe a difference that was confirmed, and is listed until it is gone.

    `record` is what the provider said when it was compared, if it knew of it at all. `flow_id` and `flow_version` name
    what it was compared with; `ours` and `theirs` are the amounts, for people.
    """

    provider: Provider
    wanted: Wanted
    match: Match
    record: ProviderRecord | None
    flow_id: str | None
    flow_version: int | None
    ours: str
    theirs: str
    first_seen_ms: int
    last_seen_ms: int

    @property
    def name(self) -> str:
        """Name it among those of its provider."""
        return self.wanted.name

    @property
    def difference_id(self) -> str:
        """Name it among all."""
        return difference_id(self.provider, self.name)


def difference_id(provider: Provider, name: str) -> str:
    """Name the difference that there is, or may be, about a provider's record."""
    return f"{provider}:{name}"


@dataclass(frozen=True, slots=True)
class Run:
    """Say how far a provider's books were compared with ours, and what the last run came to.

    Everything before `reached_ms` is settled. Until `busy_until_ms` somebody is at it. `counts` are of the classes of
    what was compared; `failure` says why the run did not come to its end, and is empty while it is under way.
    """

    provider: Provider
    reached_ms: int = 0
    busy_until_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    since_ms: int = 0
    until_ms: int = 0
    pages: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    failure: str | None = None
    version: int = 0

    def next(self, **changes: object) -> "Run":
        """Give its next version."""
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type] # by name
