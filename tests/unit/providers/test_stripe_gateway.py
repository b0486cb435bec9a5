from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from tallystick.adapters.providers.http import ProviderHttp, Reply
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.webhooks import EventRejected, Failed, Notice, Paid, Pending, Provider, TakenBack
from tallystick.services.ports.providers import Checkout, Gateway
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import FLOW, NOW_MS, amount, body, deposit, gateway, read

ELEMENTS = "https://shop.example.test/pay"
PAID = read(Provider.STRIPE, body(Provider.STRIPE, "valid_deposit_completed"))
CHARGED_BACK = read(Provider.STRIPE, body(Provider.STRIPE, "valid_chargeback"))
REFUNDED = read(Provider.STRIPE, body(Provider.STRIPE, "valid_refunded"))
HOUR_S = 3600


@pytest.fixture
def stripe(sandbox: RunningSandbox) -> Gateway:
    return gateway(Provider.STRIPE, sandbox.url("stripe"))


def intent(sandbox: RunningSandbox, status: str, received: int = 2599, **members: object) -> None:
    sandbox.put("stripe", "pi_test_1", currency="usd", status=status, amount=2599, amount_received=received, **members)


def refund(sandbox: RunningSandbox, thing_id: str, status: str, units: int = 1000) -> None:
    sandbox.put("stripe", thing_id, payment_intent="pi_test_1", amount=units, currency="usd", status=status)


def dispute(sandbox: RunningSandbox, status: str, **members: object) -> None:
    sandbox.put(
        "stripe", "dp_test_1", payment_intent="pi_test_1", amount=2599, currency="usd", status=status, **members
    )


def rejected(stripe: Gateway, notice: Notice) -> str:
    with pytest.raises(EventRejected) as caught:
        stripe.confirm(notice)
    return caught.value.reason


