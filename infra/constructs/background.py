"""Let functions work in the background: on a queue, or by the clock."""

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Metric
from aws_cdk.aws_events import Rule, Schedule
from aws_cdk.aws_events_targets import LambdaFunction
from aws_cdk.aws_lambda import CfnEventSourceMapping
from aws_cdk.aws_sqs import Queue
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts
from infra.constructs.function import PythonFunction
from infra.routes import JOBS

BATCH_SIZE = 5
MINUTE = Duration.minutes(1)
# Ends before the next minute begins.
SCHEDULED_TIMEOUT = Duration.seconds(50)
RULE_RETRIES = 2


def consume(
    scope: Construct,
    function: PythonFunction,
    queue: Queue,
    *,
    concurrency: int | None,
    batch_size: int = BATCH_SIZE,
) -> None:
    """Hand a queue's messages to a function."""
    function.allow(
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        on=[queue.queue_arn],
    )
    # Not the L2 construct: it would also grant the right to look the queue up.
    CfnEventSourceMapping(
        scope,
        "Events",
        function_name=function.function.function_arn,
        event_source_arn=queue.queue_arn,
        batch_size=batch_size,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config=None
        if concurrency is None
        else CfnEventSourceMapping.ScalingConfigProperty(maximum_concurrency=concurrency),
    )


def every(job: str) -> Duration:
    """Say how often a job runs."""
    return Duration.seconds(JOBS[job])


def call_regularly(
    scope: Construct,
    function: PythonFunction,
    name: str,
    *,
    alerts: Alerts,
    every: Duration = MINUTE,
    enabled: bool = True,
) -> None:
    """Call a function by the clock; a call that fails is not made up for, since the next one does its work."""
    function.function.configure_async_invoke(retry_attempts=0, max_event_age=MINUTE)
    target = LambdaFunction(function.function, retry_attempts=RULE_RETRIES, max_event_age=MINUTE)
    rule = Rule(scope, name, schedule=Schedule.rate(every), enabled=enabled, targets=[target])
    alerts.alarm(
        scope,
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
