"""Let money move, plant faults meanwhile, and see whether reconciliation finds them all and nothing else."""

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.console import Console

from cli.local.deployment import Deployment
from tallystick.domain.runs import Verdict
from tests.bench.reconciliation import place
from tests.bench.reconciliation.counter import Counter, opened
from tests.bench.reconciliation.faults import KINDS, Planted, Scene, prepared
from tests.bench.reconciliation.moving import Load, Mover, load, populate
from tests.bench.reconciliation.running import BUCKET_S, Runner, wait_for
from tests.bench.reconciliation.vault import Vault
from tests.bench.reconciliation.verdicts import Line, false_alerts, lines_of, table_of
from tests.bench.reconciliation.watching import Received, Watch, watch

DELIVERED_S: Final = 3
"""So long after the last run alerts are waited for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Say how much of everything; `margin_s` is how far back runs cut, None as it is configured."""

    wallets: int
    faults_each: int
    seconds: float
    processes: int = 2
    rate_per_s: float = 20
    margin_s: int | None = None

    @property
    def rhythm(self) -> str | None:
        """Write the rhythm of runs as the functions read it."""
        chosen = {"segments": 4, "margin_s": self.margin_s, "full_pause_s": 0, "look_again_s": 1}
        return None if self.margin_s is None else json.dumps(chosen)

    @property
    def settled_s(self) -> float:
        """Say after how long what was done lies before the cut of the next run."""
        return BUCKET_S + (20 if self.margin_s is None else self.margin_s)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what came of it."""

    lines: list[Line]
    false: list[Received]
    verdicts: list[Verdict]
    facts: Mapping[str, Any]

    @property
    def is_perfect(self) -> bool:
        """Tell whether all was found, by the runs alone too, and nothing else."""
        return not self.false and all(line.planted == line.found == line.by_runs for line in self.lines)


def bench(plan: Plan, deployment: Deployment, out: Console) -> Outcome:
    """Carry the plan out in a deployment that is new."""
    variables = place.variables(deployment)
    place.enter(variables)
    from tallystick.wiring import reconciliation

    runner, seconds = Runner(deployment, reconciliation.runs()), Timings()
    with opened(deployment) as counter, watch(deployment) as seen, place.with_rhythm(deployment, plan.rhythm):
        with seconds.of("populate"):
            wallets = populate(variables, plan.wallets, plan.processes)
            scenes = _scenes(plan, Vault(deployment), counter)
        out.print(f"{len(wallets)} wallets, and {2 * len(scenes)} more for faults, in {seconds['populate']:.0f} s")
        with load(variables, wallets, processes=plan.processes, rate_per_s=plan.rate_per_s) as moving:
            with seconds.of("baseline"):
                runner.planned()
            _let_it_move(plan, scenes)
            planted = [_plant(scene, kind) for scene, kind in zip(scenes, _kinds(plan), strict=True)]
            with seconds.of("runs"):
                _find(runner, plan)
        time.sleep(DELIVERED_S)
    return _outcome(planted, seen, runner, moving, seconds)


def show(outcome: Outcome, out: Console) -> None:
    """Print the table, and what was raised without a cause."""
    if outcome.lines:
        out.print(table_of(outcome.lines))
    for alert in outcome.false:
        out.print("[red]false:[/red]", alert)
    for verdict in outcome.verdicts:
        run, counted = verdict.run, verdict.sums.counted
        took_s = ((run.ended_at_ms or 0) - run.started_at_ms) / 1000
        out.print(
            f"run {run.mode}: {took_s:.1f} s, {counted.accounts} accounts, {counted.checked} examined, "
            f"{counted.entries} entries, {counted.transfers} transfers, {counted.findings} findings, "
            f"{counted.unclear} unclear, {counted.late} late; suspicion: {verdict.suspicion or 'none'}"
        )
    out.print({name: value for name, value in outcome.facts.items() if name != "runs"})


class Timings(dict[str, float]):
    """Measure seconds by name."""

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measure a block."""
        started = time.perf_counter()
        yield
        self[name] = round(time.perf_counter() - started, 1)


def _kinds(plan: Plan) -> list[str]:
    return [kind for kind in KINDS for _ in range(plan.faults_each)]


def _scenes(plan: Plan, vault: Vault, counter: Counter) -> list[Scene]:
    chance, mover = random.Random(1), Mover("prepared")  # noqa: S311 (no secret)
    return [prepared(vault, mover, chance, counter, number) for number, _ in enumerate(_kinds(plan))]


def _let_it_move(plan: Plan, scenes: Sequence[Scene]) -> None:
    """Let money move for as long as asked for, and until the histories are in the totals."""
    time.sleep(plan.seconds)
    for scene in scenes:
        wait_for(lambda scene=scene: scene, lambda found: found.is_tallied)  # type: ignore[misc]


def _plant(scene: Scene, kind: str) -> Planted:
    planted = KINDS[kind](scene)
    return replace(planted, at_s=time.time(), kind=kind)


def _find(runner: Runner, plan: Plan) -> None:
    """Reconcile as the clock would, and then everything, whatever came of it."""
    time.sleep(plan.settled_s if plan.faults_each else 0)
    runner.compared()
    if len(runner.planned()) == 1:
        runner.full()


def _outcome(planted: Sequence[Planted], seen: Watch, runner: Runner, moving: Load, seconds: Timings) -> Outcome:
    lines = lines_of(planted, seen.alerts, runner.verdicts)
    false = false_alerts(planted, seen.alerts)
    counted = [verdict.sums.counted for verdict in runner.verdicts]
    facts = {
        "movements_meanwhile": moving.movements,
        "seconds": dict(seconds),
        "alerts": len(seen.alerts),
        "false": len(false),
        "planted": sum(line.planted for line in lines),
        "found": sum(line.found for line in lines),
        "accounts": counted[-1].accounts,
        "transfers": counted[-1].transfers,
    }
    return Outcome(lines, false, runner.verdicts, facts)
