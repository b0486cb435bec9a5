"""Movements of money, the keys that make each happen once, and what is kept of them."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tallystick.domain.chain import digest
from tallystick.domain.errors import IdempotencyKeyInvalid

MAX_KEY_LENGTH: Final = 255
TRANSFER_PREFIX: Final = "trf_"
TRANSFER_ID: Final = re.compile(TRANSFER_PREFIX + r"[0-9a-f]{64}")


class TransferKind(StrEnum):
    """Say why money moved."""

    CREDIT = "credit"
    DEBIT = "debit"
    TRANSFER = "transfer"
    REVERSAL = "reversal"
    DEPOSIT = "deposit"
    REFUND = "refund"
    REFUND_REVERSAL = "refund-reversal"
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSAL = "chargeback-reversal"
    WITHDRAWAL_HOLD = "withdrawal-hold"
    WITHDRAWAL = "withdrawal"
    WITHDRAWAL_RELEASE = "withdrawal-release"
    WITHDRAWAL_RETURN = "withdrawal-return"


REVERSIBLE: Final = frozenset({TransferKind.CREDIT, TransferKind.DEBIT, TransferKind.TRANSFER})
CLAIMS: Final = frozenset({TransferKind.REFUND, TransferKind.CHARGEBACK})
"""A provider took money back."""

RETURNS: Final = frozenset(
    {
        TransferKind.REVERSAL,
        TransferKind.REFUND_REVERSAL,
        TransferKind.CHARGEBACK_REVERSAL,
        TransferKind.WITHDRAWAL_RELEASE,
        TransferKind.WITHDRAWAL_RETURN,
    }
)
"""Money goes back to where it came from."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Identify one intended movement: source, scope and reference, and for a provider's money also the action.

    `("api", caller, key that was sent)`, `(provider, environment, the provider's id of the money, action)`, or for a
    flow of ours `("withdrawal", environment, its id, action)`.
    """

    source: str
    scope: str
    reference: str
    action: str | None = None

    @property
    def digest(self) -> str:
        """Hash the tuple: the key of its record, and the transfer's id after the prefix."""
        action = () if self.action is None else (self.action,)
        return digest("tallystick/key/1", self.source, self.scope, self.reference, *action)

    @property
    def transfer_id(self) -> str:
        """Name the transfer that happens under this key."""
        return TRANSFER_PREFIX + self.digest

    @property
    def wallet_id(self) -> str:
        """Name the wallet that is opened under this key."""
        return f"wal_{digest('tallystick/wallet/1', self.digest)[:32]}"


@dataclass(frozen=True, slots=True)
class Claim:
    """Bind an idempotency key to what was asked for under it."""

    key: IdempotencyKey
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Posting:
    """Change one account by signed units; `owner_id` and `balance_after` are known of guarded accounts only."""

    account_id: str
    units: int
    owner_id: str | None = None
    balance_after: int | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Keep a movement as it happened, with the key it happened under; never changed once written."""

    claim: Claim
    kind: TransferKind
    asset: str
    scale: int
    units: int
    postings: tuple[Posting, ...]
    created_at_ms: int
    reverses: str | None = None
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def transfer_id(self) -> str:
        """Name the transfer by its key."""
        return self.claim.key.transfer_id

    @property
    def label(self) -> str:
        """Show the key to people as `{source}:{reference}:{walletId}:{action}`."""
        wallet = next((posting.account_id for posting in self.postings if posting.owner_id is not None), "-")
        return f"{self.claim.key.source}:{self.claim.key.reference}:{wallet}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Mark a key that will never move money."""

    claim: Claim
    created_at_ms: int


Record = Transfer | Tombstone
"""What can stand under an idempotency key."""


def reversal_marker(transfer_id: str) -> str:
    """Derive the key under which the reversal of a transfer is found; no client key can collide with it."""
    return digest("tallystick/reversal/1", transfer_id)


def client_key(caller_id: str, header: str) -> IdempotencyKey:
    """Read an Idempotency-Key header, quoted (RFC 8941 string) or bare, in the scope of its caller.

    Raises:
        IdempotencyKeyInvalid: empty, over 255 characters, or not printable ASCII.
    """
    reference = _unquoted(header.strip())
    if not (0 < len(reference) <= MAX_KEY_LENGTH and reference.isascii() and reference.isprintable()):
        raise IdempotencyKeyInvalid
    return IdempotencyKey(source="api", scope=caller_id, reference=reference)


def _unquoted(text: str) -> str:
    if len(text) < 2 or not (text[0] == text[-1] == '"'):  # noqa: PLR2004 (two quotes)
        return text
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
