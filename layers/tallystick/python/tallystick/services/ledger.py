"""Post movements: the only code that changes a balance.

Order of answers (`docs/architecture.md`): what stands under the key ranks first, then reversal, missing account,
status, stale version (tried again), funds and quota. Before any refusal the accounts are read as they are now and the
record under the key after them, so a valid retry that comes when the money is spent is still a replay.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.domain.accounts import Account
from tallystick.domain.errors import (
    AlreadyReversed,
    IdempotencyKeyReused,
    IdempotencyKeyVoided,
    InvariantViolated,
    Refusal,
    TooMuchContention,
)
from tallystick.domain.flows import Flow
from tallystick.domain.posting import Order, plan
from tallystick.domain.transfers import Claim, Record, Tombstone, Transfer
from tallystick.services.ports.ledger import Book, CommitConflict, CommitRefused, Pause

MAX_ATTEMPTS: Final = 12
"""Tries of one movement before its caller is told to come back."""


class FlowChanged(Exception):
    """The flow is no longer what a movement was worked out from; nothing was written."""


class Memory:
    """Remember accounts as they were last seen, newest use last, so that a movement needs no read before it.

    What it says may be stale: a commit is conditional on it and a refusal is never based on it.
    """

    def __init__(self, capacity: int = 1000) -> None:
        """Bound how many accounts are remembered."""
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._capacity = capacity

    def recall(self, account_ids: Sequence[str]) -> dict[str, Account] | None:
        """Give all of these accounts, or nothing when one is not known."""
        known = {account_id: self._accounts.get(account_id) for account_id in account_ids}
        found = {account_id: account for account_id, account in known.items() if account}
        return found if len(found) == len(known) else None

    def keep(self, accounts: Iterable[Account]) -> None:
        """Remember accounts, dropping those not used for longest."""
        for account in accounts:
            self._accounts[account.account_id] = account
            self._accounts.move_to_end(account.account_id)
        while len(self._accounts) > self._capacity:
            self._accounts.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Hold what posting needs; `service_limits` are decimal strings by asset, what is not listed is not limited."""

    book: Book
    pause: Pause
    memory: Memory = field(default_factory=Memory)
    service_limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Movement:
    """Ask for a movement: whose key, which guarded accounts, and how they turn into an order (or a refusal)."""

    claim: Claim
    account_ids: tuple[str, ...]
    compose: Callable[[Mapping[str, Account]], Order]
    reverses: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Hand back the transfer that stands under the key, and whether it stood there before this call.

    `flow` is what this call wrote of the flow, if the movement was a step of one.
    """

    transfer: Transfer
    replayed: bool
    flow: Flow | None = None


def post(*, ledger: Ledger, movement: Movement, now_ms: int) -> Receipt:
    """Make a movement happen once, however often and from wherever it is asked for.

    One call to the store when the accounts are remembered rightly, two when not; more under contention only.

    Raises:
        Refusal: whatever `movement.compose` and `plan` refuse, once nothing stands under the key.
        IdempotencyKeyReused: the key was used for something else.
        IdempotencyKeyVoided: the key was voided.
        AlreadyReversed: the transfer to reverse was reversed under another key.
        TooMuchContention: every try met another movement of the same accounts.
        FlowChanged: the movement is a step of a flow, and the flow has changed.
        LimitExceeded: the movement's quota is used up.
    """
    seen = _recall(ledger, movement)
    for attempt in range(MAX_ATTEMPTS):
        seen = seen or _read(ledger, movement)
        try:
            intended = plan(movement.compose(seen.accounts), seen.accounts, now_ms)
        except Refusal as refusal:
            if seen.fresh:
                return replay_or_refuse(
                    book=ledger.book, claim=movement.claim, refusal=refusal, reverses=movement.reverses
                )
            seen = None
            continue
        try:
            ledger.book.commit(intended)
        except CommitConflict:
            ledger.pause(attempt)
        except CommitRefused as refused:
            if refused.is_final:
                return _standing(ledger.book, movement, intended.order, refused)
            seen = _look_again(ledger, seen, refused)
            ledger.pause(attempt)
        else:
            ledger.memory.keep(change.after for change in intended.changes)
            return Receipt(intended.transfer, replayed=False, flow=intended.order.flow)
    raise TooMuchContention("Other movements of the same wallet came first each time; send the same request again.")


def replay_or_refuse(*, book: Book, claim: Claim, refusal: Refusal, reverses: str | None = None) -> Receipt:
    """Answer what stands under the key; only when nothing does, refuse.

    Raises:
        Refusal: the one given, or what `post` raises for a used or voided key or a second reversal.
    """
    record = book.record(claim.key.digest)
    if record is not None:
        return Receipt(_matching(record, claim), replayed=True)
    if reverses and (reversed_by := book.reversed_by(reverses)):
        raise AlreadyReversed(reversed_by) from refusal
    raise refusal


@dataclass(frozen=True, slots=True)
class _Seen:
    """Hold the accounts of a movement; `fresh` when all were read since it was asked for."""

    accounts: dict[str, Account]
    fresh: bool


def _recall(ledger: Ledger, movement: Movement) -> _Seen | None:
    accounts = ledger.memory.recall(movement.account_ids)
    return None if accounts is None else _Seen(accounts, fresh=False)


def _read(ledger: Ledger, movement: Movement) -> _Seen:
    accounts = ledger.book.accounts(movement.account_ids)
    ledger.memory.keep(accounts.values())
    return _Seen(accounts, fresh=True)


def _look_again(ledger: Ledger, seen: _Seen, refused: CommitRefused) -> _Seen | None:
    """Take the images that came with a refusal; when there are none, the accounts have to be read."""
    ledger.memory.keep(refused.accounts.values())
    if not refused.accounts:
        return None
    return _Seen({**seen.accounts, **refused.accounts}, fresh=refused.accounts.keys() == seen.accounts.keys())


def _standing(book: Book, movement: Movement, order: Order, refused: CommitRefused) -> Receipt:
    if refused.record is not None:
        return Receipt(_matching(refused.record, movement.claim), replayed=True)
    if refused.reversed_by is not None:
        return replay_or_refuse(book=book, claim=movement.claim, refusal=AlreadyReversed(refused.reversed_by))
    if order.quota is not None and refused.used is not None:
        return replay_or_refuse(book=book, claim=movement.claim, refusal=order.quota.refusal(refused.used))
    record = book.record(movement.claim.key.digest)
    if record is None:
        raise FlowChanged
    return Receipt(_matching(record, movement.claim), replayed=True)


def _matching(record: Record, claim: Claim) -> Transfer:
    if record.claim.key != claim.key:
        raise InvariantViolated("two idempotency keys share one hash")
    if isinstance(record, Tombstone):
        raise IdempotencyKeyVoided
    if record.claim.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused
    return record
