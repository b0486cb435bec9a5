"""How the checks of the ledger, and what the house holds, are shown."""

from typing import Annotated, Final

from pydantic import BaseModel, Field, StrictBool

from tallystick.domain.money import format_units
from tallystick.domain.runs import Mode, Run
from tallystick.domain.times import to_rfc3339
from tallystick.services.integrity import Check, House, Standing
from tallystick.shapes import StrictModel, Time

_WORSE: Final = (Standing.OK, Standing.UNKNOWN, Standing.LATE, Standing.FAILING)

SignedAmount = Annotated[str, Field(examples=["-12.34"], description="A decimal string in the asset's major unit.")]


class RunRequest(StrictModel):
    """Begin a run of reconciliation."""

    full: Annotated[
        StrictBool, Field(description="Read every entry from the first one on, and every transfer; else what changed.")
    ] = False


class RunView(BaseModel):
    """Show a run that has begun; GET /v1/integrity shows what it came to."""

    run_id: str
    mode: Mode
    reason: str
    started_at: Time
    cut: Annotated[Time, Field(description="Sums are taken over everything before this time.")]

    @classmethod
    def of(cls, run: Run) -> "RunView":
        """Show a run."""
        return cls(
            run_id=run.run_id,
            mode=run.mode,
            reason=run.reason,
            started_at=to_rfc3339(run.started_at_ms),
            cut=to_rfc3339(run.cut_ms),
        )


class CheckView(BaseModel):
    """Show one check: how it stands, when it ended last, and counts or differences in units from then."""

    name: str
    status: Standing
    ended_at: Time | None
    age_s: int | None
    cut: Time | None
    facts: dict[str, str | int]

    @classmethod
    def of(cls, check: Check, now_ms: int) -> "CheckView":
        """Show a check."""
        return cls(
            name=check.name,
            status=check.standing,
            ended_at=None if check.ended_at_ms is None else to_rfc3339(check.ended_at_ms),
            age_s=None if check.ended_at_ms is None else max(0, now_ms - check.ended_at_ms) // 1000,
            cut=None if check.cut_ms is None else to_rfc3339(check.cut_ms),
            facts=dict(check.facts),
        )


class IntegrityView(BaseModel):
    """Show all checks; the status is that of the worst."""

    status: Standing
    checks: list[CheckView]

    @classmethod
    def of(cls, checks: list[Check], now_ms: int) -> "IntegrityView":
        """Show the checks."""
        worst = max((check.standing for check in checks), key=_WORSE.index)
        return cls(status=worst, checks=[CheckView.of(check, now_ms) for check in checks])


class HouseAccountView(BaseModel):
    """Show an account of the house's as it is now."""

    account: str
    balance: SignedAmount


class HouseAssetView(BaseModel):
    """Show what the house holds of an asset: negative, as far as it owes it to customers."""

    asset: str
    scale: int
    total: SignedAmount
    accounts: list[HouseAccountView]
    difference: Annotated[
        SignedAmount | None, Field(description="The sum of all accounts, customers' too, at the cut; null: not known.")
    ]
    cut: Time | None

    @classmethod
    def of(cls, house: House) -> "HouseAssetView":
        """Show an asset."""
        scale = house.asset.scale
        return cls(
            asset=house.asset.code,
            scale=scale,
            total=format_units(house.units, scale),
            accounts=[
                HouseAccountView(account=name, balance=format_units(units, scale))
                for name, units in sorted(house.accounts.items())
            ],
            difference=None if house.difference is None else format_units(house.difference, scale),
            cut=None if house.cut_ms is None else to_rfc3339(house.cut_ms),
        )


class HouseView(BaseModel):
    """Show what the house holds; it is balanced when all accounts of every asset sum to zero."""

    balanced: Annotated[bool | None, Field(description="null: not known of every asset.")]
    assets: list[HouseAssetView]

    @classmethod
    def of(cls, houses: list[House]) -> "HouseView":
        """Show all assets."""
        differences = [house.difference for house in houses]
        balanced = False if any(differences) else None if None in differences or not differences else True
        return cls(balanced=balanced, assets=[HouseAssetView.of(house) for house in houses])
