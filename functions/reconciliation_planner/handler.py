"""By the clock: begin the reconciliation that is due, or queue again what is left of the one under way."""

from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.reconciling import tick
from tallystick.wiring import now_ms, reconciliation

metrics = Metrics()


@metrics.log_metrics
@job("reconciliation_planner")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Plan once; a tick that comes twice, or late, begins nothing twice."""
    run = tick(bureau=reconciliation.bureau(), now_ms=now_ms())
    metrics.add_metric(name="ReconciliationBegun", unit=MetricUnit.Count, value=int(run is not None))
    if run is None:
        logger.info("a run is under way")
    else:
        logger.info("run begun", run_id=run.run_id, mode=run.mode, reason=run.reason, segments=run.segments)
