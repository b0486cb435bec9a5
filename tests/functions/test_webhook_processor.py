"""From a genuine call to the balance, for every provider."""

import json
from typing import Any, Final

import pytest

from tallystick.domain.deposits import Deposit, DepositState
from tallystick.domain.inbox import EventState
from tallystick.domain.webhooks import Provider
from tallystick.services.deposits import find_deposit
from tallystick.wiring import webhooks
from tests.functions import books, cloud, orders, providers
from tests.functions.deliveries import NAMED, called, stored
from tests.functions.world import NOW_MS, Clock, answer
from tests.support.events import http_event
from tests.support.sandbox import RunningSandbox

ORDERS: Final = {
    "stripe": orders.STRIPE,
    "stripe, in yen": orders.YEN,
    "moonpay": orders.MOONPAY,
    "paystack": orders.PAYSTACK,
    "ramp": orders.RAMP,
    "truelayer": orders.TRUELAYER,
    "stellar": orders.STELLAR,
}
PAID: Final = ("valid_deposit_completed",)
Stories = tuple[tuple[str, tuple[str, ...], DepositState, list[tuple[str, int]]], ...]
STORIES: Final[Stories] = (
    ("stripe", PAID, DepositState.COMPLETED, [("deposit", 2599)]),
    ("stripe", ("valid_deposit_failed",), DepositState.FAILED, []),
    ("stripe", ("valid_deposit_failed", *PAID), DepositState.COMPLETED, [("deposit", 2599)]),
    ("stripe", (*PAID, "valid_deposit_failed"), DepositState.COMPLETED, [("deposit", 2599)]),
    (
        "stripe",
        (*PAID, "valid_rotation_two_v1", "valid_v0_ignored", *PAID),
        DepositState.COMPLETED,
        [("deposit", 2599)],
    ),
    (
        "stripe",
        (*PAID, "valid_refunded", "valid_refunded"),
        DepositState.PARTIALLY_REFUNDED,
        [("deposit", 2599), ("refund", 1000)],
    ),
    ("stripe", ("valid_refunded", *PAID), DepositState.PARTIALLY_REFUNDED, [("deposit", 2599), ("refund", 1000)]),
    ("stripe", (*PAID, "valid_chargeback"), DepositState.CHARGED_BACK, [("deposit", 2599), ("chargeback", 2599)]),
    ("stripe", ("valid_payout_completed",), DepositState.CREATED, []),
    ("stripe, in yen", ("valid_deposit_completed_zero_decimal",), DepositState.COMPLETED, [("deposit", 500)]),
    ("moonpay", ("valid_deposit_created",), DepositState.PENDING, []),
    ("moonpay", ("valid_deposit_created", "valid_deposit_pending"), DepositState.PENDING, []),
    ("moonpay", ("valid_deposit_failed",), DepositState.FAILED, []),
    ("moonpay", PAID, DepositState.COMPLETED, [("deposit", 181_900_000_000_000_000)]),
    ("moonpay", (*PAID, "valid_deposit_pending"), DepositState.COMPLETED, [("deposit", 181_900_000_000_000_000)]),
    ("moonpay", ("valid_offramp_completed",), DepositState.CREATED, []),
    ("paystack", PAID, DepositState.COMPLETED, [("deposit", 985_000)]),
    ("paystack", ("valid_header_other_case", "replay_same_bytes"), DepositState.COMPLETED, [("deposit", 985_000)]),
    (
        "paystack",
        (*PAID, "valid_refunded"),
        DepositState.PARTIALLY_REFUNDED,
        [("deposit", 985_000), ("refund", 500_000)],
    ),
    (
        "paystack",
        ("valid_refunded", *PAID),
        DepositState.PARTIALLY_REFUNDED,
        [("deposit", 985_000), ("refund", 500_000)],
    ),
    ("paystack", ("valid_payout_completed", "valid_payout_failed"), DepositState.CREATED, []),
    ("ramp", ("valid_deposit_created",), DepositState.PENDING, []),
    ("ramp", ("valid_deposit_created", "valid_deposit_returned"), DepositState.FAILED, []),
    ("ramp", ("valid_deposit_created", *PAID), DepositState.COMPLETED, [("deposit", 6_953_883_514_304_058)]),
    ("ramp", (*PAID, "valid_header_lower_case"), DepositState.COMPLETED, [("deposit", 6_953_883_514_304_058)]),
    ("ramp", ("valid_payout_completed",), DepositState.CREATED, []),
    ("truelayer", ("valid_deposit_executed_not_settled",), DepositState.PENDING, []),
    ("truelayer", ("valid_deposit_failed",), DepositState.FAILED, []),
    ("truelayer", (*PAID, "valid_lower_case_headers"), DepositState.COMPLETED, [("deposit", 1234)]),
    (
        "truelayer",
        (*PAID, "valid_refunded"),
        DepositState.PARTIALLY_REFUNDED,
        [("deposit", 1234), ("refund", 234)],
    ),
    ("truelayer", ("valid_payout_completed", "valid_payout_failed_after_executed"), DepositState.CREATED, []),
    ("stellar", PAID, DepositState.COMPLETED, [("deposit", 490_000_000)]),
    (
        "stellar",
        ("valid_withdrawal_start", "valid_withdrawal_completed", "valid_refunded", "valid_failed"),
        DepositState.CREATED,
        [],
    ),
)

