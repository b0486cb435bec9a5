"""Keep what was fetched for a bounded time, and let it be fetched anew no more than now and then."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Fetched(Generic[Value]):
    """Hold a value for at most `max_age_s`; ask for it anew at most every `min_age_s`.

    Whatever `fetch` raises reaches the caller, and what was there before is tried again at the next call.
    """

    def __init__(self, fetch: Callable[[], Value], *, max_age_s: float = 300, min_age_s: float = 30) -> None:
        """Take how to fetch; nothing is fetched before the first call."""
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._min_age_s = min_age_s
        self._held: tuple[float, Value] | None = None

    def value(self) -> Value:
        """Give the value, fetched anew when it is too old."""
        return self._younger_than(self._max_age_s)

    def renewed(self) -> Value:
        """Give the value as it is now, unless it was fetched a moment ago."""
        return self._younger_than(self._min_age_s)

    def _younger_than(self, age_s: float) -> Value:
        now = time.monotonic()
        if self._held is None or now - self._held[0] >= age_s:
            self._held = (now, self._fetch())
        return self._held[1]
