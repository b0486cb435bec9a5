"""Say which faults have hit which calls, and which could have and did not."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from tests.simulation.runner import Sum


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
