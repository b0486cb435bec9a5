"""Read TrueLayer's objects: its events name a payment, refund or payout, its answers say how much."""

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
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, TakenBack
from tallystick.domain.withdrawals import PREFIX

DECIMALS: Final = 2
_FAILED: Final = "failed"
"""Stands for a reason that is not told."""


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
        return Failed(self.failure_reason or _FAILED) if self.status == "failed" else Pending()


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


class Payout(Document):
    """Describe a payout; one that was executed fails when the bank sends it back."""

    id: Id
    status: Name
    amount_in_minor: Units
    currency: Currency
    failure_reason: Name | None = None

    def report(self) -> Report:
        """Say how it stands; a status that TrueLayer does not document proves nothing."""
        outcome = _PAYOUTS.get(self.status, Outcome.UNCLEAR)
        amount = _amount(self.amount_in_minor, self.currency)
        return Report(outcome, self.id, amount, _reason(outcome, self.failure_reason))


class _Metadata(Metadata):
    withdrawal_id: Id | None = None

    @property
    def withdrawals(self) -> tuple[str, ...]:
        """Name the withdrawal, if it is one of ours."""
        found = self.withdrawal_id
        return (found,) if found and found.startswith(PREFIX) else ()


class _Event(Document):
    type: Name
    payment_id: Id | None = None
    refund_id: Id | None = None
    payout_id: Id | None = None
    failure_reason: Name | None = None
    metadata: _Metadata | None = None


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
    if event.type in _PAYOUT_EVENTS:
        return _payout(event)
    return _payment(event) if event.type in _PAYMENT_FACTS else Notice(event.type)


def _payment(event: _Event) -> Notice:
    payment_id = _present(event.payment_id, "payment_id")
    metadata = event.metadata or _Metadata()
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


def _payout(event: _Event) -> Notice:
    payout_id = _present(event.payout_id, "payout_id")
    metadata = event.metadata or _Metadata()
    outcome = _PAYOUT_EVENTS[event.type]
    return Notice(
        event.type,
        (*metadata.withdrawals, f"truelayer:{payout_id}"),
        payout=Report(outcome, payout_id, reason=_reason(outcome, event.failure_reason)),
    )


def _reason(outcome: Outcome, told: str | None) -> str | None:
    return told or _FAILED if outcome is Outcome.FAILED else None


def _present(value: str | None, name: str) -> str:
    if value is None:
        raise unreadable(f"{name}: an event of this type has one")
    return value


def _amount(units: int, currency: str) -> Amount:
    return Amount(from_minor(units, DECIMALS), currency)


_REFUND_EVENTS: Final = frozenset({"refund_executed", "refund_failed"})
_PAYOUTS: Final = {
    "pending": Outcome.PENDING,
    "authorized": Outcome.PENDING,
    "executed": Outcome.PAID,
    "failed": Outcome.FAILED,
}
_PAYOUT_EVENTS: Final = {"payout_executed": Outcome.PAID, "payout_failed": Outcome.FAILED}
_PAYMENT_FACTS: Final[Mapping[str, Callable[[_Event], Fact | None]]] = {
    "payment_authorized": lambda _event: Pending(),
    "payment_executed": lambda _event: Pending(),
    "payment_failed": lambda event: Failed(event.failure_reason or _FAILED),
    "payment_settled": lambda _event: None,
}
"""What an event says by itself; that a payment was settled it says without the amount."""
