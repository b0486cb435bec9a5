"""Enumerate instead of throwing dice: each call of one operation, or of some interleaved ones, meets each fault.

An operation is preempted at most once: at one of its calls it waits until the next operation was preempted or is over
(few preemptions find most races: Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007). Whoever got no answer
tries again with the same key; then all comes to its end and is judged.

    python -m tests.simulation.exhaustive [--crossed]
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from tests.simulation.faults import LASTING, Blow, Calm, applicable
from tests.simulation.judge import Breach, judge
from tests.simulation.kernel import SECOND, Task
from tests.simulation.machine import installed, run_in
from tests.simulation.world import World

STEP_US: Final = 1000
START_US: Final = SECOND
"""Between the beginnings of operations; whoever is preempted waits for so many starts."""

SEED: Final = 1

Operation = Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Case:
    """Prepare a world in peace and give the operations that are then interleaved, oldest first."""

    name: str
    prepare: Callable[[World], Sequence[Operation]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Say where invocations begin, at which call each operation is preempted (None: never), and which meets what."""

    is_cold: bool
    preempted: tuple[int | None, ...] = ()
    struck: tuple[str, int] | None = None
    blow: Blow | None = None

    def __str__(self) -> str:
        """Say it in a line."""
        where = f", {self.struck[0]}'s call {self.struck[1]}: {self.blow.fault}" if self.struck and self.blow else ""
        lasts = " (lasting)" if self.blow and self.blow.is_lasting else ""
        return f"{'cold' if self.is_cold else 'warm'}, preempted at {self.preempted}{where}{lasts}"


@dataclass(slots=True)
class Script:
    """Carry a plan out; calls of what is no operation take as long as a step and meet nothing."""

    plan: Plan
    calls: dict[str, list[str]] = field(default_factory=dict)

    def choose(self, task: Task, call: str) -> Blow | None:
        """Strike the call that is meant."""
        made = self.calls.setdefault(task.origin, [])
        made.append(call)
        return self.plan.blow if self.plan.struck == (task.origin, len(made) - 1) else None

    def wait_us(self, task: Task) -> int:
        """Let an operation wait where it is preempted, the older one longer."""
        number = _number(task.origin)
        if number is None or self.plan.preempted[number] != len(self.calls[task.origin]) - 1:
            return STEP_US
        return 2 * START_US


@dataclass(slots=True)
class Tally:
    """Count what was played."""

    plans: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    breaches: list[tuple[Plan, Breach]] = field(default_factory=list)


def explore(case: Case, *, struck: int) -> Tally:
    """Play a case in every interleaving; in so many of them, from the first one on, every fault strikes every call."""
    tally = Tally()
    with installed():
        for is_cold in (False, True):
            for number, plan in enumerate(_interleaved(_play(case, Plan(is_cold), tally), is_cold)):
                calls = _play(case, plan, tally)
                for one in _struck(plan, calls) if number < struck else ():
                    _play(case, one, tally)
    return tally


def _interleaved(calm: dict[str, list[str]], is_cold: bool) -> Iterator[Plan]:  # noqa: FBT001 (a part of the plan)
    """Preempt all operations but the last at each of their calls; first at none."""
    names = sorted(name for name in calm if _number(name) is not None)
    places = ([None, *range(len(calm[name]))] for name in names[:-1])
    yield from (Plan(is_cold, (*preempted, None)) for preempted in product(*places))


def _struck(plan: Plan, calls: dict[str, list[str]]) -> Iterator[Plan]:
    for name in sorted(calls):
        for place, call in enumerate(calls[name]):
            for fault in applicable(call):
                for is_lasting in (False, True) if fault in LASTING else (False,):
                    yield replace(plan, struck=(name, place), blow=Blow(fault, is_lasting))


def _play(case: Case, plan: Plan, tally: Tally) -> dict[str, list[str]]:
    """Play a case once; answer the calls of each operation, and of what came of them."""
    world = World(SEED, Calm)
    with run_in(world):
        operations: list[Operation] = []
        world.kernel.run_through(world.kernel.spawn("prepare", lambda: operations.extend(case.prepare(world))))
        world.kernel.run(world.kernel.now_us + START_US)
        script = Script(plan if plan.preempted else replace(plan, preempted=(None,) * len(operations)))
        world.fleet.cold = float(plan.is_cold)
        world.boundary.chooser = script
        tasks = [
            world.kernel.spawn(f"operation {number}", partial(act, world), number * START_US)
            for number, act in enumerate(operations)
        ]
        for task in tasks:
            world.kernel.run_through(task)
        world.kernel.run(world.kernel.now_us + 10 * SECOND)
        world.end(reconcile=False)
    tally.plans += 1
    tally.faults.update({fault: times for (_, _, fault), times in world.boundary.faults.items()})
    tally.breaches += [(plan, breach) for breach in judge(world.evidence())]
    return script.calls


def _number(origin: str) -> int | None:
    name, _, number = origin.partition(" ")
    return int(number) if name == "operation" else None


def main() -> None:
    """Explore every case, with every fault in every interleaving if `--crossed` is given."""
    from tests.simulation.cases import ALONE, INTERLEAVED

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("operations", "plans", "faults", "breaches"):
        table.add_column(name, justify="left" if name == "operations" else "right")
    broken = 0
    for case in (*ALONE, *INTERLEAVED):
        tally = explore(case, struck=sys.maxsize if "--crossed" in sys.argv else 1)
        broken += len(tally.breaches)
        table.add_row(case.name, *(f"{n:,}" for n in (tally.plans, sum(tally.faults.values()), len(tally.breaches))))
        for plan, breach in tally.breaches[:3]:
            sys.stderr.write(f"{case.name}, {plan}: {breach.rule}: {breach.detail}\n")
    Console(highlight=False).print(table)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
