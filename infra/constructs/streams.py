"""Let a function read the stream of a table, and keep what it gives up on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk.aws_dynamodb import Table
from aws_cdk.aws_lambda import CfnEventSourceMapping
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts
from infra.constructs.function import PythonFunction
from infra.stage import Priority

BATCH_SIZE = 100


def failure_queue(
    scope: Construct,
    function: PythonFunction,
    alarm_id: str,
    *,
    alerts: Alerts,
    description: str,
    priority: Priority = "P1",
) -> Queue:
    """Create the queue that what a function gives up on goes to, with an alarm."""
    queue = Queue(
        scope,
        "Failures",
        encryption=QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    function.allow("sqs:SendMessage", on=[queue.queue_arn])
    alerts.alarm(
        scope,
        alarm_id,
        metric=queue.metric_approximate_number_of_messages_visible(period=ALARM_PERIOD),
        description=description,
        priority=priority,
    )
    return queue


@dataclass(frozen=True)
class Reading:
    """Say which records are read, how often a batch is tried again, and how long one is gathered."""

    records: Mapping[str, object]
    retries: int
    window_s: int | None = None
    answers_for_each: bool = False


def read_stream(
    scope: Construct, construct_id: str, function: PythonFunction, table: Table, *, reading: Reading, failures: Queue
) -> None:
    """Hand the records of a table's stream to a function, from the oldest one on."""
    stream = str(table.table_stream_arn)
    function.allow("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", on=[stream])
    function.allow("dynamodb:ListStreams", on=[f"{table.table_arn}/stream/*"])
    # Not the L2 construct: it would also grant the right to look the queue up and to list all streams.
    CfnEventSourceMapping(
        scope,
        construct_id,
        function_name=function.function.function_arn,
        event_source_arn=stream,
        starting_position="TRIM_HORIZON",
        batch_size=BATCH_SIZE,
        maximum_batching_window_in_seconds=reading.window_s,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=reading.retries,
        function_response_types=["ReportBatchItemFailures"] if reading.answers_for_each else None,
        filter_criteria={"filters": [{"pattern": json.dumps(reading.records)}]},
        destination_config={"onFailure": {"destination": failures.queue_arn}},
    )