def test_a_page_is_opened_for_an_order(stripe: Gateway, sandbox: RunningSandbox) -> None:
    checkout = stripe.checkout(deposit(Provider.STRIPE, "USD", "25.99"))
    assert checkout.url == "https://checkout.stripe.com/c/pay/cs_sandbox_2"
    assert (checkout.instructions, checkout.references) == ({}, ())
    (call,) = sandbox.calls("stripe")
    form = {name: value for name, (value,) in parse_qs(call["body"]).items()}
    assert call["headers"]["idempotency-key"] == FLOW
    assert call["headers"]["authorization"] == "Bearer sk_test_1"
    assert form == {
        "mode": "payment",
        "client_reference_id": FLOW,
        "metadata[deposit_id]": FLOW,
        "payment_intent_data[metadata][deposit_id]": FLOW,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "2599",
        "line_items[0][price_data][product_data][name]": "Deposit",
        "success_url": "https://shop.example.test/back",
        "cancel_url": "https://shop.example.test/back",
        "expires_at": str(NOW_MS // 1000 + 24 * HOUR_S - 300),
    }


@pytest.mark.parametrize(("wanted_s", "granted_s"), [(60, 2100), (7200, 7200), (86_400, 86_100), (999_999, 86_100)])
def test_a_page_closes_when_stripe_allows_it(
    stripe: Gateway, sandbox: RunningSandbox, wanted_s: int, granted_s: int
) -> None:
    stripe.checkout(deposit(Provider.STRIPE, "USD", "25.99", expires_at_ms=NOW_MS + wanted_s * 1000))
    (closes_at_s,) = parse_qs(sandbox.calls("stripe")[0]["body"])["expires_at"]
    assert int(closes_at_s) - NOW_MS // 1000 == granted_s


def test_without_a_page_of_the_shop_stripe_sends_people_to_us(sandbox: RunningSandbox) -> None:
    bare = gateway(Provider.STRIPE, sandbox.url("stripe"), return_url=None)
    bare.checkout(deposit(Provider.STRIPE, "USD", "25.99"))
    assert parse_qs(sandbox.calls("stripe")[0]["body"])["success_url"] == ["https://pay.example.test"]


def test_a_payment_is_prepared_for_the_shop_s_own_page(sandbox: RunningSandbox) -> None:
    elements = gateway(Provider.STRIPE, sandbox.url("stripe"), checkout_url=ELEMENTS)
    checkout = elements.checkout(deposit(Provider.STRIPE, "JPY", "500"))
    assert checkout.url is None
    assert checkout.references == ("stripe:pi_sandbox_1",)
    assert checkout.instructions == {"client_secret": "pi_sandbox_1_secret_1", "payment_intent": "pi_sandbox_1"}
    made = sandbox.things("stripe")["pi_sandbox_1"]
    assert (made["amount"], made["currency"], made["metadata"]) == (500, "jpy", {"deposit_id": FLOW})


def test_a_session_that_names_its_payment_gives_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Reply("stripe", 200, {"url": "https://checkout.stripe.com/1", "payment_intent": "pi_9"})
    monkeypatch.setattr(ProviderHttp, "post", lambda *_, **__: session)
    checkout = gateway(Provider.STRIPE).checkout(deposit(Provider.STRIPE, "USD", "1.00"))
    assert checkout == Checkout("https://checkout.stripe.com/1", references=("stripe:pi_9",))


def test_an_order_is_prepared_once(sandbox: RunningSandbox) -> None:
    elements = gateway(Provider.STRIPE, sandbox.url("stripe"), checkout_url=ELEMENTS)
    order = deposit(Provider.STRIPE, "USD", "25.99")
    assert elements.checkout(order) == elements.checkout(order)
    assert len(sandbox.things("stripe")) == 1


def test_an_answer_that_was_lost_is_asked_for_again_without_a_second_payment(sandbox: RunningSandbox) -> None:
    elements = gateway(Provider.STRIPE, sandbox.url("stripe"), checkout_url=ELEMENTS)
    sandbox.fail("stripe", lost=True)
    checkout = elements.checkout(deposit(Provider.STRIPE, "USD", "25.99"))
    assert checkout.references == ("stripe:pi_sandbox_1",)
    assert len(sandbox.things("stripe")) == 1
    assert len(sandbox.calls("stripe")) == 2


def test_another_order_under_the_same_key_is_refused(sandbox: RunningSandbox) -> None:
    elements = gateway(Provider.STRIPE, sandbox.url("stripe"), checkout_url=ELEMENTS)
    elements.checkout(deposit(Provider.STRIPE, "USD", "25.99"))
    with pytest.raises(ProviderRefused):
        elements.checkout(deposit(Provider.STRIPE, "USD", "26.99"))


def test_an_amount_that_stripe_cannot_express_is_refused(stripe: Gateway, sandbox: RunningSandbox) -> None:
    with pytest.raises(ProviderRefused, match="decimals"):
        stripe.checkout(deposit(Provider.STRIPE, "USD", "25.999"))
    assert sandbox.calls("stripe") == []


def test_a_refusal_tells_neither_the_key_nor_what_was_answered(sandbox: RunningSandbox) -> None:
    stripe = gateway(Provider.STRIPE, sandbox.url("stripe"))
    sandbox.fail("stripe", status=401)
    with pytest.raises(ProviderRefused) as caught:
        stripe.checkout(deposit(Provider.STRIPE, "USD", "25.99"))
    assert str(caught.value) == "stripe refused it (401)."
    assert caught.value.members == {"provider": "stripe"}


def test_a_payment_is_confirmed(stripe: Gateway, sandbox: RunningSandbox) -> None:
    intent(sandbox, "succeeded")
    assert stripe.confirm(PAID) == PAID


@pytest.mark.parametrize(("status", "received"), [("processing", 0), ("canceled", 0), ("succeeded", 2598)])
def test_a_payment_that_stripe_tells_otherwise_is_rejected(
    stripe: Gateway, sandbox: RunningSandbox, status: str, received: int
) -> None:
    intent(sandbox, status, received)
    assert rejected(stripe, PAID) == "not-confirmed"


@pytest.mark.parametrize("notice", [PAID, CHARGED_BACK, REFUNDED])
def test_what_stripe_does_not_know_is_rejected(stripe: Gateway, notice: Notice) -> None:
    assert rejected(stripe, notice) == "not-confirmed"


def test_what_stripe_cannot_tell_now_is_asked_again(stripe: Gateway, sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", status=500, times=3)
    with pytest.raises(ProviderUnavailable):
        stripe.confirm(PAID)


def test_an_old_failure_is_confirmed_as_it_stands_now(stripe: Gateway, sandbox: RunningSandbox) -> None:
    failed = replace(PAID, facts=(Failed("card_declined"),))
    intent(sandbox, "requires_payment_method", 0, last_payment_error={"code": "card_declined"})
    assert stripe.confirm(failed).facts == (Failed("card_declined"),)
    intent(sandbox, "processing", 0)
    assert stripe.confirm(failed).facts == (Pending(),)
    intent(sandbox, "succeeded")
    assert stripe.confirm(failed).facts == (Paid("pi_test_1", amount("25.99", "USD")),)


def test_every_refund_of_a_charge_is_told(stripe: Gateway, sandbox: RunningSandbox) -> None:
    refund(sandbox, "re_1", "succeeded")
    refund(sandbox, "re_2", "failed", 500)
    refund(sandbox, "re_3", "requires_action", 400)
    sandbox.put("stripe", "re_4", payment_intent="pi_other", amount=1, currency="usd", status="succeeded")
    notice = stripe.confirm(REFUNDED)
    assert notice.facts == (
        TakenBack("re_1", "refund", amount("10.00", "USD"), payment_id="pi_test_1"),
        TakenBack("re_2", "refund", amount("5.00", "USD"), undone=True, payment_id="pi_test_1"),
    )
    assert not notice.confirm
    assert notice.references == REFUNDED.references


def test_all_pages_of_refunds_are_read(stripe: Gateway, sandbox: RunningSandbox) -> None:
    for number in range(101):
        refund(sandbox, f"re_{number}", "succeeded", 1)
    assert len(stripe.confirm(REFUNDED).facts) == 101
    assert [call["query"].get("starting_after") for call in sandbox.calls("stripe")] == [None, "re_99"]


def test_refunds_without_end_are_not_read_for_ever(
    stripe: Gateway, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.adapters.providers.stripe.gateway.MAX_PAGES", 1)
    for number in range(101):
        refund(sandbox, f"re_{number}", "succeeded", 1)
    assert rejected(stripe, REFUNDED) == "too-many-facts"


def test_a_refund_is_confirmed_among_those_of_its_payment(stripe: Gateway, sandbox: RunningSandbox) -> None:
    taken = TakenBack("re_1", "refund", amount("10.00", "USD"), payment_id="pi_test_1")
    notice = replace(REFUNDED, event="refund.created", facts=(taken,), confirm=False)
    refund(sandbox, "re_1", "failed")
    assert stripe.confirm(notice).facts == (replace(taken, undone=True),)
    refund(sandbox, "re_1", "succeeded", 999)
    assert rejected(stripe, notice) == "not-confirmed"


@pytest.mark.parametrize(
    ("status", "moved", "undone"),
    [("needs_response", 1, False), ("lost", 1, False), ("won", 2, True), ("under_review", 2, True)],
)
def test_a_dispute_is_confirmed_as_it_stands(
    stripe: Gateway, sandbox: RunningSandbox, status: str, moved: int, *, undone: bool
) -> None:
    dispute(sandbox, status, balance_transactions=[{}] * moved)
    expected = TakenBack("dp_test_1", "chargeback", amount("25.99", "USD"), undone=undone, payment_id="pi_test_1")
    assert stripe.confirm(CHARGED_BACK).facts == (expected,)


@pytest.mark.parametrize("status", ["warning_closed"])
def test_a_dispute_that_is_an_inquiry_only_is_rejected(stripe: Gateway, sandbox: RunningSandbox, status: str) -> None:
    dispute(sandbox, status)
    assert rejected(stripe, CHARGED_BACK) == "not-confirmed"


def test_a_dispute_that_was_won_cannot_be_lost_again(stripe: Gateway, sandbox: RunningSandbox) -> None:
    won = TakenBack("dp_test_1", "chargeback", amount("25.99", "USD"), undone=True, payment_id="pi_test_1")
    dispute(sandbox, "lost")
    assert rejected(stripe, replace(CHARGED_BACK, facts=(won,))) == "not-confirmed"
