"""Whatever call is the last one before a worker is killed: its message comes back, and the verdict is the same."""

from collections.abc import Callable
from itertools import product
from typing import Final

import pytest

from tallystick.domain.runs import Mode, Verdict
from tallystick.services.reconciling import begin, tick
from tests.property.test_deposit_events import Killed
from tests.support.planting import FAULTS, Planted

MOMENTS: Final = ("before", "after")


def sound(_: Planted) -> None:
    """Plant nothing."""


PLOTS: Final[dict[str, tuple[Callable[[Planted], object], Mode]]] = {
    "sound, changed": (sound, Mode.CHANGED),
    "sound, full": (sound, Mode.FULL),
    "balance altered": (FAULTS["balance, of a changed account"], Mode.CHANGED),
    "transfer without entries": (FAULTS["transfer without entries"], Mode.FULL),
}


class Doomed:
    """Kill whoever makes a call of a number, before it or after it."""

    def __init__(self, it: Planted, moment: str, position: int) -> None:
        """Count calls from now on."""
        self.calls = 0
        self._moment, self._position = moment, position
        it.store.before, it.store.after = self._before, self._after

    def _before(self, _call: str) -> None:
        self.calls += 1
        if (self._moment, self._position) == ("before", self.calls):
            raise Killed

    def _after(self, _call: str) -> None:
        if (self._moment, self._position) == ("after", self.calls):
            self._position = -1
            raise Killed


def begun(plant: Callable[[Planted], object], mode: Mode) -> Planted:
    it = Planted()
    plant(it)
    it.settle()
    assert begin(bureau=it.bureau, mode=mode, reason="test", now_ms=it.now_ms)
    return it


def work_through(it: Planted) -> Verdict:
    """Work until the run is over; what its worker did not finish comes back, and the clock ticks."""
    keys = it.messages.sent.copy()
    try:
        return it.work_off()
    except Killed:
        it.messages.sent = keys + it.messages.sent
        verdict = it.work_off()
    if it.run.ended_at_ms is None or verdict.suspicion:
        tick(bureau=it.bureau, now_ms=it.now_ms)
        verdict = it.work_off()
    return verdict


def shown(it: Planted) -> tuple[object, ...]:
    """Say what a run came to, without what a repetition counts twice."""
    checkpoints = set(it.vouched.checkpoints)
    suspected = {name for name, account in it.store.account_items.items() if account.needs_reconciliation}
    return it.kept.standing, suspected, checkpoints, set(it.kept.times.values()) <= {1}


@pytest.mark.parametrize("name", PLOTS)
def test_a_worker_that_is_killed_at_any_call_changes_nothing_in_the_end(name: str) -> None:
    plant, mode = PLOTS[name]
    undisturbed = begun(plant, mode)
    count = Doomed(undisturbed, "never", 0)
    expected = work_through(undisturbed)
    calls = count.calls
    assert calls > 30
    for moment, position in product(MOMENTS, range(1, calls + 1)):
        it = begun(plant, mode)
        Doomed(it, moment, position)
        verdict = work_through(it)
        assert it.run.ended_at_ms is not None, (moment, position)
        assert verdict.is_sound == expected.is_sound, (moment, position)
        assert {one.account_id for one in verdict.sums.findings} == {one.account_id for one in expected.sums.findings}
        assert shown(it) == shown(undisturbed), (moment, position)
        assert (verdict.sums.at_cut, verdict.sums.after) == (expected.sums.at_cut, expected.sums.after)
        if plant is sound:
            assert it.reconcile().is_sound
            assert (it.runs.newest(), it.told) == (it.runs.newest(Mode.CHANGED), []), (moment, position)
