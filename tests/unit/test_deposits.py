"""Orders for money: who may order what, and that one key makes one order whatever happens in between."""

from dataclasses import replace
from typing import Any, Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.callers import Caller
from tallystick.domain.deposits import Deposit, DepositState, deposit_id
from tallystick.domain.errors import (
    AccountNotActive,
    AssetMismatch,
    IdempotencyKeyReused,
    InvalidAmount,
    NotFound,
    ProviderRefused,
    ProviderUnavailable,
    StoreUnavailable,
    TooMuchContention,
)
from tallystick.domain.inbox import EventState
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.webhooks import Failed, Paid, Pending, Provider
from tallystick.services import deposits
from tallystick.services.deposits import MAX_ATTEMPTS, Counter, DepositRequest
from tests.support.incoming import HOUR_MS, Incoming, paid, refund, usd
from tests.support.scene import ADA, ADMIN, BOB, EVE, NOW_MS, SERVICE, claim, once

REQUEST: Final = DepositRequest("wal_a", "25.00", "USD")
KEY: Final = claim("k1", caller=ADA)
FLOW_ID: Final = deposit_id(KEY.key)


class Shop(Incoming):
    """Hold the scene where ada orders; `counter` is the provider's that she orders from."""

    def __init__(self) -> None:
        """Start without any order."""
        super().__init__()
        self.store.flow_items.clear()
        self.counter = Counter(self.store, self.flows, DEFAULT_ASSETS, Provider.STRIPE, "test", self.gateway)
        self.store.calls.clear()

    def buy(self, key: str = "k1", *, caller: Caller = ADA, body: str = "{}", **changes: str) -> tuple[Deposit, bool]:
        """Order 25.00 into wal_a, or what the changes say."""
        return deposits.order(
            counter=self.counter,
            caller=caller,
            claim=claim(key, body=body, caller=caller),
            request=replace(REQUEST, **changes),
            now_ms=self.now_ms,
            expires_at_ms=self.now_ms + HOUR_MS,
        )

    def bought(self) -> Deposit:
        """Look at the one order there is."""
        (deposit,) = self.store.flow_items.values()
        assert isinstance(deposit, Deposit)
        return deposit


@pytest.fixture
def shop() -> Shop:
    return Shop()


# An order


def test_an_order_is_written_before_its_provider_hears_of_it(shop: Shop) -> None:
    deposit, replayed = shop.buy()
    assert shop.store.calls == ["get", "flows.create", "gateway.checkout", "flows.save"]
    assert (deposit, replayed) == (shop.bought(), False)
    assert shop.gateway.orders == [replace(deposit, checkout_url=None, references=(), ready=False, version=0)]


def test_an_order_says_what_was_asked_for_and_where_to_pay(shop: Shop) -> None:
    deposit, _ = shop.buy()
    assert deposit == Deposit(
        flow_id=FLOW_ID,
        owner_id="ada",
        wallet_id="wal_a",
        provider=Provider.STRIPE,
        environment="test",
        asset=DEFAULT_ASSETS["USD"],
        expected="25.00",
        currency="USD",
        fingerprint="{}",
        created_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + HOUR_MS,
        checkout_url=f"https://pay.example/{FLOW_ID}",
        references=(f"stripe:pay-{FLOW_ID}",),
        ready=True,
        version=1,
    )


def test_later_events_find_the_order_by_the_providers_name_for_it(shop: Shop) -> None:
    shop.buy()
    event = shop.event("succeeded", order=(f"stripe:pay-{FLOW_ID}",))
    assert shop.handle(event).event.state is EventState.DONE
    assert shop.units() == 2500


def test_every_key_makes_an_order_of_its_own(shop: Shop) -> None:
    assert len({shop.buy(key)[0].flow_id for key in ("k1", "k2", "k3")}) == 3
    shop.wallet("wal_b", BOB)
    assert shop.buy("k1", caller=BOB, wallet_id="wal_b")[0].flow_id != FLOW_ID


# The same key


def test_a_key_used_again_answers_the_order_as_it_is_now_and_prepares_no_second_payment(shop: Shop) -> None:
    shop.buy()
    shop.handle(shop.event("succeeded", order=(FLOW_ID,)))
    shop.now_ms += 1000
    assert shop.buy() == (shop.bought(), True)
    assert (len(shop.gateway.orders), shop.bought().credited_units) == (1, 2500)


