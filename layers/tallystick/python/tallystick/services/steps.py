"""Take a step of a withdrawal: its next version and the movement that belongs to it are written together."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tallystick.domain.accounts import Account, Status, tallied_account
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import AccountNotActive, StoreUnavailable
from tallystick.domain.house import suspense_account
from tallystick.domain.posting import Leg, Order
from tallystick.domain.quotas import Quota
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawal_rules import quota_of
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services.ledger import FlowChanged, Movement, Receipt, post
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.flows import Flows
from tallystick.services.settling import Books


@dataclass(frozen=True, slots=True)
class Step:
    """Say what a withdrawal becomes, the movement that this takes, names that lead to it, and who decided it.

    Its wallet shows the money as on hold until then, unless that was put right before (`services/repairing.py`).
    """

    following: Withdrawal
    posts: TransferKind | None = None
    references: Sequence[str] = ()
    audit: AuditRecord | None = None
    is_held: bool = True


@dataclass(frozen=True, slots=True)
class Stepped:
    """Hand back a withdrawal as it was written, and the movement that was made."""

    withdrawal: Withdrawal
    transfers: tuple[Transfer, ...] = field(default=())


def find_withdrawal(flows: Flows, flow_id: str) -> Withdrawal | None:
    """Read a withdrawal; another flow is none."""
    found = flows.get(flow_id)
    return found if isinstance(found, Withdrawal) else None


def announce(queue: Queue, withdrawal: Withdrawal) -> None:
    """Let the payout begin, if it was approved; a message that cannot be sent now is sent by a sweep."""
    if withdrawal.state is WithdrawalState.APPROVED:
        with contextlib.suppress(StoreUnavailable):
            queue.send([withdrawal.flow_id])


def take(*, books: Books, step: Step, now_ms: int) -> Stepped | None:
    """Write a step, or nothing when another one came first.

    Raises:
        Refusal: what `ledger.post` refuses.
    """
    if step.posts is None:
        saved = books.flows.save(step.following, step.references, step.audit)
        return Stepped(step.following) if saved else None
    try:
        receipt = _post(books, step, step.posts, now_ms)
    except FlowChanged:
        return None
    return None if receipt.replayed else Stepped(step.following, (receipt.transfer,))


def _post(books: Books, step: Step, kind: TransferKind, now_ms: int) -> Receipt:
    wallet_id = step.following.wallet_id
    try:
        return post(ledger=books.ledger, movement=_movement(step, kind, wallet_id), now_ms=now_ms)
    except AccountNotActive as refusal:
        # While money is held its wallet cannot be closed; what comes back later may find it so.
        if refusal.members["account_status"] != Status.CLOSED:
            raise
        suspense = books.open_account(suspense_account(step.following.asset, now_ms))
        return post(ledger=books.ledger, movement=_movement(step, kind, suspense.account_id), now_ms=now_ms)


def _movement(step: Step, kind: TransferKind, account_id: str) -> Movement:
    withdrawal = step.following
    claim = withdrawal.claim(kind)
    shows_it = step.is_held and kind is not TransferKind.WITHDRAWAL_RETURN
    order = Order(
        claim=claim,
        kind=kind,
        asset=withdrawal.asset,
        legs=_legs(withdrawal, kind, account_id),
        reference=_reference(withdrawal),
        metadata={"withdrawal_id": withdrawal.flow_id},
        flow=withdrawal,
        references=tuple(step.references),
        held={withdrawal.wallet_id: -withdrawal.total_units} if shows_it else {},
        quota=_given_back(withdrawal, kind),
        audit=step.audit,
    )
    guarded = {
        TransferKind.WITHDRAWAL: (withdrawal.hold_id,),
        TransferKind.WITHDRAWAL_RELEASE: (withdrawal.hold_id, account_id),
        TransferKind.WITHDRAWAL_RETURN: (account_id,),
    }[kind]

    def compose(_accounts: Mapping[str, Account]) -> Order:
        return order

    return Movement(claim, guarded, compose)


def _legs(withdrawal: Withdrawal, kind: TransferKind, account_id: str) -> tuple[Leg, ...]:
    """Pay out what is on hold, give it back, or take back what was paid."""
    if kind is TransferKind.WITHDRAWAL_RELEASE:
        return Leg(withdrawal.hold_id, -withdrawal.total_units), Leg(account_id, withdrawal.total_units)
    sign, guarded = (1, withdrawal.hold_id) if kind is TransferKind.WITHDRAWAL else (-1, account_id)
    asset = withdrawal.asset.code
    provider = Leg(tallied_account(f"{withdrawal.provider}:", asset), sign * withdrawal.units)
    fee = Leg(tallied_account("fees:", asset), sign * withdrawal.fee_units)
    return Leg(guarded, -sign * withdrawal.total_units), provider, *((fee,) if fee.units else ())


def _given_back(withdrawal: Withdrawal, kind: TransferKind) -> Quota | None:
    """Count no more what was not paid; what was paid and came back stays counted."""
    return quota_of(withdrawal, back=True) if kind is TransferKind.WITHDRAWAL_RELEASE else None


def _reference(withdrawal: Withdrawal) -> str | None:
    return f"{withdrawal.provider}:{withdrawal.payout_id}" if withdrawal.payout_id else None
