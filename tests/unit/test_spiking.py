from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import count
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.spikes import Spike, SpikeRule
from tallystick.domain.tallies import Tallied
from tallystick.domain.transfers import Transfer
from tallystick.services import spiking, tallying
from tallystick.services.spiking import LATE_MS, SpikeWatch
from tallystick.services.tallying import TallyOffice
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeSpikes, FakeTallies
from tests.support.fake_webhooks import FakeAlerts
from tests.support.scene import NOW_MS, no_pause, once
from tests.support.tallying import credit

WINDOW_MS: Final = 300_000
RULE: Final = SpikeRule(floor_units=1000, owner_floor_units=10**9, factor=Fraction(5))
KIND: Final = "CREDIT_SPIKE"


class Watch:
    """Credit and watch on the fake store; windows are counted from NOW_MS."""

    def __init__(self, rule: SpikeRule = RULE) -> None:
        self.store, self.numbers = FakeStore(), count()
        self.tallies, self.alerts = FakeTallies(self.store), FakeAlerts(self.store)
        self.spikes = FakeSpikes(self.store, self.tallies)
        self.watch = SpikeWatch(self.spikes, self.alerts, {"USD": rule})

    def credited(self, window: int, units: int, owner: str = "ada") -> Transfer:
        return credit(f"k{next(self.numbers)}", units, at_ms=NOW_MS + window * WINDOW_MS, owner=owner)

    def tally(self, *transfers: Transfer) -> Tallied:
        office = TallyOffice(self.tallies, self.watch, no_pause)
        return tallying.tally(office=office, transfers=transfers, unreadable=())

    def play(self, *windows: int, begin: int = 0) -> None:
        """Let so much be credited in one window after the other, and judge at the end of each."""
        for window, units in enumerate(windows, begin):
            if units:
                self.tally(self.credited(window, units))
            self.end_of(window)

    def end_of(self, window: int, late_ms: int = LATE_MS) -> int:
        """Judge what is open after a window, as soon as it is whole."""
        now_ms = NOW_MS + (window + 1) * WINDOW_MS + late_ms
        return spiking.judge_open(watch=self.watch, now_ms=now_ms)

    @property
    def told(self) -> set[str]:
        """Name the subjects of which people were told, as alerts are kept: once until it ends."""
        return {alert.subject for alert in self.alerts.raised}


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_spike_is_told_of(watch: Watch) -> None:
    watch.play(*[100] * 12)
    assert watch.told == set()
    watch.tally(watch.credited(12, 600), watch.credited(12, 401, "bob"))
    (alert,) = watch.alerts.raised
    assert (alert.kind, alert.severity, alert.subject) == (KIND, "medium", "USD")
    assert alert.facts == {
        "asset": "USD",
        "window": "2026-01-01T01:00:00.000Z",
        "units": "1001",
        "usual_units": "100",
    }
    assert watch.spikes.spikes == {"USD": Spike("USD", NOW_MS + 12 * WINDOW_MS)}


def test_without_anything_usual_a_multiple_of_the_floor_is_needed(watch: Watch) -> None:
    watch.tally(watch.credited(0, 5000))
    assert watch.told == set()
    watch.tally(watch.credited(0, 1))
    assert [alert.facts["usual_units"] for alert in watch.alerts.raised] == ["unknown"]


def test_an_owner_has_spikes_of_its_own() -> None:
    watch = Watch(replace(RULE, floor_units=10**9, owner_floor_units=500))
    watch.play(*[100] * 12)
    watch.tally(watch.credited(12, 501), watch.credited(12, 499, "bob"))
    assert watch.told == {"USD:ada"}
    assert {(alert.facts["asset"], alert.facts["owner_id"]) for alert in watch.alerts.raised} == {("USD", "ada")}


def test_a_floor_that_is_not_passed_costs_one_read(watch: Watch) -> None:
    watch.store.calls.clear()
    watch.tally(watch.credited(0, 1000), watch.credited(0, 0, "bob"))
    assert watch.store.calls == ["tallies.write", "spikes.counts"]


def test_an_asset_without_a_rule_is_not_watched(watch: Watch) -> None:
    watch.tally(credit("eur", 10**9, "external:stripe:EUR"))
    assert (watch.told, watch.tallies.counts) == (set(), {})


def test_what_comes_again_is_counted_once(watch: Watch) -> None:
    batch = [watch.credited(0, 4000) for _ in range(1)]
    for _ in range(3):
        watch.tally(*batch)
    assert watch.told == set()
    assert set(watch.tallies.counts.values()) == {4000}


def test_a_spike_lasts_while_its_window_does(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)
    assert watch.end_of(11) == 0
    assert (watch.alerts.ended, len(watch.spikes.open())) == ([], 1)


def test_a_spike_ends_with_the_first_whole_window_that_is_usual_again(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)
    watch.tally(watch.credited(13, 250))
    assert watch.end_of(13, LATE_MS - 1) == 0
    assert watch.alerts.ended == []
    assert watch.end_of(13) == 1
    assert (watch.alerts.ended, watch.spikes.open()) == ([(KIND, "USD")], [])
    assert watch.spikes.spikes["USD"] == Spike("USD", NOW_MS + 13 * WINDOW_MS, is_open=False, version=2)


def test_a_spike_ends_also_when_nothing_is_credited_any_more(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)
    assert [watch.end_of(window) for window in (12, 13, 14)] == [0, 1, 0]
    assert watch.alerts.ended == [(KIND, "USD")]


