"""What wallets are asked with and shown as."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.accounts import Account
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.shapes import Amount, StrictModel, Time

Text = Annotated[str, Field(min_length=1, max_length=256)]


class WalletRequest(StrictModel):
    """Open a wallet of one asset."""

    asset: Annotated[str, Field(min_length=1, max_length=16, examples=["USD"])]
    label: Annotated[str | None, Field(max_length=64)] = None


class ReasonRequest(StrictModel):
    """Say why."""

    reason: Text


class WalletView(BaseModel):
    """Show a wallet; `version` counts its entries."""

    wallet_id: str
    owner_id: str
    asset: str
    scale: int
    balance: Amount
    held: Amount
    status: str
    status_reason: str | None
    label: str | None
    version: int
    needs_reconciliation: bool
    created_at: Time

    @classmethod
    def of(cls, account: Account) -> "WalletView":
        """Show an account."""
        scale = account.asset.scale
        return cls(
            wallet_id=account.account_id,
            owner_id=account.owner_id,
            asset=account.asset.code,
            scale=scale,
            balance=format_units(account.balance, scale),
            held=format_units(account.held, scale),
            status=account.status,
            status_reason=account.status_reason,
            label=account.label,
            version=account.version,
            needs_reconciliation=account.needs_reconciliation,
            created_at=to_rfc3339(account.created_at_ms),
        )


class WalletPage(BaseModel):
    """List wallets, newest first."""

    items: list[WalletView]
    next_cursor: str | None
