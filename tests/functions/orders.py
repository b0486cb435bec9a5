"""Orders of cora's in the small world, what providers have told about them, and what could not be processed.

| order | over | by | what has come of it |
|---|---|---|---|
| dep_1 | 25.99 USD | stripe | nothing yet; the genuine cases in `tests/fixtures/providers` name it and the next three |
| dep_0000000000000001 | 9850.00 NGN | paystack | nothing yet |
| dep_ramp | ETH for 20.00 EUR | ramp | nothing yet |
| dep_stellar | 490.00 USDC | stellar | nothing yet |
| dep_paid | 40.00 USD | stripe | paid, and 10.00 refunded |
| dep_pending, dep_failed | 10.00 USD | stripe | under way; failed |
| dep_disputed | 15.00 USD | stripe | paid, and charged back |
| dep_more | 30.00 USD | stripe | 31.00 came: a dead letter, accepted by root, DONE |
| dep_less, dep_less_too | 20.00 USD | stripe | 19.00 came for each: dead letters, the second one OPEN again |
| dep_icy | 5.00 USD | stripe | paid, but its wallet is frozen: tried once, to be tried again |
| dep_open | 12.00 USD | stripe | paid: its event waits in the inbox |
| (under the key `first-order`) | ETH for 300.00 EUR | moonpay | nothing yet; ordered at 12:00:34 |

Besides, in the order in which they died: a coin at moonpay that is no asset of ours (RESOLVED by root), a body that is
no JSON at paystack, one that is no UTF-8 at stellar, and dep_less. The first four orders were made ten minutes before
the genuine cases were signed, the others and all events when the wallets were there, a second after each other.
"""

import json
from typing import Any, Final

from tallystick import wiring
from tallystick.adapters.dynamo.tables import FlowItem
from tallystick.domain.accounts import Account
from tallystick.domain.chain import genesis
from tallystick.domain.deposits import Deposit
from tallystick.domain.inbox import InboxEvent
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.webhooks import Provider
from tallystick.wiring import webhooks
from tests.functions import cloud, providers
from tests.functions.world import GROUPS, Clock, answer
from tests.support.events import http_event

CORA: Final = "cora"
WALLETS: Final = {
    "wal_cora_usd": "USD",
    "wal_cora_icy": "USD",
    "wal_cora_closed": "USD",
    "wal_cora_jpy": "JPY",
    "wal_cora_gbp": "GBP",
    "wal_cora_ngn": "NGN",
    "wal_cora_eth": "ETH",
    "wal_cora_usdc": "USDC",
    "wal_cora_xlm": "XLM",
    "wal_cora_btc": "BTC",
}
FIRST_ORDER: Final = {"wallet_id": "wal_cora_eth", "provider": "moonpay", "amount": "300.00", "currency": "EUR"}
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000


def order(
    flow_id: str,
    provider: Provider,
    wallet_id: str,
    expected: str,
    currency: str = "",
    *,
    at_ms: int = providers.SIGNED_AT_MS - 10 * MINUTE_MS,
    references: tuple[str, ...] = (),
) -> Deposit:
    """Describe an order that is ready to be paid."""
    asset = DEFAULT_ASSETS[WALLETS[wallet_id]]
    return Deposit(
        flow_id=flow_id,
        owner_id=CORA,
        wallet_id=wallet_id,
        provider=provider,
        environment="test",
        asset=asset,
        expected=expected,
        currency=currency or asset.code,
        fingerprint="f",
        created_at_ms=at_ms,
        expires_at_ms=at_ms + DAY_MS,
        checkout_url=f"https://pay.example.test/{flow_id}",
        ready=True,
        references=references,
    )


STRIPE: Final = order("dep_1", Provider.STRIPE, "wal_cora_usd", "25.99")
PAYSTACK: Final = order("dep_0000000000000001", Provider.PAYSTACK, "wal_cora_ngn", "9850.00")
RAMP: Final = order("dep_ramp", Provider.RAMP, "wal_cora_eth", "20.00", "EUR")
STELLAR: Final = order("dep_stellar", Provider.STELLAR, "wal_cora_usdc", "490.00", references=("stellar:186384",))
YEN: Final = order("dep_1", Provider.STRIPE, "wal_cora_jpy", "500")
MOONPAY: Final = order("dep_1", Provider.MOONPAY, "wal_cora_eth", "300.00", "EUR")
TRUELAYER: Final = order(
    "dep_1",
    Provider.TRUELAYER,
    "wal_cora_gbp",
    "12.34",
    references=("truelayer:60c0a60e-0000-4000-8000-000000000001",),
)
"""What the genuine cases are about; the last three are not there until they are placed."""

