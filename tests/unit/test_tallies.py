from dataclasses import replace

import pytest

from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.tallies import (
    MAX_ITEMS,
    Addition,
    CutTooOld,
    Rejected,
    Tallied,
    Total,
    addition_of,
    bucket_ends_ms,
    bucket_of,
    buckets_since,
    packed,
    sheet_of,
)
from tallystick.domain.transfers import Posting
from tests.support.scene import NOW_MS
from tests.support.tallying import FEES, STRIPE, between_wallets, credit, transfer_of, wallet

USD = Total(STRIPE, "USD", 2)


def added(key: str, *accounts: str, units: int = -1, bucket: int = 0) -> Addition:
    return Addition(key, bucket, tuple(Total(name, "USD", 2, units, 1) for name in accounts))


def test_sums_are_added_and_taken_away() -> None:
    one, other = replace(USD, balance=-300, postings=2), replace(USD, balance=100, postings=1)
    assert one.plus(other) == replace(USD, balance=-200, postings=3)
    assert one.minus(other) == replace(USD, balance=-400, postings=1)


@pytest.mark.parametrize("change", [{"account_id": FEES}, {"asset": "EUR"}, {"scale": 3}])
def test_sums_of_different_things_are_not_added(change: dict[str, str]) -> None:
    with pytest.raises(InvariantViolated, match="would hold"):
        USD.plus(replace(USD, **change))  # type: ignore[arg-type]


def test_a_transfer_adds_its_tallied_postings_each_account_once() -> None:
    moved = transfer_of("w", wallet(-105, "hold:wdr_1"), Posting(STRIPE, 90), Posting(FEES, 5), Posting(STRIPE, 10))
    addition = addition_of(moved)
    assert addition.transfer_key == moved.claim.key.digest
    assert addition.bucket == NOW_MS // 10_000
    assert addition.totals == (Total(STRIPE, "USD", 2, 100, 2), Total(FEES, "USD", 2, 5, 1))


def test_a_transfer_between_wallets_adds_nothing() -> None:
    assert addition_of(between_wallets("t")).totals == ()


def test_a_transfer_that_does_not_sum_to_zero_is_refused() -> None:
    with pytest.raises(InvariantViolated, match="sum to zero"):
        addition_of(transfer_of("p", wallet(100), Posting(STRIPE, -99)))


@pytest.mark.parametrize("account", ["external:stripe:EUR", "external:stripe:XUSD", "external:USD:"])
def test_an_account_of_another_asset_is_refused(account: str) -> None:
    with pytest.raises(InvariantViolated, match="does not hold USD"):
        addition_of(transfer_of("p", wallet(100), Posting(account, -100)))


def test_a_bucket_is_ten_seconds() -> None:
    assert [bucket_of(time_ms) for time_ms in (0, 9_999, 10_000, 19_999)] == [0, 0, 1, 1]
    assert bucket_ends_ms(1) == 20_000


def test_a_cut_takes_the_buckets_from_there_to_where_a_fast_clock_may_write() -> None:
    assert buckets_since(NOW_MS, NOW_MS + 3) == range(bucket_of(NOW_MS), bucket_of(NOW_MS + 330_000) + 1)
    assert len(buckets_since(NOW_MS + 340_000, NOW_MS)) == 0


def test_a_cut_within_a_bucket_is_a_mistake() -> None:
    with pytest.raises(InvariantViolated, match="multiple of 10000"):
        buckets_since(NOW_MS + 1, NOW_MS)


def test_a_cut_that_no_transaction_reaches_is_refused() -> None:
    oldest_ms = NOW_MS - 650_000
    assert len(buckets_since(oldest_ms, NOW_MS)) == MAX_ITEMS - 1
    with pytest.raises(CutTooOld):
        buckets_since(oldest_ms - 10_000, NOW_MS)


def test_packs_hold_what_one_transaction_can_write() -> None:
    one_account = [added(f"k{number}", STRIPE) for number in range(250)]
    assert [len(pack) for pack in packed(one_account)] == [98, 98, 54]
    own_accounts = [added(f"k{number}", f"external:p{number}:USD") for number in range(100)]
    assert [len(pack) for pack in packed(own_accounts)] == [33, 33, 33, 1]
    own_buckets = [added(f"k{number}", STRIPE, bucket=number) for number in range(100)]
    assert [len(pack) for pack in packed(own_buckets)] == [49, 49, 2]


def test_packs_hold_all_in_order_and_never_more_than_a_transaction_takes() -> None:
    accounts = [f"external:p{number}:USD" for number in range(30)]
    additions = [added(f"k{number}", *accounts[: number % 30 + 1], bucket=number % 7) for number in range(200)]
    packs = list(packed(additions))
    assert [addition for pack in packs for addition in pack] == additions
    for pack in packs:
        sheet = sheet_of(pack)
        written = len(sheet.transfer_keys) + len(sheet.totals) + len(sheet.buckets) + len(sheet.credits)
        assert written == len(frozenset().union(*(addition.items for addition in pack))) <= MAX_ITEMS


def test_what_alone_is_too_much_stands_alone() -> None:
    large = added("large", *(f"external:p{number}:USD" for number in range(60)))
    assert list(packed([added("a", STRIPE), large, added("b", STRIPE)])) == [
        [added("a", STRIPE)],
        [large],
        [added("b", STRIPE)],
    ]
    assert list(packed([])) == []


def test_a_sheet_sums_up() -> None:
    sheet = sheet_of([addition_of(credit("a", 100)), addition_of(credit("b", 50, FEES, at_ms=NOW_MS + 10_000))])
    bucket = bucket_of(NOW_MS)
    assert sheet.totals == {STRIPE: Total(STRIPE, "USD", 2, -100, 1), FEES: Total(FEES, "USD", 2, -50, 1)}
    assert sheet.buckets == {(STRIPE, bucket): sheet.totals[STRIPE], (FEES, bucket + 1): sheet.totals[FEES]}


def test_a_sheet_adds_to_one_total_and_to_the_bucket_of_each_time() -> None:
    additions = [addition_of(credit(f"k{number}", 100, at_ms=NOW_MS + 5_000 * number)) for number in range(3)]
    sheet, bucket = sheet_of(additions), bucket_of(NOW_MS)
    assert sheet.transfer_keys == tuple(addition.transfer_key for addition in additions)
    assert sheet.totals == {STRIPE: Total(STRIPE, "USD", 2, -300, 3)}
    assert sheet.credits == {}
    assert sheet.buckets == {
        (STRIPE, bucket): Total(STRIPE, "USD", 2, -200, 2),
        (STRIPE, bucket + 1): Total(STRIPE, "USD", 2, -100, 1),
    }


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sheet_holds_38_digits_and_no_more(sign: int) -> None:
    most = added("a", STRIPE, units=sign * (MAX_UNITS - 1))
    assert sheet_of([most, added("b", STRIPE, units=sign)]).totals[STRIPE].balance == sign * MAX_UNITS
    with pytest.raises(InvariantViolated, match="38 digits"):
        sheet_of([most, added("b", STRIPE, units=2 * sign)])


def test_reports_are_put_together() -> None:
    one = Tallied(frozenset("a"), frozenset("b"), (Rejected("c", "why"),))
    other = Tallied(frozenset("d"), frozenset(), (Rejected("e", "why"),))
    assert one.plus(other) == Tallied(frozenset("ad"), frozenset("b"), (Rejected("c", "why"), Rejected("e", "why")))
