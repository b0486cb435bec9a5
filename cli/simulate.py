"""`tallystick simulate`: play seeds of the simulator, and say which rules were broken and what was covered."""

import json
import os
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.operate.common import DIFFERENCES, SOUND, CannotRun, readable_errors

if TYPE_CHECKING:
    from rich.progress import Progress

    from tests.simulation.profiles import Plan
    from tests.simulation.report import Report
    from tests.simulation.runner import Sum

DEFAULT: Final = "ci"
INSTALL: Final = "make .venv/.dev"

Seeds = Annotated[int | None, typer.Option(min=1, help="So many fresh seeds and nothing else, instead of a profile.")]
First = Annotated[
    int | None, typer.Option("--from", min=0, help="The first fresh seed; otherwise today's date says it.")
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="ci (5,000 seeds), nightly (50,000) or release (1,000,000 invocations).")
]
Replay = Annotated[
    str | None, typer.Option(help="Play one seed, with what is aimed behind it, and show all that happened in it.")
]
Jobs = Annotated[int | None, typer.Option(min=1, help="Worker processes; as many as there are processors otherwise.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="A file for everything that was counted.")
]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Play on after a rule was broken, to see how often.")]
Whole = Annotated[bool, typer.Option("--coverage", help="Show also which fault has hit which call how often.")]


def simulate(
    seeds: Seeds = None,
    first: First = None,
    profile: ProfileName = None,
    replay: Replay = None,
    jobs: Jobs = None,
    json_file: JsonFile = None,
    keep_going: KeepGoing = False,  # noqa: FBT002 (Typer reads the default from here)
    coverage: Whole = False,  # noqa: FBT002
) -> None:
    """Run the real handlers in simulated clouds with faults; exit with 0 sound, 1 a rule was broken, 2 could not.

    A seed decides everything, so each finding can be played again.
    """
    with readable_errors(), _requirements():
        if replay is not None:
            raise typer.Exit(_replayed(replay))
        name = profile or (None if seeds else DEFAULT)
        report = _played(_plan(seeds, name, first), jobs or os.cpu_count() or 1, keep_going=keep_going)
        _show(report, coverage=coverage)
        if json_file:
            _write(json_file, report, name)
    raise typer.Exit(SOUND if report.is_sound else DIFFERENCES)


@contextmanager
def _requirements() -> Iterator[None]:
    """Say what to do where only what runs in Lambda is installed, or a worker is gone."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise CannotRun(f"The simulator needs {missing.name}. `{INSTALL}` installs what the checks need.") from missing
    except BrokenProcessPool as broken:
        raise CannotRun("A worker process has died. With --jobs 1 everything happens in this one.") from broken


def _plan(seeds: int | None, name: str | None, first: int | None) -> "Plan":
    from tests.simulation.profiles import PROFILES, Plan, Profile, first_of, saved_plays

    if first is None:
        first = first_of(datetime.now(UTC).date())
    if name is None:
        return Plan(Profile(seeds=seeds or 0), first)
    if seeds:
        raise CannotRun("--seeds and --profile exclude each other.")
    if name not in PROFILES:
        raise CannotRun(f"There is no profile {name}: {', '.join(PROFILES)}.")
    return Plan(PROFILES[name], first, saved_plays())


def _played(plan: "Plan", jobs: int, *, keep_going: bool) -> "Report":
    from tests.simulation.coverage import complete, cover
    from tests.simulation.report import Report
    from tests.simulation.runner import Stopwatch, run
    from tests.simulation.simulate import FAULTS, applicable, simulate

    watch = Stopwatch()
    with _bar() as bar:
        task = bar.add_task("seeds", total=1.0, seen="")

        def show(total: "Sum") -> None:
            invocations, faults = total.invocations.total(), total.faults.total()
            seen = f"{total.seeds:,} seeds, {invocations:,} invocations, {faults:,} faults"
            bar.update(task, completed=plan.share(total), seen=seen)

        def show_aimed(wanted: int, part: "Sum") -> None:
            seen = f"{part.aimed:,} of {wanted:,} faults aimed at calls that they missed"
            bar.update(task, completed=part.aimed / wanted, seen=seen)

        total = run(simulate, plan.plays(), jobs=jobs, keep_going=keep_going, is_enough=plan.is_reached, show=show)
        if plan.profile.covers:
            complete(total, simulate, FAULTS, applicable, jobs=jobs, keep_going=keep_going, show=show_aimed)
    return Report(plan, total, cover(total, FAULTS, applicable), watch.spent())


def _bar() -> "Progress":
    """Open a bar on standard error that is gone in the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    seen = TextColumn("{task.fields[seen]}")
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(), seen)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _show(report: "Report", *, coverage: bool) -> None:
    from rich.console import Console

    from cli.demo.tables import console
    from tests.simulation.report import WIDE, cells, summary

    out = console()
    if coverage:
        wide = out if out.is_terminal else Console(highlight=False, width=WIDE)
        wide.print(cells(report.coverage))
    out.print(summary(report))


def _write(path: Path, report: "Report", name: str | None) -> None:
    from tests.simulation.report import document

    path.write_text(json.dumps(document(report, name), indent=1), encoding="utf-8")


def _replayed(named: str) -> int:
    """Show one play line by line."""
    from cli.demo.tables import console
    from tests.simulation.plays import Play
    from tests.simulation.report import replayed
    from tests.simulation.runner import play_one
    from tests.simulation.simulate import simulate

    try:
        play = Play.parse(named)
    except ValueError as error:
        raise CannotRun(f"No play is named {named}: a seed, then perhaps `; function: call: fault`.") from error
    outcome, out = play_one(simulate, play, trace=True), console()
    for line in replayed(outcome):
        out.print(line, soft_wrap=True)
    return DIFFERENCES if outcome.breaches else SOUND
