"""Name what can go wrong with one call to AWS or to a provider, and choose by the dice what does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from random import Random
from typing import Final, Protocol

from tests.simulation.kernel import Task


class Fault(StrEnum):
    """A kind of fault, in the order of the table's columns."""

    THROTTLED = "throttled"
    """Refused for capacity (a provider: 429); nothing was done."""
    UNREACHED = "unreached"
    """No connection; nothing was done."""
    FAILED = "failed"
    """500 (a provider: 503); nothing was done."""
    LOST = "lost"
    """Done, and the answer never came."""
    GATEWAY = "504 after success"
    """Done, and the answer says otherwise."""
    CONFLICT = "conflict"
    """Another transaction was in the way."""
    PARTIAL = "partial"
    """Some of a batch was left out, or a page is short."""
    STALE = "stale"
    """A read that need not be consistent is not."""
    SLOW = "slow"
    """It takes seconds."""
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    KILLED_IN_FLIGHT = "killed in flight"
    """The caller is gone, and what it sent is done later."""
    TIMED_OUT = "function timed out"
    """The function's time is over while it waits; the call may be done or not."""


FAULTS: Final = tuple(Fault)
LASTING_SHARE: Final = 0.6
WEAK: Final = " ~"
"""Ends the name of a call whose read need not be consistent."""

_ANY: Final = frozenset(
    {Fault.THROTTLED, Fault.UNREACHED, Fault.FAILED, Fault.SLOW}
    | {Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.TIMED_OUT}
)
_WRITE: Final = _ANY | {Fault.LOST, Fault.KILLED_IN_FLIGHT}
_FURTHER: Final[dict[str, frozenset[Fault]]] = {
    "GetItem": _ANY,
    "BatchGetItem": _ANY | {Fault.PARTIAL},
    "Query": _ANY | {Fault.PARTIAL},
    "Scan": _ANY | {Fault.PARTIAL},
    "TransactGetItems": _ANY | {Fault.CONFLICT},
    "TransactWriteItems": _WRITE | {Fault.CONFLICT},
    "PutItem": _WRITE | {Fault.CONFLICT},
    "UpdateItem": _WRITE | {Fault.CONFLICT},
    "DeleteItem": _WRITE | {Fault.CONFLICT},
    "SendMessageBatch": _WRITE | {Fault.PARTIAL},
    "ChangeMessageVisibility": _WRITE,
    "Publish": _WRITE,
    "GetSecretValue": _ANY,
    "GET": _ANY,
    "POST": _WRITE | {Fault.GATEWAY},
}


@cache
def applicable(call: str) -> Sequence[Fault]:
    """Say which faults can hit a call; a read has nothing to lose but its answer, which is `failed`."""
    possible = _FURTHER[call.partition(" ")[0]] | ({Fault.STALE} if call.endswith(WEAK) else set())
    return tuple(fault for fault in FAULTS if fault in possible)


LASTING: Final = frozenset({Fault.THROTTLED, Fault.UNREACHED, Fault.FAILED, Fault.LOST})
"""What may last for all tries of the SDK."""

MAX_LATENCY_US: Final = 20_000


@dataclass(frozen=True, slots=True)
class Blow:
    """Say what goes wrong with a call: with its first try, or with all tries of the SDK."""

    fault: Fault
    is_lasting: bool = False


class Chooser(Protocol):
    """Decide how long a call takes, and what goes wrong with it."""

    def choose(self, task: Task, call: str) -> Blow | None:
        """Answer None when all is well."""

    def wait_us(self, task: Task) -> int:
        """Say how long a try waits before it is carried out."""


@dataclass(slots=True)
class Calm:
    """Let nothing go wrong."""

    dice: Random

    def choose(self, task: Task, call: str) -> Blow | None:  # noqa: ARG002 (a Chooser)
        """Answer None."""
        return None

    def wait_us(self, task: Task) -> int:  # noqa: ARG002 (a Chooser)
        """Throw."""
        return self.dice.randrange(MAX_LATENCY_US)


@dataclass(slots=True)
class Dice(Calm):
    """Throw dice: each seed has its own rate and its own kinds ("swarm testing", Groce et al., ISSTA 2012)."""

    rate: float = field(init=False)
    kinds: frozenset[Fault] = field(init=False)

    def __post_init__(self) -> None:
        """Choose rate and kinds."""
        self.rate = self.dice.choice((0.0, 0.15, 0.35, 0.5, 0.6))
        share = self.dice.choice((0.3, 0.6, 1.0))
        self.kinds = frozenset(fault for fault in FAULTS if self.dice.random() < share)

    def choose(self, task: Task, call: str) -> Blow | None:  # noqa: ARG002 (a Chooser)
        """Throw."""
        if self.dice.random() >= self.rate:
            return None
        possible = [fault for fault in applicable(call) if fault in self.kinds]
        if not possible:
            return None
        fault = self.dice.choice(possible)
        return Blow(fault, fault in LASTING and self.dice.random() < LASTING_SHARE)
