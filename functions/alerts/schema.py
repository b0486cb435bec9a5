"""How alerts are shown, and what admins say about them."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.domain.alerts import AlertState, KeptAlert, Severity
from tallystick.domain.times import to_rfc3339
from tallystick.paging import encode_cursor
from tallystick.services.ports.paging import Page
from tallystick.shapes import StrictModel, Time


class AlertNotes(StrictModel):
    """Say why an alert may rest; it is kept in the audit."""

    notes: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]


class AlertView(BaseModel):
    """Show one occurrence of a condition: OPEN, RESOLVED by an admin, or CLOSED because it ended."""

    alert_id: str
    alert_type: str
    severity: Severity
    subject: Annotated[str, Field(description="What it is about; with the type it is one condition.")]
    facts: dict[str, str]
    state: AlertState
    opened_at: Time
    last_seen_at: Time
    count: Annotated[int, Field(description="How often it was noticed.")]
    ended_at: Time | None
    resolved_at: Time | None
    resolved_by: str | None
    notes: str | None

    @classmethod
    def of(cls, alert: KeptAlert) -> "AlertView":
        """Show an alert as it stands."""
        return cls(
            alert_id=alert.alert_id,
            alert_type=alert.kind,
            severity=alert.severity,
            subject=alert.subject,
            facts=dict(alert.facts),
            state=alert.state,
            opened_at=to_rfc3339(alert.opened_at_ms),
            last_seen_at=to_rfc3339(alert.last_seen_at_ms),
            count=alert.count,
            ended_at=_time(alert.ended_at_ms),
            resolved_at=_time(alert.resolved_at_ms),
            resolved_by=alert.resolved_by,
            notes=alert.notes,
        )


class AlertList(BaseModel):
    """Show a page of open alerts."""

    items: list[AlertView]
    next_cursor: str | None

    @classmethod
    def of(cls, page: Page[KeptAlert]) -> "AlertList":
        """Show a page."""
        return cls(items=[AlertView.of(alert) for alert in page.items], next_cursor=encode_cursor(page.next_key))


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else to_rfc3339(time_ms)
