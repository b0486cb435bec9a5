"""Read TrueLayer's objects: its events name a payment or refund, its answers say how much."""

from collections.abc import Callable, Mapping
from typing import Final

from tallystick.adapters.providers.reading import (
    Currency,
    Document,
    Id,
    Metadata,
    Name,
    Units,
    read,
    unreadable,
)
from tallystick.domain.money import Amount, from_minor
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, TakenBack

DECIMALS: Final = 2


class Payment(Document):
    """Describe a payment; it is ours when it is settled."""

    id: Id
    status: Name
    amount_in_minor: Units
    currency: Currency
    failure_reason: Name | None = None

    def fact(self) -> Fact:
        """Say how it stands."""
        if self.status == "settled":
            return Paid(self.id, _amount(self.amount_in_minor, self.currency))
        return Failed(self.failure_reason or "failed") if self.status == "failed" else Pending()


class Refund(Document):
    """Describe a refund."""

    id: Id
    status: Name
    amount_in_minor: Units
    currency: Currency

    def fact_of(self, payment_id: str) -> Fact | None:
        """Say whether the money of a payment was taken."""
        if self.status not in {"executed", "failed"}:
            return None
        amount = _amount(self.amount_in_minor, self.currency)
        return TakenBack(self.id, "refund", amount, self.status == "failed", payment_id)


class _Event(Document):
    type: Name
    payment_id: Id | None = None
    refund_id: Id | None = None
    failure_reason: Name | None = None
    metadata: Metadata | None = None


def read_event(body: bytes) -> Notice:
    """Read an event; those about other things say nothing about an order.

    Raises:
        EventRejected: it is not what TrueLayer documents, or money came without an order.
    """
    event = read(_Event, body)
    if event.type == "external_payment_received":
        raise EventRejected("unknown-order", "Somebody paid into the merchant account without an order.")
    if event.type in _REFUND_EVENTS:
        return _refund(event)
    return _payment(event) if event.type in _PAYMENT_FACTS else Notice(event.type)


def _payment(event: _Event) -> Notice:
    payment_id = _present(event.payment_id, "payment_id")
    metadata = event.metadata or Metadata()
    fact = _PAYMENT_FACTS[event.type](event)
    return Notice(
        event.type,
        (*metadata.references, f"truelayer:{payment_id}"),
        () if fact is None else (fact,),
        confirm=fact is None,
        details={"payment": payment_id},
    )


def _refund(event: _Event) -> Notice:
    payment_id, refund_id = _present(event.payment_id, "payment_id"), _present(event.refund_id, "refund_id")
    return Notice(
        event.type,
        (f"truelayer:{payment_id}",),
        confirm=True,
        details={"payment": payment_id, "refund": refund_id},
    )


def _present(value: str | None, name: str) -> str:
    if value is None:
        raise unreadable(f"{name}: an event of this type has one")
    return value


def _amount(units: int, currency: str) -> Amount:
    return Amount(from_minor(units, DECIMALS), currency)


_REFUND_EVENTS: Final = frozenset({"refund_executed", "refund_failed"})
_PAYMENT_FACTS: Final[Mapping[str, Callable[[_Event], Fact | None]]] = {
    "payment_authorized": lambda _event: Pending(),
    "payment_executed": lambda _event: Pending(),
    "payment_failed": lambda event: Failed(event.failure_reason or "failed"),
    "payment_settled": lambda _event: None,
}
"""What an event says by itself; that a payment was settled it says without the amount."""
