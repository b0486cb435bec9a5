"""Pay withdrawals out, and look after those that wait or are stuck."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import SCHEDULED_TIMEOUT, call_regularly, consume, every
from infra.constructs.data import OPEN_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.queue import WorkQueue
from infra.constructs.rights import IN_TRANSACTION, allow_alerting, allow_noting_runs, allow_posting
from infra.constructs.secrets import Secrets
from infra.stage import PROCESSOR_TIMEOUT_S

WORKER, SWEEP = "payout_worker", "withdrawal_sweep"


class Payouts(Construct):
    """Hold the worker and the function of the clock."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: Platform,
        data: Data,
        queue: WorkQueue,
        secrets: Secrets,
    ) -> None:
        super().__init__(scope, construct_id)
        self._platform, self._data, self._queue, self._secrets = platform, data, queue.events, secrets
        self._add_worker()
        self._add_sweep()

    def _add_worker(self) -> None:
        data, stage = self._data, self._platform.stage
        timeout = Duration.seconds(min(PROCESSOR_TIMEOUT_S, stage.payout_visibility_s))
        worker = self._function(WORKER, "pay withdrawals out", timeout)
        allow_posting(worker, data)
        worker.allow("dynamodb:BatchGetItem", on=[data.accounts.table_arn])
        worker.allow("dynamodb:GetItem", on=[data.flows.table_arn])
        worker.allow("dynamodb:PutItem", on=[data.flows.table_arn], when=IN_TRANSACTION)
        # The day's quotas change with a movement; circuit breakers by themselves, as alerts do.
        worker.allow("dynamodb:UpdateItem", on=[data.operations.table_arn], when=IN_TRANSACTION)
        worker.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])
        allow_alerting(worker, self._platform.alerts, data)
        consume(self, worker, self._queue, concurrency=stage.payout_concurrency)

    def _add_sweep(self) -> None:
        sweep = self._function(SWEEP, "queue withdrawals whose time has come", SCHEDULED_TIMEOUT)
        flows = self._data.flows.table_arn
        sweep.allow("dynamodb:Query", on=[f"{flows}/index/{OPEN_INDEX}"])
        sweep.allow("dynamodb:UpdateItem", on=[flows])
        sweep.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        allow_noting_runs(sweep, self._platform.alerts, self._data)
        call_regularly(self, sweep, "Sweep", alerts=self._platform.alerts, every=every(SWEEP))

    def _function(self, name: str, description: str, timeout: Duration) -> PythonFunction:
        return PythonFunction(self, name, platform=self._platform, description=description, timeout=timeout)
