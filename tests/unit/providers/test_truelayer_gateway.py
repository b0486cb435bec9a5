import json
import time
import uuid
from urllib.parse import parse_qsl, urlsplit

import pytest
from truelayer_signing import HttpMethod, verify_with_pem  # type: ignore[import-untyped]

from tallystick.adapters.providers.truelayer.signing import sign_post
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.webhooks import EventRejected, Failed, Notice, Paid, Pending, Provider, TakenBack
from tallystick.services.ports.providers import Gateway
from tallystick.settings import ConfigurationError
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import (
    FIXTURES,
    FLOW,
    SECRETS,
    TRUELAYER_PUBLIC_PEM,
    amount,
    body,
    changed,
    deposit,
    gateway,
    read,
    rejection,
)

SETTLED = body(Provider.TRUELAYER, "valid_deposit_completed")
EXECUTED = body(Provider.TRUELAYER, "valid_deposit_executed_not_settled")
REFUNDED = body(Provider.TRUELAYER, "valid_refunded")
PAYMENT = "60c0a60e-0000-4000-8000-000000000001"
REFUND = "af386a24-0000-4000-8000-000000000001"
PAID = Paid(PAYMENT, amount("12.34", "GBP"))
OUTGOING = json.loads((FIXTURES / "truelayer.json").read_text())["outgoing_payout_request"]


@pytest.fixture
def truelayer(sandbox: RunningSandbox) -> Gateway:
    return gateway(Provider.TRUELAYER, sandbox.url("truelayer"))


def payment(sandbox: RunningSandbox, status: str, **members: object) -> None:
    sandbox.put("truelayer", PAYMENT, status=status, amount_in_minor=1234, currency="GBP", **members)


def refund(sandbox: RunningSandbox, status: str) -> None:
    sandbox.put("truelayer", REFUND, payment_id=PAYMENT, status=status, amount_in_minor=500, currency="GBP")


def not_confirmed(truelayer: Gateway, text: bytes) -> bool:
    with pytest.raises(EventRejected) as caught:
        truelayer.confirm(read(Provider.TRUELAYER, text))
    return caught.value.reason == "not-confirmed"


def test_a_payment_that_was_settled_says_too_little() -> None:
    assert read(Provider.TRUELAYER, SETTLED) == Notice(
        "payment_settled",
        ("dep_1", f"truelayer:{PAYMENT}"),
        confirm=True,
        details={"payment": PAYMENT},
    )


@pytest.mark.parametrize("kind", ["payment_executed", "payment_authorized"])
def test_a_payment_that_was_executed_is_not_ours_yet(kind: str) -> None:
    notice = read(Provider.TRUELAYER, changed(EXECUTED, "type", kind))
    assert (notice.facts, notice.confirm) == ((Pending(),), False)


def test_a_payment_that_failed_says_why() -> None:
    notice = read(Provider.TRUELAYER, body(Provider.TRUELAYER, "valid_deposit_failed"))
    assert notice.facts == (Failed("provider_rejected"),)
    assert notice.references == (f"truelayer:{PAYMENT}",)


@pytest.mark.parametrize("kind", ["refund_executed", "refund_failed"])
def test_a_refund_says_too_little(kind: str) -> None:
    assert read(Provider.TRUELAYER, changed(REFUNDED, "type", kind)) == Notice(
        kind,
        (f"truelayer:{PAYMENT}",),
        confirm=True,
        details={"payment": PAYMENT, "refund": REFUND},
    )


def test_money_without_an_order_is_left_to_a_person() -> None:
    assert rejection(Provider.TRUELAYER, changed(SETTLED, "type", "external_payment_received")) == "unknown-order"


@pytest.mark.parametrize("kind", ["payment_creditable", "payment_settlement_stalled", "payout_created"])
def test_other_events_say_nothing_about_an_order(kind: str) -> None:
    assert read(Provider.TRUELAYER, changed(SETTLED, "type", kind)) == Notice(kind)


def test_payouts_pay_nothing_in() -> None:
    assert not read(Provider.TRUELAYER, body(Provider.TRUELAYER, "valid_payout_failed_after_executed")).facts


