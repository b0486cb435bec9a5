"""Plant bugs and show that the property tests' own search finds each of them."""

from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tallystick.domain.errors import TallystickError
from tallystick.domain.payouts import Report
from tallystick.services import following, steps
from tests.property.test_withdrawal_machine import WithdrawalMachine
from tests.property.test_withdrawal_races import ACTS, STARTS, act_at_once, orders
from tests.support.fake_payer import FakePayer
from tests.support.fake_store import FakeStore

SEARCH = settings(
    max_examples=1000, database=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
)
Plant = Callable[[pytest.MonkeyPatch], None]


def absence_that_is_not_proved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakePayer, "_is_over", lambda *_: True)


def events_taken_at_their_word(patch: pytest.MonkeyPatch) -> None:
    def told(_payer: object, _withdrawal: object, report: Report, _now_ms: int) -> Report:
        return report

    patch.setattr(following, "_confirmed", told)


def counts_that_are_not_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steps, "_given_back", lambda *_: None)


def no_version_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeStore, "follows", lambda *_: True)


def search_sequences() -> None:
    run_state_machine_as_test(WithdrawalMachine, settings=SEARCH)


@SEARCH
@given(
    st.sampled_from(sorted(STARTS)),
    st.lists(st.sampled_from(sorted(set(ACTS) - {"open and work"})), min_size=3, max_size=5),
    orders,
)
def search_races(name: str, acts: list[str], order: list[int]) -> None:
    act_at_once(STARTS[name].prepare(), acts, order, [])


@pytest.mark.parametrize(
    ("plant", "search"),
    [
        (absence_that_is_not_proved, search_sequences),
        (events_taken_at_their_word, search_sequences),
        (counts_that_are_not_given_back, search_sequences),
        (no_version_condition, search_races),
    ],
)
def test_a_planted_bug_is_found(plant: Plant, search: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, TallystickError)):
        search()
