"""What providers say of payouts."""

from dataclasses import dataclass
from enum import StrEnum

from tallystick.domain.money import Amount


class Outcome(StrEnum):
    """Say how a payout stands with its provider.

    PENDING: it is there and under way. PAID: it was paid, though a bank may still send it back. FAILED: it will never
    be paid, or was sent back. ABSENT: it is proved that the provider has none and will make none of what was sent so
    far. UNCLEAR: there is none to be seen, which proves nothing.
    """

    PENDING = "PENDING"
    PAID = "PAID"
    FAILED = "FAILED"
    ABSENT = "ABSENT"
    UNCLEAR = "UNCLEAR"


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what a provider says: the id that it has for the payout, how much it is over, and why it failed."""

    outcome: Outcome
    payout_id: str | None = None
    amount: Amount | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold a payout that was signed before it is sent: a Stellar transaction as XDR, and its hash.

    After `expires_at_ms` the network takes it no more.
    """

    payload: str
    payout_id: str
    expires_at_ms: int