@pytest.mark.parametrize(
    ("original", "path", "value"),
    [
        (SETTLED, "payment_id", ...),
        (SETTLED, "payment_id", "../payouts"),
        (SETTLED, "metadata", []),
        (SETTLED, "type", None),
        (REFUNDED, "refund_id", None),
        (REFUNDED, "payment_id", ...),
    ],
)
def test_what_truelayer_does_not_document_is_unreadable(original: bytes, path: str, value: object) -> None:
    assert rejection(Provider.TRUELAYER, changed(original, path, value)) == "unreadable"


def test_a_payment_that_was_settled_is_confirmed_with_its_amount(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    payment(sandbox, "settled")
    notice = truelayer.confirm(read(Provider.TRUELAYER, SETTLED))
    assert (notice.facts, notice.confirm) == ((PAID,), False)
    assert notice.references == ("dep_1", f"truelayer:{PAYMENT}")


@pytest.mark.parametrize("status", ["executed", "failed", None])
def test_a_payment_that_is_not_settled_is_rejected(
    truelayer: Gateway, sandbox: RunningSandbox, status: str | None
) -> None:
    if status:
        payment(sandbox, status)
    assert not_confirmed(truelayer, SETTLED)


def test_an_old_event_is_confirmed_as_it_stands_now(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    executed = read(Provider.TRUELAYER, EXECUTED)
    payment(sandbox, "authorizing")
    assert truelayer.confirm(executed).facts == (Pending(),)
    payment(sandbox, "failed", failure_reason="rejected")
    assert truelayer.confirm(executed).facts == (Failed("rejected"),)
    payment(sandbox, "settled")
    assert truelayer.confirm(executed).facts == (PAID,)


@pytest.mark.parametrize(("status", "undone"), [("executed", False), ("failed", True)])
def test_a_refund_is_confirmed_with_its_amount(
    truelayer: Gateway, sandbox: RunningSandbox, status: str, *, undone: bool
) -> None:
    refund(sandbox, status)
    (taken,) = truelayer.confirm(read(Provider.TRUELAYER, REFUNDED)).facts
    assert taken == TakenBack(REFUND, "refund", amount("5.00", "GBP"), undone=undone, payment_id=PAYMENT)


@pytest.mark.parametrize("status", ["pending", None])
def test_a_refund_that_is_not_carried_out_is_rejected(
    truelayer: Gateway, sandbox: RunningSandbox, status: str | None
) -> None:
    if status:
        refund(sandbox, status)
    assert not_confirmed(truelayer, REFUNDED)


def test_a_payment_is_prepared_and_its_page_named(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    checkout = truelayer.checkout(deposit(Provider.TRUELAYER, "GBP", "12.34"))
    (payment_id,) = {thing["id"] for thing in sandbox.things("truelayer").values() if "metadata" in thing}
    parts = urlsplit(checkout.url or "")
    assert (parts.netloc, parts.path) == ("payment.truelayer-sandbox.com", "/payments")
    assert dict(parse_qsl(parts.fragment)) == {
        "payment_id": payment_id,
        "resource_token": f"resource-{payment_id}",
        "return_uri": "https://shop.example.test/back?from=bank",
    }
    assert checkout.references == (f"truelayer:{payment_id}",)
    token, order = sandbox.calls("truelayer")
    assert dict(parse_qsl(token["body"])) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": "secret-1",
        "scope": "payments",
    }
    assert json.loads(order["body"]) == {
        "amount_in_minor": 1234,
        "currency": "GBP",
        "payment_method": {
            "type": "bank_transfer",
            "provider_selection": {"type": "user_selected"},
            "beneficiary": {
                "type": "merchant_account",
                "merchant_account_id": "e83c4c20-0000-4000-8000-000000000001",
            },
        },
        "user": {"name": "usr_1", "email": "usr_1@example.com"},
        "metadata": {"deposit_id": FLOW},
    }


def test_a_request_is_signed_as_truelayer_s_library_asks(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    truelayer.checkout(deposit(Provider.TRUELAYER, "GBP", "12.34"))
    call = sandbox.calls("truelayer")[1]
    verifier = verify_with_pem(TRUELAYER_PUBLIC_PEM).set_method(HttpMethod.POST).set_path("/v3/payments")
    verifier.set_body(call["body"]).add_header("Idempotency-Key", call["headers"]["idempotency-key"])
    verifier.add_required_header("Idempotency-Key").verify(call["headers"]["tl-signature"])


def test_the_signed_header_is_that_of_the_vendor_s_own_request() -> None:
    secrets = SECRETS[Provider.TRUELAYER]
    signature = sign_post(
        private_key=secrets["private_key"],
        key_id=secrets["key_id"],
        path=OUTGOING["path"],
        idempotency_key=OUTGOING["headers"]["Idempotency-Key"],
        body=OUTGOING["body"].encode(),
    )
    assert signature.partition("..")[0] == OUTGOING["headers"]["Tl-Signature"].partition("..")[0]
    assert len(signature) == len(OUTGOING["headers"]["Tl-Signature"])


@pytest.mark.parametrize("key", ["", "no key", TRUELAYER_PUBLIC_PEM])
def test_a_key_that_is_none_is_not_told(key: str) -> None:
    with pytest.raises(ConfigurationError, match="no PEM") as caught:
        sign_post(private_key=key, key_id="k", path="/", idempotency_key="i", body=b"")
    assert caught.value.__cause__ is None


def test_a_lost_answer_prepares_no_second_payment(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    order = deposit(Provider.TRUELAYER, "GBP", "12.34")
    sandbox.fail("truelayer")  # the token is got without a fault
    sandbox.fail("truelayer", lost=True)
    first = truelayer.checkout(order)
    assert truelayer.checkout(order) == first
    assert sum("metadata" in thing for thing in sandbox.things("truelayer").values()) == 1
    (key,) = {call["headers"]["idempotency-key"] for call in sandbox.calls("truelayer")[1:]}
    assert str(uuid.UUID(key)) == key


def test_another_order_under_the_same_key_is_refused(truelayer: Gateway) -> None:
    truelayer.checkout(deposit(Provider.TRUELAYER, "GBP", "12.34"))
    with pytest.raises(ProviderRefused, match="422"):
        truelayer.checkout(deposit(Provider.TRUELAYER, "GBP", "12.35"))


def test_a_token_is_used_until_shortly_before_it_ends(
    truelayer: Gateway, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment(sandbox, "settled")
    settled, started = read(Provider.TRUELAYER, SETTLED), time.monotonic()
    tokens = []
    for passed_s in (0, 3539, 3541, 3542):
        monkeypatch.setattr(time, "monotonic", lambda passed_s=passed_s: started + passed_s)
        truelayer.confirm(settled)
        tokens.append(sandbox.calls("truelayer")[-1]["headers"]["authorization"])
    assert tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-2"]


def test_a_token_that_is_not_taken_any_more_is_got_anew(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    payment(sandbox, "settled")
    settled = read(Provider.TRUELAYER, SETTLED)
    told = truelayer.confirm(settled)
    sandbox.reset()
    payment(sandbox, "settled")
    assert truelayer.confirm(settled) == told


def test_a_caller_whose_tokens_are_never_taken_is_refused(truelayer: Gateway, sandbox: RunningSandbox) -> None:
    sandbox.fail("truelayer")  # the token is got without a fault
    sandbox.fail("truelayer", status=401)
    sandbox.fail("truelayer")
    sandbox.fail("truelayer", status=401)
    with pytest.raises(ProviderRefused, match="401"):
        truelayer.confirm(read(Provider.TRUELAYER, SETTLED))


def test_tokens_come_from_the_host_beside_the_api_s(monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []
    monkeypatch.setattr(
        "tallystick.adapters.providers.truelayer.client.ProviderHttp", lambda _provider, url: named.append(url)
    )
    gateway(Provider.TRUELAYER, "https://api.truelayer-sandbox.com")
    assert named == ["https://auth.truelayer-sandbox.com"]


def test_wrong_credentials_are_refused(sandbox: RunningSandbox) -> None:
    sandbox.fail("truelayer", status=400)
    with pytest.raises(ProviderRefused, match=r"truelayer refused it \(400\)"):
        gateway(Provider.TRUELAYER, sandbox.url("truelayer")).confirm(read(Provider.TRUELAYER, SETTLED))
