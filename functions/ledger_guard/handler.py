"""Streams of `entries` and `transfers`: alert when something that is written once was changed or removed."""

from typing import Any

from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick import wiring
from tallystick.observability import logger
from tallystick.services import tampering
from tallystick.services.ports.alerts import StreamChange

metrics = Metrics()
tracer = Tracer()


@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Lambda's signature)
    """Watch a batch of stream records; a failed alert fails the batch, which is then tried again."""
    overwritten = tampering.watch(changes=map(_change, event["Records"]), alerts=wiring.alerts())
    metrics.add_metric(name="LedgerOverwritten", unit=MetricUnit.Count, value=overwritten)
    write = logger.error if overwritten else logger.info
    write("watched", records=len(event["Records"]), overwritten=overwritten)


def _change(record: dict[str, Any]) -> StreamChange:
    """Read one DynamoDB stream record; the table's name is the second part of the stream's ARN."""
    keys = {name: value["S"] for name, value in record["dynamodb"]["Keys"].items()}
    table = record["eventSourceARN"].split("/")[1]
    return StreamChange(table, record["eventName"], keys, record["eventID"])