def test_a_spike_that_stays_a_little_high_lasts(watch: Watch) -> None:
    watch.play(*[1000] * 12, 8000, 5500)
    assert watch.alerts.ended == []


def test_a_level_that_stays_becomes_usual(watch: Watch) -> None:
    watch.play(*[300] * 12, *[6000] * 20)
    assert (watch.told, watch.alerts.ended) == ({"USD"}, [(KIND, "USD")])
    raised = len(watch.alerts.raised)
    watch.play(*[6000] * 5, begin=32)
    assert len(watch.alerts.raised) == raised


def test_a_further_spike_after_the_end_is_told_of_again(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000, 0, 0)
    assert len(watch.alerts.ended) == 1
    watch.tally(watch.credited(15, 3000))
    assert [alert.facts["units"] for alert in watch.alerts.raised] == ["2000", "3000"]
    assert len(watch.spikes.open()) == 1


def test_what_comes_late_does_not_open_what_is_over(watch: Watch) -> None:
    watch.play(*[100] * 12)
    batch = [watch.credited(12, 2000)]
    watch.tally(*batch)
    watch.play(0, begin=13)
    watch.tally(*batch)
    watch.tally(watch.credited(12, 1))
    assert (len(watch.alerts.raised), watch.spikes.open()) == (1, [])


def test_a_spike_that_goes_on_is_noted_and_ends_after_its_last_window(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)
    watch.tally(watch.credited(13, 4000))
    assert watch.spikes.spikes["USD"] == Spike("USD", NOW_MS + 13 * WINDOW_MS, version=2)
    watch.tally(watch.credited(12, 1))
    assert watch.spikes.spikes["USD"].begins_ms == NOW_MS + 13 * WINDOW_MS
    assert [watch.end_of(window) for window in (12, 13, 14)] == [0, 0, 1]


def test_a_rule_that_is_gone_ends_its_spikes(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)
    watch.watch = SpikeWatch(watch.spikes, watch.alerts, {})
    assert watch.end_of(12) == 1
    assert watch.spikes.open() == []


CALLS: Final = ("spikes.counts", "spikes.get", "spikes.save", "alerts.raise")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_accident_leaves_a_spike_to_the_next_try(watch: Watch, call: str, moment: str) -> None:
    watch.play(*[100] * 12)
    batch = [watch.credited(12, 2000)]
    setattr(watch.store, moment, once(StoreUnavailable("silence"), call))
    with pytest.raises(StoreUnavailable):
        watch.tally(*batch)
    watch.tally(*batch)
    assert (watch.told, len(watch.spikes.open())) == ({"USD"}, 1)
    assert watch.tallies.counts["USD", NOW_MS + 12 * WINDOW_MS] == 2000


@pytest.mark.parametrize("call", ["spikes.open", "spikes.counts", "alerts.end", "spikes.save"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_accident_leaves_an_end_to_the_next_minute(watch: Watch, call: str, moment: str) -> None:
    watch.play(*[100] * 12, 2000)
    setattr(watch.store, moment, once(StoreUnavailable("silence"), call))
    with pytest.raises(StoreUnavailable):
        watch.end_of(13)
    watch.end_of(13)
    assert (set(watch.alerts.ended), watch.spikes.open()) == ({(KIND, "USD")}, [])


def test_a_change_meanwhile_is_met_with_another_try(watch: Watch) -> None:
    watch.play(*[100] * 12, 2000)

    def race(call: str) -> None:
        if call == "spikes.save":
            watch.store.before = lambda _call: None
            watch.end_of(13)

    watch.store.before = race
    watch.tally(watch.credited(14, 4000))
    assert watch.spikes.open() == [Spike("USD", NOW_MS + 14 * WINDOW_MS, version=3)]
    assert [alert.facts["units"] for alert in watch.alerts.raised] == ["2000", "4000"]


def test_endless_changes_leave_the_batch_to_be_done_again(watch: Watch) -> None:
    watch.play(*[100] * 12)

    def race(call: str) -> None:
        if call == "spikes.save":
            known = watch.spikes.spikes.get("USD", Spike("USD", 0, version=0))
            watch.spikes.spikes["USD"] = replace(known, version=known.version + 1)

    watch.store.before = race
    with pytest.raises(StoreUnavailable, match="at every try"):
        watch.tally(watch.credited(12, 2000))
    assert watch.alerts.raised == []


@given(st.lists(st.sampled_from([0, 50, 100, 900, 5000, 20_000]), min_size=14, max_size=30))
def test_every_spike_ends_once_nothing_is_credited(windows: Sequence[int]) -> None:
    watch = Watch()
    watch.play(*windows)
    watch.play(0, 0, begin=len(windows))
    assert watch.spikes.open() == []
    assert bool(watch.alerts.raised) == bool(watch.alerts.ended)


@given(st.integers(1, 10**6), st.integers(0, 100), st.integers(3, 30))
def test_a_steady_load_raises_nothing_but_for_its_sudden_beginning(level: int, percent: int, windows: int) -> None:
    watch = Watch()
    watch.play(max(1, level * percent // 100), *[level] * windows)
    begins = [alert.facts["window"] for alert in watch.alerts.raised]
    assert bool(begins) == (level > RULE.factor * RULE.floor_units)
    assert set(begins) <= {"2026-01-01T00:00:00.000Z", "2026-01-01T00:05:00.000Z"}
    assert watch.spikes.open() == []
