"""Show the steps of a long command on standard error, with the time each one took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Steps:
    """Name each step while it runs and keep its seconds in `timings`."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Write to standard error, so that standard output stays free for results."""
        self.timings: dict[str, float] = {}
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` until the block ends, then its time."""
        started = time.perf_counter()
        with self._console.status(name):
            yield
        self.timings[name] = round(time.perf_counter() - started, 2)
        self._console.print(f"[green]✓[/green] {name} [dim]{self.timings[name]:.2f} s[/dim]")
