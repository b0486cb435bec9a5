"""No rule is broken in some seeds of the CI profile, nor where a fault is aimed at what these have missed.

The seeds are those of one day, so that a change passes or fails alike for everybody; `tallystick simulate --profile ci`
plays all of today's. A failure names its seed and how to play it again.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

import pytest

from tests.simulation.coverage import complete, cover
from tests.simulation.machine import installed
from tests.simulation.plays import Play
from tests.simulation.profiles import first_of, saved_plays
from tests.simulation.report import breaches
from tests.simulation.runner import Sum, run
from tests.simulation.simulate import FAULTS, applicable, simulate

FIRST: Final = first_of(date(2026, 11, 23))
SEEDS: Final = 1_000


def sound(plays: Iterable[Play]) -> Sum:
    with installed():
        total = run(simulate, plays, jobs=1)
    must_be_sound(total)
    return total


def must_be_sound(total: Sum) -> None:
    if total.broken:
        pytest.fail("\n".join(breaches(one).plain for one in total.broken), pytrace=False)


def test_every_fault_hits_every_call() -> None:
    total = sound(map(Play, range(FIRST, FIRST + SEEDS)))
    assert {fault for *_, fault in total.faults} == set(FAULTS)
    with installed():
        complete(total, simulate, FAULTS, applicable, jobs=1)
    must_be_sound(total)
    assert [row for row in cover(total, FAULTS, applicable).rows if row.empty] == []


def test_kept_plays() -> None:
    sound(saved_plays())
