"""A deposit by a Stripe that others wrote: it makes the payment, signs the event and delivers it.

Its limits: it puts no `amount_received` on a payment, ignores idempotency keys, delivers once, has no disputes.
"""

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from cli.local.deployment import Deployment
from tallystick.domain.webhooks import Provider
from tests.local.callers import cast
from tests.local.changes import variables_of, with_environment, with_keys

API_KEY = "sk_test_localstripe"


@pytest.fixture
def localstripe() -> Iterator[httpx.Client]:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 (ours)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=(API_KEY, ""), trust_env=False, timeout=30) as http:
        _wait_until_it_answers(http)
        yield http
    process.terminate()
    process.wait()


def _wait_until_it_answers(http: httpx.Client) -> None:
    for _ in range(200):
        try:
            http.get("/v1/payment_intents/none")
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("localstripe does not answer")


def test_a_payment_made_there_is_credited_here(deployment: Deployment, localstripe: httpx.Client) -> None:
    secret = f"whsec_{secrets.token_hex(16)}"
    url = f"{deployment.base_url}/webhooks/stripe"
    localstripe.post("/_config/webhooks/tallystick", data={"url": url, "secret": secret}).raise_for_status()
    providers = json.loads(variables_of(deployment, "deposits")["TALLYSTICK_PROVIDERS"])
    providers["stripe"] |= {"base_url": str(localstripe.base_url), "checkout_url": "https://shop.example/pay"}
    with (
        cast(deployment) as people,
        with_keys(deployment, {Provider.STRIPE: [secret]}),
        with_environment(deployment, "deposits", TALLYSTICK_PROVIDERS=json.dumps(providers)),
        # Begun anew it knows the key at once, and not only when its copy of the secret is old enough.
        with_environment(deployment, "webhooks", TALLYSTICK_WEBHOOK_GRACE_S="5"),
    ):
        assert httpx.post(url, content=b"warm up", trust_env=False, timeout=60).status_code == 401
        wallet = people.ada.open_wallet("EUR")
        order = {"wallet_id": wallet, "provider": "stripe", "amount": "25.00", "currency": "EUR"}
        deposit = people.ada.post("/v1/deposits", order).raise_for_status().json()
        _pay(localstripe, deposit["instructions"]["payment_intent"])
        for _ in range(100):
            found = people.ada.get(f"/v1/deposits/{deposit['deposit_id']}").json()
            if found["state"] == "COMPLETED":
                break
            time.sleep(0.2)
        assert (found["state"], found["credited"]) == ("COMPLETED", "25.00")
        assert people.ada.get(f"/v1/wallets/{wallet}").json()["balance"] == "25.00"


def _pay(localstripe: httpx.Client, payment_intent: str) -> None:
    card = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2040"}
    method = localstripe.post("/v1/payment_methods", data={**card, "card[cvc]": "123"}).raise_for_status().json()["id"]
    payment = f"/v1/payment_intents/{payment_intent}"
    localstripe.post(payment, data={"payment_method": method}).raise_for_status()
    localstripe.post(f"{payment}/confirm").raise_for_status()
