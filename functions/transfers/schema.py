"""What transfers and reversals are asked with, and what an idempotency key answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tallystick.domain.callers import Caller
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import IdempotencyKey, Record, Tombstone, Transfer
from tallystick.services.movements import WalletTransfer
from tallystick.shapes import Amount, Metadata, StrictModel, Time, TransferView, WalletId


class TransferRequest(StrictModel):
    """Move an amount from one wallet to another of the same asset."""

    source: WalletId
    destination: WalletId
    amount: Amount
    metadata: Metadata = Field(default_factory=dict)

    def to_transfer(self) -> WalletTransfer:
        """Say it in the ledger's words."""
        return WalletTransfer(self.source, self.destination, self.amount, self.metadata)


class ReversalRequest(StrictModel):
    """Undo a transfer whole."""

    metadata: Metadata = Field(default_factory=dict)


class IdempotencyView(BaseModel):
    """Tell what became of an idempotency key."""

    key: str
    state: Annotated[
        Literal["committed", "voided", "unknown"],
        Field(description="`unknown` is not final: a request under way may still commit; void the key to be sure."),
    ]
    label: Annotated[str | None, Field(description="{source}:{reference}:{walletId}:{action}")] = None
    transfer: TransferView | None = None
    voided_at: Time | None = None

    @classmethod
    def of(cls, key: IdempotencyKey, record: Record | None, caller: Caller) -> "IdempotencyView":
        """Show what stands under a key."""
        if isinstance(record, Transfer):
            view = TransferView.of(record, caller)
            return cls(key=key.reference, state="committed", label=record.label, transfer=view)
        if isinstance(record, Tombstone):
            return cls(key=key.reference, state="voided", voided_at=to_rfc3339(record.created_at_ms))
        return cls(key=key.reference, state="unknown")
