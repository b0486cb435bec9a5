"""A provider's event from its arrival until it is done, dead or resolved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tallystick.domain.chain import digest
from tallystick.domain.webhooks import Environment, Provider

DEAD_LETTER_PREFIX: Final = "dlq_"


class EventState(StrEnum):
    """Say what is to be done about an event: open ones are processed, dead ones wait for a person."""

    OPEN = "OPEN"
    DONE = "DONE"
    DEAD = "DEAD"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """Hold a genuine event; `external_id` is the provider's id of it, or a hash of its body where there is none.

    `body` is what was signed: the body as it came, or the form of it that the provider signs.

    An open event must not be tried before `not_before_ms`, and somebody should have done so by `due_at_ms`.
    `confirm` asks the provider before money moves; `accepted` lets any amount pass, because an admin said so;
    `conflicts` marks a second body under an id that was there before.
    """

    provider: Provider
    environment: Environment
    external_id: str
    body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    received_at_ms: int
    due_at_ms: int
    confirm: bool = False
    conflicts: bool = False
    state: EventState = EventState.OPEN
    version: int = 0
    attempts: int = 0
    not_before_ms: int = 0
    accepted: bool = False
    reason: str | None = None
    detail: str | None = None
    transfers: tuple[str, ...] = ()
    dead_at_ms: int | None = None
    notes: str | None = None

    @property
    def inbox_key(self) -> str:
        """Derive the key from the provider's id; a second body under it has its own."""
        variant = (self.body_hash,) if self.conflicts else ()
        return digest("tallystick/inbox/1", self.provider, self.environment, self.external_id, *variant)

    @property
    def body_hash(self) -> str:
        """Hash the raw body."""
        return digest(self.body.hex())

    @property
    def is_over(self) -> bool:
        """Tell whether nobody will ever have to look at it again."""
        return self.state in {EventState.DONE, EventState.RESOLVED}

    @property
    def dead_letter_id(self) -> str:
        """Name the event as a dead letter."""
        return DEAD_LETTER_PREFIX + self.inbox_key


def done(event: InboxEvent, transfers: Sequence[str]) -> InboxEvent:
    """Note that nothing is left to do, and what was moved."""
    return _next(replace(event, state=EventState.DONE, transfers=tuple(transfers), reason=None, detail=None))


def postponed(event: InboxEvent, *, reason: str, detail: str, not_before_ms: int, due_at_ms: int) -> InboxEvent:
    """Count a try that failed for now."""
    later = replace(event, reason=reason, detail=detail, not_before_ms=not_before_ms, due_at_ms=due_at_ms)
    return _next(replace(later, attempts=event.attempts + 1))


def buried(event: InboxEvent, *, reason: str, detail: str, now_ms: int) -> InboxEvent:
    """Leave an event to a person, after one more try that failed."""
    dead = replace(event, state=EventState.DEAD, reason=reason, detail=detail, dead_at_ms=now_ms)
    return _next(replace(dead, attempts=event.attempts + 1))


def reopened(event: InboxEvent, *, accepted: bool, now_ms: int, due_at_ms: int) -> InboxEvent:
    """Start anew, with all tries, because an admin said so."""
    fresh = replace(event, state=EventState.OPEN, attempts=0, not_before_ms=now_ms, due_at_ms=due_at_ms)
    return _next(replace(fresh, accepted=event.accepted or accepted))


def resolved(event: InboxEvent, notes: str) -> InboxEvent:
    """Close a dead letter that will never be processed, because an admin said why."""
    return _next(replace(event, state=EventState.RESOLVED, notes=notes))


def _next(event: InboxEvent) -> InboxEvent:
    return replace(event, version=event.version + 1)