@pytest.mark.parametrize("changes", [{"amount": "26.00"}, {"currency": "USD"}, {"wallet_id": "wal_2"}])
def test_a_key_used_for_another_order_is_refused_and_changes_nothing(shop: Shop, changes: dict[str, Any]) -> None:
    shop.wallet("wal_2")
    first, _ = shop.buy()
    with pytest.raises(IdempotencyKeyReused):
        shop.buy(body="another body", **changes)
    assert shop.bought() == first


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_a_key_used_again_is_answered_though_the_wallet_could_not_be_paid_into_any_more(
    shop: Shop, status: Status
) -> None:
    first, _ = shop.buy()
    shop.mark("wal_a", status)
    assert shop.buy() == (first, True)


def test_a_key_used_for_what_could_not_be_ordered_is_used_for_another_order(shop: Shop) -> None:
    first, _ = shop.buy()
    with pytest.raises(IdempotencyKeyReused):
        shop.buy(body="another body", amount="abc")
    assert shop.bought() == first


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_nobody_is_told_where_to_pay_into_a_wallet_that_is_not_active_any_more(shop: Shop, status: Status) -> None:
    shop.store.before = once(ProviderUnavailable("down"), "gateway.checkout")
    with pytest.raises(ProviderUnavailable):
        shop.buy()
    shop.mark("wal_a", status)
    with pytest.raises(AccountNotActive):
        shop.buy()
    shop.mark("wal_a", Status.ACTIVE)
    assert shop.buy()[0].ready


@pytest.mark.parametrize("failure", [ProviderUnavailable("down"), ProviderRefused("no")])
def test_when_the_provider_cannot_be_reached_the_order_stands_and_the_same_key_goes_on(
    shop: Shop, failure: Exception
) -> None:
    shop.store.before = once(failure, "gateway.checkout")
    with pytest.raises(type(failure)):
        shop.buy()
    assert (shop.bought().ready, shop.bought().version) == (False, 0)
    shop.now_ms += 1000
    deposit, replayed = shop.buy()
    assert (deposit.ready, deposit.created_at_ms, replayed) == (True, NOW_MS, False)
    assert shop.bought() == deposit


def test_when_the_answer_is_lost_between_checkout_and_writing_it_the_provider_is_asked_for_the_same_order(
    shop: Shop,
) -> None:
    shop.store.before = once(StoreUnavailable("silence"), "flows.save")
    with pytest.raises(StoreUnavailable):
        shop.buy()
    assert shop.buy()[0].ready
    assert shop.gateway.orders == [shop.gateway.orders[0]] * 2


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["get", "flows.create", "gateway.checkout", "flows.save"])
def test_an_accident_at_any_call_leaves_one_order_that_the_same_key_completes(
    shop: Shop, call: str, moment: str
) -> None:
    setattr(shop.store, moment, once(StoreUnavailable("silence"), call))
    with pytest.raises(StoreUnavailable):
        shop.buy()
    deposit, _ = shop.buy()
    assert deposit == shop.bought()
    assert (deposit.ready, deposit.version, deposit.flow_id) == (True, 1, FLOW_ID)
    assert {order.flow_id for order in shop.gateway.orders} == {FLOW_ID}


# At the same moment


def test_an_event_that_comes_before_the_checkout_is_noted_is_kept(shop: Shop) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            shop.store.before = lambda _call: None
            shop.handle(shop.event("succeeded", order=(FLOW_ID,)))

    shop.store.before = rival
    deposit, replayed = shop.buy()
    assert deposit == shop.bought()
    assert (deposit.ready, deposit.credited_units, replayed) == (True, 2500, False)


@pytest.mark.parametrize(
    "names", [("stripe:ch_1",), (f"stripe:pay-{FLOW_ID}",), (f"stripe:pay-{FLOW_ID}", "stripe:ch_1")]
)
def test_names_that_an_event_tells_before_the_checkout_is_noted_are_kept_once_each(
    shop: Shop, names: tuple[str, ...]
) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            shop.store.before = lambda _call: None
            shop.handle(shop.event("created", order=(FLOW_ID, *names)))

    shop.store.before = rival
    expected = sorted({*names, f"stripe:pay-{FLOW_ID}"})
    assert sorted(shop.buy()[0].references) == sorted(shop.store.references) == expected


