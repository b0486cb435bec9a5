import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tallystick.domain.errors import ProviderRefused
from tallystick.domain.webhooks import EventRejected, Failed, Notice, Paid, Pending, Provider
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import FLOW, amount, body, changed, deposit, gateway, read, rejection

RELEASED = body(Provider.RAMP, "valid_deposit_completed")
PAID = Paid("testpurchase001", amount("0.006953883514304058", "ETH"), amount("20", "EUR"))


def test_a_purchase_that_was_released_is_paid() -> None:
    assert read(Provider.RAMP, RELEASED, {"deposit": FLOW}) == Notice(
        "RELEASED",
        (FLOW,),
        (PAID,),
        occurred_at_ms=1_767_225_637_000,
        details={"purchase": "testpurchase001", "token": "testviewtoken001"},
    )


@pytest.mark.parametrize(
    "query", [{}, {"deposit": ""}, {"deposit": "a b"}, {"deposit": "x" * 300}, {"deposit": "\ud800"}]
)
def test_an_address_without_an_order_names_none(query: dict[str, str]) -> None:
    assert read(Provider.RAMP, RELEASED, query).references == ()


def test_a_purchase_that_was_created_is_pending() -> None:
    assert read(Provider.RAMP, body(Provider.RAMP, "valid_deposit_created")).facts == (Pending(),)


def test_a_purchase_that_was_returned_failed() -> None:
    assert read(Provider.RAMP, body(Provider.RAMP, "valid_deposit_returned")).facts == (Failed("returned"),)


def test_a_sale_pays_nothing_in() -> None:
    assert read(Provider.RAMP, body(Provider.RAMP, "valid_payout_completed")) == Notice("OFFRAMP RELEASED")


def test_the_newer_names_of_assets_are_known_too() -> None:
    text = changed(RELEASED, "purchase.asset.symbol", "ETH_TEST")
    assert read(Provider.RAMP, text).facts == (PAID,)
    assert rejection(Provider.RAMP, changed(text, "purchase.asset.chain", "ARBITRUM")) == "asset-mismatch"


def test_amounts_are_exact() -> None:
    text = changed(RELEASED.replace(b'"fiatValue":20', b'"fiatValue":20.05'), "purchase.asset.decimals", 36)
    (paid,) = read(Provider.RAMP, text).facts
    assert paid == Paid(
        "testpurchase001", amount("0.000000000000000000006953883514304058", "ETH"), amount("20.05", "EUR")
    )


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("purchase.receiverAddress", "0xa03fa8d1f10f8bde740348996165f037b65c6d29", "address-mismatch"),
        ("purchase.asset.decimals", 37, "unreadable"),
        ("purchase.asset.decimals", -1, "unreadable"),
        ("purchase.asset.decimals", 10**9, "unreadable"),
        ("purchase.cryptoAmount", "0.5", "unreadable"),
        ("purchase.cryptoAmount", "9" * 39, "unreadable"),
        ("purchase.cryptoAmount", 1.5, "unreadable"),
        ("purchase.fiatValue", "20", "unreadable"),
        ("purchase.fiatValue", None, "unreadable"),
        ("purchase.id", "..", "unreadable"),
        ("purchase.updatedAt", 5, "unreadable"),
        ("purchase", [], "unreadable"),
    ],
)
def test_what_cannot_be_credited_is_rejected(path: str, value: object, reason: str) -> None:
    assert rejection(Provider.RAMP, changed(RELEASED, path, value)) == reason


def test_an_order_in_fiat_names_the_amount_to_spend() -> None:
    checkout = gateway(Provider.RAMP).checkout(deposit(Provider.RAMP, "ETH", "20.00", "EUR"))
    parts = urlsplit(checkout.url or "")
    assert (parts.netloc, parts.path) == ("app.demo.rampnetwork.com", "/")
    assert dict(parse_qsl(parts.query)) == {
        "hostApiKey": "host_1",
        "swapAsset": "SEPOLIA_ETH",
        "userAddress": "0xa03fa8d1f10f8bde740348996165f037b65c6d28",
        "fiatCurrency": "EUR",
        "fiatValue": "20.00",
        "webhookStatusUrl": f"https://pay.example.test/webhooks/ramp?deposit={FLOW}",
    }
    assert checkout.references == ()


def test_an_order_in_the_asset_names_its_smallest_units() -> None:
    ramp = gateway(Provider.RAMP, return_url="https://shop.example.test/back")
    values = dict(parse_qsl(urlsplit(ramp.checkout(deposit(Provider.RAMP, "ETH", "0.5")).url or "").query))
    assert values["swapAmount"] == "500000000000000000"
    assert values["finalUrl"] == "https://shop.example.test/back"
    assert "fiatValue" not in values


def test_an_asset_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ProviderRefused):
        gateway(Provider.RAMP).checkout(deposit(Provider.RAMP, "BTC", "1"))


def test_a_purchase_is_confirmed_with_its_token(sandbox: RunningSandbox) -> None:
    ramp, notice = gateway(Provider.RAMP, sandbox.url("ramp")), read(Provider.RAMP, RELEASED)
    purchase = json.loads(RELEASED)["purchase"]
    sandbox.put("ramp", "testpurchase001", **{**purchase, "purchaseViewToken": "another"})
    with pytest.raises(EventRejected, match="not-confirmed"):
        ramp.confirm(notice)
    sandbox.put("ramp", "testpurchase001", **purchase)
    assert ramp.confirm(notice) == notice


@pytest.mark.parametrize(("member", "value"), [("status", "RELEASING"), ("cryptoAmount", "1"), ("status", "EXPIRED")])
def test_a_purchase_that_ramp_tells_otherwise_is_rejected(sandbox: RunningSandbox, member: str, value: str) -> None:
    sandbox.put("ramp", "testpurchase001", **{**json.loads(RELEASED)["purchase"], member: value})
    with pytest.raises(EventRejected, match="not-confirmed"):
        gateway(Provider.RAMP, sandbox.url("ramp")).confirm(read(Provider.RAMP, RELEASED))
