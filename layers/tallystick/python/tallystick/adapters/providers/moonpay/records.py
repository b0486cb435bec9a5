"""Read MoonPay's purchases, the newest first: it documents no way to read further than one page."""

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from tallystick.adapters.providers import listing
from tallystick.adapters.providers.http import ITEMS
from tallystick.adapters.providers.moonpay.gateway import MoonPayGateway, Transaction
from tallystick.adapters.providers.reading import Document, Instant
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.provider_records import Direction, ProviderRecord, Told, Unusable, Wanted
from tallystick.domain.webhooks import EventRejected
from tallystick.services.ports.provider_records import FetchedEvent

OVERLAP_MS: Final = 93_600_000
"""A purchase is listed by the time when it was begun, and may be completed a day later; two hours are spare."""

PAGE: Final = 100
_PATH: Final = "/v1/transactions"
_NUMBER: Final = re.compile(r'"\\u0000([^"]*)"')
"""A decimal while it is written as JSON: as text it would be another amount, as a float perhaps too."""


class _Listed(Transaction):
    created_at: Instant
    updated_at: Instant


class _Page(Document):
    items: Annotated[list[dict[str, Any]], Field(alias=ITEMS)]


class MoonPayRecords(MoonPayGateway):
    """Implement `tallystick.services.ports.provider_records.ProviderRecords`."""

    patience_s = listing.PATIENCE_S
    overlap_ms = OVERLAP_MS
    asks = frozenset({Direction.PAYMENT})

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Read the newest purchases.

        Raises:
            ProviderUnavailable: there may be more since then than one page holds.
        """
        page = self._http.get(_PATH, self._headers(), {"limit": str(PAGE)}).read(_Page)
        found = [listing.understood(self.provider, _Listed, thing) for thing in page.items]
        if len(found) >= PAGE and min(purchase.created_at for purchase in found) >= since_ms:
            raise ProviderUnavailable("moonpay lists more than one page holds.", provider=self.provider)
        yield [self._record(purchase) for purchase in found if since_ms <= purchase.created_at < until_ms]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for a purchase."""
        found = self._http.get(f"{_PATH}/{wanted.record_id}", self._headers()).find(_Listed)
        return None if found is None else self._record(found)

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Ask for the purchase as it is now, and write the event that tells of it."""
        reply = self._http.get(f"{_PATH}/{record.record_id}", self._headers())
        reply.read(_Listed)
        event = {"type": "transaction_updated", "data": reply.body}
        text = _NUMBER.sub(r"\1", json.dumps(event, default=_number))
        return FetchedEvent(listing.fetched_id(record), text.encode())

    def _record(self, purchase: _Listed) -> ProviderRecord:
        told: Told
        try:
            told = self.fact_of(purchase)
        except EventRejected as rejected:
            told = Unusable(rejected.reason)
        return ProviderRecord(self.provider, purchase.id, purchase.references, told, purchase.updated_at)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Api-Key {self._secret('api_key')}"}


def _number(value: object) -> str:
    return f"\0{value:f}" if isinstance(value, Decimal) else str(value)
