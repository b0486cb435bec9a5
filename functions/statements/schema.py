"""What statements show."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.accounts import Entry
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.services.statements import Balance
from tallystick.shapes import Amount, Time


class EntryView(BaseModel):
    """Show one change of a wallet's balance."""

    sequence: int
    transfer_id: str
    kind: str
    asset: str
    scale: int
    amount: Annotated[str, Field(examples=["-12.34"], description="Signed.")]
    balance_after: Amount
    hash: str
    previous_hash: str
    created_at: Time

    @classmethod
    def of(cls, entry: Entry) -> "EntryView":
        """Show an entry."""
        return cls(
            sequence=entry.sequence,
            transfer_id=entry.transfer_id,
            kind=entry.kind,
            asset=entry.asset,
            scale=entry.scale,
            amount=format_units(entry.units, entry.scale),
            balance_after=format_units(entry.balance_after, entry.scale),
            hash=entry.hash,
            previous_hash=entry.previous_hash,
            created_at=to_rfc3339(entry.time_ms),
        )


class EntryPage(BaseModel):
    """List entries, newest first; with `kind` a page may be short though more follow."""

    items: list[EntryView]
    next_cursor: str | None


class BalanceView(BaseModel):
    """Show a balance, now or as of a time."""

    wallet_id: str
    asset: str
    scale: int
    balance: Amount
    sequence: Annotated[int, Field(description="How many entries the balance counts.")]
    at: Annotated[Time | None, Field(description="The time that was asked for.")]

    @classmethod
    def of(cls, balance: Balance, at_ms: int | None) -> "BalanceView":
        """Show a balance."""
        return cls(
            wallet_id=balance.account.account_id,
            asset=balance.account.asset.code,
            scale=balance.account.asset.scale,
            balance=format_units(balance.units, balance.account.asset.scale),
            sequence=balance.sequence,
            at=None if at_ms is None else to_rfc3339(at_ms),
        )
