"""No rule is broken in the fresh seeds of today, nor in any seed that has found something before.

Which seeds are fresh, the day decides; a failure names its seed and how to play it again.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from tests.simulation.machine import installed
from tests.simulation.profiles import PROFILES, first_of, saved_seeds
from tests.simulation.report import breaches
from tests.simulation.runner import Sum, run
from tests.simulation.simulate import FAULTS, simulate

PARTS = 10
SIZE = PROFILES["ci"].seeds // PARTS


def sound(seeds: Iterable[int]) -> Sum:
    with installed():
        total = run(simulate, seeds, jobs=1)
    if total.broken:
        pytest.fail("\n".join(breaches(one).plain for one in total.broken), pytrace=False)
    return total


@pytest.mark.parametrize("part", range(PARTS))
def test_fresh_seeds(part: int) -> None:
    first = first_of(datetime.now(UTC).date()) + part * SIZE
    total = sound(range(first, first + SIZE))
    assert {fault for *_, fault in total.faults} == set(FAULTS)


def test_kept_seeds() -> None:
    sound(saved_seeds())
