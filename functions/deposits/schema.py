"""What deposits are asked for with, and how they are shown."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.deposits import Deposit, DepositState
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.services.deposits import DepositRequest
from tallystick.shapes import Amount, StrictModel, Time, WalletId


class DepositOrder(StrictModel):
    """Order money into a wallet; where a provider sells one currency for another, `currency` may be what is paid."""

    wallet_id: WalletId
    provider: Provider
    amount: Amount
    currency: Annotated[str, Field(min_length=1, max_length=12, examples=["USD"])]

    def to_request(self) -> DepositRequest:
        """Say it in the ledger's words."""
        return DepositRequest(self.wallet_id, self.amount, self.currency)


class DepositView(BaseModel):
    """Show an order: where to pay, and what has come of it."""

    deposit_id: str
    wallet_id: str
    provider: Provider
    state: DepositState
    amount: Annotated[Amount, Field(description="What was ordered, in `currency`.")]
    currency: str
    asset: Annotated[str, Field(description="What the wallet holds.")]
    scale: int
    credited: Annotated[Amount, Field(description="What was credited, in `asset`.")]
    checkout_url: Annotated[str | None, Field(description="The provider's page to pay on.")]
    instructions: Annotated[dict[str, str], Field(description="Where to pay without a page: an address and a memo.")]
    failure: str | None
    transfers: Annotated[list[str], Field(description="The movements that were made for it.")]
    expires_at: Time
    created_at: Time

    @classmethod
    def of(cls, deposit: Deposit, now_ms: int) -> "DepositView":
        """Show an order as it stands."""
        return cls(
            deposit_id=deposit.flow_id,
            wallet_id=deposit.wallet_id,
            provider=deposit.provider,
            state=deposit.state(now_ms),
            amount=deposit.expected,
            currency=deposit.currency,
            asset=deposit.asset.code,
            scale=deposit.asset.scale,
            credited=format_units(deposit.credited_units, deposit.asset.scale),
            checkout_url=deposit.checkout_url,
            instructions=dict(deposit.instructions),
            failure=deposit.failure,
            transfers=[deposit.key(step).transfer_id for step in deposit.steps],
            expires_at=to_rfc3339(deposit.expires_at_ms),
            created_at=to_rfc3339(deposit.created_at_ms),
        )
