"""Name what is played: a seed, and which faults hit which calls beside those that the seed chooses."""

from dataclasses import dataclass
from typing import Final, Self

from tests.simulation.faults import Fault

_BETWEEN_AIMS: Final = "; "
_WITHIN: Final = ": "


@dataclass(frozen=True, slots=True, order=True)
class Aim:
    """Let a fault hit the first call of this name that a function makes."""

    function: str
    call: str
    fault: Fault

    def __str__(self) -> str:
        """Write it down."""
        return _WITHIN.join((self.function, self.call, self.fault))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it back.

        Raises:
            ValueError: it is not written so.
        """
        function, call, fault = text.split(_WITHIN)
        return cls(function, call, Fault(fault))


@dataclass(frozen=True, slots=True)
class Play:
    """Name one play: until the first aim is hit, it is the same as without that aim and those after it."""

    seed: int
    aims: tuple[Aim, ...] = ()

    def __str__(self) -> str:
        """Write it down: `17`, or `17; tally: GetItem accounts: throttled`."""
        return _BETWEEN_AIMS.join(map(str, (self.seed, *self.aims)))

    @property
    def rank(self) -> tuple[int, int, tuple[Aim, ...]]:
        """Give simple plays the first ranks."""
        return len(self.aims), self.seed, self.aims

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it back.

        Raises:
            ValueError: it is not written so.
        """
        seed, *aims = text.split(_BETWEEN_AIMS)
        return cls(int(seed), tuple(map(Aim.parse, aims)))
