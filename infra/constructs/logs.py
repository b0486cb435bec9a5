"""Create log groups that end: with a retention, and with the stack unless the stage keeps its data."""

from aws_cdk import RemovalPolicy
from aws_cdk.aws_logs import LogGroup, RetentionDays
from constructs import Construct

from infra.stage import Stage

_RETENTION = {
    1: RetentionDays.ONE_DAY,
    7: RetentionDays.ONE_WEEK,
    14: RetentionDays.TWO_WEEKS,
    30: RetentionDays.ONE_MONTH,
    90: RetentionDays.THREE_MONTHS,
    365: RetentionDays.ONE_YEAR,
}


def log_group(scope: Construct, *, stage: Stage) -> LogGroup:
    """Create the one log group of a construct."""
    return LogGroup(
        scope,
        "Logs",
        retention=_RETENTION[stage.log_retention_days],
        removal_policy=removal_policy(stage),
    )


def removal_policy(stage: Stage) -> RemovalPolicy:
    """Say what happens to a stateful resource when its stack is deleted."""
    return RemovalPolicy.RETAIN if stage.keeps_data else RemovalPolicy.DESTROY
