"""SQS queue of events: process each, and put off the message of one that has to wait."""

import time
from typing import Any, Final

from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.observability import logger
from tallystick.services.processing import Handled, handle
from tallystick.wiring import now_ms, webhooks

BUDGET_S: Final = 15
"""After so long the rest of a batch is left to the next one, so that the last event begun has time for its provider."""

metrics = Metrics()
tracer = Tracer()


@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 (Lambda's signature)
    """Process a batch; only the messages of events that are finished are deleted."""
    deadline = time.monotonic() + BUDGET_S
    failures = [record["messageId"] for record in event["Records"] if not _is_finished(record, deadline)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failures]}


def _is_finished(record: dict[str, Any], deadline: float) -> bool:
    if time.monotonic() > deadline:
        return False
    started = time.perf_counter()
    inbox_key = record["body"]
    try:
        handled = handle(office=webhooks.office(), inbox_key=inbox_key, now_ms=now_ms())
        _report(handled, inbox_key, started)
        if handled.wait_ms is not None:
            webhooks.queue().put_off(record["receiptHandle"], handled.wait_ms)
    except Exception as trouble:  # noqa: BLE001 (one record must not hold up the others)
        # It could not even be noted: the message comes back after the queue's own time.
        logger.exception("event not handled", inbox_key=inbox_key, trouble=type(trouble).__name__)
        metrics.add_metric(name="WebhookNotHandled", unit=MetricUnit.Count, value=1)
        return False
    return handled.wait_ms is None


def _report(handled: Handled, inbox_key: str, started: float) -> None:
    event = handled.event
    write = logger.error if handled.fault else logger.info
    write(
        "event",
        exc_info=handled.fault,
        inbox_key=inbox_key,
        provider=event.provider,
        external_id=event.external_id,
        state=event.state,
        attempts=event.attempts,
        reason=event.reason,
        transfers=event.transfers,
        wait_ms=handled.wait_ms,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    outcome = "Retried" if handled.wait_ms is not None else event.state.title()
    metrics.add_metric(name=f"Webhook{outcome}", unit=MetricUnit.Count, value=1)
