"""Read TrueLayer's books: the transactions of our merchant account, where money is listed once it is there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tallystick.adapters.providers import listing
from tallystick.adapters.providers.reading import D, Document, Id, Instant, Name, Text
from tallystick.adapters.providers.truelayer.client import TrueLayerClient
from tallystick.adapters.providers.truelayer.events import Payment, Payout, Refund
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider, TakenBack
from tallystick.domain.withdrawals import PREFIX
from tallystick.services.ports.provider_records import FetchedEvent

OVERLAP_MS: Final = 600_000
"""TrueLayer's clock may be so much behind ours."""

_NAMED: Final = "truelayer:"
_SETTLED: Final = "settled"


class _Transaction(Document):
    """Describe a transaction; each type has its own names for ids and times."""

    type: Name
    id: Id
    payment_id: Id | None = None
    payout_id: Id | None = None
    refund_id: Id | None = None
    created_at: Instant | None = None
    settled_at: Instant | None = None
    executed_at: Instant | None = None
    failed_at: Instant | None = None

    @property
    def at_ms(self) -> int:
        """Give the time of what happened last."""
        times = (self.failed_at, self.settled_at, self.executed_at, self.created_at)
        return next((time for time in times if time is not None), 0)


class _Pagination(Document):
    next_cursor: Text | None = None


class _Page(Document):
    items: list[dict[str, Any]]
    pagination: _Pagination = _Pagination()


class TrueLayerRecords(TrueLayerClient):
    """Implement `tallystick.services.ports.provider_records.ProviderRecords`."""

    patience_s = listing.PATIENCE_S
    overlap_ms = OVERLAP_MS
    asks = frozenset({Direction.PAYMENT, Direction.REFUND})

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Read the transactions of the merchant account."""
        path = f"/v3/merchant-accounts/{self._configured('merchant_account_id')}/transactions"
        query = {"from": to_rfc3339(since_ms), "to": to_rfc3339(until_ms)}

        def read(cursor: str | None) -> tuple[_Page, str | None]:
            behind = {"cursor": cursor} if cursor else {}
            page = self._get(path, {**query, **behind}, {"tl-enable-pagination": "true"}).read(_Page)
            return page, page.pagination.next_cursor

        for page in listing.pages(self.provider, read):
            yield [record for thing in page.items if (record := _record(thing))]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for a payment, or for a refund of one."""
        if wanted.direction is Direction.PAYMENT:
            payment = self._get(f"/v3/payments/{wanted.record_id}").find(Payment)
            return None if payment is None else _payment(payment, 0)
        payment_id = _payment_id(wanted)
        refund = self._get(f"/v3/payments/{payment_id}/refunds/{wanted.record_id}").find(Refund)
        return None if refund is None else _refund(refund, payment_id, 0)

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Write the event that tells of a thing; TrueLayer is asked for the rest when it is processed."""
        return FetchedEvent(listing.fetched_id(record), json.dumps(_event(record)).encode())


def _record(thing: Mapping[str, Any]) -> ProviderRecord | None:
    """Read what a transaction is of."""
    found = listing.understood(Provider.TRUELAYER, _Transaction, thing)
    match found.type:
        case "merchant_account_payment":
            return _payment(_as(Payment, thing, found.payment_id), found.at_ms)
        case "external_payment":
            # Somebody has paid without an order: it has no payment.
            settled = _as(Payment, {**thing, "status": _SETTLED}, found.id)
            return ProviderRecord(Provider.TRUELAYER, found.id, (), settled.fact(), found.at_ms)
        case "payout":
            payout = _as(Payout, thing, found.payout_id)
            return ProviderRecord(
                Provider.TRUELAYER, payout.id, (f"{_NAMED}{payout.id}",), payout.report(), found.at_ms
            )
        case "refund":
            return _refund(_as(Refund, thing, found.refund_id), found.payment_id or "", found.at_ms)
    return None


def _as(model: type[D], thing: Mapping[str, Any], thing_id: str | None) -> D:
    """Read a transaction as the thing that it is of, whose id has a name of its own."""
    return listing.understood(Provider.TRUELAYER, model, {**thing, "id": thing_id})


def _payment(payment: Payment, at_ms: int) -> ProviderRecord:
    return ProviderRecord(Provider.TRUELAYER, payment.id, (f"{_NAMED}{payment.id}",), payment.fact(), at_ms)


def _refund(refund: Refund, payment_id: str, at_ms: int) -> ProviderRecord | None:
    """Read a refund; one that is under way has taken nothing yet."""
    fact = refund.fact_of(payment_id)
    return ProviderRecord(Provider.TRUELAYER, refund.id, (f"{_NAMED}{payment_id}",), fact, at_ms) if fact else None


def _payment_id(wanted: Wanted) -> str:
    """Find the payment that a refund is of: it is named last."""
    return next(name.removeprefix(_NAMED) for name in reversed(wanted.references) if name.startswith(_NAMED))


def _event(record: ProviderRecord) -> dict[str, object]:
    match record.told:
        case Report(outcome=outcome):
            ours = [name for name in record.references if name.startswith(PREFIX)]
            kind = "payout_executed" if outcome is Outcome.PAID else "payout_failed"
            metadata = {"metadata": {"withdrawal_id": ours[0]}} if ours else {}
            return {"type": kind, "payout_id": record.record_id, **metadata}
        case TakenBack(undone=undone):
            kind = "refund_failed" if undone else "refund_executed"
            return {"type": kind, "refund_id": record.record_id, "payment_id": _payment_id(record.wanted)}
    return {"type": "payment_settled", "payment_id": record.record_id}