pytestmark = pytest.mark.usefixtures("small_world", "when_cases_were_signed", "paid_at_providers")


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def paid_at_providers(sandbox: RunningSandbox) -> None:
    """Let the providers say, when they are asked, what their events say."""
    sandbox.reset()
    cloud.forget_tokens()
    sandbox.put("stripe", "re_test_1", payment_intent="pi_test_1", amount=1000, currency="usd", status="succeeded")
    payment = "60c0a60e-0000-4000-8000-000000000001"
    sandbox.put("truelayer", payment, status="settled", amount_in_minor=1234, currency="GBP")
    refund = "af386a24-0000-4000-8000-000000000001"
    sandbox.put("truelayer", refund, payment_id=payment, status="executed", amount_in_minor=234, currency="GBP")
    sandbox.put("stellar", **on_chain())


def on_chain() -> dict[str, Any]:
    """Describe the payment that the anchor's callback names."""
    digest = "17a670bc424ff5ce3b386dbfaae9990b66a2a37b4fbe51547e8794962a3f9e6a"
    return {
        "thing_id": "113928152169844799",
        "paging_token": "113928152169844799",
        "transaction_successful": True,
        "type": "payment",
        "created_at": "2026-01-01T00:00:00Z",
        "transaction_hash": digest,
        "asset_type": "credit_alphanum4",
        "asset_code": "USDC",
        "asset_issuer": providers.STELLAR_ISSUER,
        "from": providers.STELLAR_ISSUER,
        "to": providers.STELLAR_ADDRESS,
        "amount": "490.0000000",
        "transaction": {"hash": digest, "memo_type": "id", "memo": "186384", "successful": True},
    }


def tell(provider: Provider, *names: str) -> None:
    """Let genuine calls come in, and process each."""
    query = "deposit=dep_ramp" if provider is Provider.RAMP else ""
    for name in names:
        assert called(NAMED[f"{provider}-{name}"], query=query)["statusCode"] == 200
        cloud.consume_all()


def as_it_stands(deposit: Deposit) -> Deposit:
    found = find_deposit(webhooks.flows(), deposit.flow_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("order", "names", "state", "moved"), STORIES, ids=[f"{s[0]}: {', '.join(s[1])}" for s in STORIES]
)
def test_what_providers_say_becomes_the_balance(
    order: str, names: tuple[str, ...], state: DepositState, moved: list[tuple[str, int]], clock: Clock
) -> None:
    known = stored().keys()
    orders.place(ORDERS[order])
    before = orders.balance(ORDERS[order].wallet_id)
    tell(ORDERS[order].provider, *names)
    deposit = as_it_stands(ORDERS[order])
    assert deposit.state(clock()) is state
    assert books.of_deposit(deposit.flow_id) == moved
    change = sum(units if kind == "deposit" else -units for kind, units in moved)
    assert orders.balance(deposit.wallet_id) == before + change
    assert {event.state for key, event in stored().items() if key not in known} == {EventState.DONE}
    assert cloud.alerts() == []


def test_a_chargeback_of_more_than_there_is_is_owed_and_freezes_the_wallet() -> None:
    tell(Provider.STRIPE, *PAID)
    spend("wal_cora_usd", "80.00")
    left = orders.USD_UNITS + 2599 - 8000
    tell(Provider.STRIPE, "valid_chargeback")
    assert books.of_deposit("dep_1") == [("deposit", 2599), ("chargeback", 2599)]
    assert (orders.balance("wal_cora_usd"), books.check().side("external:receivable:USD")) == (0, left - 2599)
    wallet = api("GET", "wallets", "/v1/wallets/wal_cora_usd", caller=orders.CORA)
    assert wallet["status"] == "FROZEN"
    (alert,) = cloud.alerts()
    assert (alert["kind"], alert["severity"], alert["owed"], alert["deposit_id"]) == (
        "RECEIVABLE",
        "high",
        "19.00",
        "dep_1",
    )


def test_money_for_a_closed_wallet_waits_in_suspense() -> None:
    orders.place(orders.order("dep_1", Provider.STRIPE, "wal_cora_closed", "25.99"))
    tell(Provider.STRIPE, *PAID)
    assert books.of_deposit("dep_1") == [("deposit", 2599)]
    assert orders.balance("suspense:USD") == 2599
    assert [(alert["kind"], alert["account_id"]) for alert in cloud.alerts()] == [("MONEY_IN_SUSPENSE", "suspense:USD")]
    tell(Provider.STRIPE, "valid_chargeback")
    assert (orders.balance("suspense:USD"), orders.balance("wal_cora_closed")) == (0, 0)


