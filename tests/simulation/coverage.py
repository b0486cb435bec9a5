"""Say which faults have hit which calls, and which could have and did not."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.simulation.faults import Fault
from tests.simulation.plays import Aim, Play
from tests.simulation.runner import Simulate, Sum, run

ROUNDS: Final = 4
"""An aimed fault can lead to calls that were never made before, which are aimed at in the next round."""


@dataclass(frozen=True, slots=True)
class Row:
    """Count the faults of one call of a function: None where a fault cannot hit it, 0 where it could and did not."""

    function: str
    call: str
    times: int
    cells: tuple[int | None, ...]

    @property
    def possible(self) -> int:
        """Count the faults that can hit it."""
        return sum(cell is not None for cell in self.cells)

    @property
    def empty(self) -> int:
        """Count the faults that can hit it and did not."""
        return self.cells.count(0)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Hold a row for each call, and a column for each kind of fault."""

    faults: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def possible(self) -> int:
        """Count the cells that can be filled."""
        return sum(row.possible for row in self.rows)

    @property
    def empty(self) -> int:
        """Count those of them that are not."""
        return sum(row.empty for row in self.rows)

    def of(self, function: str) -> "Coverage":
        """Keep one function's rows."""
        return Coverage(self.faults, tuple(row for row in self.rows if row.function == function))


def cover(total: Sum, faults: Sequence[str], applicable: Callable[[str], Collection[str]]) -> Coverage:
    """Lay out which faults have hit which calls."""

    def cells(function: str, call: str) -> Iterator[int | None]:
        possible = applicable(call)
        for fault in faults:
            hits = total.faults[function, call, fault]
            yield hits if hits or fault in possible else None

    calls = sorted(total.calls.keys() | {(function, call) for function, call, _ in total.faults})
    rows = (Row(*call, total.calls[call], tuple(cells(*call))) for call in calls)
    return Coverage(tuple(faults), tuple(rows))


def aims(total: Sum, coverage: Coverage) -> list[Play]:
    """Aim each fault at each call that it could hit and did not, in the simplest play that made the call."""
    return [
        Play(first.seed, (*first.aims, Aim(row.function, row.call, Fault(fault))))
        for row in coverage.rows
        for fault, times in zip(coverage.faults, row.cells, strict=True)
        if times == 0 and (first := total.first.get((row.function, row.call)))
    ]


def complete(
    total: Sum,
    simulate: Simulate,
    faults: Sequence[str],
    applicable: Callable[[str], Collection[str]],
    *,
    jobs: int,
    keep_going: bool = False,
    show: Callable[[int, Sum], None] = lambda _wanted, _part: None,
) -> None:
    """Aim until no cell is empty that can be filled, and add up what was seen; a broken rule ends it as in `run`."""
    for _ in range(ROUNDS):
        missing = aims(total, cover(total, faults, applicable))
        if not missing or (total.broken and not keep_going):
            return
        total += run(simulate, missing, jobs=jobs, keep_going=keep_going, show=partial(show, len(missing)))
