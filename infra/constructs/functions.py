"""Create the functions of the API, each with no more rights than it uses."""

from constructs import Construct

from infra.constructs.data import DEAD_INDEX, LISTED_INDEX, OPEN_INDEX, OWNER_INDEX, Data
from infra.constructs.function import LONG_TIMEOUT, TIMEOUT, Platform, PythonFunction
from infra.constructs.queue import WorkQueue
from infra.constructs.rights import IN_TRANSACTION, allow_alerting, allow_posting
from infra.constructs.secrets import Secrets
from infra.routes import API_FUNCTIONS

# These wait for a provider, and try again when it does not answer; API Gateway waits for 30 seconds.
PATIENT = frozenset({"deposits", "dead_letters", "differences"})


class Functions(Construct):
    """Hold one function per concern."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: Platform,
        data: Data,
        webhook_queue: WorkQueue,
        payout_queue: WorkQueue,
        reconciliation_queue: WorkQueue,
        secrets: Secrets,
    ) -> None:
        super().__init__(scope, construct_id)
        self._data, self._queue, self._secrets = data, webhook_queue.events, secrets
        self._payouts, self._segments = payout_queue.events, reconciliation_queue.events
        self._alerts = platform.alerts
        self.by_name = {
            name: PythonFunction(
                self,
                name,
                platform=platform,
                description=name,
                timeout=LONG_TIMEOUT if name in PATIENT else TIMEOUT,
            )
            for name in API_FUNCTIONS
        }
        self._allow_wallets(self.by_name["wallets"])
        for name in ("credit", "debit", "transfers"):
            allow_posting(self.by_name[name], data)
        self.by_name["transfers"].allow("dynamodb:BatchGetItem", on=[data.accounts.table_arn])
        self._allow_statements(self.by_name["statements"])
        self._allow_deposits(self.by_name["deposits"])
        self._allow_withdrawals(self.by_name["withdrawals"])
        self._allow_integrity(self.by_name["integrity"])
        self._allow_webhooks(self.by_name["webhooks"])
        self._allow_dead_letters(self.by_name["dead_letters"])
        self._allow_alerts(self.by_name["alerts"])
        self._allow_differences(self.by_name["differences"])
        self.by_name["health"].allow("dynamodb:GetItem", on=[table.table_arn for table in data.by_name.values()])

    def _allow_wallets(self, function: PythonFunction) -> None:
        accounts = self._data.accounts.table_arn
        function.allow(
            "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=[accounts]
        )
        function.allow("dynamodb:Query", on=[f"{accounts}/index/{OWNER_INDEX}"])

    def _allow_statements(self, function: PythonFunction) -> None:
        function.allow("dynamodb:GetItem", on=[self._data.accounts.table_arn])
        function.allow("dynamodb:Query", on=[self._data.entries.table_arn])

    def _allow_deposits(self, function: PythonFunction) -> None:
        function.allow("dynamodb:GetItem", "dynamodb:BatchGetItem", on=[self._data.accounts.table_arn])
        function.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[self._data.flows.table_arn])
        function.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])

    def _allow_withdrawals(self, function: PythonFunction) -> None:
        """Let it hold money and give it back, list and decide; it cannot pay anything out, nor read a key to do so."""
        data, flows = self._data, self._data.flows.table_arn
        allow_posting(function, data)
        # An account is opened with each hold.
        written_with_movements = [data.accounts.table_arn, flows, data.audit.table_arn]
        function.allow("dynamodb:PutItem", on=written_with_movements, when=IN_TRANSACTION)
        function.allow("dynamodb:UpdateItem", on=[data.operations.table_arn], when=IN_TRANSACTION)
        function.allow("dynamodb:BatchGetItem", on=[data.accounts.table_arn, flows])
        function.allow("dynamodb:GetItem", on=[flows, data.operations.table_arn])
        function.allow("dynamodb:Query", on=[f"{flows}/index/{OWNER_INDEX}", f"{flows}/index/{OPEN_INDEX}"])
        function.allow("sqs:SendMessage", on=[self._payouts.queue_arn])

    def _allow_integrity(self, function: PythonFunction) -> None:
        """Let it show what runs came to and what the house holds, and begin a run."""
        data, operations = self._data, self._data.operations.table_arn
        function.allow("dynamodb:BatchGetItem", "dynamodb:GetItem", on=[data.accounts.table_arn, operations])
        function.allow("dynamodb:Query", on=[data.audit.table_arn, f"{operations}/index/{LISTED_INDEX}"])
        function.allow("dynamodb:PutItem", on=[data.audit.table_arn, operations], when=IN_TRANSACTION)
        function.allow("sqs:SendMessage", on=[self._segments.queue_arn])

    def _allow_webhooks(self, function: PythonFunction) -> None:
        """Let it keep events, and nothing else: everybody can call it, so it sees neither money nor a key to any.

        It reads an event only when that is there already: to tell a duplicate from another body under the same id.
        """
        function.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[self._data.inbox.table_arn])
        function.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        function.allow("secretsmanager:GetSecretValue", on=[self._secrets.webhook_keys])

    def _allow_dead_letters(self, function: PythonFunction) -> None:
        """Let it show, open and close dead letters; what a redrive would post it only reads."""
        data, inbox = self._data, self._data.inbox.table_arn
        function.allow("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem", on=[inbox])
        function.allow("dynamodb:Query", on=[f"{inbox}/index/{DEAD_INDEX}"])
        function.allow("dynamodb:PutItem", on=[data.audit.table_arn], when=IN_TRANSACTION)
        function.allow("dynamodb:GetItem", "dynamodb:BatchGetItem", on=[data.accounts.table_arn])
        function.allow("dynamodb:GetItem", on=[data.transfers.table_arn, data.flows.table_arn])
        allow_alerting(function, self._alerts, data)
        function.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        function.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])

    def _allow_alerts(self, function: PythonFunction) -> None:
        """Let it show alerts and leave them to rest, and say that it did."""
        operations = self._data.operations.table_arn
        allow_alerting(function, self._alerts, self._data)
        function.allow("dynamodb:BatchGetItem", on=[operations])
        function.allow("dynamodb:Query", on=[f"{operations}/index/{LISTED_INDEX}"])
        function.allow("dynamodb:PutItem", on=[self._data.audit.table_arn], when=IN_TRANSACTION)

    def _allow_differences(self, function: PythonFunction) -> None:
        """Let it show differences, and bring an event in: what that means is for the processor."""
        data, operations = self._data, self._data.operations.table_arn
        function.allow("dynamodb:GetItem", "dynamodb:BatchGetItem", on=[operations])
        function.allow("dynamodb:Query", on=[f"{operations}/index/{LISTED_INDEX}"])
        function.allow("dynamodb:GetItem", on=[data.inbox.table_arn])
        function.allow("dynamodb:PutItem", on=[data.inbox.table_arn, data.audit.table_arn], when=IN_TRANSACTION)
        function.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        function.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])
