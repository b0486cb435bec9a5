"""The system's clock and dice."""

import random
import time
from typing import Final

_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.4


def now_ms() -> int:
    """Tell the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def pause(attempt: int) -> None:
    """Wait anything up to a bound that doubles with each attempt ("full jitter", AWS Architecture Blog 2015)."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311 (no secret)
