"""Compose the constructs of one stage into its stack."""

from pathlib import Path

from aws_cdk import CfnOutput, DefaultStackSynthesizer, Stack
from constructs import Construct

from infra.constructs.alerts import Alerts
from infra.constructs.api import Api
from infra.constructs.data import Data
from infra.constructs.environment import Environment
from infra.constructs.function import Platform
from infra.constructs.functions import Functions
from infra.constructs.guard import LedgerGuard
from infra.constructs.identity import Identity
from infra.constructs.layers import Layers
from infra.constructs.notifier import Notifier
from infra.constructs.payouts import Payouts
from infra.constructs.provider_reconciliation import ProviderReconciliation
from infra.constructs.queue import WorkQueue
from infra.constructs.reconciliation import GRACE_S, Reconciliation
from infra.constructs.secrets import Secrets
from infra.constructs.tally import Tally
from infra.constructs.watchdog import Watchdog
from infra.constructs.webhooks import Webhooks
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
        secrets = Secrets(self, "Secrets", stage=stage)
        webhook_queue = WorkQueue(
            self,
            "WebhookQueue",
            visibility_s=stage.webhook_visibility_s,
            lost="a webhook's event is in the inbox, not processed.",
            alerts=alerts,
        )
        payout_queue = WorkQueue(
            self,
            "PayoutQueue",
            visibility_s=stage.payout_visibility_s,
            lost="a withdrawal waits; the sweep queues it again.",
            alerts=alerts,
        )
        reconciliation_queue = WorkQueue(
            self,
            "ReconciliationQueue",
            visibility_s=stage.reconciliation.worker_timeout_s + GRACE_S,
            lost="a segment is not reconciled; the planner queues it again.",
            alerts=alerts,
        )
        layers = Layers(self, "Layers", stage=stage, artifacts=artifacts)
        platform = Platform(
            stage=stage,
            artifacts=artifacts,
            layers=layers.versions,
            environment=Environment(
                stage=stage,
                data=data,
                identity=identity,
                secrets=secrets,
                webhook_queue=webhook_queue,
                payout_queue=payout_queue,
                reconciliation_queue=reconciliation_queue,
                alerts=alerts,
            ),
            alerts=alerts,
        )
        functions = Functions(
            self,
            "Functions",
            platform=platform,
            data=data,
            webhook_queue=webhook_queue,
            payout_queue=payout_queue,
            reconciliation_queue=reconciliation_queue,
            secrets=secrets,
        )
        LedgerGuard(self, "Guard", platform=platform, data=data)
        Tally(self, "Tally", platform=platform, data=data)
        Webhooks(self, "Webhooks", platform=platform, data=data, queue=webhook_queue, secrets=secrets)
        Payouts(self, "Payouts", platform=platform, data=data, queue=payout_queue, secrets=secrets)
        Reconciliation(self, "Reconciliation", platform=platform, data=data, queue=reconciliation_queue)
        Watchdog(self, "Watchdog", platform=platform, data=data)
        ProviderReconciliation(self, "ProviderReconciliation", platform=platform, data=data, secrets=secrets)
        Notifier(self, "Notifier", platform=platform, secrets=secrets)
        api = Api(self, "Api", stage=stage, functions=functions, identity=identity, alerts=alerts)
        self._publish(
            ApiUrl=api.http_api.api_endpoint,
            ApiId=api.http_api.api_id,
            PublicUrl=stage.public_url or api.http_api.api_endpoint,
            UserPoolId=identity.user_pool.user_pool_id,
            UserPoolClientId=identity.client.user_pool_client_id,
            **{f"AlertsTopic{priority}Arn": topic.topic_arn for priority, topic in alerts.topics.items()},
            WebhookQueueUrl=webhook_queue.events.queue_url,
            WebhookDeadLetterQueueUrl=webhook_queue.dead_letters.queue_url,
            PayoutQueueUrl=payout_queue.events.queue_url,
            PayoutDeadLetterQueueUrl=payout_queue.dead_letters.queue_url,
            ReconciliationQueueUrl=reconciliation_queue.events.queue_url,
            ReconciliationDeadLetterQueueUrl=reconciliation_queue.dead_letters.queue_url,
            WebhookKeysSecret=secrets.webhook_keys,
            ProviderKeysSecret=secrets.provider_keys,
            NotifierKeysSecret=secrets.notifier_keys,
            **{f"{name.title()}Table": table.table_name for name, table in data.by_name.items()},
        )

    def _publish(self, **outputs: str) -> None:
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
