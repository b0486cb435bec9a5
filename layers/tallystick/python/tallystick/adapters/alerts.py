"""Tell people through an SNS topic."""

import json
from functools import cached_property
from typing import Any

from tallystick.adapters.sdk import open_client
from tallystick.services.ports.alerts import Alert


class SnsAlerts:
    """Implement `tallystick.services.ports.Alerts` with one topic."""

    def __init__(self, topic_arn: str, region: str) -> None:
        """Name the topic; nothing is opened before the first alert."""
        self._topic_arn = topic_arn
        self._region = region

    def raise_alert(self, alert: Alert) -> None:
        """Publish an alert as JSON under its kind."""
        message = {"kind": alert.kind, "severity": alert.severity, **alert.facts}
        self._client.publish(
            TopicArn=self._topic_arn, Subject=f"{alert.severity}: {alert.kind}", Message=json.dumps(message, indent=1)
        )

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("sns", self._region)