def test_of_two_calls_with_one_key_at_once_both_get_the_one_order(shop: Shop) -> None:
    answers = []

    def rival(call: str) -> None:
        if call == "flows.save":
            shop.store.before = lambda _call: None
            answers.append(shop.buy()[0])

    shop.store.before = rival
    answers.append(shop.buy()[0])
    assert answers == [shop.bought()] * 2
    assert shop.bought().version == 1


def test_an_order_that_changes_each_time_is_given_up_for_now_and_completed_by_the_same_key(shop: Shop) -> None:
    tries = []

    def rival(call: str) -> None:
        if call == "flows.save":
            tries.append(call)
            shop.store.flow_items[FLOW_ID] = replace(shop.bought(), version=shop.bought().version + 1)

    shop.store.before = rival
    with pytest.raises(TooMuchContention):
        shop.buy()
    assert (len(tries), shop.bought().ready) == (MAX_ATTEMPTS, False)
    shop.store.before = lambda _call: None
    assert shop.buy()[0].ready


# What may be ordered


@pytest.mark.parametrize("caller", [BOB, SERVICE, ADMIN])
@pytest.mark.parametrize("wallet_id", ["wal_a", "wal_nowhere"])
def test_only_its_owner_orders_into_a_wallet_and_nobody_learns_which_there_are(
    shop: Shop, caller: Caller, wallet_id: str
) -> None:
    with pytest.raises(NotFound):
        shop.buy(caller=caller, wallet_id=wallet_id)
    assert (shop.store.flow_items, shop.gateway.orders) == ({}, [])


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_into_a_wallet_that_is_not_active_nothing_is_ordered(shop: Shop, status: Status) -> None:
    shop.mark("wal_a", status)
    with pytest.raises(AccountNotActive):
        shop.buy()
    assert (shop.store.flow_items, shop.gateway.orders) == ({}, [])


@pytest.mark.parametrize(
    ("provider", "asset", "currency"),
    [
        (Provider.STRIPE, "USD", "USD"),
        (Provider.TRUELAYER, "EUR", "EUR"),
        (Provider.PAYSTACK, "NGN", "NGN"),
        (Provider.STELLAR, "XLM", "XLM"),
        (Provider.MOONPAY, "ETH", "USD"),
        (Provider.MOONPAY, "ETH", "EUR"),
        (Provider.MOONPAY, "ETH", "ETH"),
        (Provider.RAMP, "BTC", "GBP"),
    ],
)
def test_a_wallet_is_paid_into_in_its_own_asset_or_where_one_currency_buys_another_in_money(
    shop: Shop, provider: Provider, asset: str, currency: str
) -> None:
    shop.wallet("wal_x", asset=DEFAULT_ASSETS[asset])
    shop.counter = replace(shop.counter, provider=provider)
    deposit, _ = shop.buy(wallet_id="wal_x", amount="25", currency=currency)
    assert (deposit.asset.code, deposit.currency, deposit.expected) == (asset, currency, "25")


@pytest.mark.parametrize(
    ("provider", "asset", "currency"),
    [
        *[(provider, "USD", "EUR") for provider in (Provider.STRIPE, Provider.PAYSTACK, Provider.TRUELAYER)],
        (Provider.STELLAR, "XLM", "USD"),
        (Provider.MOONPAY, "ETH", "BTC"),
        (Provider.RAMP, "ETH", "XP"),
        (Provider.STRIPE, "USD", "DOGE"),
        (Provider.RAMP, "ETH", ""),
    ],
)
def test_what_a_wallet_cannot_be_paid_with_is_refused(
    shop: Shop, provider: Provider, asset: str, currency: str
) -> None:
    shop.wallet("wal_x", asset=DEFAULT_ASSETS[asset])
    shop.counter = replace(shop.counter, provider=provider)
    with pytest.raises(AssetMismatch):
        shop.buy(wallet_id="wal_x", amount="25", currency=currency)
    assert (shop.store.flow_items, shop.gateway.orders) == ({}, [])


