"""Every minute: keep and queue the payments that have arrived on Stellar."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.polling import poll
from tallystick.wiring import now_ms, webhooks

metrics = Metrics()


@metrics.log_metrics
@job("stellar_poller")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Poll once, if Stellar is configured; what fails is read again in a minute."""
    prepared = webhooks.stellar_poll()
    count = poll(poll=prepared, now_ms=now_ms()) if prepared else 0
    metrics.add_metric(name="StellarPayments", unit=MetricUnit.Count, value=count)
    logger.info("polled", payments=count)
