"""Tell people through SNS topics, one for each priority."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError

from tallystick.adapters.sdk import open_client
from tallystick.adapters.silence import SILENCE
from tallystick.domain.alerts import PRIORITIES, AlertState, KeptAlert, Priority
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.times import to_rfc3339

EVENTS: Final = {AlertState.OPEN: "raised", AlertState.RESOLVED: "resolved", AlertState.CLOSED: "ended"}
MAX_SUBJECT: Final = 100
"""Characters that SNS allows."""


class SnsAnnouncer:
    """Implement `tallystick.services.ports.alerts.Announcer`."""

    def __init__(self, topics: Mapping[Priority, str], region: str) -> None:
        """Take the ARN of each topic; nothing is opened before the first alert."""
        self._topics = topics
        self._region = region

    def announce(self, alert: KeptAlert) -> None:
        """Publish how an alert stands, as JSON."""
        priority, event = PRIORITIES[alert.severity], EVENTS[alert.state]
        attributes = {"kind": alert.kind, "severity": alert.severity, "priority": priority, "event": event}
        try:
            self._client.publish(
                TopicArn=self._topics[priority],
                Subject=f"{alert.severity}: {alert.kind} {event}"[:MAX_SUBJECT],
                Message=_message(alert, event),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": str(text)} for name, text in attributes.items()
                },
            )
        except (ClientError, *SILENCE) as error:
            raise StoreUnavailable("The alert could not be sent.") from error

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("sns", self._region)


def _message(alert: KeptAlert, event: str) -> str:
    message = {
        "alert_id": alert.alert_id,
        "event": event,
        "kind": alert.kind,
        "severity": alert.severity,
        "subject": alert.subject,
        "facts": dict(alert.facts),
        "opened_at": to_rfc3339(alert.opened_at_ms),
        **({"notes": alert.notes} if alert.notes else {}),
    }
    return json.dumps(message, indent=1)
