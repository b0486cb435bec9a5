"""Order money at providers that are called over HTTP, and go the whole way from the order to the balance."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tallystick.domain.deposits import deposit_id
from tallystick.domain.transfers import client_key
from tallystick.domain.webhooks import Provider
from tests.functions import books, cloud, orders, providers
from tests.functions.deliveries import problem_of
from tests.functions.world import NOW_MS, Answer, answer
from tests.support.events import http_event
from tests.support.moto import Snapshot
from tests.support.sandbox import RunningSandbox

CALLED: Final = {
    Provider.STRIPE: ("wal_cora_usd", "USD"),
    Provider.PAYSTACK: ("wal_cora_ngn", "NGN"),
    Provider.TRUELAYER: ("wal_cora_gbp", "GBP"),
}
"""Wallets, and what is paid."""

FLOW_ID: Final = deposit_id(client_key(orders.CORA, "key-1"))
MADE: Final[dict[Provider, Callable[[dict[str, Any]], bool]]] = {
    Provider.STRIPE: lambda thing: thing.get("object") == "checkout.session",
    Provider.PAYSTACK: lambda thing: "reference" in thing,
    Provider.TRUELAYER: lambda thing: "payment_method" in thing,
}
"""What an order makes at its provider."""

pytestmark = pytest.mark.usefixtures("small_world", "nothing_at_providers")
each_called = pytest.mark.parametrize("provider", CALLED)


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def nothing_at_providers(sandbox: RunningSandbox) -> None:
    forget(sandbox)


def forget(sandbox: RunningSandbox) -> None:
    sandbox.reset()
    cloud.forget_tokens()


def order(
    provider: Provider, *, key: str = "key-1", caller: str = orders.CORA, amount: str = "12.34", **other: str
) -> Answer:
    wallet_id, currency = CALLED.get(provider, ("wal_cora_usd", "USD"))
    body = {"wallet_id": wallet_id, "provider": provider, "amount": amount, "currency": currency, **other}
    return answer("deposits", http_event("POST", "/v1/deposits", body, caller=caller, key=key))


def ordered(provider: Provider, **request: str) -> dict[str, Any]:
    answered = order(provider, **request)
    assert answered["statusCode"] == 201, answered["body"]
    document: dict[str, Any] = json.loads(answered["body"])
    return document


def shown(flow_id: str = FLOW_ID) -> dict[str, Any]:
    answered = answer("deposits", http_event("GET", f"/v1/deposits/{flow_id}", caller=orders.CORA))
    document: dict[str, Any] = json.loads(answered["body"])
    return document


def made(sandbox: RunningSandbox, provider: Provider) -> list[dict[str, Any]]:
    return [thing for thing in sandbox.things(provider).values() if MADE[provider](thing)]


@each_called
def test_an_order_says_where_to_pay_and_says_it_again(provider: Provider, sandbox: RunningSandbox) -> None:
    first = order(provider)
    document = json.loads(first["body"])
    assert (first["statusCode"], document["deposit_id"], document["state"]) == (201, FLOW_ID, "CREATED")
    assert document["checkout_url"].startswith("https://")
    calls = len(sandbox.calls(provider))
    again = order(provider)
    assert (again["statusCode"], json.loads(again["body"])) == (201, document)
    assert again["headers"]["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first["headers"]
    assert (len(sandbox.calls(provider)), len(made(sandbox, provider))) == (calls, 1)


@each_called
def test_a_provider_that_is_busy_is_asked_again_under_the_same_key(provider: Provider, sandbox: RunningSandbox) -> None:
    sandbox.fail(provider, times=3, status=503)
    assert problem_of(order(provider)) == (503, "provider-unavailable")
    assert (shown()["state"], shown()["checkout_url"]) == ("CREATED", None)
    forget(sandbox)
    assert ordered(provider)["checkout_url"]
    assert len(made(sandbox, provider)) == 1


@pytest.mark.parametrize("provider", [Provider.STRIPE, Provider.TRUELAYER])
def test_an_answer_that_is_lost_prepares_no_second_payment(provider: Provider, sandbox: RunningSandbox) -> None:
    ordered(provider, key="another")  # now TrueLayer's token is there
    before = len(made(sandbox, provider))
    sandbox.fail(provider, times=3, lost=True)
    assert problem_of(order(provider)) == (503, "provider-unavailable")
    assert ordered(provider)["checkout_url"]
    assert len(made(sandbox, provider)) == before + 1


def test_paystack_tells_only_once_where_to_pay(sandbox: RunningSandbox) -> None:
    sandbox.fail("paystack", lost=True)
    assert problem_of(order(Provider.PAYSTACK)) == (503, "provider-unavailable")
    assert problem_of(order(Provider.PAYSTACK)) == (422, "provider-refused")
    assert ordered(Provider.PAYSTACK, key="key-2")["checkout_url"]


@each_called
def test_a_provider_may_refuse(provider: Provider, sandbox: RunningSandbox) -> None:
    sandbox.fail(provider, times=5, status=400)
    answered = order(provider)
    assert problem_of(answered) == (422, "provider-refused")
    assert json.loads(answered["body"])["provider"] == provider
    forget(sandbox)
    assert ordered(provider)["checkout_url"]


@each_called
@pytest.mark.parametrize("secret", [{}, {"stripe": {}, "paystack": {}, "truelayer": {}}])
def test_without_the_providers_keys_nothing_of_ours_is_shown(
    provider: Provider, secret: dict[str, Any], configure: Callable[..., None]
) -> None:
    configure()
    cloud.write_secret(providers.PROVIDER_KEYS_SECRET, secret)
    assert problem_of(order(provider)) == (500, "internal-error")
    cloud.write_secret(providers.PROVIDER_KEYS_SECRET, providers.provider_keys())
    configure()
    assert ordered(provider)["checkout_url"]


def test_keys_are_of_their_callers() -> None:
    first = ordered(Provider.STRIPE)
    other = order(Provider.STRIPE, caller="ada", wallet_id="wal_ada_usd")
    assert other["statusCode"] == 201
    assert json.loads(other["body"])["deposit_id"] != first["deposit_id"]


def test_a_key_is_of_one_order() -> None:
    ordered(Provider.STRIPE)
    for changed in ({"amount": "12.35"}, {"wallet_id": "wal_cora_jpy", "currency": "JPY", "amount": "12"}):
        assert problem_of(order(Provider.STRIPE, **changed)) == (422, "idempotency-key-reused")
    other = order(Provider.PAYSTACK, wallet_id="wal_cora_ngn", currency="NGN")
    assert problem_of(other) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("change", ["freeze", "close"])
def test_a_replay_is_answered_whatever_became_of_the_wallet(change: str) -> None:
    first = ordered(Provider.TRUELAYER)
    wallet = "/v1/wallets/wal_cora_gbp"
    changed = http_event("POST", f"{wallet}/{change}", {"reason": "r"} if change == "freeze" else {}, caller="root")
    changed["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:groups"] = "[ADMIN]"
    assert answer("wallets", changed)["statusCode"] == 200
    assert ordered(Provider.TRUELAYER) == first
    assert problem_of(order(Provider.TRUELAYER, key="key-2")) == (409, "account-not-active")


def test_a_provider_that_is_not_configured_is_not_found(configure: Callable[..., None]) -> None:
    configure({Provider.STRIPE: None})
    assert problem_of(order(Provider.STRIPE)) == (404, "not-found")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_accident_while_ordering_leaves_what_the_same_key_completes(moment: str, sandbox: RunningSandbox) -> None:
    ordered(Provider.STRIPE, key="another")  # now the keys are there
    sandbox.reset()
    start = Snapshot.take()
    with cloud.watched() as calls:
        ordered(Provider.STRIPE)
    expected = shown()
    assert len(calls) >= 3
    for position in range(len(calls)):
        start.restore()
        sandbox.reset()
        hooks = {moment: cloud.at(position, cloud.Killed)}
        with cloud.watched(**hooks), pytest.raises(cloud.Killed):
            order(Provider.STRIPE)
        ordered(Provider.STRIPE)
        assert shown() == expected
        assert len(made(sandbox, Provider.STRIPE)) == 1


# From the order to the balance


def told(provider: Provider, event: dict[str, Any], query: str = "") -> None:
    """Let a provider call, and process what it says."""
    body = json.dumps(event).encode()
    assert answer("webhooks", providers.signed(provider, body, NOW_MS, query=query))["statusCode"] == 200
    cloud.consume_all()


def told_by_stripe(kind: str, **thing: Any) -> None:  # noqa: ANN401 (JSON)
    event = orders.stripe_event(f"evt_{kind}", kind, {"currency": "usd", **thing}, NOW_MS)
    told(Provider.STRIPE, json.loads(event))


def test_stripe(sandbox: RunningSandbox) -> None:
    ordered(Provider.STRIPE)
    (session,) = made(sandbox, Provider.STRIPE)
    payment = sandbox.put("stripe", session["payment_intent"], status="succeeded", amount_received=1234)
    told_by_stripe("payment_intent.succeeded", **payment)
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "12.34")
    dispute = {"payment_intent": payment["id"], "amount": 1234, "status": "needs_response"}
    told_by_stripe("charge.dispute.created", id="dp_1x", **dispute)
    assert shown()["state"] == "CHARGED_BACK"
    told_by_stripe("charge.dispute.closed", id="dp_1x", **{**dispute, "status": "won"})
    assert shown()["state"] == "COMPLETED"
    kinds = ["deposit", "chargeback", "chargeback-reversal"]
    assert books.of_deposit(FLOW_ID) == [(kind, 1234) for kind in kinds]
    assert len(shown()["transfers"]) == 3


def test_stripe_on_a_page_of_ones_own(sandbox: RunningSandbox, configure: Callable[..., None]) -> None:
    setting = providers.settings(str(sandbox.http.base_url).rstrip("/"))[Provider.STRIPE]
    configure({Provider.STRIPE: {**setting, "checkout_url": "https://wallet.example.test/pay"}})
    instructions = ordered(Provider.STRIPE)["instructions"]
    assert instructions["client_secret"]
    payment = sandbox.put("stripe", instructions["payment_intent"], status="succeeded", amount_received=1234)
    told_by_stripe("payment_intent.succeeded", **payment)
    assert shown()["state"] == "COMPLETED"


def test_paystack(sandbox: RunningSandbox) -> None:
    ordered(Provider.PAYSTACK)
    (transaction,) = made(sandbox, Provider.PAYSTACK)
    told(Provider.PAYSTACK, {"event": "charge.success", "data": {**transaction, "status": "success"}})
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "12.34")
    dispute = {
        "id": 7,
        "domain": "test",
        "status": "resolved",
        "resolution": "merchant-accepted",
        "refund_amount": 1234,
        "currency": "NGN",
        "transaction": {"reference": transaction["reference"]},
    }
    told(Provider.PAYSTACK, {"event": "charge.dispute.resolve", "data": dispute})
    assert shown()["state"] == "CHARGED_BACK"


def test_truelayer(sandbox: RunningSandbox) -> None:
    ordered(Provider.TRUELAYER)
    (payment,) = made(sandbox, Provider.TRUELAYER)
    sandbox.put("truelayer", payment["id"], status="settled")
    event = {
        "type": "payment_settled",
        "event_id": "e",
        "payment_id": payment["id"],
        "settled_at": "2026-01-31T13:00:00Z",
    }
    told(Provider.TRUELAYER, event)
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "12.34")


def test_stellar(sandbox: RunningSandbox) -> None:
    request = {"wallet_id": "wal_cora_xlm", "currency": "XLM", "amount": "12.3400001"}
    instructions = ordered(Provider.STELLAR, **request)["instructions"]
    digest = "ab" * 32
    sandbox.put(
        "stellar",
        "7",
        paging_token="7",
        transaction_successful=True,
        type="payment",
        created_at="2026-01-31T12:59:00Z",
        transaction_hash=digest,
        asset_type="native",
        to=instructions["address"],
        amount=instructions["amount"],
        transaction={"hash": digest, "memo_type": "id", "memo": instructions["memo"], "successful": True},
    )
    transaction = {"id": "t", "kind": "deposit", "status": "completed", "stellar_transaction_id": digest}
    told(Provider.STELLAR, {"transaction": transaction})
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "12.3400001")


def test_moonpay() -> None:
    document = ordered(Provider.MOONPAY, wallet_id="wal_cora_eth", currency="EUR", amount="300.00")
    bought = orders.purchase(document["deposit_id"], "completed")
    told(Provider.MOONPAY, {"type": "transaction_updated", "data": bought})
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "0.181900000000000000")


def test_ramp() -> None:
    document = ordered(Provider.RAMP, wallet_id="wal_cora_eth", currency="EUR", amount="20.00")
    purchase = {
        "id": "p1",
        "status": "RELEASED",
        "updatedAt": "2026-01-31T13:00:00.000Z",
        "asset": {"symbol": "SEPOLIA_ETH", "decimals": 18},
        "cryptoAmount": "6953883514304058",
        "fiatCurrency": "EUR",
        "fiatValue": 20,
        "receiverAddress": providers.RAMP_ADDRESS,
    }
    told(Provider.RAMP, {"type": "RELEASED", "purchase": purchase}, f"deposit={document['deposit_id']}")
    assert (shown()["state"], shown()["credited"]) == ("COMPLETED", "0.006953883514304058")
