"""Show what simulated seeds have found to a person or, as JSON, to a program."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tests.simulation.coverage import Coverage, Row
from tests.simulation.plays import Play
from tests.simulation.profiles import Plan
from tests.simulation.runner import Broken, Spent, Sum
from tests.simulation.simulate import Outcome

FUNCTIONS: Final = Path(__file__).parents[2] / "functions"
MAX_BREACHES: Final = 5
MAX_SEEDS: Final = 10
WRONG: Final = "<<<"
"""Stands in a line of the timeline before what went wrong."""

WIDE: Final = 150
IMPOSSIBLE: Final = "·"
WHY_IMPOSSIBLE: Final = """it cannot hit this call: only batches and pages are partial;
  only a read that need not be consistent is stale;
  only writes and transactions conflict; only a write is done although its answer is lost, or after its caller is gone;
  only a provider's gateway answers 504 to what was done."""


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what was to be played, what was seen and what it took."""

    plan: Plan
    total: Sum
    coverage: Coverage
    spent: Spent

    @property
    def is_sound(self) -> bool:
        """Tell whether no rule was broken."""
        return not self.total.broken

    @property
    def done(self) -> dict[str, int]:
        """Count what was done in all."""
        total = self.total
        plays = {"seeds": total.seeds, "aimed": total.aimed}
        return {**plays, "invocations": total.invocations.total(), "faults": total.faults.total()}


def summary(report: Report) -> RenderableType:
    """Show all but the cells of the coverage."""
    tables = (_faults(report), _accidents(report), _functions(report), _speed(report))
    return Group(*tables, Text("\n".join(_facts(report)), "dim"), verdict(report))


def verdict(report: Report) -> Text:
    """Say in the end how it went: which seeds broke which rules, and how to see it again."""
    total = report.total
    played = f"{total.seeds:,} seeds" + (f" and {total.aimed:,} aimed plays" if total.aimed else "")
    if report.is_sound:
        return Text(f"No rule was broken in {played}.", "green")
    rules = Counter(rule for one in total.broken for rule in dict.fromkeys(breach.rule for breach in one.breaches))
    each = ", ".join(f"{rule} {seeds}" for rule, seeds in rules.most_common())
    last = Text(f"Broken in {len(total.broken):,} of {played}: {each}", "bold red")
    return Text("\n").join([*map(breaches, total.broken[:MAX_SEEDS]), last])


def breaches(broken: Broken) -> Text:
    """Name the rules that a seed broke, and the command that plays it again."""
    told = Text(f"✗ seed {broken.play} ({', '.join(broken.scenes)})", "bold red")
    for breach in broken.breaches[:MAX_BREACHES]:
        told.append(f"\n    {breach.rule}: {breach.detail}", "red")
    if len(broken.breaches) > MAX_BREACHES:
        told.append(f"\n    and {len(broken.breaches) - MAX_BREACHES} more", "red")
    return told.append(f"\n  {again(broken.play)}", "not bold default")


def again(play: Play) -> str:
    """Say how to play it again."""
    return f"tallystick simulate --replay {quote(str(play))}"


def cells(coverage: Coverage) -> RenderableType:
    """Show every call of every function and how often each fault has hit it."""
    numbers = [str(number) for number in range(1, len(coverage.faults) + 1)]
    table = _table("Faults of each call", "call", right=("times", *numbers))
    for function in dict.fromkeys(row.function for row in coverage.rows):
        table.add_section()
        table.add_row(Text(function, "bold"))
        for row in coverage.of(function).rows:
            table.add_row(Text(f"  {row.call}"), f"{row.times:,}", *map(_cell, row.cells))
    return Group(table, _legend(coverage))


def replayed(outcome: Outcome) -> Iterator[Text]:
    """Tell one seed from its beginning to its verdict."""
    yield Text(f"seed {outcome.play}: {', '.join(outcome.scenes)}", "bold")
    yield from (Text(line, "red" if WRONG in line else "") for line in outcome.timeline)
    faults = [
        f"{fault} {times}" for fault, times in (_added(outcome.faults.items(), 2) + outcome.accidents).most_common()
    ]
    yield Text(f"{outcome.invocations.total()} invocations; {', '.join(faults) or 'no faults'}")
    broken = Broken(outcome.play, outcome.scenes, outcome.breaches)
    yield breaches(broken) if outcome.breaches else Text("No rule was broken.", "green")


def unplayed(total: Sum) -> list[str]:
    """Name the product's functions that no seed has invoked."""
    return sorted({path.parent.name for path in FUNCTIONS.glob("*/handler.py")} - total.invocations.keys())