@pytest.mark.parametrize(
    ("delivers", "passes"), [(None, True), ({"USD", "EUR"}, True), ({"EUR"}, False), (set(), False)]
)
def test_a_provider_is_asked_only_for_what_it_delivers_here(
    shop: Shop,
    delivers: set[str] | None,
    passes: bool,  # noqa: FBT001
) -> None:
    shop.counter = replace(shop.counter, delivers=None if delivers is None else frozenset(delivers))
    if passes:
        assert shop.buy()[0].ready
    else:
        with pytest.raises(AssetMismatch, match="stripe does not deliver USD"):
            shop.buy()


@pytest.mark.parametrize("amount", ["0", "0.00", "-1", "25.001", "1e3", "", "abc"])
def test_an_amount_that_the_currency_cannot_express_is_refused(shop: Shop, amount: str) -> None:
    with pytest.raises(InvalidAmount):
        shop.buy(amount=amount)
    assert shop.store.flow_items == {}


def test_an_amount_is_judged_by_what_is_paid_and_not_by_what_is_delivered(shop: Shop) -> None:
    shop.wallet("wal_x", asset=DEFAULT_ASSETS["ETH"])
    shop.counter = replace(shop.counter, provider=Provider.MOONPAY)
    with pytest.raises(InvalidAmount):
        shop.buy(wallet_id="wal_x", amount="0.001", currency="EUR")
    with pytest.raises(InvalidAmount):
        shop.buy(wallet_id="wal_x", amount="0.5", currency="JPY")


# Shown


@pytest.mark.parametrize("caller", [ADA, SERVICE, ADMIN])
def test_an_order_is_shown_to_its_owner_to_services_and_to_admins(shop: Shop, caller: Caller) -> None:
    deposit, _ = shop.buy()
    assert deposits.get(flows=shop.flows, caller=caller, flow_id=FLOW_ID) == deposit


@pytest.mark.parametrize("flow_id", [FLOW_ID, "dep_nowhere", f"stripe:pay-{FLOW_ID}", FLOW_ID.removeprefix("dep_"), ""])
def test_to_others_an_order_does_not_exist(shop: Shop, flow_id: str) -> None:
    shop.buy()
    with pytest.raises(NotFound, match="no such deposit"):
        deposits.get(flows=shop.flows, caller=EVE, flow_id=flow_id)


def test_what_is_no_id_of_an_order_is_not_even_looked_up(shop: Shop) -> None:
    with pytest.raises(NotFound):
        deposits.get(flows=shop.flows, caller=ADMIN, flow_id="wal_a")
    assert shop.store.calls == []


LIFE: Final[list[tuple[str, Any, int, str]]] = [
    ("created", Pending(), 1, "PENDING"),
    ("failed", Failed("declined"), 1, "FAILED"),
    ("paid", paid(), 2 * HOUR_MS, "COMPLETED"),
    ("refunded", refund(), 1, "PARTIALLY_REFUNDED"),
    ("refunded more", refund("re_2", "15.00"), 1, "REFUNDED"),
    ("refund failed", refund(undone=True), 1, "PARTIALLY_REFUNDED"),
]


def test_an_orders_state_over_its_life(shop: Shop) -> None:
    deposit, _ = shop.buy()
    assert deposit.state(shop.now_ms) is DepositState.CREATED
    assert deposit.state(deposit.expires_at_ms) is DepositState.EXPIRED
    for name, fact, passed_ms, state in LIFE:
        shop.now_ms += passed_ms
        shop.handle(shop.event(name, fact, order=(FLOW_ID,)))
        assert shop.bought().state(shop.now_ms) is DepositState(state)


def test_an_order_that_buys_another_currency_is_credited_what_was_delivered(shop: Shop) -> None:
    shop.wallet("wal_x", asset=DEFAULT_ASSETS["ETH"])
    shop.counter = replace(shop.counter, provider=Provider.MOONPAY)
    deposit, _ = shop.buy(wallet_id="wal_x")
    delivered = replace(usd("0.0075"), asset="ETH")
    event = shop.event("paid", Paid("mp_1", delivered, usd("25.00")), order=(deposit.flow_id,))
    event = replace(event, provider=Provider.MOONPAY)
    shop.inbox.events[event.inbox_key] = event
    assert shop.handle(event).event.state is EventState.DONE
    assert shop.units("wal_x") == 7_500_000_000_000_000
