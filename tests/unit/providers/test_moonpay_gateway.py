import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tallystick.adapters.providers.moonpay.gateway import MoonPayGateway, signed
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.webhooks import EventRejected, Failed, Notice, Paid, Pending, Provider
from tallystick.settings import ConfigurationError
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import (
    FIXTURES,
    FLOW,
    SECRETS,
    amount,
    body,
    changed,
    deposit,
    gateway,
    read,
    rejection,
    setting,
)

COMPLETED = body(Provider.MOONPAY, "valid_deposit_completed")
PENDING = body(Provider.MOONPAY, "valid_deposit_pending")
PURCHASE = "bda09e91-0000-4000-8000-000000000003"
URL_SIGNING = json.loads((FIXTURES / "moonpay.json").read_text())["url_signing"]


def test_a_purchase_that_is_completed_is_paid() -> None:
    notice = read(Provider.MOONPAY, COMPLETED)
    assert notice == Notice(
        "transaction_updated",
        ("dep_1",),
        (Paid(PURCHASE, amount("0.1819", "ETH"), amount("300.00", "EUR")),),
        details={"transaction": PURCHASE},
    )


@pytest.mark.parametrize(("included", "charged"), [(True, "300.00"), (False, "295.45"), (..., "295.45")])
def test_the_order_s_amount_includes_the_fees_where_they_were_included(included: object, charged: str) -> None:
    (paid,) = read(Provider.MOONPAY, changed(COMPLETED, "data.areFeesIncluded", included)).facts
    assert isinstance(paid, Paid)
    assert paid.charged == amount(charged, "EUR")


def test_amounts_are_exact() -> None:
    text = COMPLETED.replace(b"0.1819", b"0.100000000000000001").replace(b"295.45", b"1e30")
    (paid,) = read(Provider.MOONPAY, text).facts
    charged = amount("1000000000000000000000000000004.55", "EUR")
    assert paid == Paid(PURCHASE, amount("0.100000000000000001", "ETH"), charged)


@pytest.mark.parametrize("status", ["waitingPayment", "pending", "waitingAuthorization", "something_new"])
def test_a_purchase_that_goes_on_is_pending(status: str) -> None:
    assert read(Provider.MOONPAY, changed(PENDING, "data.status", status)).facts == (Pending(),)


def test_a_purchase_that_was_created_is_pending() -> None:
    assert read(Provider.MOONPAY, body(Provider.MOONPAY, "valid_deposit_created")).facts == (Pending(),)


def test_a_purchase_that_failed_says_why() -> None:
    failed = body(Provider.MOONPAY, "valid_deposit_failed")
    assert read(Provider.MOONPAY, failed).facts == (Failed(json.loads(failed)["data"]["failureReason"]),)
    assert read(Provider.MOONPAY, changed(failed, "data.failureReason", None)).facts == (Failed("failed"),)


def test_a_sale_pays_nothing_in() -> None:
    assert read(Provider.MOONPAY, body(Provider.MOONPAY, "valid_offramp_completed")) == Notice(
        "sell_transaction_updated"
    )


def test_a_purchase_without_our_id_names_no_order() -> None:
    notice = read(Provider.MOONPAY, changed(COMPLETED, "data.externalTransactionId", None))
    assert notice.references == ()


def test_hexadecimal_addresses_are_compared_without_their_case() -> None:
    assert read(Provider.MOONPAY, COMPLETED.replace(b"0xc216eD2D6c29", b"0xC216ED2d6C29")).facts


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("data.walletAddress", "0xc216eD2D6c295579718dbd4a797845CdA70B3C37", "address-mismatch"),
        ("data.walletAddress", None, "address-mismatch"),
        ("data.currency.code", "eth_base", "asset-mismatch"),
        ("data.quoteCurrencyAmount", None, "unreadable"),
        ("data.quoteCurrencyAmount", "0.1819", "unreadable"),
        ("data.quoteCurrencyAmount", -0.5, "unreadable"),
        ("data.quoteCurrencyAmount", True, "unreadable"),
        ("data.baseCurrencyAmount", 1e40, "unreadable"),
        ("data.baseCurrency", None, "unreadable"),
        ("data.id", 3, "unreadable"),
        ("data", None, "unreadable"),
    ],
)
def test_what_cannot_be_credited_is_rejected(path: str, value: object, reason: str) -> None:
    assert rejection(Provider.MOONPAY, changed(COMPLETED, path, value)) == reason


def test_without_an_address_of_ours_nothing_is_taken() -> None:
    assert rejection(Provider.MOONPAY, COMPLETED, addresses={}) == "address-mismatch"


