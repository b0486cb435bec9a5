"""Every minute: end the spikes of credits that are over."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.spiking import judge_open
from tallystick.wiring import now_ms, tallies

metrics = Metrics()


@metrics.log_metrics
@job("spike_sweep")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Judge what is open; what fails is judged again in a minute, and the failure raises the function's alarm."""
    count = judge_open(watch=tallies.spike_watch(), now_ms=now_ms())
    metrics.add_metric(name="SpikesOver", unit=MetricUnit.Count, value=count)
    logger.info("judged", over=count)
