"""A circuit breaker: who fails again and again is left alone for a while, then tried with one call."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

THRESHOLD: Final = 5
"""Failures in a row that open it."""

COOL_MS: Final = 30_000
LONGEST_MS: Final = 600_000
"""It stays open for half a minute at first, twice as long after each probe that fails, at most for ten minutes."""

PROBE_MS: Final = 60_000
"""So long a probe may take before somebody else may make one."""


class BreakerState(StrEnum):
    """CLOSED lets every call pass, OPEN none, HALF_OPEN waits for the outcome of one."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Describe the breaker of one provider; `until_ms` is when an open one may be probed."""

    name: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    until_ms: int = 0
    version: int = 0

    def waits_until(self, now_ms: int) -> int | None:
        """Say until when no call may be made, if none may be made now."""
        return self.until_ms if self.state is not BreakerState.CLOSED and now_ms < self.until_ms else None

    def probing(self, now_ms: int) -> "Breaker":
        """Begin a probe."""
        return self._next(BreakerState.HALF_OPEN, self.failures, now_ms + PROBE_MS)

    def failed(self, now_ms: int) -> "Breaker":
        """Count a call that had no answer, or none that can be used."""
        failures = self.failures + 1
        if failures < THRESHOLD and self.state is BreakerState.CLOSED:
            return self._next(BreakerState.CLOSED, failures, 0)
        cool_ms = min(COOL_MS * 2 ** min(max(failures - THRESHOLD, 0), 10), LONGEST_MS)
        return self._next(BreakerState.OPEN, failures, now_ms + cool_ms)

    def succeeded(self) -> "Breaker":
        """Note that there was an answer, whatever it says."""
        return self._next(BreakerState.CLOSED, 0, 0)

    def _next(self, state: BreakerState, failures: int, until_ms: int) -> "Breaker":
        return replace(self, state=state, failures=failures, until_ms=until_ms, version=self.version + 1)
