"""Process the webhooks that the inbox keeps, and bring what no webhook tells."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Metric
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_lambda import CfnEventSourceMapping
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD
from infra.constructs.data import DUE_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.queue import WebhookQueue
from infra.constructs.rights import allow_alerting, allow_posting
from infra.constructs.secrets import Secrets
from infra.routes import QUEUE_FUNCTION, SCHEDULED_FUNCTIONS
from infra.stage import PROCESSOR_TIMEOUT_S, Stage

BATCH_SIZE = 5
EVERY = Duration.minutes(1)
# Ends before the next one begins.
SCHEDULED_TIMEOUT = Duration.seconds(50)
RULE_RETRIES = 2

SWEEP, POLLER = SCHEDULED_FUNCTIONS


class Webhooks(Construct):
    """Hold the queue's consumer and the two functions of the clock."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        platform: Platform,
        data: Data,
        queue: WebhookQueue,
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
        processor = self._function(QUEUE_FUNCTION, "post what webhooks say", timeout)
        allow_posting(processor, data)
        # PutItem opens the suspense account, which holds what cannot go where it should.
        processor.allow("dynamodb:BatchGetItem", "dynamodb:PutItem", on=[data.accounts.table_arn])
        processor.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[data.flows.table_arn])
        processor.allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=[data.inbox.table_arn])
        processor.allow("secretsmanager:GetSecretValue", on=[self._secrets.provider_keys])
        allow_alerting(processor, self._platform.alerts)
        self._consume(processor)

    def _consume(self, processor: PythonFunction) -> None:
        stage = self._platform.stage
        processor.allow(
            *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"),
            on=[self._queue.queue_arn],
        )
        # Not the L2 construct: it would also grant the right to look the queue up.
        CfnEventSourceMapping(
            self,
            "Events",
            function_name=processor.function.function_arn,
            event_source_arn=self._queue.queue_arn,
            batch_size=BATCH_SIZE,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=_at_most(stage),
        )

    def _add_sweep(self) -> None:
        sweep = self._function(SWEEP, "queue overdue webhooks again", SCHEDULED_TIMEOUT)
        inbox = self._data.inbox.table_arn
        sweep.allow("dynamodb:Query", on=[f"{inbox}/index/{DUE_INDEX}"])
        sweep.allow("dynamodb:UpdateItem", on=[inbox])
        sweep.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        self._schedule(sweep, "Sweep")

    def _add_poller(self) -> None:
        poller = self._function(POLLER, "read payments off the Stellar network", SCHEDULED_TIMEOUT)
        poller.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[self._data.inbox.table_arn])
        poller.allow(
            "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=[self._data.operations.table_arn]
        )
        poller.allow("sqs:SendMessage", on=[self._queue.queue_arn])
        self._schedule(poller, "Poll", enabled="stellar" in self._platform.stage.providers)

    def _function(self, name: str, description: str, timeout: Duration) -> PythonFunction:
        return PythonFunction(self, name, platform=self._platform, description=description, timeout=timeout)

    def _schedule(self, function: PythonFunction, name: str, *, enabled: bool = True) -> None:
        """Call a function every minute; a call that fails is not made up for, since the next one does its work."""
        function.function.configure_async_invoke(retry_attempts=0, max_event_age=EVERY)
        target = LambdaFunction(function.function, retry_attempts=RULE_RETRIES, max_event_age=EVERY)
        rule = Rule(self, name, schedule=Schedule.rate(EVERY), enabled=enabled, targets=[target])
        self._platform.alerts.alarm(
            self,
            f"{name}NotCalled",
            metric=Metric(
                namespace="AWS/Events",
                metric_name="FailedInvocations",
                dimensions_map={"RuleName": rule.rule_name},
                period=ALARM_PERIOD,
                statistic="Sum",
            ),
            description=f"EventBridge could not call {function.node.id}.",
        )


def _at_most(stage: Stage) -> CfnEventSourceMapping.ScalingConfigProperty | None:
    if stage.webhook_concurrency is None:
        return None
    return CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=stage.webhook_concurrency)
