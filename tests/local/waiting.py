"""Wait for what a deployed system does in its own time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 120.0

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], is_enough: Callable[[Found], bool]) -> Found:
    """Look until it is enough, within a bound."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_enough(found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {found}")
        time.sleep(0.2)
    return found
