"""Watch the jobs of the clock, and CloudWatch the watchdog."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import SCHEDULED_TIMEOUT, call_regularly, every
from infra.constructs.data import LISTED_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.rights import allow_noting_runs
from infra.routes import WATCHDOG

SILENCE = Duration.minutes(10)


class Watchdog(Construct):
    """Hold the function of the clock that notices when another one does not do its work."""

    def __init__(self, scope: Construct, construct_id: str, *, platform: Platform, data: Data) -> None:
        super().__init__(scope, construct_id)
        watchdog = PythonFunction(
            self,
            WATCHDOG,
            platform=platform,
            description="notice jobs that do not finish, alerts that nobody was told of, and those that are over",
            timeout=SCHEDULED_TIMEOUT,
        )
        allow_noting_runs(watchdog, platform.alerts, data)
        operations = data.operations.table_arn
        watchdog.allow("dynamodb:BatchGetItem", on=[operations])
        watchdog.allow("dynamodb:Query", on=[f"{operations}/index/{LISTED_INDEX}"])
        watchdog.allow("dynamodb:GetItem", on=[data.inbox.table_arn, data.flows.table_arn])
        call_regularly(self, watchdog, "Watch", alerts=platform.alerts, every=every(WATCHDOG))
        if not platform.stage.is_local:  # the local cloud counts no calls
            platform.alerts.alarm_of_silence(
                self,
                "Silent",
                metric=watchdog.function.metric_invocations(period=SILENCE),
                description="The watchdog was not called for ten minutes: nobody notices what else stands still.",
                priority="P0",
            )
