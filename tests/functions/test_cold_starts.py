"""Handle a webhook in a process of its own, to see what it imports: providers wait a few seconds only."""

import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

from tallystick.domain.webhooks import Provider
from tests.functions import providers
from tests.support.moto import ENVIRONMENT

NEVER: Final = (
    "aws_lambda_powertools.event_handler",
    "boto3",
    "requests",
    "stellar_sdk",
    "stripe",
    "tallystick.adapters.providers.http",
    "tallystick.http",
    "truelayer_signing",
    "urllib3.contrib.pyopenssl",
)
PROBE: Final = """
import json, sys
from unittest.mock import patch
event, secrets, jwks = json.load(sys.stdin)
given = {"GetSecretValue": {"SecretString": secrets}, "PutItem": {}, "SendMessageBatch": {"Successful": []}}
from functions.webhooks.handler import handler
from botocore.client import BaseClient
if jwks:
    from tallystick.adapters.providers.truelayer import jwks as published
    published.published_keys = lambda _url: jwks
with patch.object(BaseClient, "_make_api_call", lambda _client, operation, _parameters: given[operation]):
    with patch("tallystick.adapters.clock.time.time_ns", lambda: 1_767_225_600 * 10**9):
        answered = handler(event, None)
json.dump({"status": answered["statusCode"], "modules": sorted(sys.modules)}, sys.stderr)
"""


@pytest.mark.parametrize("provider", Provider)
def test_a_cold_start_imports_no_more_than_it_needs(provider: Provider) -> None:
    started = cold_start(provider)
    assert started["status"] == 200
    hashed = {Provider.STRIPE, Provider.MOONPAY, Provider.PAYSTACK}
    unwanted = (*NEVER, "cryptography") if provider in hashed else NEVER
    found = [
        name for name in started["modules"] if name in unwanted or name.startswith(tuple(f"{n}." for n in unwanted))
    ]
    assert found == []
    others = {f"tallystick.adapters.providers.{other}" for other in set(Provider) - {provider}}
    assert others.isdisjoint(started["modules"])


def cold_start(provider: Provider) -> dict[str, Any]:
    """Handle one genuine call in a process of its own."""
    event = providers.signed(provider, b'{"id": "evt_cold"}', providers.SIGNED_AT_MS)
    keys = providers.truelayer_keys() if provider is Provider.TRUELAYER else []
    given = json.dumps([event, json.dumps(providers.webhook_keys()), keys])
    environment = {**os.environ, **ENVIRONMENT, **providers.environment(providers.settings())}
    ended = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", PROBE], input=given, env=environment, capture_output=True, text=True, check=True
    )
    told: dict[str, Any] = json.loads(ended.stderr)
    return told
