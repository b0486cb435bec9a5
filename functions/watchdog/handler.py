"""Every minute: tell people of jobs that do not finish, of alerts that nobody told, and of alerts that are over."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.alerting import tell_untold
from tallystick.services.jobs import check
from tallystick.services.outlived import end_outlived
from tallystick.wiring import alerting, webhooks

WATCHDOG = "watchdog"

metrics = Metrics()


@metrics.log_metrics
@job(WATCHDOG)
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Look once; what cannot be told now is told in a minute."""
    late = check(watch=alerting.watch(), watchdog=WATCHDOG)
    alerts = alerting.kept_alerts()
    told = tell_untold(alerts=alerts)
    over = end_outlived(alerts=alerts, inbox=webhooks.inbox(), flows=webhooks.flows())
    metrics.add_metric(name="JobsLate", unit=MetricUnit.Count, value=len(late))
    metrics.add_metric(name="AlertsToldLate", unit=MetricUnit.Count, value=told)
    metrics.add_metric(name="AlertsOutlived", unit=MetricUnit.Count, value=over)
    write = logger.error if late else logger.info
    write("watched", late=late, told=told, outlived=over)
