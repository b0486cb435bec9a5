import pytest

from tallystick.services.ports.alerts import Alert, StreamChange
from tallystick.services.tampering import LEDGER_OVERWRITTEN, watch

INSERT, MODIFY, REMOVE = (
    StreamChange("entries", event, {"account_id": "wal_a", "entry_key": "t#1"}, f"event-{event}")
    for event in ("INSERT", "MODIFY", "REMOVE")
)


class Endless:
    """Leave out what a watch never does: what was overwritten stays so."""

    def end_alert(self, kind: str, subject: str) -> None:
        raise AssertionError(kind, subject)


class Inbox(Endless):
    """Keep alerts."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def raise_alert(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Deaf(Endless):
    """Fail to reach anybody."""

    def raise_alert(self, alert: Alert) -> None:
        raise ConnectionError(alert.kind)


def test_what_is_written_once_raises_no_alert() -> None:
    inbox = Inbox()
    assert watch(changes=[INSERT, INSERT], alerts=inbox) == 0
    assert inbox.alerts == []


def test_each_overwrite_and_removal_raises_a_critical_alert() -> None:
    inbox = Inbox()
    assert watch(changes=[INSERT, MODIFY, REMOVE], alerts=inbox) == 2
    assert [(alert.kind, alert.severity) for alert in inbox.alerts] == [(LEDGER_OVERWRITTEN, "critical")] * 2
    assert [alert.facts["event"] for alert in inbox.alerts] == ["MODIFY", "REMOVE"]


def test_an_alert_says_what_was_overwritten() -> None:
    inbox = Inbox()
    watch(changes=[MODIFY], alerts=inbox)
    assert inbox.alerts[0].facts == {
        "table": "entries",
        "event": "MODIFY",
        "event_id": "event-MODIFY",
        "account_id": "wal_a",
        "entry_key": "t#1",
    }


def test_an_alert_that_reaches_nobody_is_not_swallowed() -> None:
    with pytest.raises(ConnectionError):
        watch(changes=[MODIFY], alerts=Deaf())
