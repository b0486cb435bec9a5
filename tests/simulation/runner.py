"""Carry out many plays in worker processes, and add up what was seen."""

import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from itertools import islice, takewhile
from multiprocessing import get_context
from typing import Final, Protocol, Self

from tests.simulation.judge import Breach
from tests.simulation.machine import installed
from tests.simulation.plays import Play
from tests.simulation.simulate import Outcome

CHUNK: Final = 20
"""Plays that a worker carries out before it tells: a second's work."""

TICK_S: Final = 0.01
"""The least time that can be measured."""

_FOR_GOOD: Final = ExitStack()


class Simulate(Protocol):
    """Carry out one play."""

    def __call__(self, named: Play, *, trace: bool = False) -> Outcome:
        """Answer what happened."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Name a play in which a rule was broken."""

    play: Play
    scenes: tuple[str, ...]
    breaches: tuple[Breach, ...]


@dataclass(slots=True)
class Sum:
    """Add up outcomes."""

    seeds: int = 0
    aimed: int = 0
    scenes: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: dict[tuple[str, str], Play] = field(default_factory=dict)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    accidents: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """Take one play in."""
        if outcome.play.aims:
            self.aimed += 1
        else:
            self.seeds += 1
        self.scenes.update(outcome.scenes)
        self.invocations.update(outcome.invocations)
        self.calls.update(outcome.calls)
        self._meet(dict.fromkeys(outcome.calls, outcome.play))
        self.faults.update(outcome.faults)
        self.accidents.update(outcome.accidents)
        if outcome.breaches:
            self.broken.append(Broken(outcome.play, outcome.scenes, outcome.breaches))

    def __iadd__(self, other: "Sum") -> Self:
        """Take in what another worker has added up."""
        for each in fields(self):
            if each.name != "first":
                mine = getattr(self, each.name)
                mine += getattr(other, each.name)
                setattr(self, each.name, mine)
        self._meet(other.first)
        return self

    def _meet(self, first: Mapping[tuple[str, str], Play]) -> None:
        """Keep for each call the simplest play that makes it."""
        for call, play in first.items():
            self.first[call] = min(play, self.first.get(call, play), key=lambda one: one.rank)


@dataclass(frozen=True, slots=True)
class Spent:
    """Say what it took: seconds of all processors, and on the wall."""

    cpu_s: float
    wall_s: float


class Stopwatch:
    """Measure from its making on: this process, and workers that have ended by then."""

    def __init__(self) -> None:
        """Begin."""
        self._began = os.times()

    def spent(self) -> Spent:
        """Read it."""
        took = [now - then for now, then in zip(os.times(), self._began, strict=True)]
        return Spent(max(sum(took[:4]), TICK_S), max(took[4], TICK_S))


def run(
    simulate: Simulate,
    plays: Iterable[Play],
    *,
    jobs: int,
    keep_going: bool = False,
    is_enough: Callable[[Sum], bool] = lambda _: False,
    show: Callable[[Sum], None] = lambda _: None,
) -> Sum:
    """Play until there is no more, it is enough, or a rule was broken; what was begun is played to its end.

    With `keep_going` also plays after one that broke a rule.

    Raises:
        BrokenProcessPool: a worker process died.
    """
    total = Sum()
    wanted = takewhile(lambda _: (keep_going or not total.broken) and not is_enough(total), _chunks(plays))
    for part in _parts(simulate, wanted, jobs):
        total += part
        show(total)
    total.broken.sort(key=lambda one: one.play.rank)
    return total


def play_one(simulate: Simulate, named: Play, *, trace: bool = False) -> Outcome:
    """Carry out one play; that it could not be played to its end is a breach as well."""
    try:
        return simulate(named, trace=trace)
    except Exception:  # noqa: BLE001 (whatever it is, the seed shows it)
        breach = Breach("simulation", traceback.format_exc())
        return Outcome(named, (), Counter(), Counter(), Counter(), Counter(), (breach,), ())


def play_all(simulate: Simulate, plays: Iterable[Play]) -> Sum:
    """Carry out plays in this process."""
    total = Sum()
    with installed():
        for play in plays:
            total.take(play_one(simulate, play))
    return total


def workers(jobs: int) -> ProcessPoolExecutor:
    """Start worker processes that share nothing with this one."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_prepare)


def _prepare() -> None:
    """Let a worker be the simulator's for good, which is dear to become, and leave Ctrl-C to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _FOR_GOOD.enter_context(installed())


def _chunks(plays: Iterable[Play]) -> Iterator[list[Play]]:
    source = iter(plays)
    return iter(lambda: list(islice(source, CHUNK)), [])


def _parts(simulate: Simulate, chunks: Iterable[list[Play]], jobs: int) -> Iterator[Sum]:
    """Keep each worker busy with one chunk, and one more at hand."""
    if jobs == 1:
        yield from (play_all(simulate, chunk) for chunk in chunks)
        return
    with workers(jobs) as pool:
        running: set[Future[Sum]] = set()
        for chunk in chunks:
            running.add(pool.submit(play_all, simulate, chunk))
            if len(running) > jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        yield from (one.result() for one in as_completed(running))
