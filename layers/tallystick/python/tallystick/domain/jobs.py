"""Jobs of the clock: what is known of their runs, and when one is overdue."""

from dataclasses import dataclass
from typing import Final

LATE_RUNS: Final = 3
"""So many intervals may pass without a run that finishes."""

GRACE_MS: Final = 120_000
"""And at least so long after the time of the next one."""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Say when a job was last seen to begin, to finish and to fail, and since when it is watched."""

    name: str
    watched_since_ms: int | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    failed_at_ms: int | None = None
    error: str | None = None
    every_s: int | None = None

    def late_ms(self, every_s: int, now_ms: int) -> int:
        """Say how far a job that should run so often is past the last time at which it should have finished."""
        since_ms = max(self.finished_at_ms or 0, self.watched_since_ms or 0)
        return now_ms - since_ms - patience_ms(every_s)


def patience_ms(every_s: int) -> int:
    """Say how long a job that should run so often may go without finishing."""
    return max(LATE_RUNS * every_s * 1000, every_s * 1000 + GRACE_MS)
