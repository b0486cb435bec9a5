"""Keep what people have to know, tell them once, and let admins leave it to rest.

What is new is stored before it is told, and noted after that. So whatever dies in between, it is told again, by
whoever notices the condition next or by the watchdog: twice perhaps, but never not at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tallystick.domain.alerts import (
    AlertState,
    KeptAlert,
    Severity,
    condition_of,
    ended,
    noticed,
    resolved,
    told,
)
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import IllegalTransition, NotFound, TooMuchContention
from tallystick.services.admin import Admin
from tallystick.services.ports.alerts import Alert, AlertStore, Announcer
from tallystick.services.ports.paging import Page

MAX_ATTEMPTS: Final = 10
"""Tries of a change that meets other changes of the same condition."""

UNTOLD_MS: Final = 60_000
"""What was not told for so long was left by somebody who died."""

MAX_UNTOLD: Final = 100
"""That one run of the watchdog tells; the next one follows in a minute."""


@dataclass(frozen=True, slots=True)
class KeptAlerts:
    """Implement `tallystick.services.ports.alerts.Alerts`; `severities` are what a stage says instead of the code."""

    store: AlertStore
    announcer: Announcer
    now_ms: Callable[[], int]
    severities: Mapping[str, Severity] = field(default_factory=dict)

    def raise_alert(self, alert: Alert) -> None:
        """Tell people of a condition that is new, or that nobody was told of yet; of any other, note that it lasts.

        Raises:
            TooMuchContention, StoreUnavailable: it may not be stored, or nobody may have heard.
        """
        severity = self.severities.get(alert.kind) or Severity(alert.severity)

        def change(known: KeptAlert | None) -> KeptAlert:
            return noticed(
                known,
                kind=alert.kind,
                subject=alert.subject,
                severity=severity,
                facts=dict(alert.facts),
                now_ms=self.now_ms(),
            )

        self._change(condition_of(alert.kind, alert.subject), change)

    def end_alert(self, kind: str, subject: str) -> None:
        """Tell people that a condition is over; one read, when there was none.

        Raises:
            TooMuchContention, StoreUnavailable: see `raise_alert`.
        """

        def change(known: KeptAlert | None) -> KeptAlert | None:
            return None if known is None or known.is_over else ended(known, self.now_ms())

        self._change(condition_of(kind, subject), change)

    def tell(self, alert: KeptAlert) -> KeptAlert | None:
        """Tell people and note it; nothing comes back when it changed meanwhile, which whoever changed it tells."""
        self.announcer.announce(alert)
        noted = told(alert)
        return noted if self.store.save(noted) else None

    def _change(self, condition: str, change: Callable[[KeptAlert | None], KeptAlert | None]) -> None:
        for _ in range(MAX_ATTEMPTS):
            known = self.store.latest(condition)
            if known is not None and not known.told:
                known = self.tell(known)
                if known is None:
                    continue
            following = change(known)
            if following is None:
                return
            is_new = known is not None and following.occurrence > known.occurrence
            if self.store.save(following, before=known if is_new else None):
                if not following.told:
                    self.tell(following)
                return
        raise TooMuchContention("The alert changed each time; try again.")


def tell_untold(*, alerts: KeptAlerts) -> int:
    """Tell what somebody stored and did not get to tell; answer how much there was.

    Raises:
        StoreUnavailable: not now.
    """
    left = alerts.store.untold(alerts.now_ms() - UNTOLD_MS, MAX_UNTOLD)
    for alert in left:
        alerts.tell(alert)
    return len(left)


def list_unresolved(
    *, store: AlertStore, caller: Caller, kind: str | None, limit: int, after: str | None
) -> Page[KeptAlert]:
    """List open alerts, newest first. For ADMIN.

    Raises:
        Forbidden: no ADMIN.
    """
    caller.require(Role.ADMIN)
    return store.unresolved(kind, limit, after)


def get(*, store: AlertStore, caller: Caller, alert_id: str) -> KeptAlert:
    """Show an alert, whatever has become of it. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such alert.
    """
    caller.require(Role.ADMIN)
    known = store.find(alert_id)
    if known is None:
        raise NotFound("alert")
    return known


def resolve(*, alerts: KeptAlerts, admin: Admin, alert_id: str, notes: str) -> KeptAlert:
    """Leave an open alert to rest, and say so; resolving it again changes nothing. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such alert.
        IllegalTransition: it ended by itself; carries `state`.
        StoreUnavailable: it may be resolved, and nobody have heard of it.
    """
    for _ in range(MAX_ATTEMPTS):
        known = get(store=alerts.store, caller=admin.caller, alert_id=alert_id)
        if known.state is AlertState.RESOLVED:
            return known
        if known.state is not AlertState.OPEN:
            raise IllegalTransition(f"The alert is {known.state}.", state=known.state)
        rested = resolved(known, by=admin.caller.caller_id, notes=notes, now_ms=admin.now_ms)
        record = admin.record(alert_id, "alert-resolved", kind=known.kind, about=known.subject, notes=notes)
        if alerts.store.save(rested, audit=record):
            return alerts.tell(rested) or rested
    raise TooMuchContention("The alert changed each time; send the same request again.")
