"""Say which seeds are played, and how many."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from pathlib import Path
from typing import Final

from tests.simulation.plays import Play
from tests.simulation.runner import Sum

SAVED: Final = Path(__file__).with_name("seeds.txt")
"""Plays that have found something: each line one, then `# date, what it found`."""

SEEDS_A_DAY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Set goals for fresh seeds; 0 is no goal. Without a number of seeds, it goes on until the others are reached.

    What covers has no end before each fault has hit each call that it can hit.
    """

    seeds: int = 0
    invocations: int = 0
    faults: int = 0
    covers: bool = False


PROFILES: Final = {
    "ci": Profile(seeds=5_000, covers=True),
    "nightly": Profile(seeds=50_000, covers=True),
    "release": Profile(invocations=1_000_000, faults=750_000, covers=True),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what is played: saved seeds, then fresh ones from the first on."""

    profile: Profile
    first: int
    saved: tuple[Play, ...] = ()

    def plays(self) -> Iterator[Play]:
        """Go through all that is known from the beginning."""
        wanted = self.profile.seeds
        fresh = range(self.first, self.first + wanted) if wanted else count(self.first)
        return chain(self.saved, map(Play, fresh))

    def share(self, total: Sum) -> float:
        """Say how much of it is done, by the goal that is farthest away."""
        wanted = self.profile
        goals = (
            (total.seeds + total.aimed, wanted.seeds and wanted.seeds + len(self.saved)),
            (total.invocations.total(), wanted.invocations),
            (total.faults.total(), wanted.faults),
        )
        return min(done / goal for done, goal in goals if goal)

    def is_reached(self, total: Sum) -> bool:
        """Tell whether all goals are reached."""
        return self.share(total) >= 1


def first_of(day: date) -> int:
    """Give each day seeds of its own."""
    return int(f"{day:%Y%m%d}") * SEEDS_A_DAY


def saved_plays(path: Path = SAVED) -> tuple[Play, ...]:
    """Read the plays that were kept; what stands behind `#` is for people."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(Play.parse(line) for line in lines if line)
