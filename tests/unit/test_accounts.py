from dataclasses import replace

import pytest

from tallystick.domain.accounts import is_tallied, tallied_account
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS
from tests.support.scene import account


@pytest.mark.parametrize("balance", [0, MAX_UNITS])
def test_an_account_holds_zero_up_to_38_digits(balance: int) -> None:
    assert replace(account(), balance=balance).balance == balance


@pytest.mark.parametrize("numbers", [{"balance": -1}, {"balance": MAX_UNITS + 1}, {"held": -1}, {"version": -1}])
def test_an_impossible_account_is_not_worked_with(numbers: dict[str, int]) -> None:
    with pytest.raises(InvariantViolated, match="wal_a"):
        replace(account(), **numbers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("stripe:pi_1", "external:stripe:USD"),
        ("stripe:pi:2", "external:stripe:USD"),
        ("pay-pal_2:x", "external:pay-pal_2:USD"),
        ("stripe:", "external:stripe:USD"),
        ("a" * 32 + ":x", "external:" + "a" * 32 + ":USD"),
        (None, "external:adjustment:USD"),
        ("", "external:adjustment:USD"),
        ("pi_1", "external:adjustment:USD"),
        (":x", "external:adjustment:USD"),
        ("Stripe:x", "external:adjustment:USD"),
        ("-stripe:x", "external:adjustment:USD"),
        ("a" * 33 + ":x", "external:adjustment:USD"),
        ("two words:x", "external:adjustment:USD"),
    ],
)
def test_the_counter_account_is_named_by_what_stands_before_the_colon(reference: str | None, name: str) -> None:
    assert tallied_account(reference, "USD") == name
    assert is_tallied(name)


def test_a_wallet_is_not_tallied() -> None:
    assert not is_tallied("wal_external:x")
