"""Plant one mistake after another, and see after how many seeds the simulator shows it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.simulation import simulate as simulator
from tests.simulation.bugs.bank import BUGS
from tests.simulation.bugs.planting import Bug
from tests.simulation.machine import installed
from tests.simulation.plays import Play
from tests.simulation.runner import Simulate, play_one, workers

OF_ANY: Final = 25
FOUND_EARLY: Final = 23
"""So many of any 25 mistakes have to be found early."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Tell how a mistake was found: the seed, how many were played until then, the rules it broke, and its scenes."""

    seed: int
    tried: int
    rules: tuple[str, ...]
    scenes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bag:
    """Hold what was found of each mistake, and after how many seeds that counts as early."""

    hits: Mapping[str, Hit | None]
    early: int

    @property
    def found(self) -> list[Hit]:
        """Leave out what was not found."""
        return [hit for hit in self.hits.values() if hit]

    @property
    def found_early(self) -> int:
        """Count what was found early."""
        return sum(hit.tried <= self.early for hit in self.found)

    @property
    def is_good(self) -> bool:
        """Tell whether everything was found, and enough of it early."""
        enough = self.found_early * OF_ANY >= FOUND_EARLY * len(self.hits)
        return enough and len(self.found) == len(self.hits)

    def document(self) -> dict[str, Any]:
        """Write down everything."""
        hits = {name: asdict(hit) if hit else None for name, hit in self.hits.items()}
        return {"good": self.is_good, "early": self.early, "found_early": self.found_early, "hits": hits}


def hunt(bug: Bug, seeds: Iterable[int], simulate: Simulate = simulator.simulate) -> Hit | None:
    """Play seeds with a mistake planted until a rule is broken that holds without the mistake."""
    with installed():
        for tried, seed in enumerate(seeds, 1):
            with bug.plant():
                outcome = play_one(simulate, Play(seed))
            if outcome.breaches and not play_one(simulate, Play(seed)).breaches:
                rules = dict.fromkeys(breach.rule for breach in outcome.breaches)
                return Hit(seed, tried, tuple(rules), outcome.scenes)
    return None


def hunt_named(name: str, most: int) -> Hit | None:
    """Hunt a mistake of the bank in a worker process, where it is known by its name."""
    (bug,) = [bug for bug in BUGS if bug.name == name]
    return hunt(bug, range(most))


def hunt_all(
    bugs: Sequence[Bug],
    hunter: Callable[[str], Hit | None],
    *,
    jobs: int,
    early: int,
    show: Callable[[str, Hit | None], None],
) -> Bag:
    """Hunt each mistake in one of some worker processes."""
    found: dict[str, Hit | None] = {}
    with workers(jobs) as pool:
        names = {pool.submit(hunter, bug.name): bug.name for bug in bugs}
        for hunted in as_completed(names):
            name, hit = names[hunted], hunted.result()
            found[name] = hit
            show(name, hit)
    return Bag({bug.name: found[bug.name] for bug in bugs}, early)
