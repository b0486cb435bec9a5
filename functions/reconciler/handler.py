"""SQS queue of segments: reconcile the wallets and transfers of each."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.errors import Busy, NotYet
from tallystick.observability import logger
from tallystick.services.jobs import finish
from tallystick.services.reconciling import work
from tallystick.wiring import alerting, now_ms, reconciliation

RESERVE_MS: Final = 15_000
"""So much of the function's time is left when a segment is handed on: the longest account takes less."""

RECONCILIATION: Final = "reconciliation"
"""The job that ends with a run."""

metrics = Metrics()


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch; what is not finished comes back."""

    def is_time_up() -> bool:
        return context.get_remaining_time_in_millis() < RESERVE_MS

    failures = [record["messageId"] for record in event["Records"] if not _is_finished(record, is_time_up)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}


def _is_finished(record: dict[str, Any], is_time_up: Callable[[], bool]) -> bool:
    started = time.perf_counter()
    try:
        outcome = work(bureau=reconciliation.bureau(), key=record["body"], is_time_up=is_time_up, now_ms=now_ms)
    except NotYet as later:
        reconciliation.queue().put_off(record["receiptHandle"], later.wait_ms)
        outcome = "later"
    except Exception as trouble:  # noqa: BLE001 (one record must not hold up the others)
        logger.exception("segment not reconciled", segment=record["body"], trouble=type(trouble).__name__)
        metrics.add_metric(name="SegmentNotReconciled", unit=MetricUnit.Count, value=1)
        return False
    _note(outcome)
    logger.info(
        "segment",
        segment=record["body"],
        outcome=outcome,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    metrics.add_metric(name=f"Segment{outcome.title()}", unit=MetricUnit.Count, value=1)
    return outcome != "later"


def _note(outcome: str) -> None:
    """Let the watchdog know of a run that has ended; if that fails, the next run's end tells it."""
    if outcome == "concluded":
        with suppress(Busy):
            finish(watch=alerting.watch(), name=RECONCILIATION)