USD_UNITS: Final = 6100
"""What wal_cora_usd holds: 40.00 less 10.00, and 31.00."""

_PLACED: Final = (STRIPE, PAYSTACK, RAMP, STELLAR)
_TOLD: Final = {
    "dep_paid": "40.00",
    "dep_pending": "10.00",
    "dep_failed": "10.00",
    "dep_disputed": "15.00",
    "dep_more": "30.00",
    "dep_less": "20.00",
    "dep_less_too": "20.00",
    "dep_icy": "5.00",
    "dep_open": "12.00",
}


def place(deposit: Deposit) -> None:
    """Write an order, in the place of another one with its id."""
    FlowItem(deposit.flow_id).delete()
    flows = webhooks.flows()
    flows.create(deposit)
    for reference in deposit.references:
        FlowItem(reference, refers_to=deposit.flow_id).save()


def stripe_event(event_id: str, kind: str, thing: dict[str, Any], at_ms: int) -> bytes:
    """Write an event as Stripe does."""
    event = {"id": event_id, "type": kind, "created": at_ms // 1000, "livemode": False, "data": {"object": thing}}
    return json.dumps(event).encode()


def payment(flow_id: str, units: int, status: str = "succeeded", error: str | None = None) -> dict[str, Any]:
    """Describe a payment of an order as Stripe does."""
    return {
        "id": flow_id.replace("dep_", "pi_"),
        "amount": units,
        "amount_received": units,
        "currency": "usd",
        "status": status,
        "last_payment_error": {"code": error} if error else None,
        "metadata": {"deposit_id": flow_id},
    }


def purchase(flow_id: str, status: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Describe a purchase for an order as MoonPay does."""
    return {
        "id": flow_id.replace("dep_", "purchase_"),
        "updatedAt": "2026-01-31T12:00:00.000Z",
        "status": status,
        "externalTransactionId": flow_id,
        "walletAddress": providers.MOONPAY_ADDRESS,
        "baseCurrency": {"code": "eur"},
        "baseCurrencyAmount": 300,
        "currency": {"code": "eth"},
        "quoteCurrencyAmount": 0.1819,
        **members,
    }


def taken_back(thing_id: str, flow_id: str, units: int, status: str) -> dict[str, Any]:
    """Describe a refund or dispute as Stripe does."""
    return {
        "id": thing_id,
        "payment_intent": flow_id.replace("dep_", "pi_"),
        "amount": units,
        "currency": "usd",
        "status": status,
    }


def receive(event: dict[str, Any]) -> str:
    """Hand a call to the function, and give the key of its event."""
    answered = answer("webhooks", event)
    if answered["statusCode"] != 200:
        raise AssertionError(f"the call is refused: {answered['body']}")
    return cloud.queued()[-1]


def balance(wallet_id: str) -> int:
    """Tell what a wallet holds."""
    wallet = wiring.wallets().get(wallet_id)
    if wallet is None:
        raise AssertionError(f"there is no wallet {wallet_id}")
    return wallet.balance


def build(clock: Clock) -> None:
    """Open the wallets, place the orders and let the events come in."""
    for wallet_id, asset in WALLETS.items():
        _open(clock, wallet_id, asset)
    _post("root", "wallets", "/v1/wallets/wal_cora_icy/freeze", {"reason": "lost phone"})
    _post(CORA, "wallets", "/v1/wallets/wal_cora_closed/close", {})
    for placed in _PLACED:
        place(placed)
    _post(CORA, "deposits", "/v1/deposits", FIRST_ORDER, key="first-order")
    clock.advance()
    for flow_id, expected in _TOLD.items():
        wallet_id = "wal_cora_icy" if flow_id == "dep_icy" else "wal_cora_usd"
        place(order(flow_id, Provider.STRIPE, wallet_id, expected, at_ms=clock()))
        clock.advance()
    _tell_of_orders(clock)
    _let_die(clock)
    _tell(clock, "evt_open", "payment_intent.succeeded", payment("dep_open", 1200), process=False)
    cloud.reset()


def _tell_of_orders(clock: Clock) -> None:
    _tell(clock, "evt_paid", "payment_intent.succeeded", payment("dep_paid", 4000))
    _tell(clock, "evt_refunded", "refund.created", taken_back("re_1", "dep_paid", 1000, "succeeded"))
    _tell(clock, "evt_pending", "payment_intent.processing", payment("dep_pending", 0, "processing"))
    declined = payment("dep_failed", 0, "requires_payment_method", "card_declined")
    _tell(clock, "evt_failed", "payment_intent.payment_failed", declined)
    _tell(clock, "evt_disputed_paid", "payment_intent.succeeded", payment("dep_disputed", 1500))
    dispute = taken_back("dp_1", "dep_disputed", 1500, "needs_response")
    _tell(clock, "evt_disputed", "charge.dispute.created", dispute)
    _tell(clock, "evt_icy", "payment_intent.succeeded", payment("dep_icy", 500))


def _let_die(clock: Clock) -> None:
    bought = purchase("dep_nobodys", "completed", currency={"code": "doge"})
    event = {"type": "transaction_updated", "data": bought}
    dead_letter_id = _call(clock, Provider.MOONPAY, json.dumps(event).encode())
    _post("root", "dead_letters", f"/v1/admin/dlq/{dead_letter_id}/resolve", {"notes": "sent back by hand"})
    clock.advance()
    _call(clock, Provider.PAYSTACK, b"no JSON")
    _find_undecodable(clock)
    _tell(clock, "evt_less", "payment_intent.succeeded", payment("dep_less", 1900))
    again = _tell(clock, "evt_less_too", "payment_intent.succeeded", payment("dep_less_too", 1900))
    _post("root", "dead_letters", f"/v1/admin/dlq/{again}/redrive", {})
    cloud.reset()
    accepted = _tell(clock, "evt_more", "payment_intent.succeeded", payment("dep_more", 3100))
    _post("root", "dead_letters", f"/v1/admin/dlq/{accepted}/redrive", {"accept_amount": True})
    clock.advance()
    cloud.consume()
    clock.advance()


def _find_undecodable(clock: Clock) -> None:
    """Keep what the chain said, where no signature asks for UTF-8."""
    event = InboxEvent(
        provider=Provider.STELLAR,
        environment="test",
        external_id="113928152169844737",
        body=b'{"memo": "\xff\xfe"}',
        headers={},
        query={},
        received_at_ms=clock(),
        due_at_ms=clock() + 2 * MINUTE_MS,
    )
    webhooks.inbox().store(event)
    webhooks.queue().send([event.inbox_key])
    cloud.consume()
    clock.advance()


def _tell(clock: Clock, event_id: str, kind: str, thing: dict[str, Any], *, process: bool = True) -> str:
    """Let Stripe send an event, and give its id as a dead letter."""
    return _call(clock, Provider.STRIPE, stripe_event(event_id, kind, thing, clock()), process=process)


def _call(clock: Clock, provider: Provider, body: bytes, *, process: bool = True) -> str:
    inbox_key = receive(providers.signed(provider, body, clock()))
    if process:
        cloud.consume()
    clock.advance()
    return f"dlq_{inbox_key}"


def _open(clock: Clock, wallet_id: str, asset: str) -> None:
    wallet = Account(wallet_id, CORA, DEFAULT_ASSETS[asset], clock(), genesis(wallet_id, asset))
    wiring.wallets().create(wallet)
    clock.advance()


def _post(caller: str, function: str, path: str, body: dict[str, Any], key: str | None = None) -> None:
    answered = answer(function, http_event("POST", path, body, caller=caller, groups=GROUPS.get(caller, ""), key=key))
    if answered["statusCode"] >= 300:
        raise AssertionError(f"the world cannot be built: {path} answered {answered['body']}")
