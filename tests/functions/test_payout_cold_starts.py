"""Ask for withdrawals and pay them out in a process of its own, to see what each provider and destination imports."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.functions import cloud, payouts, providers
from tests.functions.world import NOW_MS
from tests.support.events import http_event
from tests.support.moto import ENVIRONMENT

LIBRARIES: Final = {
    *("base58", "bech32m", "Crypto", "cryptography", "stdnum", "stellar_sdk"),
    *("boto3", "embit", "requests", "stripe", "truelayer_signing"),
}
"""Those that take long; of the last ones only stellar_sdk itself asks for one, requests."""

PROVIDERS: Final = {f"tallystick.adapters.providers.{name}" for name in providers.settings()}
PROBE: Final = """
import json, sys
from unittest.mock import patch
function, steps, watched = json.load(sys.stdin)
import importlib
handler = importlib.import_module(f"functions.{function}.handler").handler
from botocore.client import BaseClient
def loaded():
    return [name for name in watched if name in sys.modules]
told = [["import", None, loaded()]]
for event, given in steps:
    def answer(_client, operation, parameters):
        return given.get(f"{operation} {parameters.get('TableName')}", given.get(operation, {}))
    now = patch("tallystick.adapters.clock.time.time_ns", lambda: %d)
    with patch.object(BaseClient, "_make_api_call", answer), now:
        answered = handler(event, None)
    told.append([answered.get("statusCode"), answered.get("batchItemFailures"), loaded()])
json.dump(told, open(sys.argv[1], "w"))
"""
EVM: Final = {"type": "evm", "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}
BITCOIN: Final = {"type": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}
ASKED: Final[tuple[tuple[str, dict[str, Any], int, set[str]], ...]] = (
    ("stripe", {}, 201, set()),
    ("paystack", {}, 201, set()),
    ("stellar", {}, 201, set()),
    ("truelayer", {}, 201, {"stdnum"}),
    ("stellar", {"destination": EVM}, 422, {"Crypto"}),
    ("stellar", {"destination": BITCOIN}, 422, {"base58", "bech32m"}),
)
"""What is asked for, in this order, what it is answered, and which libraries it takes for the first time."""

PAID: Final = (
    ("stripe", set[str]()),
    ("paystack", set[str]()),
    ("truelayer", {"cryptography"}),
    ("stellar", {"requests", "stellar_sdk"}),
)


def probed(function: str, steps: list[Any], path: Path) -> list[tuple[Any, Any, set[str]]]:
    """Hand events to a function in a new process; give its answers, and what was imported for the first time."""
    environment = {**os.environ, **ENVIRONMENT, **providers.environment(providers.settings())}
    given = json.dumps([function, steps, sorted(LIBRARIES | PROVIDERS)])
    subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", PROBE % (NOW_MS * 10**6), str(path)],
        input=given,
        env=environment,
        check=True,
        text=True,
        capture_output=True,
    )
    known: set[str] = set()
    first = []
    for status, failures, loaded in json.loads(path.read_text()):
        first.append((status, failures, set(loaded) - known))
        known |= set(loaded)
    return first


def own(provider: str) -> set[str]:
    return {f"tallystick.adapters.providers.{provider}"}


def row(table: str, key: str) -> dict[str, Any]:
    """Give an item as it is stored, for one call that reads it."""
    (found,) = [item for item in cloud.rows(table) if {"S": key} in (item.get("account_id"), item.get("flow_id"))]
    return {f"GetItem {table}": {"Item": found}}


@pytest.mark.usefixtures("wallets_alone")
def test_who_asks_waits_for_no_library_that_is_not_needed(tmp_path: Path) -> None:
    steps = []
    for provider, changes, _, _ in ASKED:
        order = payouts.body(provider, **changes)
        event = http_event("POST", "/v1/withdrawals", order, caller=payouts.DORA, key="k")
        steps.append([event, {**row("accounts", order["wallet_id"]), "SendMessageBatch": {"Successful": []}}])
    imported, *answered = probed("withdrawals", steps, tmp_path / "told")
    assert imported == ("import", None, set())
    seen: set[str] = set()
    for (provider, _, status, libraries), told in zip(ASKED, answered, strict=True):
        assert told == (status, None, libraries | (own(provider) - seen)), provider
        seen |= own(provider)


@pytest.mark.usefixtures("wallets_alone")
def test_who_pays_out_waits_for_no_other_provider(tmp_path: Path) -> None:
    secrets = {"GetSecretValue": {"SecretString": json.dumps(providers.provider_keys())}}
    steps = []
    for provider, _ in PAID:
        asked = payouts.asked(provider, provider=provider)
        read = {**row("flows", asked["withdrawal_id"]), **row("accounts", asked["wallet_id"])}
        steps.append([{"Records": [{"messageId": "1", "body": asked["withdrawal_id"]}]}, {**secrets, **read}])
    imported, *answered = probed("payout_worker", steps, tmp_path / "told")
    assert imported == ("import", None, set())
    for (provider, libraries), told in zip(PAID, answered, strict=True):
        assert told == (None, [], libraries | own(provider)), provider
