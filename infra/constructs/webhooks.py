"""Process the webhooks that the inbox keeps, and bring what no webhook tells."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import SCHEDULED_TIMEOUT, call_regularly, consume, every
from infra.constructs.data import DUE_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.queue import WorkQueue
from infra.constructs.rights import IN_TRANSACTION, allow_alerting, allow_noting_runs, allow_posting
from infra.constructs.secrets import Secrets
from infra.stage import PROCESSOR_TIMEOUT_S

PROCESSOR, SWEEP, POLLER = "webhook_processor", "webhook_sweep", "stellar_poller"


class Webhooks(Construct):
    """Hold the queue's consumer and the two functions of the clock."""

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
        self._add_processor()
        self._add_sweep()
        self._add_poller()

    def _add_processor(self) -> None:
        data, visibility_s = self._data, self._platform.stage.webhook_visibility_s
        # No longer than a message is hidden; only the local cloud hides it for so short a time.
        timeout = Duration.seconds(min(PROCESSOR_TIMEOUT_S, visibility_s))
        processor = self._function(PROCESSOR, "post what webhooks say", timeout)
        allow_posting(processor, data)
        # PutItem opens the suspense account, which holds what cannot go where it should.
        processor.allow("dynamodb:BatchGetItem", "dynamodb:PutItem", on=[data.accounts.table_arn])
        processor.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[data.flows.table_arn])
        processor.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=[data.inbox.table_arn])
        processor.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])
        allow_alerting(processor, self._platform.alerts, data)
        # A payout that failed gives its part of the day's quota back.
        processor.allow("dynamodb:UpdateItem", on=[data.operations.table_arn], when=IN_TRANSACTION)
        consume(self, processor, self._queue, concurrency=self._platform.stage.webhook_concurrency)

    def _add_sweep(self) -> None:
        sweep = self._function(SWEEP, "queue overdue webhooks again", SCHEDULED_TIMEOUT)
        inbox = self._data.inbox.table_arn
        sweep.allow("dynamodb:Query", on=[f"{inbox}/index/{DUE_INDEX}"])
        sweep.allow("dynamodb:UpdateItem", on=[inbox])
        sweep.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        allow_noting_runs(sweep, self._platform.alerts, self._data)
        call_regularly(self, sweep, "Sweep", alerts=self._platform.alerts, every=every(SWEEP))

    def _add_poller(self) -> None:
        poller = self._function(POLLER, "read payments off the Stellar network", SCHEDULED_TIMEOUT)
        poller.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[self._data.inbox.table_arn])
        # Beside how far it has read.
        allow_noting_runs(poller, self._platform.alerts, self._data)
        poller.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        is_used = "stellar" in self._platform.stage.providers
        call_regularly(self, poller, "Poll", alerts=self._platform.alerts, every=every(POLLER), enabled=is_used)

    def _function(self, name: str, description: str, timeout: Duration) -> PythonFunction:
        return PythonFunction(self, name, platform=self._platform, description=description, timeout=timeout)
