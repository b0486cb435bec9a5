"""What has to be done by a certain time, whoever else may have forgotten it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Overdue:
    """Name something about which nothing was done in time, as an index saw it."""

    key: str
    due_at_ms: int


class Agenda(Protocol):
    """List what is overdue, by the name of a list: a provider's events, or withdrawals of a state."""

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """Ask an index, oldest first; it may lag."""

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give one more time, unless something was done about it meanwhile."""


class Queue(Protocol):
    """Hand keys to whoever works on what they name, at least once."""

    def send(self, keys: Sequence[str]) -> None:
        """Queue them."""
