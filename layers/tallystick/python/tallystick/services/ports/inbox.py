"""What taking, processing and redriving events needs."""

from typing import Protocol

from tallystick.domain.audit import AuditRecord
from tallystick.domain.inbox import InboxEvent
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.paging import Page


class Inbox(Protocol):
    """Keep events; nothing is ever removed."""

    def store(self, event: InboxEvent) -> InboxEvent:
        """Write a new event; answer the one that stands under its key, which may have been there before."""

    def get(self, inbox_key: str) -> InboxEvent | None:
        """Read an event consistently."""

    def save(self, event: InboxEvent, audit: AuditRecord | None = None) -> bool:
        """Write an event's next version, with a record of who did it, or nothing when another change came first."""

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """Ask an index for open events of a provider that are overdue, oldest first; it may lag."""

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give an overdue event more time, unless something was done about it meanwhile."""

    def dead(self, limit: int, after: str | None) -> Page[InboxEvent]:
        """List dead letters, newest first; one that just died may be missing for a moment."""


class Cursors(Protocol):
    """Remember how far a provider's list was read."""

    def get(self, name: str) -> str | None:
        """Read a cursor consistently."""

    def advance(self, name: str, before: str | None, after: str) -> bool:
        """Move a cursor on, unless somebody else has."""
