"""The shapes that several functions ask for and answer with."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.callers import Caller, Role
from tallystick.domain.money import format_units
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import Posting, Transfer
from tallystick.services.movements import ServiceMovement

Amount = Annotated[str, Field(examples=["12.34"], description="A decimal string in the asset's major unit.")]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC, milliseconds.")]


Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=256)]],
    Field(max_length=20, description="Up to 20 texts of your own, kept with the transfer."),
]
Reference = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        examples=["stripe:pi_123"],
        description="Your own; what stands before a colon names the counter-account (`external:stripe:USD`), "
        "else it is `adjustment`.",
    ),
]
WalletId = Annotated[str, Field(min_length=1, max_length=64, examples=["wal_5f2c"])]


class StrictModel(BaseModel, extra="forbid"):
    """Refuse members that a request does not know: a misspelt one must not be ignored."""


class MovementRequest(StrictModel):
    """Move an amount into or out of a wallet."""

    amount: Amount
    reference: Reference = None
    metadata: Metadata = Field(default_factory=dict)

    def for_wallet(self, wallet_id: str) -> ServiceMovement:
        """Say it in the ledger's words."""
        return ServiceMovement(wallet_id, self.amount, self.reference, self.metadata)


class PostingView(BaseModel):
    """Show one account's part in a transfer."""

    account: str
    amount: Annotated[str, Field(examples=["-12.34"], description="Signed.")]
    balance_after: Annotated[Amount | None, Field(description="Only for wallets that the caller may read.")] = None


class TransferView(BaseModel):
    """Show a movement of money."""

    transfer_id: str
    kind: str
    asset: str
    scale: int
    amount: Amount
    postings: list[PostingView]
    reference: str | None
    reverses: Annotated[str | None, Field(description="The transfer that this one undoes.")]
    reversed_by: Annotated[str | None, Field(description="The transfer that undid this one; told by GET only.")]
    metadata: dict[str, str]
    created_at: Time

    @classmethod
    def of(cls, transfer: Transfer, caller: Caller, reversed_by: str | None = None) -> "TransferView":
        """Show a transfer as this caller may see it."""
        return cls(
            transfer_id=transfer.transfer_id,
            kind=transfer.kind,
            asset=transfer.asset,
            scale=transfer.scale,
            amount=format_units(transfer.units, transfer.scale),
            postings=[_posting(posting, transfer.scale, caller) for posting in transfer.postings],
            reference=transfer.reference,
            reverses=transfer.reverses,
            reversed_by=reversed_by,
            metadata=transfer.metadata,
            created_at=to_rfc3339(transfer.created_at_ms),
        )


def _posting(posting: Posting, scale: int, caller: Caller) -> PostingView:
    visible = posting.balance_after is not None and caller.may_see(posting.owner_id, Role.SERVICE, Role.ADMIN)
    return PostingView(
        account=posting.account_id,
        amount=format_units(posting.units, scale),
        balance_after=format_units(posting.balance_after or 0, scale) if visible else None,
    )
