"""Every call of every operation meets every fault; every preemption of one operation by the next one is played."""

import pytest

from tests.simulation.bugs.bank import BUGS
from tests.simulation.cases import ALONE, INTERLEAVED
from tests.simulation.exhaustive import Case, explore


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_every_fault_at_every_call(case: Case) -> None:
    tally = explore(case, struck=1)
    assert tally.breaches == []
    assert sum(tally.faults.values()) > 0


@pytest.mark.parametrize("case", INTERLEAVED, ids=lambda case: case.name)
def test_every_preemption(case: Case) -> None:
    tally = explore(case, struck=0)
    assert tally.breaches == []
    assert tally.plans > 4


def test_a_planted_mistake_is_found() -> None:
    (bug,) = [bug for bug in BUGS if bug.name == "check-then-act"]
    (case,) = [case for case in INTERLEAVED if case.name == "two debits of the same money"]
    with bug.plant():
        assert explore(case, struck=0).breaches
