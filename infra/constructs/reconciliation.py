"""Reconcile all wallets by the clock: a planner, and a worker for the segments of each run."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import SCHEDULED_TIMEOUT, call_regularly, consume
from infra.constructs.data import LISTED_INDEX, OWNER_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.queue import WorkQueue
from infra.constructs.rights import IN_TRANSACTION, allow_alerting, allow_noting_runs

PLANNER, WORKER = "reconciliation_planner", "reconciler"
# A message is a batch of its own; a worker that was killed is followed by another one so long after its time is up.
GRACE_S = 30
# All that it may change of an account: what it says of itself, and never what it holds.
MARKS = ["account_id", "checked", "checked_in", "needs_reconciliation"]


class Reconciliation(Construct):
    """Hold the two functions."""

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: Platform, data: Data, queue: WorkQueue
    ) -> None:
        super().__init__(scope, construct_id)
        self._platform, self._data, self._queue = platform, data, queue.events
        self._add_worker()
        self._add_planner()

    def _add_worker(self) -> None:
        data, operations = self._data, self._data.operations.table_arn
        worker = self._function(
            WORKER, "reconcile wallets", Duration.seconds(self._platform.stage.reconciliation.worker_timeout_s)
        )
        worker.allow("dynamodb:GetItem", "dynamodb:Scan", on=[data.accounts.table_arn])
        worker.allow(
            "dynamodb:UpdateItem",
            on=[data.accounts.table_arn],
            when={"ForAllValues:StringEquals": {"dynamodb:Attributes": MARKS}},
        )
        worker.allow("dynamodb:Query", on=[data.entries.table_arn, f"{data.flows.table_arn}/index/{OWNER_INDEX}"])
        worker.allow("dynamodb:BatchGetItem", "dynamodb:Scan", on=[data.transfers.table_arn])
        worker.allow("dynamodb:BatchGetItem", "dynamodb:GetItem", on=[data.flows.table_arn])
        worker.allow("dynamodb:Query", on=[data.audit.table_arn, f"{operations}/index/{LISTED_INDEX}"])
        worker.allow("dynamodb:PutItem", on=[data.audit.table_arn], when=IN_TRANSACTION)
        # Runs and their segments, suspected transfers, and the totals that the stream did not bring up to date.
        worker.allow(*("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"), on=[operations])
        worker.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        allow_alerting(worker, self._platform.alerts, data)
        concurrency = self._platform.stage.reconciliation.concurrency
        consume(self, worker, self._queue, concurrency=concurrency, batch_size=1)

    def _add_planner(self) -> None:
        planner = self._function(PLANNER, "begin the reconciliation that is due", SCHEDULED_TIMEOUT)
        allow_noting_runs(planner, self._platform.alerts, self._data)
        planner.allow("dynamodb:Query", on=[self._data.audit.table_arn])
        planner.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        every = Duration.seconds(self._platform.stage.reconciliation.every_s)
        call_regularly(self, planner, "Plan", alerts=self._platform.alerts, every=every)

    def _function(self, name: str, description: str, timeout: Duration) -> PythonFunction:
        return PythonFunction(self, name, platform=self._platform, description=description, timeout=timeout)
