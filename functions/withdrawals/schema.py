"""What withdrawals are asked for with, and how they are shown."""

from typing import Annotated

from pydantic import BaseModel, Field

from functions.withdrawals.destinations import DestinationRequest, DestinationView
from tallystick.domain.callers import Caller, Role
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transitions import Actor
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Taken, Withdrawal, WithdrawalAction, WithdrawalState, actor_of
from tallystick.paging import encode_cursor
from tallystick.services.ports.paging import Page
from tallystick.services.withdrawals import Quote, WithdrawalRequest
from tallystick.shapes import Amount, StrictModel, Time, WalletId


class WithdrawalOrder(StrictModel):
    """Send an amount out of a wallet; the fee comes on top."""

    wallet_id: WalletId
    provider: Provider
    amount: Amount
    destination: DestinationRequest

    def to_request(self) -> WithdrawalRequest:
        """Say it in the ledger's words.

        Raises:
            InvalidRequest: there can be no such destination.
        """
        return WithdrawalRequest(self.wallet_id, self.amount, self.destination.to_domain())


class DecisionRequest(StrictModel):
    """Decide about a withdrawal; the notes are kept in the audit."""

    notes: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]


class StepView(BaseModel):
    """Show a step that was taken."""

    action: WithdrawalAction
    at: Time
    by: Annotated[Actor, Field(description="Who took it.")]
    note: Annotated[str | None, Field(description="Why; what an admin noted is shown to admins only.")]

    @classmethod
    def of(cls, taken: Taken, caller: Caller) -> "StepView":
        """Show a step as this caller may see it."""
        actor = actor_of(taken)
        hidden = actor is Actor.ADMIN and Role.ADMIN not in caller.roles
        return cls(action=taken.action, at=to_rfc3339(taken.at_ms), by=actor, note=None if hidden else taken.note)


class WithdrawalView(BaseModel):
    """Show a withdrawal: how much, where to, and what has come of it."""

    withdrawal_id: str
    owner_id: str
    wallet_id: str
    provider: Provider
    state: WithdrawalState
    asset: str
    scale: int
    amount: Annotated[Amount, Field(description="What the destination gets.")]
    fee: Annotated[Amount, Field(description="What is charged on top, when it is paid.")]
    total: Annotated[Amount, Field(description="What leaves the wallet: amount and fee.")]
    destination: Annotated[DestinationView | None, Field(description="Only for its owner and ADMIN.")]
    submit_after: Annotated[Time, Field(description="Nothing is sent before; later for a new destination.")]
    payout_id: Annotated[str | None, Field(description="The provider's id of the payout.")]
    failure: Annotated[str | None, Field(description="Why it failed or came back.")]
    history: list[StepView]
    transfers: Annotated[list[str], Field(description="The movements that were made for it.")]
    created_at: Time

    @classmethod
    def of(cls, withdrawal: Withdrawal, caller: Caller) -> "WithdrawalView":
        """Show a withdrawal as this caller may see it."""
        scale, is_shown = withdrawal.asset.scale, caller.may_see(withdrawal.owner_id, Role.ADMIN)
        return cls(
            withdrawal_id=withdrawal.flow_id,
            owner_id=withdrawal.owner_id,
            wallet_id=withdrawal.wallet_id,
            provider=withdrawal.provider,
            state=withdrawal.state,
            asset=withdrawal.asset.code,
            scale=scale,
            amount=format_units(withdrawal.units, scale),
            fee=format_units(withdrawal.fee_units, scale),
            total=format_units(withdrawal.total_units, scale),
            destination=DestinationView.of(withdrawal.destination) if is_shown else None,
            submit_after=to_rfc3339(withdrawal.submit_after_ms),
            payout_id=withdrawal.payout_id,
            failure=withdrawal.failure,
            history=[StepView.of(taken, caller) for taken in withdrawal.history],
            transfers=withdrawal.transfer_ids,
            created_at=to_rfc3339(withdrawal.created_at_ms),
        )


class WithdrawalPage(BaseModel):
    """Show a page of withdrawals."""

    items: list[WithdrawalView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[Withdrawal], caller: Caller) -> "WithdrawalPage":
        """Show a page."""
        items = [WithdrawalView.of(withdrawal, caller) for withdrawal in page.items]
        return cls(items=items, next_cursor=encode_cursor(page.next_key))


class QuoteView(BaseModel):
    """Show what a withdrawal would cost, what would become of it now, and what is left of the day."""

    asset: str
    scale: int
    amount: Amount
    fee: Amount
    total: Annotated[Amount, Field(description="What would leave the wallet.")]
    available: Annotated[Amount, Field(description="What the wallet has.")]
    state: Annotated[WithdrawalState, Field(description="IN_REVIEW: a person would decide. REQUESTED: it would wait.")]
    submit_after: Annotated[Time, Field(description="Nothing would be sent before.")]
    daily_amount_left: Annotated[Amount | None, Field(description="Until midnight UTC; null: not limited.")]
    daily_count_left: int | None

    @classmethod
    def of(cls, quote: Quote) -> "QuoteView":
        """Show a quote."""
        withdrawal, rules, used = quote.withdrawal, quote.rules, quote.used
        scale = withdrawal.asset.scale
        left = None if rules.daily_units is None else max(0, rules.daily_units - used.units)
        return cls(
            asset=withdrawal.asset.code,
            scale=scale,
            amount=format_units(withdrawal.units, scale),
            fee=format_units(withdrawal.fee_units, scale),
            total=format_units(withdrawal.total_units, scale),
            available=format_units(quote.available_units, scale),
            state=withdrawal.state,
            submit_after=to_rfc3339(withdrawal.submit_after_ms),
            daily_amount_left=None if left is None else format_units(left, scale),
            daily_count_left=None if rules.daily_count is None else max(0, rules.daily_count - used.count),
        )
