"""The alerts' topics: tell people where they work, in Slack and through PagerDuty."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.adapters.channels.messages import read_notice
from tallystick.observability import logger
from tallystick.services.notifying import notify
from tallystick.wiring import notifying

metrics = Metrics()


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Send each message on; one that a channel did not take fails the call, which Lambda then tries again."""
    sent = sum(_send(record["Sns"]) for record in event["Records"])
    metrics.add_metric(name="NoticesSent", unit=MetricUnit.Count, value=sent)


def _send(told: dict[str, Any]) -> int:
    notice = read_notice(told["Message"], notifying.priorities()[told["TopicArn"]])
    sent = notify(outlets=notifying.outlets(), notice=notice) if notice else 0
    logger.info("notified", title=notice.title if notice else None, sent=sent, message_id=told["MessageId"])
    return sent
