"""Stream of `transfers`: add what moved to the totals of tallied accounts."""

from typing import Any

from aws_lambda_powertools import Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.domain.errors import InvariantViolated, StoreUnavailable
from tallystick.domain.tallies import Rejected
from tallystick.domain.transfers import Transfer
from tallystick.observability import logger
from tallystick.services.tallying import tally
from tallystick.wiring import tallies

metrics = Metrics()
tracer = Tracer()


@metrics.log_metrics
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 (Lambda's signature)
    """Add a batch; while the store is in trouble all of it comes back, for what was added is not added again."""
    records = event["Records"]
    read = [_read(record["dynamodb"]) for record in records]
    unreadable = [one for one in read if isinstance(one, Rejected)]
    transfers = [one for one in read if isinstance(one, Transfer)]
    try:
        tallied = tally(office=tallies.office(), transfers=transfers, unreadable=unreadable)
    except StoreUnavailable as trouble:
        metrics.add_metric(name="TallyPutOff", unit=MetricUnit.Count, value=len(records))
        logger.warning("not tallied", records=len(records), trouble=str(trouble))
        return {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
    added, known, rejected = map(len, (tallied.added, tallied.known, tallied.rejected))
    write = logger.error if rejected else logger.info
    write("tallied", records=len(records), added=added, known=known, rejected=rejected)
    metrics.add_metric(name="TransferTallied", unit=MetricUnit.Count, value=added)
    metrics.add_metric(name="TransferNotTallied", unit=MetricUnit.Count, value=rejected)
    return {"batchItemFailures": []}


def _read(change: dict[str, Any]) -> Transfer | Rejected:
    """Read what one record of the stream says."""
    try:
        return tallies.read_transfer(change["NewImage"])
    except InvariantViolated as fault:
        return Rejected(change["Keys"]["transfer_key"]["S"], str(fault))
