"""What may be withdrawn without a person's look, what it costs, and which day's count it takes part in."""

import time
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import InvalidAmount
from tallystick.domain.money import DEFAULT_ASSETS, MAX_UNITS
from tallystick.domain.quotas import Quota
from tallystick.domain.withdrawal_rules import DAY_MS, WithdrawalRules, quota_key, quota_of
from tallystick.domain.withdrawals import RULE, Taken, WithdrawalAction, WithdrawalState
from tests.support.scene import NOW_MS, USD
from tests.support.withdrawals import STRIPE_BANK, withdrawal

RULES: Final = WithdrawalRules(USD, automatic_units=5000, min_units=100, max_units=10_000, delay_ms=1000)


def rules(**changes: Any) -> WithdrawalRules:  # noqa: ANN401 (any member)
    return replace(RULES, **changes)


# How much


@pytest.mark.parametrize("units", [100, 101, 9999, 10_000])
def test_the_least_and_the_most_may_be_withdrawn(units: int) -> None:
    RULES.check(units)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (99, "A withdrawal is over at least 1.00 USD."),
        (1, "A withdrawal is over at least 1.00 USD."),
        (10_001, "A withdrawal is over at most 100.00 USD."),
    ],
)
def test_less_than_the_least_and_more_than_the_most_is_refused(units: int, said: str) -> None:
    with pytest.raises(InvalidAmount) as refused:
        RULES.check(units)
    assert refused.value.members["errors"] == [{"detail": said, "pointer": "/amount"}]


def test_without_rules_of_its_own_an_asset_may_be_withdrawn_in_any_amount_after_a_review() -> None:
    plain = WithdrawalRules(USD)
    for units in (1, MAX_UNITS):
        plain.check(units)
        assert plain.decide(withdrawal(units=units), NOW_MS).state is WithdrawalState.IN_REVIEW
        assert plain.fee(units) == 0


# What it costs


@pytest.mark.parametrize(
    ("fixed", "rate", "units", "fee"),
    [
        (0, "0", 12_345, 0),
        (25, "0", 1, 25),
        (0, "1/100", 100, 1),
        (0, "1/100", 101, 2),
        (0, "1/100", 199, 2),
        (0, "1/100", 200, 2),
        (25, "1/100", 2500, 50),
        (25, "1/100", 2501, 51),
        (0, "29/1000", 1, 1),
        (7, "1/3", 3, 8),
        (0, "1", 5, 5),
    ],
)
def test_the_fee_is_fixed_plus_a_share_that_is_rounded_up(fixed: int, rate: str, units: int, fee: int) -> None:
    assert rules(fee_units=fixed, fee_rate=Fraction(rate)).fee(units) == fee


@given(st.integers(1, MAX_UNITS), st.integers(0, 1000), st.fractions(0, 1))
def test_the_fee_is_exact_for_any_amount(units: int, fixed: int, rate: Fraction) -> None:
    share = rules(fee_units=fixed, fee_rate=rate).fee(units) - fixed
    assert 0 <= share - units * rate < 1


# Who decides


@pytest.mark.parametrize("units", [100, 5000])
def test_up_to_a_limit_it_is_approved_by_rule(units: int) -> None:
    decided = RULES.decide(withdrawal(units=units), NOW_MS)
    assert decided.state is WithdrawalState.APPROVED
    assert decided.history[-1] == Taken(WithdrawalAction.APPROVE, NOW_MS, RULE)


def test_above_it_a_person_decides_and_is_told_why() -> None:
    decided = RULES.decide(withdrawal(units=5001), NOW_MS)
    assert decided.state is WithdrawalState.IN_REVIEW
    assert decided.history[-1] == Taken(WithdrawalAction.REVIEW, NOW_MS, RULE, "above 50.00 USD")


@pytest.mark.parametrize(("now_ms", "approved"), [(NOW_MS + 999, False), (NOW_MS + 1000, True)])
def test_while_its_destination_is_too_new_it_waits(now_ms: int, approved: bool) -> None:  # noqa: FBT001
    asked = withdrawal(submit_after_ms=NOW_MS + 1000)
    decided = RULES.decide(asked, now_ms)
    assert decided.state is (WithdrawalState.APPROVED if approved else WithdrawalState.REQUESTED)
    assert approved or decided is asked


def test_what_a_person_has_to_look_at_need_not_wait_for_that() -> None:
    asked = withdrawal(units=5001, submit_after_ms=NOW_MS + 1000)
    assert RULES.decide(asked, NOW_MS).state is WithdrawalState.IN_REVIEW


