"""Accounts that hold money, and the entries that say how it came and went."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS, Asset

TALLIED_PREFIX: Final = "external:"
"""Tallied accounts (a provider's side, fees, adjustments) never refuse; they have no item, only postings."""

_REFERENCE_KIND: Final = re.compile(r"(?P<kind>[a-z0-9][a-z0-9_-]{0,31}):")


class AccountKind(StrEnum):
    """Say whose money an account holds."""

    USER = "user"
    SYSTEM = "system"
    HOLD = "hold"


class Status(StrEnum):
    """Say what may happen to an account."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class Account:
    """Describe a guarded account as it was read; amounts are units of its asset.

    `version` counts entries; `head_hash` and `head_time_ms` are those of the newest one.
    """

    account_id: str
    owner_id: str
    asset: Asset
    created_at_ms: int
    head_hash: str
    head_time_ms: int = 0
    version: int = 0
    balance: int = 0
    held: int = 0
    kind: AccountKind = AccountKind.USER
    status: Status = Status.ACTIVE
    status_reason: str | None = None
    label: str | None = None
    needs_reconciliation: bool = False

    def __post_init__(self) -> None:
        """Refuse to work with an account that can only be the work of a bug or of tampering."""
        if not (0 <= self.balance <= MAX_UNITS and self.held >= 0 and self.version >= 0):
            raise InvariantViolated(f"{self.account_id} has a balance, hold or version out of bounds")


@dataclass(frozen=True, slots=True)
class Entry:
    """Record one change of one account's balance, in signed units; never changed once written."""

    account_id: str
    sequence: int
    time_ms: int
    kind: str
    asset: str
    scale: int
    units: int
    balance_after: int
    transfer_id: str
    previous_hash: str
    hash: str = ""


def tallied_account(reference: str | None, asset: str) -> str:
    """Name the counter-account of a credit or debit by the kind in its reference ("stripe:pi_1" → stripe)."""
    match = _REFERENCE_KIND.match(reference or "")
    return f"{TALLIED_PREFIX}{match['kind'] if match else 'adjustment'}:{asset}"


def is_tallied(account_id: str) -> bool:
    """Tell tallied accounts from guarded ones by their name."""
    return account_id.startswith(TALLIED_PREFIX)
