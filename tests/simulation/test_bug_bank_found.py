"""The simulator finds every mistake of the bank: first by a seed that has found it, then by any.

`python -m tests.simulation.bugs` says how soon each is found by seeds from 0 on, and `--json FILE` keeps the seeds.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.simulation.bugs.bank import BUGS
from tests.simulation.bugs.hunting import hunt
from tests.simulation.bugs.planting import Bug

FOUND: Final = dict(line.split() for line in (Path(__file__).parent / "bugs" / "found.txt").read_text().splitlines())
"""Seeds by the name of the mistake; another one finds it when these have come to play something else."""

MOST: Final = 500


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    assert hunt(bug, [int(FOUND.get(bug.name, 0)), *range(MOST)]), f"{MOST} seeds do not show that {bug.what}"
