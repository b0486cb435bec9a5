"""How much may be done within a period, counted where it is done."""

from dataclasses import dataclass

from tallystick.domain.errors import LimitExceeded, Refusal
from tallystick.domain.money import Asset, format_units
from tallystick.domain.times import to_rfc3339


@dataclass(frozen=True, slots=True)
class Used:
    """Tell how much of a quota is used up."""

    units: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """Take units and a count of what may be done until `ends_at_ms`, or with negative numbers give them back.

    What has no maximum is counted all the same.
    """

    key: str
    asset: Asset
    units: int
    count: int
    ends_at_ms: int
    max_units: int | None = None
    max_count: int | None = None

    def fits(self, used: Used) -> bool:
        """Tell whether there is so much left; to give back is always allowed."""
        if self.count < 0:
            return True
        within_units = self.max_units is None or used.units + self.units <= self.max_units
        return within_units and (self.max_count is None or used.count + self.count <= self.max_count)

    def refusal(self, used: Used) -> Refusal:
        """Say how much is left."""
        ends_at = to_rfc3339(self.ends_at_ms)
        members: dict[str, object] = {"resets_at": ends_at}
        left = []
        if self.max_units is not None:
            remaining = format_units(max(0, self.max_units - used.units), self.asset.scale)
            members |= {"remaining": remaining, "asset": self.asset.code}
            left.append(f"{remaining} {self.asset.code}")
        if self.max_count is not None:
            members["remaining_count"] = max(0, self.max_count - used.count)
            left.append(f"{members['remaining_count']} withdrawals")
        return LimitExceeded(f"Until {ends_at} there are {' and '.join(left)} left.", **members)
