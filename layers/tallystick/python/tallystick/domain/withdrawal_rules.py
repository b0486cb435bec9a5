"""What may be withdrawn without a person's look, how much of it in a day, and what it costs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from tallystick.domain.errors import InvalidAmount
from tallystick.domain.money import Asset, format_units
from tallystick.domain.quotas import Quota
from tallystick.domain.withdrawals import RULE, Withdrawal, WithdrawalAction, WithdrawalState

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class WithdrawalRules:
    """Hold the rules of one asset, in its units.

    Up to `automatic_units` nobody looks at a withdrawal. The fee is fixed plus a share of the amount, rounded up.
    """

    asset: Asset
    automatic_units: int = 0
    min_units: int = 1
    max_units: int | None = None
    daily_units: int | None = None
    daily_count: int | None = None
    delay_ms: int = 0
    fee_units: int = 0
    fee_rate: Fraction = Fraction(0)

    def check(self, units: int) -> None:
        """See whether one withdrawal may be over so much.

        Raises:
            InvalidAmount: less than the minimum, or more than the maximum.
        """
        if units < self.min_units:
            raise InvalidAmount(f"A withdrawal is over at least {self._shown(self.min_units)}.")
        if self.max_units is not None and units > self.max_units:
            raise InvalidAmount(f"A withdrawal is over at most {self._shown(self.max_units)}.")

    def fee(self, units: int) -> int:
        """Work out the fee in units."""
        share = units * self.fee_rate
        return self.fee_units + -(-share.numerator // share.denominator)

    def quota(self, withdrawal: Withdrawal, *, back: bool = False) -> Quota | None:
        """Count a withdrawal among its owner's of its day (UTC), or give back what it took."""
        return quota_of(withdrawal, back=back, max_units=self.daily_units, max_count=self.daily_count)

    def quota_day(self, now_ms: int) -> str:
        """Name the day whose count a withdrawal takes part in; nothing when there is no limit."""
        if self.daily_units is None and self.daily_count is None:
            return ""
        return datetime.fromtimestamp(now_ms // 1000, UTC).date().isoformat()

    def decide(self, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
        """Approve a withdrawal, send it to review, or leave it while its destination is too new."""
        if withdrawal.state is not WithdrawalState.REQUESTED:
            return withdrawal
        if withdrawal.units > self.automatic_units:
            note = f"above {self._shown(self.automatic_units)}"
            return withdrawal.taken(WithdrawalAction.REVIEW, at_ms=now_ms, by=RULE, note=note)[0]
        if now_ms < withdrawal.submit_after_ms:
            return withdrawal
        return withdrawal.taken(WithdrawalAction.APPROVE, at_ms=now_ms, by=RULE)[0]

    def _shown(self, units: int) -> str:
        return f"{format_units(units, self.asset.scale)} {self.asset.code}"


def quota_of(
    withdrawal: Withdrawal, *, back: bool, max_units: int | None = None, max_count: int | None = None
) -> Quota | None:
    """Give a withdrawal's part of its day's count."""
    if not withdrawal.quota_day:
        return None
    sign = -1 if back else 1
    return Quota(
        key=quota_key(withdrawal.owner_id, withdrawal.asset, withdrawal.quota_day),
        asset=withdrawal.asset,
        units=sign * withdrawal.units,
        count=sign,
        ends_at_ms=_end_of(withdrawal.quota_day),
        max_units=max_units,
        max_count=max_count,
    )


def quota_key(owner_id: str, asset: Asset, day: str) -> str:
    """Name the count of an owner's withdrawals of a day."""
    return f"withdrawals#{owner_id}#{asset.code}#{day}"


def _end_of(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1000 + DAY_MS
