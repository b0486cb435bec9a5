"""The simulator still finds the mistakes of the bank that it has found: by the seed that did, or else by another.

`python -m tests.simulation.bugs` says how soon each is found by seeds from 0 on, and `--json FILE` keeps the seeds.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.simulation.bugs.bank import BUGS
from tests.simulation.bugs.hunting import hunt
from tests.simulation.bugs.planting import Bug

FOUND: Final = dict(line.split() for line in (Path(__file__).parent / "bugs" / "found.txt").read_text().splitlines())
"""Seeds by the name of the mistake; what takes more seeds than the checks have time for is not among them."""

MOST: Final = 500


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.name in FOUND], ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    assert hunt(bug, [int(FOUND[bug.name]), *range(MOST)]), f"{MOST} seeds do not show that {bug.what}"
