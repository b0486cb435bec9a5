"""Put the local cloud's keys where they are looked for."""

import json
from typing import TYPE_CHECKING

from cli.local.deployment import Deployment
from cli.webhooks.keys import provider_keys, webhook_keys

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def hand_out(deployment: Deployment) -> None:
    """Fill both secrets as an operator would."""
    secrets: SecretsManagerClient = deployment.client("secretsmanager")
    for output, keys in (("WebhookKeysSecret", webhook_keys()), ("ProviderKeysSecret", provider_keys())):
        secrets.put_secret_value(SecretId=deployment.outputs[output], SecretString=json.dumps(keys))
