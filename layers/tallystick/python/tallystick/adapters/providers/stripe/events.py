"""Read Stripe's objects, in events and in answers."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import Field

from tallystick.adapters.providers.reading import Currency, Document, Id, Metadata, Name, Units, read, understand
from tallystick.adapters.providers.stripe.amounts import amount_of
from tallystick.adapters.providers.stripe.reports import Payout
from tallystick.domain.webhooks import Environment, Fact, Failed, Notice, Paid, Pending, TakenBack

_TAKEN: Final = frozenset({"pending", "succeeded"})
_UNDONE: Final = frozenset({"failed", "canceled"})


class _PaymentError(Document):
    code: Name | None = None


class PaymentIntent(Document):
    """Describe a payment from its preparation on."""

    id: Id
    currency: Currency
    amount: Units
    amount_received: Units | None = None
    status: Name
    metadata: Metadata = Metadata()
    last_payment_error: _PaymentError | None = None
    cancellation_reason: Name | None = None

    def paid(self) -> Fact:
        """Say that it was paid, in part perhaps."""
        received = self.amount if self.amount_received is None else self.amount_received
        return Paid(self.id, amount_of(received, self.currency))

    def pending(self) -> Fact:
        """Say that it goes on."""
        return Pending()

    def failed(self) -> Fact:
        """Say why it failed."""
        error = self.last_payment_error.code if self.last_payment_error else None
        return Failed(self.cancellation_reason or error or "failed")

    def fact(self) -> Fact:
        """Say how it stands."""
        if self.status == "succeeded":
            return self.paid()
        tried = self.status == "requires_payment_method" and self.last_payment_error is not None
        return self.failed() if tried or self.status == "canceled" else self.pending()


class Refund(Document):
    """Describe a refund; what it gives back leaves our balance when it is created."""

    id: Id
    amount: Units
    currency: Currency
    status: Name | None = None
    payment_intent: Id | None = None

    def fact(self) -> Fact | None:
        """Say whether the money was taken; one that waits for the customer has taken none."""
        if self.status not in _TAKEN | _UNDONE:
            return None
        amount, undone = amount_of(self.amount, self.currency), self.status in _UNDONE
        return TakenBack(self.id, "refund", amount, undone, self.payment_intent)


class Dispute(Document):
    """Describe a dispute; an inquiry (`warning_…`) takes no money."""

    id: Id
    amount: Units
    currency: Currency
    status: Name
    payment_intent: Id | None = None
    balance_transactions: list[Any] = Field(default_factory=list)

    def fact_of(self, event: str) -> Fact | None:
        """Say what an event about it means."""
        if event == "charge.dispute.funds_reinstated":
            return self._taken(undone=True)
        if self.status == "won" and event != "charge.dispute.closed":
            return None
        return self._taken(undone=self.status == "won")

    def fact(self) -> Fact | None:
        """Say how it stands: of two balance transactions the second one gave the money back."""
        return self._taken(undone=self.status == "won" or len(self.balance_transactions) > 1)

    def _taken(self, *, undone: bool) -> Fact | None:
        if self.status.startswith("warning_"):
            return None
        return TakenBack(self.id, "chargeback", amount_of(self.amount, self.currency), undone, self.payment_intent)


class _Charge(Document):
    payment_intent: Id | None = None
    metadata: Metadata = Metadata()


class _Data(Document):
    object: dict[str, Any]


class _Event(Document):
    type: Name
    livemode: bool
    data: _Data


_PAYMENT_FACTS: Final[Mapping[str, Callable[[PaymentIntent], Fact]]] = {
    "payment_intent.created": PaymentIntent.pending,
    "payment_intent.processing": PaymentIntent.pending,
    "payment_intent.requires_action": PaymentIntent.pending,
    "payment_intent.succeeded": PaymentIntent.paid,
    "payment_intent.payment_failed": PaymentIntent.failed,
    "payment_intent.canceled": PaymentIntent.failed,
}
_REFUND_EVENTS: Final = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
_PAYOUT_EVENTS: Final = frozenset(
    {"payout.created", "payout.updated", "payout.paid", "payout.failed", "payout.canceled"}
)


def read_event(body: bytes) -> Notice:
    """Read an event; those about other things say nothing about an order or a payout.

    Raises:
        EventRejected: it is not what Stripe documents.
    """
    event = read(_Event, body)
    environment: Environment = "live" if event.livemode else "test"
    if event.type in _PAYOUT_EVENTS:
        payout = understand(Payout, event.data.object)
        return Notice(event.type, payout.references, environment=environment, payout=payout.report())
    references, facts, details = _told(event.type, event.data.object)
    return Notice(
        event.type,
        references,
        facts,
        confirm=event.type == "charge.refunded" and bool(references),
        environment=environment,
        details=details,
    )


_Told = tuple[tuple[str, ...], tuple[Fact, ...], dict[str, str]]


def _told(name: str, thing: Mapping[str, Any]) -> _Told:
    if name in _PAYMENT_FACTS:
        intent = understand(PaymentIntent, thing)
        return _about(intent.id, _PAYMENT_FACTS[name](intent), intent.metadata.references)
    if name == "charge.refunded":
        charge = understand(_Charge, thing)
        return _about(charge.payment_intent, None, charge.metadata.references)
    if name in _REFUND_EVENTS:
        refund = understand(Refund, thing)
        return _about(refund.payment_intent, refund.fact())
    if name.startswith("charge.dispute."):
        dispute = understand(Dispute, thing)
        return _about(dispute.payment_intent, dispute.fact_of(name), dispute=dispute.id)
    return (), (), {}


def _about(payment: str | None, fact: Fact | None, order: tuple[str, ...] = (), **details: str) -> _Told:
    """Name the order by its payment; what has none is not ours."""
    if payment is None:
        return (), (), {}
    facts = () if fact is None else (fact,)
    return (*order, f"stripe:{payment}"), facts, {"payment_intent": payment, **details}
