"""What reconciliation compares: accounts as they are stored, what was checked of them before, and what is wrong."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallystick.domain.accounts import Entry
from tallystick.domain.chain import digest, entry_hash

BALANCE_MISMATCH: Final = "BALANCE_MISMATCH"

MAX_FINDINGS: Final = 20
"""Of one account that are told; who looks at them knows enough then."""

MARK_DIGITS: Final = 32
MARKS: Final = 16**MARK_DIGITS
"""Sums of marks are taken modulo this."""


class Fault(StrEnum):
    """Say what is wrong; those in `REPAIRABLE` leave the chain of entries whole."""

    UNREADABLE = "unreadable"
    BALANCE = "balance"
    HEAD = "head"
    HELD = "held"
    IDENTITY = "identity"
    SEQUENCE = "sequence"
    ENTRY = "entry"
    CHAIN = "chain"
    SUM = "running-sum"
    ORDER = "order"
    SCALE = "scale"
    TRANSFER = "transfer"
    LEG = "leg"
    ORPHAN = "orphan"
    CHECKPOINT = "checkpoint"
    ROLLED_BACK = "rolled-back"
    HOLD = "hold"
    MISSING = "missing"


REPAIRABLE: Final = frozenset({Fault.BALANCE, Fault.HEAD, Fault.HELD, Fault.HOLD})
"""Here the entries say what would be right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Name one thing that is wrong with an account, and the entry or transfer where it shows."""

    account_id: str
    fault: Fault
    detail: str
    sequence: int | None = None
    transfer_id: str | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.fault}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Head:
    """Hold a guarded account as it is stored, whatever it says; `fault` is why it cannot even be read.

    `checked` is the mark of what was checked last, and `checked_in` the run that did.
    """

    account_id: str
    owner_id: str = ""
    kind: str = ""
    asset: str = ""
    scale: int = 0
    balance: int = 0
    held: int = 0
    version: int = 0
    head_hash: str = ""
    head_time_ms: int = 0
    needs_reconciliation: bool = False
    checked: str | None = None
    checked_in: str | None = None
    fault: str | None = None

    @property
    def mark(self) -> str:
        """Hash what a check vouches for: everything but the status and what is on hold, which change by themselves."""
        return mark(self, self.version, self.balance, self.head_hash, self.head_time_ms)

    @property
    def is_unchanged(self) -> bool:
        """Tell whether it is what was checked last, as far as it says itself."""
        return self.checked == self.mark and not self.needs_reconciliation


def mark(head: Head, version: int, balance: int, head_hash: str, head_time_ms: int) -> str:
    """Hash what an account was at a version, with the members that never change."""
    members = (head.account_id, head.owner_id, head.kind, head.asset, str(head.scale))
    numbers = (str(version), str(balance), head_hash, str(head_time_ms))
    return digest("tallystick/checked/1", *members, *numbers)[:MARK_DIGITS]


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold an entry as it stands under its key; None when it cannot be read. `in_place` says that its key fits."""

    key: str
    entry: Entry | None
    in_place: bool = True


@dataclass(frozen=True, slots=True)
class Tail:
    """Say where an account's entries end: number, balance, hash and time of the last one."""

    sequence: int
    balance: int
    hash: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Remember that an account was sound up to an entry (sequence 0: that it had none); never changed once written."""

    account_id: str
    sequence: int
    hash: str
    time_ms: int
    balance: int
    mark: str
    run_id: str

    @classmethod
    def of(cls, head: Head, run_id: str) -> "Checkpoint":
        """Vouch for an account as it stands."""
        return cls(head.account_id, head.version, head.head_hash, head.head_time_ms, head.balance, head.mark, run_id)

    def is_of(self, entry: Entry) -> bool:
        """Tell whether an entry is the one that was vouched for; it is hashed again, not taken at its word."""
        stands = (entry.sequence, entry_hash(entry), entry.balance_after, entry.time_ms)
        return stands == (self.sequence, self.hash, self.balance, self.time_ms)

    def mark_as(self, head: Head) -> str:
        """Give the mark that the account had then, if what never changes is what it is now."""
        return mark(head, self.sequence, self.balance, self.hash, self.time_ms)
