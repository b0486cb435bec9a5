"""Queue again what should have been processed by now: a message was lost, or never sent."""

from collections.abc import Iterable
from typing import Final

from tallystick.domain.webhooks import Provider
from tallystick.services.ports.inbox import Inbox, Queue

MAX_EVENTS: Final = 500
"""Events of one provider that one sweep takes on; the next one follows in a minute."""


def sweep(*, inbox: Inbox, queue: Queue, providers: Iterable[Provider], now_ms: int, grace_ms: int) -> int:
    """Queue overdue events and give whoever gets them time; answer how many.

    An event that is queued twice is processed once, so the message is sent before the time is written.
    """
    count = 0
    for provider in providers:
        overdue = inbox.overdue(provider, now_ms, MAX_EVENTS)
        queue.send([one.inbox_key for one in overdue])
        count += sum(inbox.postpone(one, now_ms + grace_ms) for one in overdue)
    return count
