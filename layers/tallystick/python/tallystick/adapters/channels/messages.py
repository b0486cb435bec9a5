"""Read what a topic hands over: messages of our own, and those of CloudWatch's alarms."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tallystick.domain.alerts import Priority, Severity
from tallystick.domain.notices import Notice

ALARM, OK = "ALARM", "OK"
_SEVERITY_OF_ALARMS: Final = {
    Priority.P0: Severity.CRITICAL,
    Priority.P1: Severity.HIGH,
    Priority.P2: Severity.MEDIUM,
}


def read_notice(text: str, priority: Priority) -> Notice | None:
    """Read a message of the topic of a priority; nothing when it asks nobody to do anything.

    Raises:
        ValueError: it is neither.
    """
    message = json.loads(text)
    if not isinstance(message, dict) or not {"alert_id", "AlarmName"} & set(message):
        raise ValueError("a message that is neither an alert nor an alarm")
    return _of_alert(message, priority) if "alert_id" in message else _of_alarm(message, priority)


def _of_alert(message: Mapping[str, Any], priority: Priority) -> Notice:
    told = {name: message[name] for name in ("subject", "alert_id", "opened_at", "notes") if name in message}
    return Notice(
        condition=f"{message['kind']}:{message['subject']}",
        title=message["kind"],
        event=message["event"],
        severity=Severity(message["severity"]),
        priority=priority,
        facts={**told, **message["facts"]},
        is_over=message["event"] != "raised",
    )


def _of_alarm(message: Mapping[str, Any], priority: Priority) -> Notice | None:
    """Read an alarm; that it lacks data is no news."""
    state = message["NewStateValue"]
    if state not in {ALARM, OK}:
        return None
    facts = {"description": message.get("AlarmDescription"), "reason": message.get("NewStateReason")}
    return Notice(
        condition=f"alarm:{message['AlarmName']}",
        title=message["AlarmName"],
        event="ended" if state == OK else "raised",
        severity=_SEVERITY_OF_ALARMS[priority],
        priority=priority,
        facts={name: text for name, text in facts.items() if text},
        is_over=state == OK,
    )
