"""Plant a mistake in the product: replace parts of it while the simulator runs, and put them back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import pytest

from functions.watchdog import handler as watchdog

Area = Literal["movements", "deposits", "withdrawals", "tallies", "reconciliation"]


@dataclass(frozen=True, slots=True)
class Patch:
    """Replace one attribute of a module or class: where it is used, not where it was imported from."""

    target: object
    name: str
    value: object


NO_WATCHDOG: Final = Patch(watchdog, "end_outlived", lambda **_: 0)
"""Let nobody look for alerts that have outlived what they tell of."""


@dataclass(frozen=True, slots=True)
class Bug:
    """Describe a mistake: what it is, which promise it breaks, and what has to happen for that."""

    name: str
    what: str
    breaks: str
    area: Area
    patches: tuple[Patch, ...]

    @contextmanager
    def plant(self) -> Iterator[None]:
        """Have the mistake in the product for as long as this lasts."""
        with pytest.MonkeyPatch.context() as patch:
            for one in self.patches:
                patch.setattr(one.target, one.name, one.value)
            yield
