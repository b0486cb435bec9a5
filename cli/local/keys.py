"""Put the local cloud's keys where they are looked for: in the secrets, and where a provider publishes its own."""

import json
from typing import TYPE_CHECKING

import httpx

from cli.local.deployment import Deployment
from cli.webhooks.keys import provider_keys, truelayer_jwks, webhook_keys

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


def hand_out(deployment: Deployment) -> None:
    """Fill both secrets as an operator would, and give the sandbox the keys that TrueLayer publishes."""
    secrets: SecretsManagerClient = deployment.client("secretsmanager")
    for output, keys in (("WebhookKeysSecret", webhook_keys()), ("ProviderKeysSecret", provider_keys())):
        secrets.put_secret_value(SecretId=deployment.outputs[output], SecretString=json.dumps(keys))
    published = {"provider": "truelayer", "id": "jwks", **truelayer_jwks()}
    address = f"{deployment.sandbox_url}/_control/resources"
    httpx.post(address, json=published, trust_env=False).raise_for_status()
