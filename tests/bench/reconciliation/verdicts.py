"""Judge by what was planted: was each fault found, by what and how soon, and was anybody told of what is not there."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table

from tallystick.domain.runs import Verdict
from tests.bench.reconciliation.faults import Planted
from tests.bench.reconciliation.watching import OVERWRITTEN, Received

GUARD: Final = "guard"
_COMPARING: Final = frozenset({"PROVIDER_MISMATCH", "WEBHOOK_FAILURE"})


@dataclass(frozen=True, slots=True)
class Detection:
    """Say that a fault was found, by the guard or by which kind of run, and how long after it was planted."""

    by: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """Sum up a kind of fault: `by_runs` were found by reconciliation, whatever the guard saw."""

    kind: str
    planted: int
    found: int
    by_runs: int
    seconds: tuple[float, ...]
    found_by: dict[str, int]


def lines_of(planted: Iterable[Planted], alerts: Sequence[Received], verdicts: Sequence[Verdict]) -> list[Line]:
    """Judge each fault, and sum up by kind."""
    by_kind: dict[str, list[dict[str, Detection]]] = {}
    for fault in planted:
        by_kind.setdefault(fault.kind, []).append(detections(fault, alerts, verdicts))
    return [_line(kind, found) for kind, found in by_kind.items()]


def detections(fault: Planted, alerts: Sequence[Received], verdicts: Sequence[Verdict]) -> dict[str, Detection]:
    """Find the first alert of the guard and of a run that names a fault; by the name of who raised it."""
    if fault.is_made_good is not None:
        late = [verdict for verdict in verdicts if verdict.sums.counted.late and _ended_s(verdict) > fault.at_s]
        if not late or not fault.is_made_good():
            return {}
        return {late[0].run.mode: Detection(late[0].run.mode, _ended_s(late[0]) - fault.at_s)}
    found: dict[str, Detection] = {}
    for alert in alerts:
        if alert.at_s >= fault.at_s and fault.evidence & alert.names:
            by = raised_by(alert, verdicts)
            found.setdefault(by, Detection(by, alert.at_s - fault.at_s))
    return found


def false_alerts(planted: Iterable[Planted], alerts: Iterable[Received]) -> list[Received]:
    """List the alerts that no planted fault explains."""
    explained = frozenset[str]().union(*(fault.evidence | fault.also for fault in planted))
    return [alert for alert in alerts if not alert.names & explained]


def raised_by(alert: Received, verdicts: Iterable[Verdict]) -> str:
    """Say who raised an alert: the guard, the comparison with providers, or the run that was under way."""
    if alert.kind in _COMPARING:
        return "providers"
    if alert.kind == OVERWRITTEN:
        return GUARD
    begun = [verdict.run for verdict in verdicts if verdict.run.started_at_ms / 1000 <= alert.at_s]
    return str(begun[-1].mode) if begun else "nobody"


def table_of(lines: Iterable[Line]) -> Table:
    """Show one line for each kind."""
    table = Table("kind", title="Planted faults, and how they were found")
    for name in ("planted", "found", "by runs", "min s", "median s", "max s"):
        table.add_column(name, justify="right")
    table.add_column("found first by")
    for line in lines:
        seconds = line.seconds
        times = (min(seconds), statistics.median(seconds), max(seconds)) if seconds else ()
        first = ", ".join(f"{name} {count}" for name, count in sorted(line.found_by.items()))
        cells = [f"{value:.1f}" for value in times] or [""] * 3
        table.add_row(line.kind, str(line.planted), str(line.found), str(line.by_runs), *cells, first)
    return table


def plain(lines: Iterable[Line], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write everything as JSON takes it."""
    return {**facts, "kinds": [asdict(line) for line in lines]}


def _line(kind: str, found: Sequence[dict[str, Detection]]) -> Line:
    first = [min(one.values(), key=lambda detection: detection.seconds) for one in found if one]
    counts: dict[str, int] = {}
    for detection in first:
        counts[detection.by] = counts.get(detection.by, 0) + 1
    by_runs = sum(any(name != GUARD for name in one) for one in found)
    return Line(kind, len(found), len(first), by_runs, tuple(detection.seconds for detection in first), counts)


def _ended_s(verdict: Verdict) -> float:
    return (verdict.run.ended_at_ms or 0) / 1000
