from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.house import HOUSE
from tallystick.domain.spikes import (
    HISTORY,
    Credit,
    Spike,
    SpikeRule,
    asset_of,
    baseline,
    credits_of,
    is_over,
    is_spike,
)
from tallystick.domain.tallies import addition_of, sheet_of
from tallystick.domain.transfers import Posting, TransferKind
from tests.support.scene import NOW_MS
from tests.support.tallying import STRIPE, between_wallets, credit, transfer_of, wallet

RULE: Final = SpikeRule(floor_units=1000, owner_floor_units=500, factor=Fraction(5))
RULES: Final[Mapping[str, SpikeRule]] = {"USD": RULE}
WINDOW: Final = NOW_MS
WINDOW_MS: Final = 300_000
IDLE: Final = (0,) * HISTORY


def test_a_credit_is_counted_for_its_asset_and_its_owner() -> None:
    assert credits_of(credit("a", 70), RULES) == (Credit("USD", WINDOW, 70), Credit("USD:ada", WINDOW, 70))


def test_a_window_is_known_by_its_beginning() -> None:
    assert [RULE.window_at(NOW_MS + ms) for ms in (0, WINDOW_MS - 1, WINDOW_MS)] == [NOW_MS, NOW_MS, NOW_MS + WINDOW_MS]
    assert replace(RULE, window_ms=60_000).window_at(NOW_MS + 299_999) == NOW_MS + 240_000
    assert RULE.before(NOW_MS) == [NOW_MS - WINDOW_MS * number for number in range(12, 0, -1)]


def test_a_spike_goes_on_and_is_over() -> None:
    spike = Spike("USD", NOW_MS)
    assert spike.seen(NOW_MS + 1) == Spike("USD", NOW_MS + 1, is_open=True, version=2)
    assert spike.over(NOW_MS + 2) == Spike("USD", NOW_MS + 2, is_open=False, version=2)


def test_what_reaches_no_user_is_not_counted() -> None:
    postings = (
        *(Posting("suspense:USD", 30, HOUSE), wallet(20), wallet(-10, "wal_b", "bob")),
        Posting("external:receivable:USD", 60),
    )
    arrived = transfer_of("d", *postings, Posting(STRIPE, -100), kind=TransferKind.DEPOSIT)
    assert credits_of(arrived, RULES) == (Credit("USD", WINDOW, 20), Credit("USD:ada", WINDOW, 20))


@pytest.mark.parametrize("kind", [kind for kind in TransferKind if kind not in ("credit", "deposit")])
def test_other_kinds_are_not_counted(kind: TransferKind) -> None:
    assert credits_of(transfer_of("a", wallet(100), Posting(STRIPE, -100), kind=kind), RULES) == ()


def test_an_asset_without_a_rule_is_not_counted() -> None:
    assert credits_of(credit("a", 100, "external:stripe:EUR"), RULES) == ()
    assert addition_of(between_wallets("t"), RULES).credits == ()


def test_a_sheet_counts_what_its_transfers_bring() -> None:
    moved = credit("a", 70), credit("b", 7, owner="bob"), credit("c", 5, at_ms=NOW_MS + WINDOW_MS)
    assert sheet_of([addition_of(one, RULES) for one in moved]).credits == {
        ("USD", WINDOW): 77,
        ("USD:ada", WINDOW): 70,
        ("USD:bob", WINDOW): 7,
        ("USD", WINDOW + WINDOW_MS): 5,
        ("USD:ada", WINDOW + WINDOW_MS): 5,
    }


def test_an_asset_and_its_owners_have_floors_of_their_own() -> None:
    assert (RULE.floor_of("USD"), RULE.floor_of("USD:ada")) == (1000, 500)
    assert asset_of("USD") == asset_of("USD:ada:x") == "USD"


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((), None),
        (IDLE, None),
        ((*IDLE[1:], 80), None),
        ((*IDLE[2:], 80, 0), 0),
        ((*IDLE[3:], 1, 80, 40), 60),
        ((100,) * HISTORY, 100),
        ((9, 0, 0, 30), 10),
    ],
)
def test_what_is_usual_is_the_mean_since_the_first_whole_window(history: tuple[int, ...], expected: int | None) -> None:
    assert baseline(history) == expected


@pytest.mark.parametrize(
    ("units", "history", "expected"),
    [
        (1000, (100,) * 12, False),  # not above the floor
        (1001, (100,) * 12, True),
        (1001, (201,) * 12, False),  # not above five times what is usual
        (1006, (201,) * 12, True),
        (5000, IDLE, False),  # nothing is usual: five times the floor
        (5001, IDLE, True),
        (5001, (*IDLE[1:], 4000), True),
        (1001, (*IDLE[2:], 1, 0), True),
    ],
)
def test_a_spike_is_above_the_floor_and_above_a_multiple_of_what_is_usual(
    units: int, history: tuple[int, ...], *, expected: bool
) -> None:
    assert is_spike(units, history, 1000, Fraction(5)) is expected


@pytest.mark.parametrize(
    ("units", "history", "expected"),
    [
        (499, (0,) * 12, True),  # below half the floor
        (500, (100,) * 12, False),
        (299_999, (100_000,) * 12, True),  # below three times what is usual
        (300_000, (100_000,) * 12, False),
        (500, IDLE, False),  # nothing is usual
    ],
)
def test_a_spike_is_over_half_way_back(units: int, history: tuple[int, ...], *, expected: bool) -> None:
    assert is_over(units, history, 1000, Fraction(5)) is expected


levels = st.integers(1, 10**9)


@given(levels, st.integers(0, 100), st.integers(2, 40), st.integers(0, HISTORY))
def test_a_steady_load_is_no_spike_once_there_is_something_usual(
    level: int, percent: int, windows: int, idle: int
) -> None:
    """It may begin anywhere within a window, at any level."""
    load = [0] * idle + [level * percent // 100] + [level] * windows
    for number in range(idle + 2, len(load)):
        history = load[max(0, number - HISTORY) : number]
        if baseline(history) is not None:
            assert not is_spike(load[number], history, 1000, Fraction(5))


@given(levels, levels, st.integers(2, 20))
def test_every_spike_ends_when_its_level_stays(before: int, level: int, factor: int) -> None:
    load = [before] * HISTORY
    for _ in range(HISTORY + 1):
        if is_over(level, load[-HISTORY:], 1000, Fraction(factor)):
            break
        load.append(level)
    else:
        pytest.fail("it never ended")
    assert not is_spike(level, load[-HISTORY:], 1000, Fraction(factor))


@given(levels, st.lists(levels, max_size=HISTORY), st.integers(2, 20))
def test_what_is_a_spike_is_not_over(units: int, history: list[int], factor: int) -> None:
    if is_spike(units, history, 1000, Fraction(factor)):
        assert not is_over(units, history, 1000, Fraction(factor))
