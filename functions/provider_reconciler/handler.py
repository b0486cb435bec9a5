"""Every hour: compare the books of the payment providers with ours."""

import time
from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.differences import Run
from tallystick.domain.provider_matching import DIFFERENCES
from tallystick.jobs import job
from tallystick.observability import logger
from tallystick.services.provider_reconciliation import reconcile
from tallystick.wiring import now_ms, provider_reconciliation

BUDGET_S: Final = 240
"""After so long the rest is left to the next hour, so that the last call begun has time for its provider."""

metrics = Metrics()


@metrics.log_metrics
@job("provider_reconciler")
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Compare once; what fails is compared again in an hour, and the failure raises the function's alarm."""
    deadline = time.monotonic() + BUDGET_S
    runs = reconcile(desk=provider_reconciliation.desk(), now_ms=now_ms(), is_over=lambda: time.monotonic() > deadline)
    for run in runs:
        logger.info("compared", provider=run.provider, counts=run.counts, pages=run.pages, failure=run.failure)
    metrics.add_metric(name="ProviderDifferences", unit=MetricUnit.Count, value=sum(map(_differences, runs)))


def _differences(run: Run) -> int:
    return sum(run.counts.get(match, 0) for match in DIFFERENCES)
