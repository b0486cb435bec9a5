"""Queue again what should have been done by now: a message was lost, or never sent."""

from collections.abc import Iterable
from typing import Final

from tallystick.services.ports.agenda import Agenda, Queue

MAX_KEYS: Final = 500
"""Of one list that one sweep takes on; the next one follows in a minute."""


def sweep(*, agenda: Agenda, queue: Queue, names: Iterable[str], now_ms: int, grace_ms: int) -> int:
    """Queue what is overdue on lists of these names and give whoever gets it time; answer how many.

    What is queued twice is done once, so the message is sent before the time is written.
    """
    count = 0
    for name in names:
        overdue = agenda.overdue(name, now_ms, MAX_KEYS)
        queue.send([one.key for one in overdue])
        count += sum(agenda.postpone(one, now_ms + grace_ms) for one in overdue)
    return count
