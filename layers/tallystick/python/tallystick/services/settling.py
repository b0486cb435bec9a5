"""Bring what the ledger says of a deposit in line with what its provider says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.accounts import Account, AccountKind, Status, tallied_account
from tallystick.domain.deposits import PREFIX, Deposit, Step, covered, credited, due, given_back, with_facts
from tallystick.domain.errors import AccountNotActive, IdempotencyKeyReused, TooMuchContention
from tallystick.domain.house import receivable_account, suspense_account
from tallystick.domain.money import format_units
from tallystick.domain.posting import Leg, Order
from tallystick.domain.transfers import CLAIMS, Claim, Transfer, TransferKind
from tallystick.domain.webhooks import EventRejected, Fact, Notice, Paid, TakenBack
from tallystick.services.deposits import find_deposit
from tallystick.services.ledger import FlowChanged, Ledger, Movement, Receipt, post
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.flows import Flows

RECEIVABLE: Final = "RECEIVABLE"
MONEY_IN_SUSPENSE: Final = "MONEY_IN_SUSPENSE"

MAX_STEPS: Final = 120
"""Movements of one order that one event can bring about, tries that met another event of the order included."""


@dataclass(frozen=True, slots=True)
class Books:
    """Hold what settling needs; `open_account` answers the account that stands under the id, new or not."""

    ledger: Ledger
    flows: Flows
    open_account: Callable[[Account], Account]


@dataclass(frozen=True, slots=True)
class Settled:
    """Hand back the deposit as it stands, the facts that were joined to it, and the movements that were made now."""

    deposit: Deposit
    facts: tuple[Fact, ...]
    transfers: tuple[Transfer, ...]

    @property
    def transfer_ids(self) -> list[str]:
        """Name the movements that stand for these facts, made now or before."""
        told = {*self._payments, *self._claims}
        return [self.deposit.key(step).transfer_id for step in self.deposit.steps if step.money_id in told]

    @property
    def concerns(self) -> Iterator[Alert]:
        """Find what people have to know: told again when such an event is processed again."""
        deposit = self.deposit
        about = {"deposit_id": deposit.flow_id, "wallet_id": deposit.wallet_id, "asset": deposit.asset.code}
        if self._aside:
            yield Alert(MONEY_IN_SUSPENSE, "high", {"account_id": self._aside, **about}, self._subject)
        if (self._payments or self._claims) and deposit.owed_units:
            owed = format_units(deposit.owed_units, deposit.asset.scale)
            yield Alert(RECEIVABLE, "high", {"owed": owed, **about}, self._subject)

    @property
    def _subject(self) -> str:
        """Name the order and the money that these facts are about: other money of the same order is told anew."""
        return ":".join((self.deposit.flow_id, *self._payments, *self._claims))

    @property
    def _aside(self) -> str | None:
        """Name the account that holds money of these facts because the wallet could not take it."""
        accounts = {self.deposit.payments[payment_id].account_id for payment_id in self._payments}
        accounts |= {self.deposit.claims[claim_id].given_back_to for claim_id in self._claims}
        return next(iter(accounts - {None, self.deposit.wallet_id}), None)

    @property
    def _payments(self) -> list[str]:
        return [fact.payment_id for fact in self.facts if isinstance(fact, Paid)]

    @property
    def _claims(self) -> list[str]:
        return [fact.claim_id for fact in self.facts if isinstance(fact, TakenBack)]


def settle(*, books: Books, deposit: Deposit, notice: Notice, accept_any_amount: bool, now_ms: int) -> Settled:
    """Join an event's facts to a deposit and post what is due, step after step; done again it changes nothing.

    Raises:
        EventRejected: see `with_facts`.
        AccountNotActive: the wallet is frozen, and money has arrived for it.
        TooMuchContention: other events of the same order came first each time.
        Refusal: what `ledger.post` refuses.
    """
    transfers: list[Transfer] = []
    for _ in range(MAX_STEPS):
        known = with_facts(deposit, notice.facts, accept_any_amount=accept_any_amount)
        names = [name for name in notice.references if not name.startswith(PREFIX) and name not in deposit.references]
        step = due(known)
        if names:
            written = _learn(books.flows, known, names)
        elif step is not None:
            written = _take(books, known, step, now_ms, transfers)
        elif known != deposit:
            written = _save(books.flows, known)
        else:
            return Settled(deposit, notice.facts, tuple(transfers))
        deposit = written or find_deposit(books.flows, deposit.flow_id) or deposit
    raise TooMuchContention("Other events of the same order came first each time.")


def _learn(flows: Flows, known: Deposit, names: Sequence[str]) -> Deposit | None:
    """Keep the names by which later events may mean this order."""
    written = _save(flows, replace(known, references=(*known.references, *names)), names)
    if written is None and any(flows.find(name) not in {None, known.flow_id} for name in names):
        raise EventRejected("contradiction", f"Another order is known by one of {', '.join(names)}.")
    return written


def _save(flows: Flows, known: Deposit, names: Sequence[str] = ()) -> Deposit | None:
    following = replace(known, version=known.version + 1)
    return following if flows.save(following, names) else None


def _take(books: Books, known: Deposit, step: Step, now_ms: int, transfers: list[Transfer]) -> Deposit | None:
    """Post a step and note its transfer; nothing when another event of the order came first."""
    try:
        receipt = _post(books, known, step, now_ms)
    except FlowChanged:
        return None
    except IdempotencyKeyReused as reused:
        detail = f"The provider's id {step.money_id} was posted for another order or amount."
        raise EventRejected("contradiction", detail) from reused
    if not receipt.replayed:
        transfers.append(receipt.transfer)
    return receipt.flow if isinstance(receipt.flow, Deposit) else None


def _post(books: Books, known: Deposit, step: Step, now_ms: int) -> Receipt:
    try:
        return post(ledger=books.ledger, movement=_movement(known, step, known.account_of(step)), now_ms=now_ms)
    except AccountNotActive as refusal:
        if refusal.members["account_status"] != Status.CLOSED:
            raise
        suspense = books.open_account(suspense_account(known.asset, now_ms))
        return post(ledger=books.ledger, movement=_movement(known, step, suspense.account_id), now_ms=now_ms)


def _movement(known: Deposit, step: Step, account_id: str) -> Movement:
    claim = Claim(known.key(step), known.step_fingerprint(step))

    def compose(accounts: Mapping[str, Account]) -> Order:
        account = accounts[account_id]
        order = Order(
            claim=claim,
            kind=step.kind,
            asset=known.asset,
            legs=(),
            reference=f"{known.provider}:{step.money_id}",
            metadata={"deposit_id": known.flow_id},
        )
        if step.kind is TransferKind.DEPOSIT:
            return replace(order, legs=_legs(known, step.units, 0, account_id), flow=credited(known, step, account_id))
        if step.kind in CLAIMS:
            return _claim(order, known, step, account)
        return _give_back(order, known, step, account_id)

    return Movement(claim, (account_id,), compose)


def _claim(order: Order, known: Deposit, step: Step, account: Account) -> Order:
    """Take what is there; what is missing is owed, and then the wallet is frozen."""
    taken = min(account.balance, step.units)
    owed = step.units - taken
    shortfall = f"{format_units(owed, order.asset.scale)} {order.asset.code}"
    return replace(
        order,
        legs=_legs(known, -taken, -owed, account.account_id),
        flow=covered(known, step, taken),
        freeze=f"{step.kind} {step.money_id} exceeded the balance by {shortfall}"
        if owed and account.kind is AccountKind.USER
        else None,
    )


def _give_back(order: Order, known: Deposit, step: Step, account_id: str) -> Order:
    """Give back what a claim that was undone had taken: what is owed is settled first, whichever claim it is of.

    Otherwise the order in which two claims came would decide who owes whom.
    """
    settled = min(known.owed_units, step.units)
    legs = _legs(known, step.units - settled, settled, account_id)
    return replace(order, legs=legs, flow=given_back(known, step, account_id, settled))


def _legs(known: Deposit, units: int, owed: int, account_id: str) -> tuple[Leg, ...]:
    """Move units between the account, the receivable and the provider's side."""
    asset = known.asset.code
    receivable = (Leg(receivable_account(asset), owed),) if owed else ()
    provider = Leg(tallied_account(f"{known.provider}:", asset), -units - owed)
    return (Leg(account_id, units), *receivable, provider)
