"""What was fetched is kept for a while, and fetched anew no more often than it should be."""

import time

import pytest

from tallystick.adapters.caching import Fetched
from tallystick.domain.errors import StoreUnavailable


class Source:
    """Count how often it is asked, on a clock of its own."""

    def __init__(self) -> None:
        """Start at any time."""
        self.now_s = 1000.0
        self.asked = 0
        self.down = False

    def fetch(self) -> int:
        self.asked += 1
        if self.down:
            raise StoreUnavailable("down")
        return self.asked

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source()
    monkeypatch.setattr(time, "monotonic", source.monotonic)
    return source


@pytest.fixture
def fetched(source: Source) -> Fetched[int]:
    return Fetched(source.fetch, max_age_s=300, min_age_s=30)


def test_nothing_is_fetched_before_it_is_needed(source: Source, fetched: Fetched[int]) -> None:
    assert source.asked == 0
    assert (fetched.value(), source.asked) == (1, 1)


def test_what_is_asked_for_at_once_as_it_is_now_is_fetched_once(source: Source, fetched: Fetched[int]) -> None:
    assert (fetched.renewed(), fetched.value(), source.asked) == (1, 1, 1)


@pytest.mark.parametrize(("age_s", "value"), [(0, 1), (299.9, 1), (300, 2), (1e6, 2)])
def test_a_value_is_kept_until_it_is_too_old(source: Source, fetched: Fetched[int], age_s: float, value: int) -> None:
    fetched.value()
    source.now_s += age_s
    assert fetched.value() == value


@pytest.mark.parametrize(("age_s", "value"), [(0, 1), (29.9, 1), (30, 2), (299, 2)])
def test_a_value_is_asked_for_anew_no_more_than_now_and_then(
    source: Source, fetched: Fetched[int], age_s: float, value: int
) -> None:
    fetched.value()
    source.now_s += age_s
    assert fetched.renewed() == value


def test_what_was_asked_for_anew_is_as_young_as_what_was_fetched(source: Source, fetched: Fetched[int]) -> None:
    fetched.value()
    source.now_s += 299
    assert fetched.renewed() == 2
    source.now_s += 299
    assert fetched.value() == 2


def test_many_who_ask_in_vain_fetch_once_in_half_a_minute(source: Source, fetched: Fetched[int]) -> None:
    for _ in range(120):
        fetched.renewed()
        source.now_s += 1
    assert source.asked == 4


def test_a_failure_reaches_who_asked_and_the_next_one_tries_again(source: Source, fetched: Fetched[int]) -> None:
    source.down = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            fetched.value()
    source.down = False
    assert (fetched.value(), source.asked) == (3, 3)


def test_a_failure_to_renew_leaves_the_value_until_it_is_too_old(source: Source, fetched: Fetched[int]) -> None:
    fetched.value()
    source.now_s, source.down = source.now_s + 60, True
    with pytest.raises(StoreUnavailable):
        fetched.renewed()
    assert fetched.value() == 1
    source.now_s += 240
    with pytest.raises(StoreUnavailable):
        fetched.value()


@pytest.mark.parametrize("nothing", [None, 0, "", []])
def test_a_value_that_is_nothing_is_kept_like_any_other(source: Source, nothing: object) -> None:
    asked = []

    def fetch() -> object:
        asked.append(source.now_s)
        return nothing

    fetched = Fetched(fetch)
    assert (fetched.value(), fetched.value(), len(asked)) == (nothing, nothing, 1)


def test_by_default_five_minutes_are_old_and_half_a_minute_is_young(source: Source) -> None:
    fetched = Fetched(source.fetch)
    fetched.value()
    for elapsed_s, renewed, value in ((29, 1, 1), (1, 2, 2), (299, 3, 3)):
        source.now_s += elapsed_s
        assert (fetched.renewed(), fetched.value()) == (renewed, value)
    source.now_s += 300
    assert fetched.value() == 4
