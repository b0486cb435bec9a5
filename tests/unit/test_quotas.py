"""How much is left of a day, and what is said when it is not enough."""

from typing import Any

import pytest

from tallystick.domain.quotas import Quota, Used
from tests.support.scene import NOW_MS, USD

DAY_END_MS = NOW_MS + 86_400_000


def quota(units: int = 2500, count: int = 1, **limits: Any) -> Quota:  # noqa: ANN401 (any member)
    return Quota("key", USD, units, count, DAY_END_MS, **limits)


@pytest.mark.parametrize(
    ("limits", "used", "fits"),
    [
        ({}, Used(10**30, 10**6), True),
        ({"max_units": 2500}, Used(), True),
        ({"max_units": 2499}, Used(), False),
        ({"max_units": 5000}, Used(2500, 9), True),
        ({"max_units": 5000}, Used(2501, 1), False),
        ({"max_units": 0}, Used(), False),
        ({"max_count": 1}, Used(10**30, 0), True),
        ({"max_count": 1}, Used(0, 1), False),
        ({"max_count": 0}, Used(), False),
        ({"max_count": 3}, Used(0, 2), True),
        ({"max_count": 3}, Used(0, 3), False),
        ({"max_units": 5000, "max_count": 3}, Used(2500, 2), True),
        ({"max_units": 5000, "max_count": 3}, Used(2501, 2), False),
        ({"max_units": 5000, "max_count": 3}, Used(2500, 3), False),
    ],
)
def test_what_is_taken_fits_while_amount_and_count_stay_within_their_limits(
    limits: dict[str, int],
    used: Used,
    fits: bool,  # noqa: FBT001
) -> None:
    assert quota(**limits).fits(used) is fits


@pytest.mark.parametrize("used", [Used(), Used(10**30, 10**6), Used(-5, -5)])
def test_what_is_given_back_always_fits(used: Used) -> None:
    assert quota(-2500, -1, max_units=0, max_count=0).fits(used)


@pytest.mark.parametrize(
    ("limits", "used", "members", "said"),
    [
        ({"max_units": 5000}, Used(2501, 1), {"remaining": "24.99", "asset": "USD"}, "24.99 USD"),
        ({"max_units": 5000}, Used(9000, 1), {"remaining": "0.00", "asset": "USD"}, "0.00 USD"),
        ({"max_count": 3}, Used(2501, 3), {"remaining_count": 0}, "0 withdrawals"),
        ({"max_count": 3}, Used(2501, 4), {"remaining_count": 0}, "0 withdrawals"),
        (
            {"max_units": 5000, "max_count": 3},
            Used(3000, 2),
            {"remaining": "20.00", "asset": "USD", "remaining_count": 1},
            "20.00 USD and 1 withdrawals",
        ),
    ],
)
def test_a_refusal_says_how_much_is_left_and_until_when(
    limits: dict[str, int], used: Used, members: dict[str, object], said: str
) -> None:
    refusal = quota(**limits).refusal(used)
    assert refusal.code == "limit-exceeded"
    assert refusal.members == {"resets_at": "2026-01-02T00:00:00.000Z", **members}
    assert refusal.detail == f"Until 2026-01-02T00:00:00.000Z there are {said} left."


def test_nothing_is_used_up_at_first() -> None:
    assert Used() == Used(0, 0)
