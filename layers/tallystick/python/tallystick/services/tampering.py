"""Notice when something that is written once is written again."""

from collections.abc import Iterable
from typing import Final

from tallystick.services.ports.alerts import Alert, Alerts, StreamChange

LEDGER_OVERWRITTEN: Final = "LEDGER_OVERWRITTEN"


def watch(*, changes: Iterable[StreamChange], alerts: Alerts) -> int:
    """Raise a critical alert for every entry or transfer record that was changed or removed; answer how many.

    IAM keeps every function from updating and deleting them, but cannot tell a Put that overwrites from a new one.
    """
    overwritten = [change for change in changes if change.event != "INSERT"]
    for change in overwritten:
        facts = {"table": change.table, "event": change.event, "event_id": change.event_id, **change.keys}
        # Each change is a condition of its own: none must be silent because of another.
        subject = ":".join((change.table, *change.keys.values(), change.event_id))
        alerts.raise_alert(Alert(LEDGER_OVERWRITTEN, "critical", facts, subject=subject))
    return len(overwritten)
