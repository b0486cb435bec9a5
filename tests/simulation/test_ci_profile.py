"""No rule is broken in half the seeds of the CI profile, nor in any seed that has found something before.

They are those of one day, so that a change passes or fails alike for everybody; `tallystick simulate --profile ci`
plays all of the day's. A failure names its seed and how to play it again.
"""

from collections.abc import Iterable
from datetime import date

import pytest

from tests.simulation.machine import installed
from tests.simulation.profiles import PROFILES, first_of, saved_seeds
from tests.simulation.report import breaches
from tests.simulation.runner import Sum, run
from tests.simulation.simulate import FAULTS, simulate

FIRST = first_of(date(2026, 11, 23))
PARTS = 5
SIZE = PROFILES["ci"].seeds // (2 * PARTS)


def sound(seeds: Iterable[int]) -> Sum:
    with installed():
        total = run(simulate, seeds, jobs=1)
    if total.broken:
        pytest.fail("\n".join(breaches(one).plain for one in total.broken), pytrace=False)
    return total


@pytest.mark.parametrize("part", range(PARTS))
def test_fresh_seeds(part: int) -> None:
    first = FIRST + part * SIZE
    total = sound(range(first, first + SIZE))
    assert {fault for *_, fault in total.faults} == set(FAULTS)


def test_kept_seeds() -> None:
    sound(saved_seeds())
