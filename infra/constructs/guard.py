"""Watch the append-only tables: IAM cannot tell an overwriting Put from a new one, their streams can."""

from aws_cdk.aws_dynamodb import Table
from constructs import Construct

from infra.constructs.data import Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.rights import allow_alerting
from infra.constructs.streams import Reading, failure_queue, read_stream
from infra.routes import STREAM_FUNCTION

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
        self._failures = failure_queue(
            self,
            self._guard,
            "Unguarded",
            alerts=alerts,
            description="The ledger guard gave up on stream records: a change of history may have gone unseen.",
            priority="P0",
        )
        self._watch("Entries", data.entries)
        self._watch("Transfers", data.transfers)
        self._watch("Audit", data.audit)

    def _watch(self, name: str, table: Table) -> None:
        reading = Reading(CHANGES_OF_HISTORY, MAX_RETRIES)
        read_stream(self, name, self._guard, table, reading=reading, failures=self._failures)
