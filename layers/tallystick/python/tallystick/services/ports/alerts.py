"""What raising an alert needs, and what a table's stream reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Alert:
    """Say what people have to look at; facts hold no secrets.

    The same kind about the same subject is one condition: it is told once, until it ends.
    """

    kind: str
    severity: str
    facts: Mapping[str, str]
    subject: str = ""


class Alerts(Protocol):
    """Reach people."""

    def raise_alert(self, alert: Alert) -> None:
        """Tell them, or raise so that it is tried again."""

    def end_alert(self, kind: str, subject: str) -> None:
        """Say that a condition holds no longer, whether or not it was told before; raises like the other."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """Describe one change of a table as its stream reports it."""

    table: str
    event: str
    keys: Mapping[str, str]
    event_id: str
