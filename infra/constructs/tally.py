"""Keep the totals of tallied accounts, and watch what is credited: nothing that moves money waits for them."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import SCHEDULED_TIMEOUT, call_regularly
from infra.constructs.data import LISTED_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.rights import IN_TRANSACTION, allow_alerting, allow_noting_runs
from infra.constructs.streams import Reading, failure_queue, read_stream
from infra.routes import TALLY_FUNCTION

NEW_TRANSFERS = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"item": {"S": ["transfer"]}}}}
# All transfers of a batch write each total once, so a fuller batch costs less; a cut is a multiple of ten seconds.
WINDOW_S = 5
# What is given up is only late: the rebuild finds what has no marker, and an alarm asks for it.
MAX_RETRIES = 20
# A batch with poison in it is halved again and again.
TIMEOUT = Duration.seconds(60)
SWEEP = "spike_sweep"


class Tally(Construct):
    """Add what the stream of transfers reports to the totals, and end spikes of credits by the clock."""

    def __init__(self, scope: Construct, construct_id: str, *, platform: Platform, data: Data) -> None:
        super().__init__(scope, construct_id)
        self._add_tally(platform, data)
        self._add_sweep(platform, data)

    def _add_tally(self, platform: Platform, data: Data) -> None:
        tally = PythonFunction(
            self, TALLY_FUNCTION, platform=platform, description="add up tallied accounts", timeout=TIMEOUT
        )
        operations = [data.operations.table_arn]
        tally.allow("dynamodb:BatchGetItem", on=operations)
        tally.allow("dynamodb:UpdateItem", on=operations, when=IN_TRANSACTION)
        allow_alerting(tally, platform.alerts, data)
        failures = failure_queue(
            self,
            tally,
            "Untallied",
            alerts=platform.alerts,
            description="Transfers were not tallied: `tallystick tally --fix` adds them.",
        )
        reading = Reading(NEW_TRANSFERS, MAX_RETRIES, WINDOW_S, answers_for_each=True)
        read_stream(self, "Transfers", tally, data.transfers, reading=reading, failures=failures)

    def _add_sweep(self, platform: Platform, data: Data) -> None:
        sweep = PythonFunction(
            self, SWEEP, platform=platform, description="end spikes of credits", timeout=SCHEDULED_TIMEOUT
        )
        operations = data.operations.table_arn
        sweep.allow("dynamodb:BatchGetItem", on=[operations])
        sweep.allow("dynamodb:Query", on=[f"{operations}/index/{LISTED_INDEX}"])
        allow_noting_runs(sweep, platform.alerts, data)
        call_regularly(self, sweep, "Sweep", alerts=platform.alerts)
