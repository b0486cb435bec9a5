"""Watch the append-only tables: IAM cannot tell an overwriting Put from a new one, their streams can."""

import json

from aws_cdk import Duration
from aws_cdk.aws_dynamodb import Table
from aws_cdk.aws_lambda import CfnEventSourceMapping
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts
from infra.constructs.data import Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.rights import allow_alerting
from infra.routes import STREAM_FUNCTION

BATCH_SIZE = 100
MAX_RETRIES = 5
CHANGES_OF_HISTORY = {"eventName": ["MODIFY", "REMOVE"]}


class LedgerGuard(Construct):
    """Raise an alert on any record of an append-only table that is modified or removed."""

    def __init__(self, scope: Construct, construct_id: str, *, platform: Platform, data: Data) -> None:
        super().__init__(scope, construct_id)
        alerts = platform.alerts
        self._guard = PythonFunction(
            self,
            STREAM_FUNCTION,
            platform=platform,
            description="alert when history changes",
        )
        allow_alerting(self._guard, alerts, data)
        self._failures = self._failure_queue(alerts)
        self._watch("Entries", data.entries)
        self._watch("Transfers", data.transfers)
        self._watch("Audit", data.audit)

    def _failure_queue(self, alerts: Alerts) -> Queue:
        queue = Queue(
            self,
            "Failures",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        self._guard.allow("sqs:SendMessage", on=[queue.queue_arn])
        alerts.alarm(
            self,
            "Unguarded",
            metric=queue.metric_approximate_number_of_messages_visible(period=ALARM_PERIOD),
            description="The ledger guard gave up on stream records: a change of history may have gone unseen.",
            priority="P0",
        )
        return queue

    def _watch(self, name: str, table: Table) -> None:
        stream = str(table.table_stream_arn)
        self._guard.allow("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", on=[stream])
        self._guard.allow("dynamodb:ListStreams", on=[f"{table.table_arn}/stream/*"])
        # Not the L2 construct: it would also grant the right to look the queue up and to list all streams.
        CfnEventSourceMapping(
            self,
            name,
            function_name=self._guard.function.function_arn,
            event_source_arn=stream,
            starting_position="TRIM_HORIZON",
            batch_size=BATCH_SIZE,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=MAX_RETRIES,
            filter_criteria={"filters": [{"pattern": json.dumps(CHANGES_OF_HISTORY)}]},
            destination_config={"onFailure": {"destination": self._failures.queue_arn}},
        )
