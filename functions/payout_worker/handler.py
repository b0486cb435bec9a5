"""SQS queue of withdrawals: do what is next for each."""

import time
from typing import Any, Final

from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.errors import NotYet
from tallystick.observability import logger
from tallystick.services.payouts import work
from tallystick.wiring import now_ms, withdrawals

BUDGET_S: Final = 20
"""After so long the rest of a batch is left to the next one, so that the last one begun has time for its provider."""

metrics = Metrics()
tracer = Tracer()


@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 (Lambda's signature)
    """Work on a batch; what somebody else may be at comes back, and what could not even be noted."""
    deadline = time.monotonic() + BUDGET_S
    failures = [record["messageId"] for record in event["Records"] if not _is_finished(record["body"], deadline)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}


def _is_finished(flow_id: str, deadline: float) -> bool:
    if time.monotonic() > deadline:
        return False
    started = time.perf_counter()
    try:
        withdrawal = work(office=withdrawals.payout_office(), flow_id=flow_id, now_ms=now_ms())
    except NotYet as later:
        logger.info("withdrawal not yet", withdrawal_id=flow_id, wait_ms=later.wait_ms)
        metrics.add_metric(name="WithdrawalNotYet", unit=MetricUnit.Count, value=1)
        return False
    except Exception as trouble:  # noqa: BLE001 (one record must not hold up the others)
        logger.exception("withdrawal not handled", withdrawal_id=flow_id, trouble=type(trouble).__name__)
        metrics.add_metric(name="WithdrawalNotHandled", unit=MetricUnit.Count, value=1)
        return False
    logger.info(
        "withdrawal",
        withdrawal_id=flow_id,
        provider=withdrawal.provider,
        state=withdrawal.state,
        payout_id=withdrawal.payout_id,
        failure=withdrawal.failure,
        checks=withdrawal.checks,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    metrics.add_metric(name=f"Withdrawal{withdrawal.state.title().replace('_', '')}", unit=MetricUnit.Count, value=1)
    return True
