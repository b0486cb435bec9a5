"""Read what has arrived on a chain, which calls nobody: payments become events like those of webhooks."""

from dataclasses import dataclass
from typing import Final, Protocol

from tallystick.domain.inbox import InboxEvent
from tallystick.domain.webhooks import Environment, Provider
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.inbox import Cursors, Inbox

MAX_PAGES: Final = 20
"""Pages that one poll reads; the next one goes on from there."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Hold a payment as its list shows it; those to others, and from us, are listed too."""

    external_id: str
    cursor: str
    body: bytes
    to_us: bool


class Payments(Protocol):
    """List payments of our address, oldest first."""

    def after(self, cursor: str | None) -> list[Arrival]:
        """Give the page behind a cursor; an empty one ends the list for now."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Hold what polling needs; `name` is that of the cursor."""

    name: str
    environment: Environment
    payments: Payments
    inbox: Inbox
    queue: Queue
    cursors: Cursors
    grace_ms: int


def poll(*, poll: Poll, now_ms: int) -> int:
    """Keep and queue every payment to us that was not read before; answer how many there were.

    The cursor moves on only when all of a page is kept: what is read twice is kept once.
    """
    cursor = poll.cursors.get(poll.name)
    count = 0
    for _ in range(MAX_PAGES):
        page = poll.payments.after(cursor)
        if not page:
            break
        events = [_event(poll, arrival, now_ms) for arrival in page if arrival.to_us]
        for event in events:
            poll.inbox.store(event)
        poll.queue.send([event.inbox_key for event in events])
        count += len(events)
        if not poll.cursors.advance(poll.name, cursor, page[-1].cursor):
            break
        cursor = page[-1].cursor
    return count


def _event(poll: Poll, arrival: Arrival, now_ms: int) -> InboxEvent:
    return InboxEvent(
        provider=Provider.STELLAR,
        environment=poll.environment,
        external_id=arrival.external_id,
        body=arrival.body,
        headers={},
        query={},
        received_at_ms=now_ms,
        due_at_ms=now_ms + poll.grace_ms,
    )
