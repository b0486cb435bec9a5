"""An order to bring money in: what is known of it, and what still has to be posted.

Events arrive late, twice and out of order, so a deposit is a set of facts that only ever grows: joining the same facts
in any order gives the same set. What has to be posted is what the facts ask for and has not been posted yet; each step
has the provider's own id of the payment, refund or dispute as its idempotency key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from tallystick.domain.chain import digest
from tallystick.domain.errors import InvalidAmount
from tallystick.domain.money import Amount, Asset, exact_units
from tallystick.domain.transfers import IdempotencyKey, TransferKind
from tallystick.domain.webhooks import (
    Environment,
    EventRejected,
    Fact,
    Failed,
    Paid,
    Pending,
    Provider,
    TakenBack,
)

PREFIX: Final = "dep_"
"""Begins every order's id, and no name that a provider has for one."""

MAX_FACTS: Final = 50
"""Payments and claims of one order; a real one has a handful."""


class DepositState(StrEnum):
    """Say where an order stands."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    COMPLETED = "COMPLETED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    CHARGED_BACK = "CHARGED_BACK"


@dataclass(frozen=True, slots=True)
class Payment:
    """Record money that has arrived, and the account that it was credited to, once it was."""

    units: int
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Record what a provider took back of an order, whether that was posted, and where it was given back to."""

    kind: Literal["refund", "chargeback"]
    units: int
    payment_id: str | None = None
    undone: bool = False
    covered: bool = False
    given_back_to: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Name a movement that is due: its kind and the payment or claim that it is for."""

    kind: TransferKind
    money_id: str
    units: int


@dataclass(frozen=True, slots=True)
class Deposit:
    """Describe an order; units are of the wallet's asset, `expected` is a decimal string of `currency`.

    `owed_units` is what was taken back and the account could not cover: a receivable. `references` are the names
    that the provider has for it, each like `stripe:pi_1`.
    """

    flow_id: str
    owner_id: str
    wallet_id: str
    provider: Provider
    environment: Environment
    asset: Asset
    expected: str
    currency: str
    fingerprint: str
    created_at_ms: int
    expires_at_ms: int
    checkout_url: str | None = None
    instructions: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False
    pending: bool = False
    failure: str | None = None
    payments: Mapping[str, Payment] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    owed_units: int = 0
    references: tuple[str, ...] = ()
    version: int = 0

    @property
    def credited_units(self) -> int:
        """Sum up what was credited."""
        return sum(payment.units for payment in self.payments.values() if payment.account_id)

    @property
    def steps(self) -> list[Step]:
        """Name every movement that was posted for it."""
        payments = [
            Step(TransferKind.DEPOSIT, payment_id, payment.units)
            for payment_id, payment in self.payments.items()
            if payment.account_id
        ]
        return payments + [step for claim_id, claim in self.claims.items() for step in _posted(claim_id, claim)]

    @property
    def account_id(self) -> str:
        """Name the account that the money went to first: the wallet, or what stood in for it when it was closed."""
        held = (payment.account_id for payment in self.payments.values() if payment.account_id)
        return next(held, self.wallet_id)

    def account_of(self, step: Step) -> str:
        """Name the account that a step moves: the wallet, or for a claim what its payment was credited to."""
        if step.kind is TransferKind.DEPOSIT:
            return self.wallet_id
        payment = self.payments.get(self.claims[step.money_id].payment_id or "")
        return (payment.account_id if payment else None) or self.account_id

    def state(self, now_ms: int) -> DepositState:
        """Say where the order stands."""
        if self.credited_units:
            return self._state_after_credit()
        if self.failure is not None:
            return DepositState.FAILED
        if now_ms >= self.expires_at_ms:
            return DepositState.EXPIRED
        return DepositState.PENDING if self.pending or self.payments else DepositState.CREATED

    def _state_after_credit(self) -> DepositState:
        live = [claim for claim in self.claims.values() if claim.covered and not claim.undone]
        if any(claim.kind == "chargeback" for claim in live):
            return DepositState.CHARGED_BACK
        refunded = sum(claim.units for claim in live)
        if refunded >= self.credited_units:
            return DepositState.REFUNDED
        return DepositState.PARTIALLY_REFUNDED if refunded else DepositState.COMPLETED

    def key(self, step: Step) -> IdempotencyKey:
        """Name the one movement of a step by the provider's id of it."""
        return IdempotencyKey(self.provider, self.environment, step.money_id, action=step.kind)

    def step_fingerprint(self, step: Step) -> str:
        """Bind the key to this order and amount."""
        return digest("tallystick/deposit/1", self.flow_id, step.kind, step.money_id, str(step.units))


def deposit_id(key: IdempotencyKey) -> str:
    """Name the order that is created under an idempotency key."""
    return f"{PREFIX}{digest('tallystick/deposit-id/1', key.digest)[:32]}"


def with_facts(deposit: Deposit, facts: Iterable[Fact], *, accept_any_amount: bool = False) -> Deposit:
    """Join facts to what is known; those that are known change nothing.

    Raises:
        EventRejected: a payment is not what was ordered (`amount-mismatch`, `asset-mismatch`, `paid-twice`) and was
            not accepted by an admin, or a fact contradicts one that is known (`contradiction`).
    """
    for fact in facts:
        deposit = _with_fact(deposit, fact, accept_any_amount=accept_any_amount)
    if len(deposit.payments) + len(deposit.claims) > MAX_FACTS:
        raise EventRejected("too-many-facts", f"An order has at most {MAX_FACTS} payments, refunds and disputes.")
    return deposit