def test_bitcoin_addresses_are_compared_exactly() -> None:
    ours = {"addresses": {"ETH": "bc1Qxyz"}}
    assert read(Provider.MOONPAY, changed(COMPLETED, "data.walletAddress", "bc1Qxyz"), **ours).facts
    assert (
        rejection(Provider.MOONPAY, changed(COMPLETED, "data.walletAddress", "bc1qxyz"), **ours) == "address-mismatch"
    )


def test_the_widget_s_address_is_signed_as_moonpay_s_library_does() -> None:
    assert signed(URL_SIGNING["unsigned_url"], URL_SIGNING["secret_key"]) == URL_SIGNING["signed_url"]


def test_an_order_in_fiat_locks_the_amount_to_spend() -> None:
    checkout = gateway(Provider.MOONPAY).checkout(deposit(Provider.MOONPAY, "ETH", "300.00", "EUR"))
    url = checkout.url or ""
    values = dict(parse_qsl(urlsplit(url).query))
    unsigned, _, _signature = url.rpartition("&signature=")
    assert signed(unsigned, SECRETS[Provider.MOONPAY]["signing_key"]) == url
    assert url.startswith("https://buy-sandbox.moonpay.com/?apiKey=pk_test_1&currencyCode=eth&walletAddress=0xc216")
    assert values | {"signature": ""} == {
        "apiKey": "pk_test_1",
        "currencyCode": "eth",
        "walletAddress": "0xc216eD2D6c295579718dbd4a797845CdA70B3C36",
        "externalTransactionId": FLOW,
        "externalCustomerId": "usr_1",
        "baseCurrencyCode": "eur",
        "baseCurrencyAmount": "300.00",
        "lockAmount": "true",
        "signature": "",
    }
    assert checkout.references == ()


def test_an_order_in_the_asset_locks_the_amount_to_receive() -> None:
    moonpay = gateway(Provider.MOONPAY, return_url="https://shop.example.test/back?a=b&c=d")
    values = dict(parse_qsl(urlsplit(moonpay.checkout(deposit(Provider.MOONPAY, "ETH", "0.18")).url or "").query))
    assert values["quoteCurrencyAmount"] == "0.18"
    assert values["redirectURL"] == "https://shop.example.test/back?a=b&c=d"
    assert "baseCurrencyAmount" not in values


def test_an_asset_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ProviderRefused):
        gateway(Provider.MOONPAY).checkout(deposit(Provider.MOONPAY, "BTC", "1"))
    with pytest.raises(ProviderRefused):
        gateway(Provider.MOONPAY, addresses={}).checkout(deposit(Provider.MOONPAY, "ETH", "1"))


def test_what_a_page_needs_has_to_be_configured() -> None:
    with pytest.raises(ConfigurationError, match="publishable_key of moonpay"):
        gateway(Provider.MOONPAY, publishable_key=None).checkout(deposit(Provider.MOONPAY, "ETH", "1"))


def test_a_secret_that_is_missing_is_named() -> None:
    moonpay = MoonPayGateway(setting(Provider.MOONPAY), dict, {}, "")
    with pytest.raises(ConfigurationError, match="the secret signing_key of moonpay is missing"):
        moonpay.checkout(deposit(Provider.MOONPAY, "ETH", "1"))


def test_a_purchase_is_confirmed(sandbox: RunningSandbox) -> None:
    moonpay, notice = gateway(Provider.MOONPAY, sandbox.url("moonpay")), read(Provider.MOONPAY, COMPLETED)
    with pytest.raises(EventRejected, match="not-confirmed"):
        moonpay.confirm(notice)
    data = json.loads(COMPLETED)["data"]
    sandbox.put("moonpay", PURCHASE, **data)
    assert moonpay.confirm(notice) == notice
    assert sandbox.calls("moonpay")[0]["headers"]["authorization"] == "Api-Key sk_test_1"


@pytest.mark.parametrize(("member", "value"), [("status", "pending"), ("quoteCurrencyAmount", 0.1818)])
def test_a_purchase_that_moonpay_tells_otherwise_is_rejected(
    sandbox: RunningSandbox, member: str, value: object
) -> None:
    sandbox.put("moonpay", PURCHASE, **{**json.loads(COMPLETED)["data"], member: value})
    with pytest.raises(EventRejected, match="not-confirmed"):
        gateway(Provider.MOONPAY, sandbox.url("moonpay")).confirm(read(Provider.MOONPAY, COMPLETED))
