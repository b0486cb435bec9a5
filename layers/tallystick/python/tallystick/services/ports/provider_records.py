"""What comparing a provider's books with ours needs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tallystick.domain.audit import AuditRecord
from tallystick.domain.differences import Difference, Run
from tallystick.domain.flows import Flow
from tallystick.domain.inbox import InboxEvent
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.paging import Page


@dataclass(frozen=True, slots=True)
class FetchedEvent:
    """Hold an event that a provider should have sent, as its gateway reads it."""

    external_id: str
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


class ProviderRecords(Protocol):
    """Read one provider's books; every call may raise ProviderUnavailable or ProviderRefused."""

    @property
    def overlap_ms(self) -> int:
        """Tell for how long after its time in the list a record may still change, beside the ageing time."""

    @property
    def asks(self) -> frozenset[Direction]:
        """Tell what can be asked for with `retrieve`; payouts are asked for with the Payer."""

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Give page after page of what happened from one time until another, in any order."""

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for one payment or refund; nothing when the provider does not know it."""

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Ask for the facts, and write them as the provider's event would."""


class ComparedFlows(Protocol):
    """Find flows; every read is consistent but for the index, which may lag."""

    def get(self, flow_id: str) -> Flow | None:
        """Read a flow."""

    def find(self, reference: str) -> str | None:
        """Find the id of the flow that a reference such as `stripe:pi_1` belongs to."""

    def unreconciled(self, provider: Provider, limit: int, after: str | None) -> Page[Flow]:
        """List flows that were not found to agree with their provider since they last changed, oldest first."""

    def reconciled(self, flow: Flow) -> bool:
        """Take a flow off that list, unless it has changed."""


class Differences(Protocol):
    """Keep differences; those that are gone stay, and are not listed."""

    def open(self, provider: Provider) -> list[Difference]:
        """List a provider's, the oldest first, within a bound."""

    def listed(self, limit: int, after: str | None, provider: Provider | None, match: Match | None) -> Page[Difference]:
        """List them, the oldest first; a page may hold fewer than asked for though more follow."""

    def get(self, difference_id: str) -> Difference | None:
        """Read one that is not gone."""

    def save(self, difference: Difference) -> None:
        """Write one, new or as it was seen again."""

    def end(self, difference: Difference, now_ms: int) -> None:
        """List it no longer."""


class Runs(Protocol):
    """Remember runs, one of each provider."""

    def get(self, provider: Provider) -> Run:
        """Read the last one; the first of all is empty."""

    def save(self, run: Run) -> bool:
        """Write the next version, unless somebody else has."""


class BroughtEvents(Protocol):
    """Keep events that an admin brings in."""

    def get(self, inbox_key: str) -> InboxEvent | None:
        """Read an event consistently."""

    def bring(self, event: InboxEvent, audit: AuditRecord) -> bool:
        """Write a new event with the record of who brought it, unless it is there."""
