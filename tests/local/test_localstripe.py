"""A deposit and a withdrawal by a Stripe that others wrote: it makes payments and payouts, signs and delivers events.

Its limits: it puts no `amount_received` on a payment, ignores idempotency keys, delivers once, has no disputes; its
payouts are in EUR, take their bank account for themselves, and come to no end but by being canceled.
"""

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import httpx
import pytest

from cli.local.deployment import Deployment
from tallystick.domain.webhooks import Provider
from tests.local.callers import Cast, cast
from tests.local.changes import variables_of, with_environment, with_keys
from tests.local.waiting import wait_for

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


@contextmanager
def connected(deployment: Deployment, localstripe: httpx.Client, *functions: str) -> Iterator[Cast]:
    """Let it know our address, us its key, and these functions its own address."""
    secret = f"whsec_{secrets.token_hex(16)}"
    url = f"{deployment.base_url}/webhooks/stripe"
    localstripe.post("/_config/webhooks/tallystick", data={"url": url, "secret": secret}).raise_for_status()
    with ExitStack() as stack:
        people = stack.enter_context(cast(deployment))
        stack.enter_context(with_keys(deployment, {Provider.STRIPE: [secret]}))
        for function in functions:
            providers = json.loads(variables_of(deployment, function)["TALLYSTICK_PROVIDERS"])
            providers["stripe"] |= {"base_url": str(localstripe.base_url), "checkout_url": "https://shop.example/pay"}
            changed = json.dumps(providers)
            stack.enter_context(with_environment(deployment, function, TALLYSTICK_PROVIDERS=changed))
        # Begun anew it knows the key at once, and not only when its copy of the secret is old enough.
        stack.enter_context(with_environment(deployment, "webhooks", TALLYSTICK_WEBHOOK_GRACE_S="5"))
        warm = wait_for(
            lambda: httpx.post(url, content=b"warm up", trust_env=False, timeout=60), lambda it: it.is_client_error
        )
        assert warm.status_code == 401
        yield people


def test_a_payout_made_there_and_canceled_comes_back_here(deployment: Deployment, localstripe: httpx.Client) -> None:
    with connected(deployment, localstripe, "payout_worker", "webhook_processor") as people:
        wallet = people.ada.open_wallet("EUR")
        people.service.post(f"/v1/wallets/{wallet}/credit", {"amount": "50.00"}).raise_for_status()
        bank = {"type": "stripe", "external_account": "ba_1MtFgV2eZvKYlo2C"}
        order = {"wallet_id": wallet, "provider": "stripe", "amount": "20.00", "destination": bank}
        asked = people.ada.post("/v1/withdrawals", order).raise_for_status().json()
        path = f"/v1/withdrawals/{asked['withdrawal_id']}"
        sent = wait_for(lambda: people.ada.get(path).json(), lambda found: found["payout_id"] is not None)
        payout = localstripe.get(f"/v1/payouts/{sent['payout_id']}").raise_for_status().json()
        assert (payout["amount"], payout["metadata"]) == (2000, {"withdrawal_id": asked["withdrawal_id"]})
        localstripe.post(f"/v1/payouts/{sent['payout_id']}/cancel").raise_for_status()
        failed = wait_for(lambda: people.ada.get(path).json(), lambda found: found["state"] == "FAILED")
        assert failed["failure"] == "canceled"
        assert people.ada.get(f"/v1/wallets/{wallet}").json()["balance"] == "50.00"


def test_a_payment_made_there_is_credited_here(deployment: Deployment, localstripe: httpx.Client) -> None:
    with connected(deployment, localstripe, "deposits") as people:
        wallet = people.ada.open_wallet("EUR")
        order = {"wallet_id": wallet, "provider": "stripe", "amount": "25.00", "currency": "EUR"}
        deposit = people.ada.post("/v1/deposits", order).raise_for_status().json()
        _pay(localstripe, deposit["instructions"]["payment_intent"])
        path = f"/v1/deposits/{deposit['deposit_id']}"
        found = wait_for(lambda: people.ada.get(path).json(), lambda found: found["state"] == "COMPLETED")
        assert (found["state"], found["credited"]) == ("COMPLETED", "25.00")
        assert people.ada.get(f"/v1/wallets/{wallet}").json()["balance"] == "25.00"


def _pay(localstripe: httpx.Client, payment_intent: str) -> None:
    card = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2040"}
    method = localstripe.post("/v1/payment_methods", data={**card, "card[cvc]": "123"}).raise_for_status().json()["id"]
    payment = f"/v1/payment_intents/{payment_intent}"
    localstripe.post(payment, data={"payment_method": method}).raise_for_status()
    localstripe.post(f"{payment}/confirm").raise_for_status()
