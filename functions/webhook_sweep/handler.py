"""Every minute: queue again what should have been processed by now."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.webhooks import Provider
from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.sweeping import sweep
from tallystick.wiring import now_ms, webhooks

metrics = Metrics()


@metrics.log_metrics
@job("webhook_sweep")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Sweep once; what fails is swept again in a minute, and the failure raises the function's alarm."""
    count = sweep(
        agenda=webhooks.inbox(),
        queue=webhooks.queue(),
        names=Provider,
        now_ms=now_ms(),
        grace_ms=webhooks.grace_ms(),
    )
    metrics.add_metric(name="WebhookSwept", unit=MetricUnit.Count, value=count)
    logger.info("swept", events=count)
