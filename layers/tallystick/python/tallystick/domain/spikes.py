"""More credits than usual: what is counted, and when it is a spike.

Credits of an asset are counted in windows, all together and for each owner. A window is a spike when it is above a
floor and above a multiple of what the windows before it were on average.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tallystick.domain.house import HOUSE
from tallystick.domain.transfers import Transfer, TransferKind

HISTORY: Final = 12
"""Windows before one that say what is usual: an hour, when one is five minutes."""

KEPT_MS: Final = 2 * 86_400_000
"""So long after a window begins its count is kept: a stream keeps a record for a day."""

_CREDITS: Final = frozenset({TransferKind.CREDIT, TransferKind.DEPOSIT})


@dataclass(frozen=True, slots=True)
class Credit:
    """Count units for a subject (an asset, or an owner's of it) in the window that begins at a time."""

    subject: str
    begins_ms: int
    units: int


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """Hold what is unusual for one asset; floors are units of it that a window has to pass."""

    floor_units: int
    owner_floor_units: int
    factor: Fraction
    window_ms: int = 300_000

    def window_at(self, time_ms: int) -> int:
        """Say when the window begins that a time lies in."""
        return time_ms // self.window_ms * self.window_ms

    def before(self, begins_ms: int) -> list[int]:
        """List the beginnings of the windows that say what is usual before one, oldest first."""
        return [begins_ms - number * self.window_ms for number in range(HISTORY, 0, -1)]

    def floor_of(self, subject: str) -> int:
        """Give the floor of the asset, or of one owner's credits of it."""
        return self.owner_floor_units if ":" in subject else self.floor_units


@dataclass(frozen=True, slots=True)
class Spike:
    """Remember that a subject's credits were unusual, last in the window that begins at a time, or until then."""

    subject: str
    begins_ms: int
    is_open: bool = True
    version: int = 1

    def seen(self, begins_ms: int) -> "Spike":
        """Note a later window that is a spike."""
        return Spike(self.subject, begins_ms, version=self.version + 1)

    def over(self, begins_ms: int) -> "Spike":
        """Note a window in which it is over; no window up to that one is judged again."""
        return Spike(self.subject, begins_ms, is_open=False, version=self.version + 1)


def asset_of(subject: str) -> str:
    """Name the asset that a subject is about."""
    return subject.partition(":")[0]


def credits_of(transfer: Transfer, rules: Mapping[str, SpikeRule]) -> tuple[Credit, ...]:
    """Count what a credit or deposit brings to users, where there is a rule for its asset."""
    if transfer.kind not in _CREDITS or transfer.asset not in rules:
        return ()
    return tuple(_counted(transfer, rules[transfer.asset].window_at(transfer.created_at_ms)))


def _counted(transfer: Transfer, begins_ms: int) -> Iterator[Credit]:
    for posting in transfer.postings:
        if posting.units > 0 and posting.owner_id not in (None, HOUSE):
            yield Credit(transfer.asset, begins_ms, posting.units)
            yield Credit(f"{transfer.asset}:{posting.owner_id}", begins_ms, posting.units)


def baseline(history: Sequence[int]) -> Fraction | None:
    """Say what is usual: the mean of the windows, oldest first, from the first whole one with credits on.

    The window in which credits begin is left out, for they begin somewhere within it. Nothing is usual when there
    is no window after it.
    """
    begin = next((number for number, units in enumerate(history) if units), len(history))
    whole = history[begin + 1 :]
    return Fraction(sum(whole), len(whole)) if whole else None


def is_spike(units: int, history: Sequence[int], floor: int, factor: Fraction) -> bool:
    """Tell whether a window is unusually high, after the windows before it, oldest first.

    Where nothing is known to be usual, a multiple of the floor is needed: who set the floor knew that so much may come.
    """
    usual = baseline(history)
    return units > floor and units > factor * (floor if usual is None else usual)


def is_over(units: int, history: Sequence[int], floor: int, factor: Fraction) -> bool:
    """Tell whether a whole window is usual again: half-way back to what is usual, or below half the floor.

    A level that stays becomes usual itself, so every spike ends.
    """
    usual = baseline(history)
    return 2 * units < floor or (usual is not None and units < (1 + factor) / 2 * usual)
