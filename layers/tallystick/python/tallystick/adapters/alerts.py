"""Tell people through an SNS topic."""

import json
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from tallystick.adapters.sdk import open_client
from tallystick.adapters.silence import SILENCE
from tallystick.domain.errors import StoreUnavailable
from tallystick.services.ports.alerts import Alert


class SnsAlerts:
    """Implement `tallystick.services.ports.Alerts` with one topic."""

    def __init__(self, topic_arn: str, region: str) -> None:
        """Name the topic; nothing is opened before the first alert."""
        self._topic_arn = topic_arn
        self._region = region

    def raise_alert(self, alert: Alert) -> None:
        """Publish an alert as JSON under its kind."""
        message = json.dumps({"kind": alert.kind, "severity": alert.severity, **alert.facts}, indent=1)
        subject = f"{alert.severity}: {alert.kind}"
        try:
            self._client.publish(TopicArn=self._topic_arn, Subject=subject, Message=message)
        except (ClientError, *SILENCE) as error:
            raise StoreUnavailable("The alert could not be sent.") from error

    def end_alert(self, kind: str, subject: str) -> None:
        """Do nothing: nobody keeps what was told."""

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("sns", self._region)
