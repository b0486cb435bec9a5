"""Create the secrets that operators fill with the keys of payment providers, and of where people are told."""

from aws_cdk.aws_secretsmanager import CfnSecret
from constructs import Construct

from infra.constructs.logs import removal_policy
from infra.stage import Stage

EMPTY = "{}"


class Secrets(Construct):
    """Keep apart what webhooks are checked with, what can move money at a provider, and what reaches people."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.webhook_keys = self._secret("WebhookKeys", 'what webhooks are checked with, {"<provider>": ["<key>"]}')
        self.provider_keys = self._secret(
            "ProviderKeys", 'what providers are called with, {"<provider>": {"<name>": "<value>"}}'
        )
        self.notifier_keys = self._secret(
            "NotifierKeys", 'where people are told, {"slack_webhook_url": "", "pagerduty_routing_key": ""}'
        )

    def _secret(self, name: str, description: str) -> str:
        """Create an empty secret and give its ARN; CloudFormation writes what is in it only once."""
        # Not the L2 construct: it generates a password, or has to be told that a text in the template is safe there.
        secret = CfnSecret(self, name, description=f"Tallystick {self._stage.name}: {description}", secret_string=EMPTY)
        secret.apply_removal_policy(removal_policy(self._stage))
        # Id is the ARN, as is a Ref to it, for which the local cloud gives the name.
        return secret.attr_id
