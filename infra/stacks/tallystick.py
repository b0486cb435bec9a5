"""Compose the constructs of one stage into its stack."""

from pathlib import Path

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Stack
from constructs import Construct

from infra.constructs.alerts import Alerts
from infra.constructs.api import Api
from infra.constructs.data import Data
from infra.constructs.function import Platform
from infra.constructs.functions import Functions
from infra.constructs.guard import LedgerGuard
from infra.constructs.identity import Identity
from infra.constructs.layers import Layers
from infra.stage import Stage


class TallystickStack(Stack):
    """Hold everything that one stage consists of."""

    def __init__(self, scope: Construct, *, stage: Stage, artifacts: Path) -> None:
        super().__init__(
            scope,
            f"Tallystick-{stage.name}",
            description=f"Tallystick, stage {stage.name}",
            termination_protection=stage.keeps_data,
            # The CDK's CLI checks the bootstrap version itself; without the rule the template needs no parameter.
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        alerts = Alerts(self, "Alerts", stage=stage)
        data = Data(self, "Data", stage=stage)
        identity = Identity(self, "Identity", stage=stage)
        layers = Layers(self, "Layers", stage=stage, artifacts=artifacts)
        platform = Platform(stage=stage, artifacts=artifacts, layers=layers.versions, alerts=alerts)
        functions = Functions(self, "Functions", platform=platform, data=data, identity=identity)
        LedgerGuard(self, "Guard", platform=platform, data=data)
        api = Api(self, "Api", stage=stage, functions=functions, identity=identity, alerts=alerts)
        self._publish(
            ApiUrl=api.http_api.api_endpoint,
            ApiId=api.http_api.api_id,
            UserPoolId=identity.user_pool.user_pool_id,
            UserPoolClientId=identity.client.user_pool_client_id,
            AccountsTable=data.accounts.table_name,
            EntriesTable=data.entries.table_name,
            TransfersTable=data.transfers.table_name,
            AlertsTopicArn=alerts.topic.topic_arn,
        )

    def _publish(self, **outputs: str) -> None:
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
