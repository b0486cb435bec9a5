"""What raising alerts, keeping and telling them needs, and what a table's stream reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tallystick.domain.alerts import KeptAlert
from tallystick.domain.audit import AuditRecord
from tallystick.services.ports.paging import Page


@dataclass(frozen=True, slots=True)
class Alert:
    """Say what people have to look at; facts hold no secrets.

    The same kind about the same subject is one condition: it is told once, until it ends.
    """

    kind: str
    severity: str
    facts: Mapping[str, str]
    subject: str


class Alerts(Protocol):
    """Reach people."""

    def raise_alert(self, alert: Alert) -> None:
        """Tell them, or raise so that it is tried again."""

    def end_alert(self, kind: str, subject: str) -> None:
        """Say that a condition holds no longer, whether or not it was told before; raises like the other."""


class AlertStore(Protocol):
    """Keep alerts; every occurrence of a condition stays."""

    def latest(self, condition: str) -> KeptAlert | None:
        """Read a condition's latest occurrence consistently."""

    def find(self, alert_id: str) -> KeptAlert | None:
        """Read an occurrence consistently."""

    def save(self, alert: KeptAlert, before: KeptAlert | None = None, audit: AuditRecord | None = None) -> bool:
        """Write the next version, with a record of who did it, or nothing when another change came first.

        `before` is the occurrence that a new one follows; it is kept beside it.
        """

    def unresolved(self, kind: str | None, limit: int, after: str | None) -> Page[KeptAlert]:
        """List open ones, of a kind or all: those that people could not be told of yet, then others, newest first."""

    def untold(self, before_ms: int, limit: int) -> list[KeptAlert]:
        """List what changed before this time and people were not told, oldest first; an index, so it may lag."""


class Announcer(Protocol):
    """Tell people how a condition stands."""

    def announce(self, alert: KeptAlert) -> None:
        """Publish it.

        Raises:
            StoreUnavailable: nobody may have heard.
        """


@dataclass(frozen=True, slots=True)
class StreamChange:
    """Describe one change of a table as its stream reports it."""

    table: str
    event: str
    keys: Mapping[str, str]
    event_id: str
