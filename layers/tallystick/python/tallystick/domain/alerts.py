"""Conditions that people have to know of: each is told when it begins and when it is over, not while it lasts.

The same kind about the same subject is one condition. It may come back after its end: each time is an occurrence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tallystick.domain.chain import digest

PREFIX: Final = "alr_"
_ID: Final = re.compile(rf"{PREFIX}([0-9a-f]{{32}})_([1-9][0-9]{{0,8}})")


class AlertState(StrEnum):
    """OPEN waits for its end or a person, RESOLVED was left to rest by one, CLOSED ended by itself."""

    OPEN = "OPEN"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"


class Severity(StrEnum):
    """Say how bad a condition is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Priority(StrEnum):
    """Say how fast somebody has to act: P0 at once, at any time of day; P1 soon; P2 in office hours."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"


PRIORITIES: Final = {
    Severity.CRITICAL: Priority.P0,
    Severity.HIGH: Priority.P1,
    Severity.MEDIUM: Priority.P2,
    Severity.LOW: Priority.P2,
}


def condition_of(kind: str, subject: str) -> str:
    """Name a condition."""
    return digest("tallystick/condition/1", kind, subject)[:32]


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """Describe one occurrence of a condition; `told` is whether people were told how it stands now.

    `count` is how often it was noticed, `ended_at_ms` when it was over. `version` goes on from one occurrence to the
    next, for they are written over each other.
    """

    kind: str
    subject: str
    severity: Severity
    facts: Mapping[str, str]
    opened_at_ms: int
    last_seen_at_ms: int
    occurrence: int = 1
    count: int = 1
    state: AlertState = AlertState.OPEN
    ended_at_ms: int | None = None
    resolved_at_ms: int | None = None
    resolved_by: str | None = None
    notes: str | None = None
    told: bool = False
    version: int = 1

    @property
    def condition(self) -> str:
        """Name what it is an occurrence of."""
        return condition_of(self.kind, self.subject)

    @property
    def alert_id(self) -> str:
        """Name the occurrence."""
        return f"{PREFIX}{self.condition}_{self.occurrence}"

    @property
    def is_over(self) -> bool:
        """Tell whether the condition, noticed again, would be a new occurrence."""
        return self.ended_at_ms is not None

    @property
    def changed_at_ms(self) -> int:
        """Give the time since which people may have something new to know."""
        return max(self.opened_at_ms, self.ended_at_ms or 0, self.resolved_at_ms or 0)


def parse_alert_id(alert_id: str) -> tuple[str, int] | None:
    """Read the condition and the number of its occurrence; nothing when it is no id of an alert."""
    found = _ID.fullmatch(alert_id)
    return (found[1], int(found[2])) if found else None


def noticed(
    known: KeptAlert | None, *, kind: str, subject: str, severity: Severity, facts: Mapping[str, str], now_ms: int
) -> KeptAlert:
    """Give a condition as it is when it is noticed: a new occurrence, or once more the one that lasts."""
    if known is not None and not known.is_over:
        last_seen_at_ms = max(now_ms, known.last_seen_at_ms)
        return _next(replace(known, facts=facts, last_seen_at_ms=last_seen_at_ms, count=known.count + 1))
    occurrence, version = (known.occurrence + 1, known.version + 1) if known else (1, 1)
    return KeptAlert(kind, subject, severity, facts, now_ms, now_ms, occurrence=occurrence, version=version)


def ended(known: KeptAlert, now_ms: int) -> KeptAlert:
    """Note that a condition is over; people are told so unless one of them has resolved it."""
    over = _next(replace(known, ended_at_ms=now_ms))
    return replace(over, state=AlertState.CLOSED, told=False) if known.state is AlertState.OPEN else over


def resolved(known: KeptAlert, *, by: str, notes: str, now_ms: int) -> KeptAlert:
    """Leave an open condition to rest: nobody hears of it again before it has ended and come back."""
    rested = replace(known, state=AlertState.RESOLVED, resolved_by=by, notes=notes, resolved_at_ms=now_ms)
    return _next(replace(rested, told=False))


def told(known: KeptAlert) -> KeptAlert:
    """Note that people know how it stands."""
    return _next(replace(known, told=True))


def _next(alert: KeptAlert) -> KeptAlert:
    return replace(alert, version=alert.version + 1)
