"""Read Stripe's books: the transactions of its balance, each with what it is of.

A transaction is listed by the time at which money moved, whenever its payment or payout was made. So a refund, a
payout that a bank sends back and a dispute are listed anew. https://docs.stripe.com/reports/balance-transaction-types
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import Field

from tallystick.adapters.providers import listing
from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.listing import understood
from tallystick.adapters.providers.reading import Currency, D, Document, Id, Metadata, Name, Units
from tallystick.adapters.providers.stripe.amounts import amount_of
from tallystick.adapters.providers.stripe.events import Dispute, PaymentIntent, Refund
from tallystick.adapters.providers.stripe.reports import Payout
from tallystick.domain.payouts import Report
from tallystick.domain.provider_records import Direction, ProviderRecord, Told, Wanted
from tallystick.domain.webhooks import Failed, Paid, Pending, Provider, TakenBack
from tallystick.services.ports.provider_records import FetchedEvent

OVERLAP_MS: Final = 600_000
"""Stripe's clock may be so much behind ours."""

PAGE: Final = 100
_TRANSACTIONS: Final = "/v1/balance_transactions"


class _Charge(Document):
    """Describe a payment that was tried; the ids of events are those of its intent."""

    id: Id
    status: Name
    currency: Currency
    amount: Units
    amount_captured: Units | None = None
    refunded: bool = False
    payment_intent: Id | None = None
    metadata: Metadata = Metadata()

    @property
    def payment_id(self) -> str:
        """Give the id by which events know it."""
        return self.payment_intent or self.id

    @property
    def references(self) -> tuple[str, ...]:
        """Name the order."""
        return (*self.metadata.references, f"stripe:{self.payment_id}")

    def told(self) -> Told:
        """Say how it stands."""
        if self.status != "succeeded":
            return Pending() if self.status == "pending" else Failed(self.status)
        captured = self.amount if self.amount_captured is None else self.amount_captured
        return Paid(self.payment_id, amount_of(captured, self.currency))


class _Intent(PaymentIntent):
    latest_charge: _Charge | None = None


class _Thing(Document):
    livemode: bool = False


class _Transaction(Document):
    id: Id
    type: Name
    created: Units
    source: dict[str, Any] = Field(default_factory=dict)


class _Page(Document):
    data: list[_Transaction] = Field(max_length=PAGE)
    has_more: bool


class StripeRecords(ProviderGateway):
    """Implement `tallystick.services.ports.provider_records.ProviderRecords`."""

    provider = Provider.STRIPE
    patience_s = listing.PATIENCE_S
    overlap_ms = OVERLAP_MS
    asks = frozenset({Direction.PAYMENT, Direction.REFUND})

    def listed(self, since_ms: int, until_ms: int) -> Iterator[Sequence[ProviderRecord]]:
        """Read the transactions of the balance; those of fees and of transfers between accounts are left out."""
        query = {
            "created[gte]": str(since_ms // 1000),
            "created[lt]": str(-(-until_ms // 1000)),
            "expand[]": "data.source",
            "limit": str(PAGE),
        }

        def read(after: str | None) -> tuple[_Page, str | None]:
            behind = {"starting_after": after} if after else {}
            page = self._http.get(_TRANSACTIONS, self._headers(), {**query, **behind}).read(_Page)
            return page, page.data[-1].id if page.has_more and page.data else None

        for page in listing.pages(self.provider, read):
            yield [record for transaction in page.data if (record := self._record(transaction))]

    def retrieve(self, wanted: Wanted) -> ProviderRecord | None:
        """Ask for a payment by its intent, with its newest charge, or for a refund."""
        if wanted.direction is Direction.REFUND:
            refund = self._find(f"/v1/refunds/{wanted.record_id}", Refund)
            return _taken_back(refund, 0) if refund else None
        intent = self._find(f"/v1/payment_intents/{wanted.record_id}", _Intent, {"expand[]": "latest_charge"})
        if intent is None:
            return None
        references = (*intent.metadata.references, f"stripe:{intent.id}")
        given_back = intent.latest_charge is not None and intent.latest_charge.refunded
        return ProviderRecord(self.provider, intent.id, references, intent.fact(), 0, given_back)

    def event_for(self, record: ProviderRecord) -> FetchedEvent:
        """Ask for the thing as it is now, and write the event that tells of it."""
        path, kind = _event_of(record)
        reply = self._http.get(f"{path}/{record.record_id}", self._headers())
        thing = reply.read(_Thing)
        event = {"type": kind, "livemode": thing.livemode, "data": {"object": reply.body}}
        return FetchedEvent(listing.fetched_id(record), json.dumps(event).encode())

    def _record(self, transaction: _Transaction) -> ProviderRecord | None:
        """Read what a transaction is of, if it is of money of others."""
        source, at_ms = transaction.source, transaction.created * 1000
        match transaction.type:
            case "charge" | "payment":
                charge = understood(self.provider, _Charge, source)
                return ProviderRecord(
                    self.provider, charge.payment_id, charge.references, charge.told(), at_ms, charge.refunded
                )
            case "payout" | "payout_cancel" | "payout_failure":
                payout = understood(self.provider, Payout, source)
                return ProviderRecord(self.provider, payout.id, payout.references, payout.report(), at_ms)
            case "refund" | "payment_refund" | "refund_failure" | "payment_failure_refund":
                return _taken_back(understood(self.provider, Refund, source), at_ms)
            case "adjustment" if source.get("object") == "dispute":
                return _taken_back(understood(self.provider, Dispute, source), at_ms)
        return None

    def _find(self, path: str, model: type[D], query: Mapping[str, str] | None = None) -> D | None:
        return self._http.get(path, self._headers(), query).find(model)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}


def _taken_back(thing: Refund | Dispute, at_ms: int) -> ProviderRecord | None:
    """Read what was taken back; what has taken no money yet, or is of no payment of ours, is none."""
    fact = thing.fact()
    if fact is None or thing.payment_intent is None:
        return None
    return ProviderRecord(Provider.STRIPE, thing.id, (f"stripe:{thing.payment_intent}",), fact, at_ms)


def _event_of(record: ProviderRecord) -> tuple[str, str]:
    """Say where a thing is found, and which event tells of it."""
    match record.told:
        case Report():
            return "/v1/payouts", "payout.updated"
        case TakenBack(kind="refund"):
            return "/v1/refunds", "refund.updated"
        case TakenBack(undone=undone):
            return "/v1/disputes", f"charge.dispute.funds_{'reinstated' if undone else 'withdrawn'}"
    return "/v1/payment_intents", "payment_intent.succeeded"
