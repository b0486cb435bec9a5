"""Keep a provider's books, differences and runs in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tallystick.domain.differences import Difference, Run
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.paging import Page
from tallystick.services.ports.provider_records import FetchedEvent
from tests.support.fake_payer import FakePayer
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import call


@dataclass
class FakeBooks:
    """Implement the port ProviderRecords; `asked` lists what was asked for by itself."""

    backing: FakeStore
    records: list[ProviderRecord] = field(default_factory=list)
    unlisted: list[ProviderRecord] = field(default_factory=list)
    page: int = 2
    overlap_ms: int = 0
    asks: frozenset[Direction] = frozenset({Direction.PAYMENT, Direction.REFUND})
    asked: list[str] = field(default_factory=list)
    away: bool = False

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Give pages of what is in the list in that order."""
        found = [record for record in self.records if since_ms <= record.at_ms < until_ms]
        for start in range(0, len(found) + 1, self.page):
            with call(self.backing, "books.listed"):
                if self.away:
                    raise ProviderUnavailable("not now", provider="stripe")
                yield found[start : start + self.page]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Find a record by its name; when it happened is told by the list alone."""
        with call(self.backing, "books.retrieve"):
            self.asked.append(wanted.name)
            found = [record for record in [*self.records, *self.unlisted] if record.name == wanted.name]
            return replace(found[-1], at_ms=0) if found else None

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Write an event whose body is the record's name."""
        with call(self.backing, "books.event_for"):
            return FetchedEvent(f"fetched:{record.name}:{record.status}", record.name.encode())


class BookedPayer(FakePayer):
    """Say of a payout what the books say."""

    def __init__(self, books: FakeBooks) -> None:
        """Take the books."""
        super().__init__(books.backing)
        self._books = books

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:  # noqa: ARG002 (the port's)
        """Find a payout by its id, or by ours."""
        with call(self._books.backing, "payer.look_up"):
            wanted = withdrawal.payout_id or withdrawal.flow_id
            for record in [*self._books.records, *self._books.unlisted]:
                if isinstance(record.told, Report) and wanted in {record.record_id, *record.references}:
                    return record.told
            return Report(Outcome.UNCLEAR, withdrawal.payout_id)


@dataclass
class FakeDifferences:
    """Implement the port Differences; `ended` lists what is gone."""

    backing: FakeStore
    items: dict[str, Difference] = field(default_factory=dict)
    ended: list[Difference] = field(default_factory=list)

    def open(self, provider: Provider) -> list[Difference]:
        """List a provider's, the oldest first."""
        with call(self.backing, "differences.open"):
            return [one for one in self._ordered() if one.provider == provider]

    def listed(self, limit: int, after: str | None, provider: Provider | None, match: Match | None) -> Page[Difference]:
        """List a page, then leave out what is not asked for."""
        with call(self.backing, "differences.listed"):
            rest = [one for one in self._ordered() if after is None or _position(one) > after]
            page = [one for one in rest[:limit] if provider in {None, one.provider} and match in {None, one.match}]
            return Page(page, _position(rest[limit - 1]) if len(rest) > limit else None)

    def get(self, difference_id: str) -> Difference | None:
        """Read one."""
        with call(self.backing, "differences.get"):
            return self.items.get(difference_id)

    def save(self, difference: Difference) -> None:
        """Write one."""
        with call(self.backing, "differences.save"):
            self.items[difference.difference_id] = difference

    def end(self, difference: Difference, now_ms: int) -> None:  # noqa: ARG002 (the port's)
        """Take one off the list."""
        with call(self.backing, "differences.end"):
            self.ended.append(self.items.pop(difference.difference_id))

    def _ordered(self) -> list[Difference]:
        return sorted(self.items.values(), key=_position)


def _position(difference: Difference) -> str:
    return f"{difference.first_seen_ms:015d}#difference#{difference.difference_id.replace(':', '#', 1)}"


@dataclass
class FakeRuns:
    """Implement the port Runs."""

    backing: FakeStore
    items: dict[Provider, Run] = field(default_factory=dict)

    def get(self, provider: Provider) -> Run:
        """Read the last one."""
        with call(self.backing, "runs.get"):
            return self.items.get(provider, Run(provider))

    def save(self, run: Run) -> bool:
        """Write the next version."""
        with call(self.backing, "runs.save"):
            if self.items.get(run.provider, Run(run.provider)).version != run.version - 1:
                return False
            self.items[run.provider] = run
            return True
