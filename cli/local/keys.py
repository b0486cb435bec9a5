"""Put the local cloud's keys where they are looked for."""

import json
from typing import TYPE_CHECKING

from cli.local.deployment import Deployment
from cli.local.sandbox.channels import SLACK_PATH
from cli.webhooks.keys import provider_keys, webhook_keys

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def hand_out(deployment: Deployment) -> None:
    """Fill the secrets as an operator would; the sandbox plays Slack and PagerDuty too."""
    secrets: SecretsManagerClient = deployment.client("secretsmanager")
    notifier_keys = {
        "slack_webhook_url": f"{deployment.sandbox_url}/slack/{SLACK_PATH}",
        "pagerduty_routing_key": "local",
    }
    for output, keys in (
        ("WebhookKeysSecret", webhook_keys()),
        ("ProviderKeysSecret", provider_keys()),
        ("NotifierKeysSecret", notifier_keys),
    ):
        secrets.put_secret_value(SecretId=deployment.outputs[output], SecretString=json.dumps(keys))
