"""Run tasks on one virtual clock, one at a time; whose turn it is next, a seed decides."""

import heapq
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, Final

from greenlet import getcurrent, greenlet

SECOND: Final = 1_000_000
"""Microseconds; all of the kernel's times are in microseconds since 1970."""

BEGIN_US: Final = 1_769_860_800 * SECOND
"""2026-01-31T12:00:00Z."""


MAX_STEPS: Final = 100_000
"""What takes more has no end: a world takes some hundreds."""


class Killed(BaseException):
    """End an invocation at this very point, as when its container dies."""


class Task:
    """A strand of execution that gives its turn up only where it waits."""

    __slots__ = ("container", "greenlet", "is_over", "name", "origin", "result", "swap", "waiting")

    def __init__(self, name: str, origin: str) -> None:
        """Name it, and the task it descends from; a container is where an invocation runs, others have none."""
        self.name = name
        self.origin = origin
        self.greenlet: greenlet | None = None
        self.is_over = False
        self.result: Any = None
        self.waiting: list[Callable[[], None]] = []
        self.container: Any = None
        self.swap: Any = None


class Kernel:
    """Hold the clock, the dice, and what is due when."""

    def __init__(self, seed: int) -> None:
        """Begin on a winter's day, with dice of this seed."""
        self.dice = Random(seed)  # noqa: S311 (chance that can be repeated is the point)
        self.now_us = BEGIN_US
        self.current: Task | None = None
        self._due: list[tuple[int, float, int, Callable[[], object]]] = []
        self._count = 0
        self._hub = getcurrent()

    def here(self) -> Task:
        """Give the current task; only inside one can anything wait."""
        if self.current is None:
            raise RuntimeError("no task is running")
        return self.current

    def after(self, delay_us: int, action: Callable[[], object]) -> None:
        """Do something later; what is due at the same moment comes in any order."""
        self._count += 1
        heapq.heappush(self._due, (self.now_us + delay_us, self.dice.random(), self._count, action))

    def spawn(self, name: str, body: Callable[[], Any], delay_us: int = 0) -> Task:
        """Begin a task."""
        task = Task(name, self.current.origin if self.current else name)
        task.greenlet = greenlet(partial(self._live, task, body), parent=self._hub)
        self.after(delay_us, partial(self._resume, task))
        return task

    def sleep(self, delay_us: int) -> None:
        """Let time pass for the current task; others have their turn."""
        task = self.here()
        self.after(delay_us, partial(self._resume, task))
        self._hand_over(task)

    def join(self, *tasks: Task) -> None:
        """Let the current task wait until others are over."""
        task = self.here()
        for other in tasks:
            if not other.is_over:
                other.waiting.append(partial(self._resume, task))
                self._hand_over(task)

    def run(self, until_us: int | None = None) -> None:
        """Do what is due, up to a time or until nothing is."""
        while self._due and (until_us is None or self._due[0][0] <= until_us):
            self._do_next()
        if until_us is not None:
            self.now_us = max(self.now_us, until_us)

    def run_through(self, task: Task) -> None:
        """Do what is due until a task is over."""
        while self._due and not task.is_over:
            self._do_next()

    def _do_next(self) -> None:
        if self._count > MAX_STEPS:
            raise RuntimeError(f"no end after {MAX_STEPS:,} steps")
        self.now_us, _, _, action = heapq.heappop(self._due)
        action()

    def _live(self, task: Task, body: Callable[[], Any]) -> None:
        try:
            task.result = body()
        finally:
            task.is_over = True
            for action in task.waiting:
                self.after(0, action)

    def _hand_over(self, task: Task) -> None:
        if task.swap:
            task.swap.out()
        self._hub.switch()
        if task.swap:
            task.swap.back()

    def _resume(self, task: Task) -> None:
        self.current = task
        try:
            task.greenlet.switch()  # type: ignore[union-attr] # it was begun
        finally:
            self.current = None