def document(report: Report, profile: str | None) -> dict[str, Any]:
    """Write down everything."""
    total, coverage = report.total, report.coverage
    return {
        "sound": report.is_sound,
        "profile": profile,
        "first_seed": report.plan.first,
        "saved": list(map(str, report.plan.saved)),
        "scenes": dict(total.scenes),
        "invocations": dict(total.invocations),
        "functions_not_invoked": unplayed(total),
        "faults": {fault: _hit(report, fault) for fault in coverage.faults},
        "accidents": dict(total.accidents),
        "coverage": {
            "possible": coverage.possible,
            "empty": coverage.empty,
            "rows": [_plain(row, coverage.faults) for row in coverage.rows],
        },
        "broken": [{**asdict(one), "play": str(one.play)} for one in total.broken],
        "done": report.done,
        "spent": asdict(report.spent),
        "speed": speed(report),
    }


def speed(report: Report) -> dict[str, dict[str, float]]:
    """Divide what was done by the seconds it took."""
    spent = report.spent
    return {
        name: {"per_cpu_s": round(times / spent.cpu_s, 1), "per_wall_s": round(times / spent.wall_s, 1)}
        for name, times in report.done.items()
    }


def _faults(report: Report) -> Table:
    table = _table("Faults of calls", "fault", right=("times", "functions", "calls"))
    for fault in report.coverage.faults:
        hit = _hit(report, fault)
        table.add_row(fault, f"{hit['times']:,}", str(hit["functions"]), str(hit["calls"]))
    return _footed(table, f"{report.total.faults.total():,}")


def _hit(report: Report, fault: str) -> dict[str, int]:
    hit = [(function, call) for function, call, kind in report.total.faults if kind == fault]
    return {
        "times": sum(times for (*_, kind), times in report.total.faults.items() if kind == fault),
        "functions": len({function for function, _ in hit}),
        "calls": len(hit),
    }


def _accidents(report: Report) -> Table:
    table = _table("Accidents", "accident", right=("times",))
    for accident, times in report.total.accidents.most_common():
        table.add_row(accident, f"{times:,}")
    return _footed(table, f"{report.total.accidents.total():,}")


def _functions(report: Report) -> Table:
    """Show for each function what it was put through; which cells are empty, `--coverage` shows."""
    total, coverage = report.total, report.coverage
    faults = _added(total.faults.items(), 0)
    table = _table("Functions", "function", right=("invocations", "faults", "calls", "cells", "empty"))
    for function in sorted(total.invocations.keys() | {row.function for row in coverage.rows}):
        of = coverage.of(function)
        counts = (total.invocations[function], faults[function], len(of.rows), of.possible)
        table.add_row(function, *(f"{count:,}" for count in counts), _count(of.empty))
    counts = (total.invocations.total(), total.faults.total(), len(coverage.rows), coverage.possible)
    table.caption = "calls: different ones; cells: faults that can hit them; empty: those that did not"
    return _footed(table, *(f"{count:,}" for count in counts), _count(coverage.empty))


def _speed(report: Report) -> Table:
    table = _table("Speed", "what", right=("times", "per second of processor", "per second"))
    for name, each in speed(report).items():
        table.add_row(name, f"{report.done[name]:,}", f"{each['per_cpu_s']:,}", f"{each['per_wall_s']:,}")
    return table


def _facts(report: Report) -> Iterator[str]:
    plan, spent = report.plan, report.spent
    yield f"{spent.cpu_s:,.1f} s of processor, {spent.wall_s:,.1f} s on the wall"
    yield f"{len(plan.saved)} saved seeds, then from {plan.first} on"
    absent = unplayed(report.total)
    if absent:
        yield f"never invoked: {', '.join(absent)}"


def _legend(coverage: Coverage) -> Text:
    names = ", ".join(f"{number} {fault}" for number, fault in enumerate(coverage.faults, 1))
    empty = f"{coverage.empty:,} of {coverage.possible:,} cells that can be filled"
    return Text(f"{names}\n{IMPOSSIBLE} {WHY_IMPOSSIBLE}\n0 it could and did not: {empty}.")


def _cell(cell: int | None) -> Text:
    return Text(IMPOSSIBLE, "dim") if cell is None else _count(cell) if cell == 0 else Text(f"{cell:,}")


def _count(empty: int) -> Text:
    return Text(f"{empty:,}", "bold red" if empty else "green")


def _plain(row: Row, faults: Sequence[str]) -> dict[str, Any]:
    hits = dict(zip(faults, row.cells, strict=True))
    return {"function": row.function, "call": row.call, "times": row.times, "cells": hits}


def _added(counted: Iterable[tuple[tuple[str, ...], int]], member: int) -> Counter[str]:
    """Add up by one member of the keys."""
    added: Counter[str] = Counter()
    for key, times in counted:
        added[key[member]] += times
    return added


def _table(title: str, name: str, right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(name)
    for column in right:
        table.add_column(column, justify="right")
    return table


def _footed(table: Table, *counts: str | Text) -> Table:
    """Put what all rows make together below them."""
    table.add_section()
    table.add_row("together", *counts, style="bold")
    return table
