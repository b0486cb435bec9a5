"""Go through all segments of a survey in a few threads, with a bar on standard error."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tallystick.domain.reconciliation import Finding
from tallystick.domain.runs import Part, Run, Sums
from tallystick.services.covering import Cover
from tallystick.services.surveying import survey

THREADS: Final = 4
SEGMENTS: Final = 16
PAGE: Final = 100
MAX_NAMED: Final = 1000
"""Accounts and transfers with findings that are named; it counts all of them."""


@dataclass
class Found:
    """Add up what threads have seen: the sums without their findings, and these by whose they are."""

    sums: Sums = field(default_factory=Sums)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    unnamed: int = 0

    def take(self, sums: Sums) -> None:
        """Take a page in."""
        self.sums += replace(sums, findings=(), recovered=())
        for finding in sums.findings:
            if finding.account_id in self.findings or len(self.findings) < MAX_NAMED:
                self.findings.setdefault(finding.account_id, []).append(finding)
            else:
                self.unnamed += 1


class _Stopped(Exception):
    """Another thread has failed, or the person at the keyboard has had enough."""


def go_through(cover: Cover, run: Run, *, quiet: bool = False) -> Found:
    """Survey all segments.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    found, lock, stop = Found(), threading.Lock(), threading.Event()
    with _bar(len(run.parts), quiet=quiet) as bar, ThreadPoolExecutor(THREADS) as pool:

        def work(part: Part, number: int) -> None:
            for sums in survey(cover=cover, run=run, part=part, number=number):
                if stop.is_set():
                    raise _Stopped
                with lock:
                    found.take(sums)
                    bar.show(found)
            bar.advance()

        jobs = [pool.submit(work, part, number) for part, number in run.parts]
        try:
            for job in jobs:
                job.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return found


class _Bar:
    """Show how many segments are done, and what was gone through."""

    def __init__(self, progress: Progress, segments: int) -> None:
        self._progress = progress
        self._task = progress.add_task("segments", total=segments, seen="")

    def show(self, found: Found) -> None:
        counted = found.sums.counted
        seen = f"{counted.accounts} accounts, {counted.entries} entries, {counted.transfers} transfers"
        self._progress.update(self._task, seen=seen)

    def advance(self) -> None:
        self._progress.advance(self._task)


@contextmanager
def _bar(segments: int, *, quiet: bool) -> Iterator[_Bar]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    seen = TextColumn("{task.fields[seen]}")
    with Progress(*columns, seen, console=console, transient=True, disable=quiet or not console.is_terminal) as shown:
        yield _Bar(shown, segments)


class Clock:
    """Measure seconds from its making on."""

    def __init__(self) -> None:
        """Begin."""
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Say how long it is ago."""
        return round(time.perf_counter() - self._started, 2)
