"""Send alerts and alarms on to where people work."""

from aws_cdk.aws_sns_subscriptions import LambdaSubscription
from constructs import Construct

from infra.constructs.function import LONG_TIMEOUT, Platform, PythonFunction
from infra.constructs.secrets import Secrets
from infra.routes import NOTIFIER


class Notifier(Construct):
    """Hold the function that the topics of alerts call."""

    def __init__(self, scope: Construct, construct_id: str, *, platform: Platform, secrets: Secrets) -> None:
        super().__init__(scope, construct_id)
        notifier = PythonFunction(
            self,
            NOTIFIER,
            platform=platform,
            description="send alerts to Slack and PagerDuty",
            timeout=LONG_TIMEOUT,
        )
        notifier.allow("secretsmanager:GetSecretValue", on=[secrets.notifier_keys])
        for topic in platform.alerts.topics.values():
            topic.add_subscription(LambdaSubscription(notifier.function))
