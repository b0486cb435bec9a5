"""Who fails again and again is left alone for a while, then tried with one call at a time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.domain.breaker import COOL_MS, LONGEST_MS, PROBE_MS, THRESHOLD, Breaker, BreakerState
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable, StoreUnavailable
from tallystick.services.breaking import BREAKER_OPEN, MAX_ATTEMPTS, CircuitOpen, protected, shown
from tallystick.services.ports.alerts import Alert
from tests.property.interleaving import Baton
from tests.support import profiles
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts
from tests.support.leaving import FakeBreakers
from tests.support.scene import NOW_MS, once

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
NAME: Final = "stripe"


def opened(failures: int = THRESHOLD, until_ms: int = NOW_MS) -> Breaker:
    return Breaker(NAME, OPEN, failures, until_ms, version=failures)


# What it becomes


def test_a_new_one_is_closed_and_lets_every_call_pass() -> None:
    assert (Breaker(NAME).state, Breaker(NAME).waits_until(NOW_MS)) == (CLOSED, None)


def test_it_opens_at_the_fifth_failure_in_a_row() -> None:
    breaker = Breaker(NAME)
    for failures in range(1, 5):
        breaker = breaker.failed(NOW_MS)
        assert (breaker.state, breaker.failures, breaker.until_ms, breaker.version) == (CLOSED, failures, 0, failures)
    breaker = breaker.failed(NOW_MS)
    assert breaker == Breaker(NAME, OPEN, 5, NOW_MS + 30_000, version=5)


def test_an_answer_closes_it_and_its_failures_are_counted_anew() -> None:
    failed = Breaker(NAME).failed(NOW_MS).failed(NOW_MS)
    for breaker in (failed, opened(7), opened().probing(NOW_MS)):
        assert breaker.succeeded() == Breaker(NAME, version=breaker.version + 1)


def test_it_stays_open_twice_as_long_after_each_probe_that_fails_up_to_ten_minutes() -> None:
    breaker, cools = opened(), []
    for _ in range(12):
        breaker = breaker.probing(breaker.until_ms)
        probed_ms = breaker.until_ms - PROBE_MS
        breaker = breaker.failed(probed_ms)
        assert breaker.state is OPEN
        cools.append((breaker.until_ms - probed_ms) // 1000)
    assert cools == [60, 120, 240, 480] + [600] * 8
    assert (COOL_MS, LONGEST_MS, PROBE_MS) == (30_000, 600_000, 60_000)


@pytest.mark.parametrize("failures", [10**3, 10**6, 10**9])
def test_however_often_it_failed_ten_minutes_are_enough(failures: int) -> None:
    assert opened(failures).failed(NOW_MS).until_ms == NOW_MS + 600_000


def test_a_failure_while_it_is_half_open_opens_it_at_once_whatever_its_count() -> None:
    lone = Breaker(NAME, HALF_OPEN, 0, NOW_MS)
    assert lone.failed(NOW_MS) == Breaker(NAME, OPEN, 1, NOW_MS + 30_000, 1)


def test_a_failure_of_a_call_that_began_before_it_opened_keeps_it_open() -> None:
    assert opened(5, NOW_MS + 30_000).failed(NOW_MS + 1).state is OPEN


@pytest.mark.parametrize("state", [OPEN, HALF_OPEN])
@pytest.mark.parametrize(("now_ms", "waits"), [(NOW_MS - 1, True), (NOW_MS, False), (NOW_MS + 1, False)])
def test_it_says_until_when_nobody_may_call(state: BreakerState, now_ms: int, waits: bool) -> None:  # noqa: FBT001
    assert Breaker(NAME, state, 5, NOW_MS).waits_until(now_ms) == (NOW_MS if waits else None)


def test_a_closed_one_waits_for_nothing_whatever_its_time_says() -> None:
    assert Breaker(NAME, CLOSED, 4, NOW_MS).waits_until(0) is None


def test_a_probe_has_a_minute_before_somebody_else_may_make_one() -> None:
    assert opened(7).probing(NOW_MS) == Breaker(NAME, HALF_OPEN, 7, NOW_MS + 60_000, 8)


# Calls under its protection


class Guarded:
    """Call a provider under a breaker, each time as a Lambda of its own."""

    def __init__(self, breaker: Breaker | None = None) -> None:
        self.store = FakeStore()
        self.breakers = FakeBreakers(self.store)
        self.alerts = FakeAlerts(self.store)
        self.now_ms = NOW_MS
        self.calls = 0
        if breaker:
            self.breakers.breakers[NAME] = breaker

    @property
    def breaker(self) -> Breaker:
        return self.breakers.breakers.get(NAME, Breaker(NAME))

    def call(self, answer: Exception | None = None, during: Callable[[], object] = lambda: None) -> str:
        """Call, and say how it ends."""
        try:
            with protected(breakers=self.breakers, alerts=self.alerts, name=NAME, now_ms=self.now_ms):
                self.calls += 1
                during()
                if answer:
                    raise answer
        except CircuitOpen as circuit:
            return f"open for {circuit.until_ms - self.now_ms}"
        except ProviderUnavailable:
            return "no answer"
        return "answer"

    def fail(self, times: int = 1) -> list[str]:
        return [self.call(ProviderUnavailable("silence", provider=NAME)) for _ in range(times)]


@pytest.fixture
def guarded() -> Guarded:
    return Guarded()


def test_an_answer_under_a_closed_breaker_costs_one_read(guarded: Guarded) -> None:
    assert guarded.call() == "answer"
    assert guarded.store.calls == ["breakers.get"]
    assert guarded.breakers.breakers == {}


def test_the_fifth_failure_opens_it_and_people_are_told_once(guarded: Guarded) -> None:
    assert guarded.fail(4) == ["no answer"] * 4
    assert guarded.alerts.raised == []
    assert guarded.fail(3) == ["no answer", "open for 30000", "open for 30000"]
    assert guarded.alerts.raised == [Alert(BREAKER_OPEN, "high", {"provider": NAME, "failures": "5"}, NAME)]
    assert guarded.calls == 5


def test_one_answer_in_between_and_the_failures_are_counted_anew(guarded: Guarded) -> None:
    guarded.fail(4)
    assert guarded.call() == "answer"
    guarded.fail(4)
    assert (guarded.breaker.state, guarded.breaker.failures) == (CLOSED, 4)


def test_an_open_breaker_lets_no_call_pass_until_its_time(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.store.calls.clear()
    guarded.now_ms += 29_999
    assert guarded.call() == "open for 1"
    assert (guarded.calls, guarded.store.calls) == (5, ["breakers.get"])
    guarded.now_ms += 1
    assert guarded.call() == "answer"
    assert (guarded.breaker.state, guarded.breaker.failures) == (CLOSED, 0)


def test_who_may_not_call_is_told_until_when() -> None:
    guarded = Guarded(opened(until_ms=NOW_MS + 5))
    with (
        pytest.raises(CircuitOpen, match=f"open until {NOW_MS + 5}"),
        protected(breakers=guarded.breakers, alerts=guarded.alerts, name=NAME, now_ms=NOW_MS),
    ):
        guarded.fail()
    assert guarded.calls == 0


def test_a_probe_that_fails_opens_it_for_longer_and_is_told_of_the_same_condition(guarded: Guarded) -> None:
    guarded.fail(5)
    for cool_ms in (60_000, 120_000, 240_000):
        guarded.now_ms = guarded.breaker.until_ms
        assert guarded.fail(2) == ["no answer", f"open for {cool_ms}"]
    assert {(alert.kind, alert.subject) for alert in guarded.alerts.raised} == {(BREAKER_OPEN, NAME)}
    assert guarded.alerts.told == ["raised"] * 4


def test_an_alert_ends_when_the_breaker_closes_and_not_before(guarded: Guarded) -> None:
    guarded.fail(4)
    guarded.call()
    assert guarded.alerts.told == []
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms
    guarded.call()
    guarded.call()
    assert guarded.alerts.told == ["raised", "ended"]
    assert guarded.alerts.ended == [(BREAKER_OPEN, NAME)]


def test_after_an_accident_at_closing_people_are_told_when_it_goes_on(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms

    def kill(call: str) -> None:
        if call == "breakers.save" and guarded.alerts.ended:
            raise StoreUnavailable("down")

    guarded.store.before = kill
    with pytest.raises(StoreUnavailable):
        guarded.call()
    guarded.store.before = lambda _call: None
    guarded.now_ms += PROBE_MS
    guarded.fail()
    assert (guarded.breaker.state, guarded.alerts.told) == (OPEN, ["raised", "ended", "raised"])


def test_a_breaker_that_was_closed_again_tells_people_when_it_opens_again(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms
    guarded.call()
    guarded.fail(5)
    assert guarded.alerts.kinds == [BREAKER_OPEN] * 2


def test_a_refusal_is_an_answer() -> None:
    guarded = Guarded(opened())
    with pytest.raises(ProviderRefused):
        guarded.call(ProviderRefused("no", provider=NAME))
    assert guarded.breaker.state is HALF_OPEN  # whoever calls has to turn a refusal into an answer; a minute heals it
    guarded.now_ms += PROBE_MS
    assert guarded.call() == "answer"


def test_while_one_probes_others_wait(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms
    others: list[str] = []
    assert guarded.call(during=lambda: others.append(guarded.call())) == "answer"
    assert (others, guarded.breaker.state) == (["open for 60000"], CLOSED)


def test_of_two_that_would_probe_at_the_same_moment_one_does(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms
    answers: list[str] = []

    def rival(call: str) -> None:
        if call == "breakers.save":
            guarded.store.before = lambda _call: None
            answers.append(guarded.call(during=lambda: answers.append(guarded.call())))

    guarded.store.before = rival
    answers.append(guarded.call())
    assert answers == ["open for 60000", "answer", "open for 60000"]
    assert guarded.calls == 6


def test_a_probe_whose_end_nobody_heard_of_is_made_anew_after_a_minute(guarded: Guarded) -> None:
    guarded.fail(5)
    guarded.now_ms = guarded.breaker.until_ms
    with pytest.raises(ZeroDivisionError):
        guarded.call(ZeroDivisionError())
    assert guarded.call() == "open for 60000"
    guarded.now_ms += PROBE_MS
    assert guarded.call() == "answer"


def test_a_fault_of_ours_is_no_failure_of_the_provider(guarded: Guarded) -> None:
    guarded.fail(4)
    for fault in (StoreUnavailable("down"), ZeroDivisionError()):
        with pytest.raises(type(fault)):
            guarded.call(fault)
    assert (guarded.breaker.state, guarded.breaker.failures) == (CLOSED, 4)


def test_failures_of_several_at_once_are_all_counted(guarded: Guarded) -> None:
    guarded.call(ProviderUnavailable("silence", provider=NAME), during=lambda: guarded.fail(3))
    assert guarded.breaker.failures == 4


def test_a_change_that_always_meets_another_is_left_out_and_the_call_ends_as_it_does(guarded: Guarded) -> None:
    def rival(call: str) -> None:
        if call == "breakers.save":
            guarded.breakers.breakers[NAME] = replace(guarded.breaker, version=guarded.breaker.version + 1)

    guarded.store.before = rival
    assert guarded.fail() == ["no answer"]
    assert guarded.store.calls == ["breakers.get", *["breakers.get", "breakers.save"] * MAX_ATTEMPTS]
    assert guarded.breaker.failures == 0


def test_a_breaker_that_another_one_opened_meanwhile_is_not_told_of_twice(guarded: Guarded) -> None:
    guarded.fail(3)
    guarded.call(ProviderUnavailable("silence", provider=NAME), during=lambda: guarded.fail(2))
    assert (guarded.breaker.state, guarded.breaker.failures) == (OPEN, 6)
    assert guarded.alerts.kinds == [BREAKER_OPEN]


def test_people_are_told_before_it_is_written_so_that_no_accident_keeps_it_from_them(guarded: Guarded) -> None:
    guarded.fail(4)
    guarded.store.before = once(StoreUnavailable("down"), "alerts.raise")
    with pytest.raises(StoreUnavailable):
        guarded.fail()
    assert (guarded.breaker.state, guarded.alerts.kinds) == (CLOSED, [])
    guarded.fail()
    assert guarded.alerts.kinds == [BREAKER_OPEN]


def test_all_breakers_can_be_shown(guarded: Guarded) -> None:
    guarded.fail(5)
    assert shown(breakers=guarded.breakers, names=["truelayer", NAME]) == [Breaker("truelayer"), guarded.breaker]
    assert shown(breakers=guarded.breakers, names=[]) == []


def test_while_they_cannot_be_read_none_is_shown(guarded: Guarded) -> None:
    guarded.store.before = once(StoreUnavailable("down"), "breakers.get")
    assert shown(breakers=guarded.breakers, names=[NAME, "truelayer"]) is None


@settings(max_examples=profiles.examples(50))
@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), min_size=40, max_size=40),
)
def test_of_all_that_call_at_once_while_it_is_open_one_probes(answers: list[list[bool]], order: list[int]) -> None:
    guarded, baton = Guarded(opened()), Baton(order)
    under_way: list[int] = []
    most: list[int] = []

    def probe() -> None:
        under_way.append(1)
        most.append(len(under_way) if guarded.breaker.state is HALF_OPEN else 1)
        baton.hand_over()
        under_way.pop()

    def job(granted: list[bool]) -> None:
        for grant in granted:
            guarded.call(None if grant else ProviderUnavailable("silence", provider=NAME), during=probe)

    guarded.store.before = lambda _call: baton.hand_over()
    baton.run([partial(job, granted) for granted in answers])
    assert max(most) == 1