def test_money_that_comes_after_the_order_has_expired_is_credited(clock: Clock) -> None:
    clock.now_ms = NOW_MS
    assert as_it_stands(orders.STRIPE).state(clock()) is DepositState.EXPIRED
    event = orders.stripe_event("evt_late", "payment_intent.succeeded", orders.payment("dep_1", 2599), NOW_MS)
    orders.receive(providers.signed(Provider.STRIPE, event, NOW_MS))
    cloud.consume_all()
    assert as_it_stands(orders.STRIPE).state(clock()) is DepositState.COMPLETED


def test_a_dispute_that_comes_first_waits_for_its_payment(clock: Clock) -> None:
    with cloud.time_of(clock):
        tell(Provider.STRIPE, "valid_chargeback")
        (waiting,) = [event for event in stored().values() if event.external_id == "evt_test_0004"]
        assert (waiting.state, waiting.reason) == (EventState.OPEN, "unknown-order")
        tell(Provider.STRIPE, *PAID)
        clock.now_ms += 61_000
        cloud.consume_all()
    assert books.of_deposit("dep_1") == [("deposit", 2599), ("chargeback", 2599)]


@pytest.mark.parametrize(
    ("provider", "order"),
    [
        (Provider.STRIPE, orders.order("dep_1", Provider.STRIPE, "wal_cora_usd", "25.98")),
        (Provider.STRIPE, orders.YEN),
        (Provider.PAYSTACK, orders.order("dep_0000000000000001", Provider.PAYSTACK, "wal_cora_ngn", "10000.00")),
        (Provider.MOONPAY, orders.order("dep_1", Provider.MOONPAY, "wal_cora_eth", "295.45", "EUR")),
        (Provider.MOONPAY, orders.order("dep_1", Provider.MOONPAY, "wal_cora_usdc", "300.00", "EUR")),
        (Provider.RAMP, orders.order("dep_ramp", Provider.RAMP, "wal_cora_eth", "19.99", "EUR")),
        (Provider.RAMP, orders.order("dep_ramp", Provider.RAMP, "wal_cora_eth", "0.0069", "ETH")),
        (Provider.TRUELAYER, orders.order("dep_1", Provider.TRUELAYER, "wal_cora_gbp", "12.35")),
        (
            Provider.STELLAR,
            orders.order("dep_stellar", Provider.STELLAR, "wal_cora_usdc", "510.00", references=("stellar:186384",)),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.expected} {value.currency}",
)
def test_money_that_was_not_ordered_so_waits_for_a_person(provider: Provider, order: Deposit) -> None:
    orders.place(order)
    tell(provider, *PAID)
    assert books.of_deposit(order.flow_id) == []
    (alert,) = cloud.alerts()
    assert (alert["kind"], alert["severity"]) == ("WEBHOOK_FAILURE", "high")
    assert alert["reason"] in {"amount-mismatch", "asset-mismatch"}


def test_what_the_provider_does_not_confirm_is_not_credited(sandbox: RunningSandbox) -> None:
    orders.place(orders.TRUELAYER)
    sandbox.put("truelayer", "60c0a60e-0000-4000-8000-000000000001", status="failed")
    tell(Provider.TRUELAYER, *PAID)
    (event,) = [event for event in stored().values() if event.reason == "not-confirmed"]
    assert (books.of_deposit("dep_1"), event.state, event.attempts, cloud.alerts()) == ([], EventState.OPEN, 1, [])


def test_a_provider_that_does_not_answer_is_asked_again(sandbox: RunningSandbox, clock: Clock) -> None:
    orders.place(orders.TRUELAYER)
    sandbox.fail("truelayer", times=3, status=503)
    with cloud.time_of(clock):
        tell(Provider.TRUELAYER, *PAID)
        assert books.of_deposit("dep_1") == []
        clock.now_ms += 61_000
        cloud.consume_all()
    assert books.of_deposit("dep_1") == [("deposit", 1234)]


def spend(wallet_id: str, amount: str) -> None:
    """Let money leave a wallet."""
    path = f"/v1/wallets/{wallet_id}/debit"
    api("POST", "debit", path, {"amount": amount}, caller="till", groups="[SERVICE]", key="spent")


def api(method: str, function: str, path: str, body: dict[str, Any] | None = None, **call: Any) -> dict[str, Any]:  # noqa: ANN401
    """Call the API."""
    answered = answer(function, http_event(method, path, body, **call))
    assert answered["statusCode"] < 300, answered["body"]
    document: dict[str, Any] = json.loads(answered["body"])
    return document
