"""Decide how an account is put right: by what its entries and withdrawals say, or not at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.reconciliation import REPAIRABLE, Fault, Finding, Head, Tail
from tallystick.domain.transfers import TransferKind
from tallystick.domain.withdrawals import TRANSITIONS, Withdrawal, posted_by

MEMBERS: Final = ("balance", "held", "version", "head_hash", "head_time_ms")
"""Of an account that its entries and withdrawals say anew."""

_EMPTYING: Final = frozenset({TransferKind.WITHDRAWAL, TransferKind.WITHDRAWAL_RELEASE})


@dataclass(frozen=True, slots=True)
class Rederive:
    """Let an account say what its entries and its open withdrawals say."""

    before: Head
    after: Head

    @property
    def changes(self) -> Mapping[str, tuple[str, str]]:
        """Show what changes: each member before and after."""
        pairs = {name: (getattr(self.before, name), getattr(self.after, name)) for name in MEMBERS}
        return {name: (str(before), str(after)) for name, (before, after) in pairs.items() if before != after}

    @property
    def gist(self) -> tuple[object, ...]:
        """Say what it comes to, whatever else moves the account meanwhile."""
        before, after = self.before, self.after
        return "rederive", tuple(self.changes), after.balance - before.balance, after.held - before.held


@dataclass(frozen=True, slots=True)
class MakeUp:
    """Make the movement that a withdrawal took at its end and that was not made; `is_held` when its wallet shows it."""

    withdrawal: Withdrawal
    posts: TransferKind
    is_held: bool

    @property
    def changes(self) -> Mapping[str, tuple[str, str]]:
        """Show what becomes of the hold, and by which movement."""
        return {"balance": (str(self.withdrawal.total_units), "0"), "movement": ("none", self.posts)}

    @property
    def gist(self) -> tuple[object, ...]:
        """Say what it comes to."""
        return "make-up", self.withdrawal.flow_id, self.posts, self.is_held


@dataclass(frozen=True, slots=True)
class Refused:
    """Say why nothing is repaired; `instead` names an account whose repair comes first."""

    reason: str
    instead: str | None = None


Remedy = Rederive | MakeUp | Refused


def blocking(findings: Iterable[Finding], tail: Tail) -> Finding | None:
    """Find what no repair can do anything about: more is wrong than what the entries say better."""
    return next((finding for finding in findings if not _is_repairable(finding, tail)), None)


def rederive(head: Head, tail: Tail, held: int) -> Rederive | Refused:
    """Take over what the last entry and the open withdrawals say.

    An account that names a later entry, with a hash that none has, proves that entries are missing.
    """
    is_later = head.version > tail.sequence and (head.head_hash, head.head_time_ms) != (tail.hash, tail.time_ms)
    if is_later:
        return Refused(f"Entries are missing: it names entry {head.version}, and its last one is {tail.sequence}.")
    after = replace(
        head,
        balance=tail.balance,
        held=held,
        version=tail.sequence,
        head_hash=tail.hash,
        head_time_ms=tail.time_ms,
    )
    return Rederive(head, after)


def unmade(withdrawal: Withdrawal, hold_units: int) -> TransferKind | Refused:
    """Name the movement that should have emptied a withdrawal's hold, by what became of the withdrawal."""
    about = f"{withdrawal.flow_id} is {withdrawal.state}"
    if withdrawal.is_open:
        return Refused(f"{about} and its hold has other units than it asks for; nothing says which is right.")
    steps = [taken.action for taken in withdrawal.history]
    emptied = next((kind for kind in map(posted_by, steps) if kind in _EMPTYING), None)
    if emptied is None or (steps[-1], withdrawal.state) not in {(step.action, step.after) for step in TRANSITIONS}:
        return Refused(f"{about}, and its history does not say so.")
    if hold_units != withdrawal.total_units:
        return Refused(f"{about}; its hold has {hold_units} units and had {withdrawal.total_units}.")
    return emptied


def _is_repairable(finding: Finding, tail: Tail) -> bool:
    """Take an account that has lost count for repairable while all that was checked before is there."""
    if finding.fault is Fault.ROLLED_BACK:
        return finding.sequence is not None and finding.sequence <= tail.sequence
    return finding.fault in REPAIRABLE
