"""Read Paystack's objects, in events and in answers."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tallystick.adapters.providers.paystack.amounts import amount_of
from tallystick.adapters.providers.paystack.reports import TransferEvent
from tallystick.adapters.providers.reading import (
    Currency,
    Digits,
    Document,
    Id,
    Instant,
    Name,
    Text,
    Units,
    read,
    understand,
    unreadable,
)
from tallystick.domain.webhooks import Environment, Fact, Failed, Notice, Paid, Pending, TakenBack

_FAILED: Final = frozenset({"abandoned", "failed", "reversed"})


class Charge(Document):
    """Describe a payment."""

    id: Units
    domain: Environment
    status: Name
    reference: Id
    currency: Currency
    amount: Digits
    requested_amount: Digits | None = None
    fees: Digits | None = None
    gateway_response: Text | None = None
    paid_at: Instant | None = None

    def paid(self) -> Fact:
        """Say that it was paid; fees that were put on top of what was ordered do not come to us."""
        on_top = self.fees is not None and self.amount - self.fees == self.requested_amount
        units = self.requested_amount if on_top and self.requested_amount is not None else self.amount
        return Paid(str(self.id), amount_of(units, self.currency))

    def failed(self) -> Fact:
        """Say why it failed."""
        return Failed(self.gateway_response or "failed")

    def fact(self) -> Fact:
        """Say how it stands."""
        if self.status == "success":
            return self.paid()
        return self.failed() if self.status in _FAILED else Pending()


class Refund(Document):
    """Describe a refund; some events leave its amount and its ids out."""

    domain: Environment
    transaction_reference: Id
    refund_reference: Id | None = None
    id: Units | None = None
    amount: Digits | None = None
    currency: Currency

    @property
    def claim_id(self) -> str | None:
        """Name it by its reference, or else by its id."""
        return self.refund_reference or (None if self.id is None else str(self.id))


class RefundNow(Document):
    """Describe how a refund stands."""

    status: Name
    amount: Digits
    currency: Currency

    def fact(self, claim_id: str) -> Fact | None:
        """Say whether the money was taken."""
        if self.status not in {"processed", "failed"}:
            return None
        return TakenBack(claim_id, "refund", amount_of(self.amount, self.currency), undone=self.status == "failed")


class _Disputed(Document):
    reference: Id


class Dispute(Document):
    """Describe a dispute: money is taken when we accept it, or do not answer in time."""

    id: Units
    domain: Environment
    resolution: Name | None = None
    refund_amount: Digits | None = None
    currency: Currency
    transaction: _Disputed

    def fact(self) -> Fact | None:
        """Say whether the money was taken."""
        if self.resolution != "merchant-accepted":
            return None
        if self.refund_amount is None:
            raise unreadable("data.refund_amount: a dispute that was accepted has one")
        return TakenBack(str(self.id), "chargeback", amount_of(self.refund_amount, self.currency))


class _Event(Document):
    event: Name
    data: dict[str, Any]


def read_event(body: bytes) -> Notice:
    """Read an event; those about other things say nothing about an order or a payout.

    Raises:
        EventRejected: it is not what Paystack documents.
    """
    event = read(_Event, body)
    reader = _READERS.get(event.event)
    return reader(event.event, event.data) if reader else Notice(event.event)


def reference_of(flow_id: str) -> str:
    """Write an order's id as Paystack's reference, which must not hold underscores."""
    return flow_id.replace("_", "-")


def references_of(reference: str) -> tuple[str, ...]:
    """Name an order as we do, and as Paystack does."""
    return reference.replace("-", "_"), f"paystack:{reference}"


def _charge(event: str, data: Mapping[str, Any]) -> Notice:
    charge = understand(Charge, data)
    return Notice(
        event,
        references_of(charge.reference),
        (charge.paid() if event == "charge.success" else charge.failed(),),
        environment=charge.domain,
        occurred_at_ms=charge.paid_at,
        details={"reference": charge.reference},
    )


def _refund(event: str, data: Mapping[str, Any]) -> Notice:
    refund = understand(Refund, data)
    undone = event == "refund.failed"
    if refund.claim_id is None or refund.amount is None:
        if undone:
            return Notice(event, environment=refund.domain)
        raise unreadable("data: a refund that was processed has an amount and a reference")
    taken = TakenBack(refund.claim_id, "refund", amount_of(refund.amount, refund.currency), undone=undone)
    return Notice(
        event,
        references_of(refund.transaction_reference),
        (taken,),
        environment=refund.domain,
        details={} if refund.id is None else {"refund": str(refund.id)},
    )


def _dispute(event: str, data: Mapping[str, Any]) -> Notice:
    dispute = understand(Dispute, data)
    fact = dispute.fact()
    return Notice(
        event,
        references_of(dispute.transaction.reference),
        () if fact is None else (fact,),
        environment=dispute.domain,
        details={"dispute": str(dispute.id)},
    )


def _transfer(event: str, data: Mapping[str, Any]) -> Notice:
    transfer = understand(TransferEvent, data)
    return Notice(
        event,
        transfer.references,
        environment=transfer.domain,
        occurred_at_ms=transfer.updated_at,
        payout=transfer.report(),
    )


_READERS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Notice]]] = {
    "charge.success": _charge,
    "charge.failed": _charge,
    "refund.processed": _refund,
    "refund.failed": _refund,
    "charge.dispute.resolve": _dispute,
    "transfer.success": _transfer,
    "transfer.failed": _transfer,
    "transfer.reversed": _transfer,
}
