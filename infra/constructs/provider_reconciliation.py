"""Compare the payment providers' books with ours, every hour."""

from aws_cdk import Duration
from constructs import Construct

from infra.constructs.background import call_regularly
from infra.constructs.data import LISTED_INDEX, UNRECONCILED_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.rights import allow_noting_runs
from infra.constructs.secrets import Secrets

RECONCILER = "provider_reconciler"
# Longer than its own budget by what the last call of a provider may take.
TIMEOUT = Duration.minutes(5)


class ProviderReconciliation(Construct):
    """Hold the function of the clock; it reads flows and writes no money."""

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: Platform, data: Data, secrets: Secrets
    ) -> None:
        super().__init__(scope, construct_id)
        reconciler = PythonFunction(
            self, RECONCILER, platform=platform, description="compare providers' books with ours", timeout=TIMEOUT
        )
        flows, operations = data.flows.table_arn, data.operations.table_arn
        reconciler.allow("dynamodb:GetItem", on=[flows])
        reconciler.allow("dynamodb:BatchGetItem", on=[flows, operations])
        # Takes the mark off a flow that agrees.
        reconciler.allow("dynamodb:UpdateItem", on=[flows])
        reconciler.allow(
            "dynamodb:Query", on=[f"{flows}/index/{UNRECONCILED_INDEX}", f"{operations}/index/{LISTED_INDEX}"]
        )
        reconciler.allow("secretsmanager:GetSecretValue", on=[secrets.provider_keys])
        allow_noting_runs(reconciler, platform.alerts, data)
        every = Duration.minutes(platform.stage.provider_reconciliation_minutes)
        call_regularly(self, reconciler, "Compare", alerts=platform.alerts, every=every)
