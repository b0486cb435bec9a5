"""Every minute: queue withdrawals whose time has come, or whose message was lost."""

from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.withdrawals import WithdrawalState
from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.sweeping import sweep
from tallystick.wiring import now_ms, withdrawals

GRACE_MS: Final = 120_000
"""So long whoever gets a message has, before another one is sent."""

WORKED_ON: Final = (WithdrawalState.REQUESTED, WithdrawalState.APPROVED, WithdrawalState.SUBMITTED)
"""What waits for no person."""

metrics = Metrics()


@metrics.log_metrics
@job("withdrawal_sweep")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Sweep once; what fails is swept again in a minute, and the failure raises the function's alarm."""
    count = sweep(
        agenda=withdrawals.flows(), queue=withdrawals.queue(), names=WORKED_ON, now_ms=now_ms(), grace_ms=GRACE_MS
    )
    metrics.add_metric(name="WithdrawalSwept", unit=MetricUnit.Count, value=count)
    logger.info("swept", withdrawals=count)
