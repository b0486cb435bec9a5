"""Read Paystack's books: its transactions and its transfers."""

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import Field

from tallystick.adapters.providers import listing
from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import Reply
from tallystick.adapters.providers.paystack.events import Charge, reference_of, references_of
from tallystick.adapters.providers.paystack.reports import TransferEvent
from tallystick.adapters.providers.reading import Document, Instant, Text
from tallystick.domain.deposits import PREFIX
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.provider_records import FetchedEvent

OVERLAP_MS: Final = 93_600_000
"""A transaction is listed by the time when its page was opened, and may be paid a day later; two hours are spare."""

PAGE: Final = 100
_GIVEN_BACK: Final = "reversed"


class _Transaction(Charge):
    """Describe a transaction; one that was given back was paid before."""

    created_at: Instant | None = Field(default=None, alias="createdAt")

    def record(self) -> ProviderRecord:
        """Say how it stands."""
        given_back = self.status == _GIVEN_BACK
        told, at_ms = self.paid() if given_back else self.fact(), self.paid_at or self.created_at or 0
        references = references_of(self.reference)
        return ProviderRecord(Provider.PAYSTACK, str(self.id), references, told, at_ms, given_back)


class _Transfer(TransferEvent):
    """Describe a transfer."""

    created_at: Instant | None = Field(default=None, alias="createdAt")

    def record(self) -> ProviderRecord:
        """Say how it stands."""
        at_ms = self.updated_at or self.created_at or 0
        return ProviderRecord(Provider.PAYSTACK, self.transfer_code, self.references, self.report(), at_ms)


class _Meta(Document):
    next: Text | None = None


class _Page(Document):
    data: list[dict[str, Any]]
    meta: _Meta = _Meta()


class _Verified(Document):
    data: dict[str, Any]


class PaystackRecords(ProviderGateway):
    """Implement `tallystick.services.ports.provider_records.ProviderRecords`."""

    provider = Provider.PAYSTACK
    patience_s = listing.PATIENCE_S
    overlap_ms = OVERLAP_MS
    asks = frozenset({Direction.PAYMENT})

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Read the transactions, then the transfers."""
        for page in self._pages("/transaction", since_ms, until_ms):
            yield [listing.understood(self.provider, _Transaction, thing).record() for thing in page.data]
        for page in self._pages("/transfer", since_ms, until_ms):
            yield [listing.understood(self.provider, _Transfer, thing).record() for thing in page.data]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for a transaction by its reference; another one under it is not what is wanted."""
        reply = self._http.get(f"/transaction/verify/{_reference(wanted)}", self._headers())
        found = _verified(reply)
        if found is None:
            return None
        record = listing.understood(self.provider, _Transaction, found.data).record()
        return record if record.record_id == wanted.record_id else None

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Ask for the thing as it is now, and write the event that tells of it."""
        kind, path = _event_of(record)
        found = self._http.get(path, self._headers()).read(_Verified)
        body = json.dumps({"event": kind, "data": found.data}, default=str).encode()
        return FetchedEvent(listing.fetched_id(record), body)

    def _pages(self, path: str, since_ms: int, until_ms: int) -> Iterator[_Page]:
        query = {
            "from": to_rfc3339(since_ms),
            "to": to_rfc3339(until_ms),
            "perPage": str(PAGE),
            "use_cursor": "true",
        }

        def read(following: str | None) -> tuple[_Page, str | None]:
            behind = {"next": following} if following else {}
            page = self._http.get(path, self._headers(), {**query, **behind}).read(_Page)
            return page, page.meta.next

        return listing.pages(self.provider, read)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}


def _verified(reply: Reply) -> _Verified | None:
    """Read an answer; a reference that is not known is a bad request to Paystack."""
    return None if reply.status == HTTPStatus.BAD_REQUEST else reply.find(_Verified)


def _reference(wanted: Wanted) -> str:
    """Give the reference that a transaction has."""
    theirs = [name.removeprefix("paystack:") for name in wanted.references if name.startswith("paystack:")]
    ours = [reference_of(name) for name in wanted.references if name.startswith(PREFIX)]
    return [*theirs, *ours, wanted.record_id][0]


def _event_of(record: ProviderRecord) -> tuple[str, str]:
    """Say which event tells of a thing, and where it is found."""
    if not isinstance(record.told, Report):
        return "charge.success", f"/transaction/verify/{_reference(record.wanted)}"
    kind = "transfer.success" if record.told.outcome is Outcome.PAID else "transfer.failed"
    # A difference is about a transfer that names a withdrawal: others are the house's own.
    return kind, f"/transfer/verify/{reference_of(record.references[0])}"