@pytest.mark.parametrize("state", list(WithdrawalState)[1:])
@pytest.mark.parametrize("units", [100, 9000])
def test_what_was_decided_is_not_decided_again(state: WithdrawalState, units: int) -> None:
    known = replace(withdrawal(units=units), state=state)
    assert RULES.decide(known, NOW_MS) is known


# The count of a day


@pytest.mark.parametrize(
    ("limits", "day"),
    [
        ({}, ""),
        ({"daily_units": 1}, "2026-01-01"),
        ({"daily_count": 1}, "2026-01-01"),
        ({"daily_units": 0}, "2026-01-01"),
        ({"daily_count": 0}, "2026-01-01"),
        ({"daily_units": 1, "daily_count": 1}, "2026-01-01"),
    ],
)
def test_what_is_not_limited_is_not_counted(limits: dict[str, int], day: str) -> None:
    assert rules(**limits).quota_day(NOW_MS) == day


@pytest.mark.parametrize(
    ("now_ms", "day"),
    [
        (NOW_MS - 1, "2025-12-31"),
        (NOW_MS, "2026-01-01"),
        (NOW_MS + DAY_MS - 1, "2026-01-01"),
        (NOW_MS + DAY_MS, "2026-01-02"),
        (NOW_MS + 58 * DAY_MS + 1, "2026-02-28"),
    ],
)
def test_a_day_begins_at_midnight_utc(now_ms: int, day: str) -> None:
    assert rules(daily_count=1).quota_day(now_ms) == day


def test_the_amount_counts_towards_the_day_and_not_the_fee() -> None:
    limited = rules(daily_units=7000, daily_count=3)
    counted = limited.quota(withdrawal(quota_day="2026-01-01", units=2500, fee_units=50))
    assert counted == Quota(
        key="withdrawals#ada#USD#2026-01-01",
        asset=USD,
        units=2500,
        count=1,
        ends_at_ms=NOW_MS + DAY_MS,
        max_units=7000,
        max_count=3,
    )


def test_what_is_given_back_is_what_was_taken() -> None:
    known = withdrawal(quota_day="2026-01-01", units=2500)
    back = rules(daily_units=7000, daily_count=3).quota(known, back=True)
    assert back is not None
    assert (back.units, back.count, back.max_units, back.max_count) == (-2500, -1, 7000, 3)
    assert quota_of(known, back=True) == replace(back, max_units=None, max_count=None)


def test_what_was_not_counted_takes_no_part() -> None:
    assert rules(daily_count=1).quota(withdrawal(quota_day="")) is None
    assert quota_of(withdrawal(quota_day=""), back=True) is None


def test_the_count_is_of_the_day_of_the_request_whatever_day_it_is() -> None:
    counted = quota_of(withdrawal(quota_day="2024-02-29"), back=True)
    assert counted is not None
    assert counted.key == "withdrawals#ada#USD#2024-02-29"
    assert counted.ends_at_ms == NOW_MS - 672 * DAY_MS + DAY_MS


def test_the_day_is_the_same_wherever_the_clock_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert rules(daily_count=1).quota_day(NOW_MS) == "2026-01-01"
        counted = quota_of(withdrawal(quota_day="2026-01-01"), back=False)
        assert counted is not None
        assert counted.ends_at_ms == NOW_MS + DAY_MS
    finally:
        monkeypatch.undo()
        time.tzset()


def test_each_owner_asset_and_day_has_a_count_of_its_own() -> None:
    eur = DEFAULT_ASSETS["EUR"]
    names = {quota_key("ada", USD, "1"), quota_key("bob", USD, "1"), quota_key("ada", eur, "1")}
    assert len(names | {quota_key("ada", USD, "2")}) == 4


# Where it goes

OTHERS: Final = (
    replace(STRIPE_BANK, account="ba_2"),
    replace(STRIPE_BANK, type=DestinationType.IBAN),
    replace(STRIPE_BANK, bank_code="011"),
    replace(STRIPE_BANK, memo="1"),
    replace(STRIPE_BANK, memo="1", memo_type="id"),
    replace(STRIPE_BANK, memo="1", memo_type="text"),
)


def test_a_destination_is_known_by_where_it_leads_for_whom() -> None:
    digests = {one.digest_for(owner) for one in (STRIPE_BANK, *OTHERS) for owner in ("ada", "bob")}
    assert len(digests) == 14


def test_the_name_of_its_holder_makes_no_other_destination() -> None:
    named = Destination(DestinationType.STRIPE, "ba_1", name="Ada")
    assert named.digest_for("ada") == STRIPE_BANK.digest_for("ada")