def due(deposit: Deposit) -> Step | None:
    """Name the next movement that the facts ask for and that was not posted, or nothing."""
    for payment_id, payment in sorted(deposit.payments.items()):
        if payment.account_id is None:
            return Step(TransferKind.DEPOSIT, payment_id, payment.units)
    for claim_id, claim in sorted(deposit.claims.items()):
        if not deposit.payments or claim.payment_id not in {None, *deposit.payments}:
            continue  # what was never credited cannot be taken back
        if not claim.covered and not claim.undone:
            return Step(TransferKind(claim.kind), claim_id, claim.units)
        if claim.covered and claim.undone and claim.given_back_to is None:
            return Step(TransferKind(f"{claim.kind}-reversal"), claim_id, claim.units)
    return None


def _posted(claim_id: str, claim: Claim) -> list[Step]:
    kinds = [TransferKind(claim.kind)] if claim.covered else []
    kinds += [TransferKind(f"{claim.kind}-reversal")] if claim.given_back_to else []
    return [Step(kind, claim_id, claim.units) for kind in kinds]


def credited(deposit: Deposit, step: Step, account_id: str) -> Deposit:
    """Note that a payment was credited."""
    payment = replace(deposit.payments[step.money_id], account_id=account_id)
    return replace(deposit, version=deposit.version + 1, payments={**deposit.payments, step.money_id: payment})


def covered(deposit: Deposit, step: Step, taken: int) -> Deposit:
    """Note that a claim was covered, by so many units of the account and for the rest by a receivable."""
    owed_units = deposit.owed_units + step.units - taken
    return replace(_with_claim_posted(deposit, step), owed_units=owed_units)


def given_back(deposit: Deposit, step: Step, account_id: str, settled: int) -> Deposit:
    """Note that a claim that was undone was given back, so many units of it by settling what was owed."""
    return replace(_with_claim_posted(deposit, step, account_id), owed_units=deposit.owed_units - settled)


def _with_claim_posted(deposit: Deposit, step: Step, given_back_to: str | None = None) -> Deposit:
    claim = replace(deposit.claims[step.money_id], covered=True, given_back_to=given_back_to)
    return replace(deposit, version=deposit.version + 1, claims={**deposit.claims, step.money_id: claim})


def _with_fact(deposit: Deposit, fact: Fact, *, accept_any_amount: bool) -> Deposit:
    match fact:
        case Pending():
            return replace(deposit, pending=True)
        case Failed(reason):
            return replace(deposit, failure=deposit.failure or reason)
        case Paid():
            return _with_payment(deposit, fact, accept_any_amount=accept_any_amount)
        case TakenBack():
            return _with_claim(deposit, fact)


def _with_payment(deposit: Deposit, paid: Paid, *, accept_any_amount: bool) -> Deposit:
    units = _units(deposit, paid.delivered)
    known = deposit.payments.get(paid.payment_id)
    if known is not None:
        if known.units != units:
            raise EventRejected("contradiction", f"Payment {paid.payment_id} was told with another amount before.")
        return deposit
    if not accept_any_amount:
        _check_ordered(deposit, paid)
    return replace(deposit, payments={**deposit.payments, paid.payment_id: Payment(units)})


def _check_ordered(deposit: Deposit, paid: Paid) -> None:
    if deposit.payments:
        raise EventRejected(
            "paid-twice", f"Order {deposit.flow_id} was paid before; payment {paid.payment_id} is more."
        )
    compared = paid.delivered if paid.delivered.asset == deposit.currency else paid.charged
    if compared is None or compared.asset != deposit.currency:
        told = paid.delivered.asset if compared is None else compared.asset
        raise EventRejected("asset-mismatch", f"The order is in {deposit.currency}, the payment in {told}.")
    if compared.value != Decimal(deposit.expected):
        raise EventRejected(
            "amount-mismatch",
            f"The order is over {deposit.expected} {deposit.currency}, the payment over {compared.value:f}.",
        )


def _with_claim(deposit: Deposit, told: TakenBack) -> Deposit:
    units = _units(deposit, told.amount)
    known = deposit.claims.get(told.claim_id)
    if known is None:
        known = Claim(told.kind, units, told.payment_id)
    elif (known.kind, known.units, known.payment_id) != (told.kind, units, told.payment_id):
        raise EventRejected("contradiction", f"The {told.kind} {told.claim_id} was told otherwise before.")
    claim = replace(known, undone=known.undone or told.undone)
    return replace(deposit, claims={**deposit.claims, told.claim_id: claim})


def _units(deposit: Deposit, amount: Amount) -> int:
    if amount.asset != deposit.asset.code:
        raise EventRejected("asset-mismatch", f"The wallet holds {deposit.asset.code}, the event is in {amount.asset}.")
    try:
        return exact_units(amount.value, deposit.asset)
    except InvalidAmount as fault:
        raise EventRejected("amount-mismatch", fault.detail) from fault
