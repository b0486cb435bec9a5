"""Read what the chain says was paid to us; payouts are asked for by their hashes, known before they are sent."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field

from tallystick.adapters.providers import listing
from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.reading import Digits, Document, Instant
from tallystick.adapters.providers.stellar.payments import Memo, Operation, ours, paid
from tallystick.domain.provider_records import Direction, ProviderRecord, Told, Unusable, Wanted
from tallystick.domain.webhooks import EventRejected, Provider
from tallystick.services.ports.provider_records import FetchedEvent

OVERLAP_MS: Final = 600_000
"""Horizon may show so much later what a ledger holds."""

PAGE: Final = 200
_JOINED: Final = {"join": "transactions"}


class _Listed(Operation):
    """Describe an operation with where it stands in the list, and when its ledger was closed."""

    paging_token: Digits
    created_at: Instant


class _Records(Document):
    records: list[dict[str, Any]]


class _Page(Document):
    embedded: Annotated[_Records, Field(alias="_embedded")]


class StellarRecords(ProviderGateway):
    """Implement `tallystick.services.ports.provider_records.ProviderRecords`."""

    provider = Provider.STELLAR
    patience_s = listing.PATIENCE_S
    overlap_ms = OVERLAP_MS
    asks = frozenset({Direction.PAYMENT})

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Read payments of each of our addresses backwards, until they are too old."""
        for address in sorted(ours(self._setting)):
            for page in listing.pages(self.provider, partial(self._page, address, since_ms)):
                yield [
                    record
                    for thing, operation in page
                    if since_ms <= operation.created_at < until_ms and (record := self._record(thing, operation))
                ]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for an operation."""
        reply = self._http.get(f"/operations/{wanted.record_id}", {}, _JOINED)
        operation = reply.find(_Listed)
        return None if operation is None else self._record(dict(reply.body), operation)

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Ask for the operation, and write it as the one who reads the chain does: it is the same event."""
        reply = self._http.get(f"/operations/{record.record_id}", {}, _JOINED)
        operation = reply.read(_Listed)
        return FetchedEvent(operation.id, json.dumps(reply.body, default=str).encode())

    def _page(
        self, address: str, since_ms: int, after: str | None
    ) -> tuple[list[tuple[dict[str, Any], _Listed]], str | None]:
        """Read a page; an address that is not funded yet has none."""
        behind = {"cursor": after} if after else {}
        query = {"order": "desc", "limit": str(PAGE), **_JOINED, **behind}
        found = self._http.get(f"/accounts/{address}/payments", {}, query).find(_Page)
        things = found.embedded.records if found else []
        page = [(thing, listing.understood(self.provider, _Listed, thing)) for thing in things]
        is_last = len(page) < PAGE or page[-1][1].created_at < since_ms
        return page, None if is_last else str(page[-1][1].paging_token)

    def _record(self, thing: dict[str, Any], operation: _Listed) -> ProviderRecord | None:
        """Read what an operation paid us; what it paid to others, or failed to pay, is none."""
        memo = listing.understood(self.provider, Memo, thing.get("transaction"))
        told: Told | None
        try:
            told = paid(operation, memo, self._setting)
        except EventRejected as rejected:
            told = Unusable(rejected.reason)
        if told is None:
            return None
        return ProviderRecord(self.provider, operation.id, memo.references, told, operation.created_at)
