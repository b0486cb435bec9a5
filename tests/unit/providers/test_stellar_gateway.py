import json
from typing import Any

import pytest
from stellar_sdk import IdMemo, Payment, TransactionEnvelope

from tallystick.adapters.providers.stellar.gateway import memo_of
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.webhooks import EventRejected, Notice, Paid, Provider
from tallystick.services.ports.providers import Gateway
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import (
    ANCHOR,
    FIXTURES,
    FLOW,
    HORIZON_RECORDS,
    OUR_ACCOUNT,
    amount,
    body,
    changed,
    deposit,
    gateway,
    horizon_record,
    read,
    rejection,
)

COMPLETED = body(Provider.STELLAR, "valid_deposit_completed")
RECORD = HORIZON_RECORDS[0]
PAYMENT = horizon_record()
STRANGER = RECORD["from"]
OPERATION = "113928152169844737"
HASH = RECORD["transaction_hash"]
ANCHORED = json.loads(COMPLETED)["transaction"]["stellar_transaction_id"]
PAID = Paid(OPERATION, amount("12.3456789", "USDC"))


@pytest.fixture
def stellar(sandbox: RunningSandbox) -> Gateway:
    return gateway(Provider.STELLAR, sandbox.url("stellar"))


def memo(memo_type: str, text: str | None = None) -> dict[str, object]:
    return {**RECORD["transaction"], "memo_type": memo_type, "memo": text}


def on_chain(sandbox: RunningSandbox, digest: str = HASH, operation: str = OPERATION, **members: Any) -> None:  # noqa: ANN401
    thing = {**RECORD, "id": operation, "paging_token": operation, "transaction_hash": digest, **members}
    sandbox.put("stellar", operation, **thing)


def test_a_payment_with_a_memo_is_paid() -> None:
    assert read(Provider.STELLAR, PAYMENT) == Notice(
        "payment",
        ("stellar:186384",),
        (PAID,),
        details={"stellar_transaction_id": HASH, "payment": OPERATION},
    )


@pytest.mark.parametrize("kind", ["path_payment_strict_send", "path_payment_strict_receive"])
def test_a_payment_by_a_path_is_paid_too(kind: str) -> None:
    assert read(Provider.STELLAR, horizon_record(type=kind)).facts == (PAID,)


def test_lumens_have_no_issuer() -> None:
    lumens = horizon_record(asset_type="native", asset_code=..., asset_issuer=..., amount="1.0000000")
    assert read(Provider.STELLAR, lumens).facts == (Paid(OPERATION, amount("1.0000000", "XLM")),)


def test_a_memo_may_be_text() -> None:
    assert read(Provider.STELLAR, horizon_record(transaction=memo("text", "186384"))).references == ("stellar:186384",)


@pytest.mark.parametrize("kind", ["none", "hash", "return"])
def test_without_a_memo_that_can_be_read_nobody_is_named(kind: str) -> None:
    notice = read(Provider.STELLAR, horizon_record(transaction=memo(kind, None if kind == "none" else "x" * 44)))
    assert (notice.references, notice.facts) == ((), (PAID,))


def test_what_failed_or_went_elsewhere_paid_nothing() -> None:
    assert read(Provider.STELLAR, json.dumps(HORIZON_RECORDS[1]).encode()).facts == ()
    assert read(Provider.STELLAR, horizon_record(transaction_successful=False)).facts == ()
    assert (
        read(Provider.STELLAR, horizon_record(transaction={**RECORD["transaction"], "successful": False})).facts == ()
    )
    assert read(Provider.STELLAR, horizon_record(to=STRANGER, **{"from": OUR_ACCOUNT})).facts == ()


def test_another_asset_with_a_memo_is_left_to_a_person() -> None:
    assert rejection(Provider.STELLAR, horizon_record(asset_issuer=STRANGER)) == "asset-mismatch"
    assert rejection(Provider.STELLAR, horizon_record(asset_code="USDT")) == "asset-mismatch"


@pytest.mark.parametrize("kind", ["none", "text"])
def test_another_asset_without_a_number_is_unasked_for(kind: str) -> None:
    assert read(Provider.STELLAR, horizon_record(asset_code="SPAM", transaction=memo(kind, "win"))).facts == ()


def test_an_asset_has_to_arrive_at_its_own_address() -> None:
    own = {"addresses": {"USDC": OUR_ACCOUNT, "XLM": ANCHOR}}
    assert read(Provider.STELLAR, PAYMENT, **own).facts == (PAID,)
    assert rejection(Provider.STELLAR, horizon_record(to=ANCHOR), **own) == "asset-mismatch"


@pytest.mark.parametrize(
    "members",
    [
        {"type": "create_account", "account": OUR_ACCOUNT, "starting_balance": "5.0000000"},
        {"type": "account_merge", "account": STRANGER, "into": OUR_ACCOUNT},
        {"type": "invoke_host_function", "asset_balance_changes": [{"type": "transfer", "to": OUR_ACCOUNT}]},
        {"type": "payment_of_the_future", "to": OUR_ACCOUNT},
    ],
)
def test_money_that_names_no_order_is_left_to_a_person(members: dict[str, object]) -> None:
    assert (
        rejection(Provider.STELLAR, horizon_record(**{"to": ..., "amount": ..., **members})) == "unsupported-operation"
    )


@pytest.mark.parametrize(
    "members",
    [
        {"type": "create_account", "account": STRANGER, "funder": OUR_ACCOUNT},
        {"type": "account_merge", "account": OUR_ACCOUNT, "into": STRANGER},
        {"type": "invoke_host_function", "asset_balance_changes": [{"from": OUR_ACCOUNT, "to": STRANGER}]},
        {"type": "invoke_host_function"},
    ],
)
def test_what_others_receive_is_not_ours(members: dict[str, object]) -> None:
    assert read(Provider.STELLAR, horizon_record(**{"to": ..., "amount": ..., **members})).facts == ()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("amount", 12.5),
        ("amount", "-1"),
        ("amount", "1e3"),
        ("amount", "1" * 40),
        ("transaction_successful", "true"),
        ("transaction", ...),
        ("transaction", {}),
        ("id", "../accounts"),
        ("type", 7),
    ],
)
def test_what_horizon_does_not_document_is_unreadable(member: str, value: object) -> None:
    assert rejection(Provider.STELLAR, horizon_record(**{member: value})) == "unreadable"


def test_an_anchor_that_has_paid_says_too_little() -> None:
    assert read(Provider.STELLAR, COMPLETED) == Notice(
        "deposit_completed",
        confirm=True,
        details={"stellar_transaction_id": ANCHORED},
    )


@pytest.mark.parametrize("case", ["withdrawal_start", "withdrawal_completed", "refunded", "failed"])
def test_an_anchor_that_has_not_paid_says_nothing_about_an_order(case: str) -> None:
    notice = read(Provider.STELLAR, body(Provider.STELLAR, f"valid_{case}"))
    assert (notice.references, notice.facts, notice.confirm) == ((), (), False)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("transaction.stellar_transaction_id", None),
        ("transaction.stellar_transaction_id", "../../accounts"),
        ("transaction.status", ...),
        ("transaction", "x"),
        ("transaction", ...),
    ],
)
def test_what_an_anchor_must_not_say_is_unreadable(path: str, value: object) -> None:
    assert rejection(Provider.STELLAR, changed(COMPLETED, path, value)) == "unreadable"


def test_both_ways_to_a_payment_find_the_same_one(stellar: Gateway, sandbox: RunningSandbox) -> None:
    on_chain(sandbox, ANCHORED)
    by_callback = stellar.confirm(read(Provider.STELLAR, COMPLETED))
    listed = json.dumps(sandbox.things("stellar")[OPERATION]).encode()
    by_list = read(Provider.STELLAR, listed)
    assert by_callback.facts == by_list.facts == (PAID,)
    assert by_callback.references == by_list.references == ("stellar:186384",)
    assert stellar.confirm(by_list) == by_list
    assert not by_callback.confirm


def test_all_payments_of_a_transaction_are_told(stellar: Gateway, sandbox: RunningSandbox) -> None:
    on_chain(sandbox, ANCHORED)
    on_chain(sandbox, ANCHORED, "113928152169844738", amount="1.0000000")
    on_chain(sandbox, ANCHORED, "113928152169844739", to=STRANGER)
    facts = stellar.confirm(read(Provider.STELLAR, COMPLETED)).facts
    assert facts == (PAID, Paid("113928152169844738", amount("1.0000000", "USDC")))


def test_a_listed_payment_is_confirmed_alone(stellar: Gateway, sandbox: RunningSandbox) -> None:
    on_chain(sandbox)
    on_chain(sandbox, HASH, "113928152169844738", amount="1.0000000")
    assert stellar.confirm(read(Provider.STELLAR, PAYMENT)).facts == (PAID,)


def test_a_transaction_that_horizon_does_not_know_yet_is_asked_for_again(stellar: Gateway) -> None:
    with pytest.raises(ProviderUnavailable):
        stellar.confirm(read(Provider.STELLAR, COMPLETED))


@pytest.mark.parametrize(
    "members",
    [
        {"to": STRANGER},
        {"transaction_successful": False},
        {"transaction": {**RECORD["transaction"], "successful": False}},
    ],
)
def test_a_transaction_that_did_not_pay_us_is_rejected(
    stellar: Gateway, sandbox: RunningSandbox, members: dict[str, Any]
) -> None:
    on_chain(sandbox, ANCHORED, **members)
    with pytest.raises(EventRejected, match="not-confirmed"):
        stellar.confirm(read(Provider.STELLAR, COMPLETED))


def test_a_listed_payment_that_is_told_otherwise_is_rejected(stellar: Gateway, sandbox: RunningSandbox) -> None:
    on_chain(sandbox, amount="12.0000000")
    with pytest.raises(EventRejected, match="not-confirmed"):
        stellar.confirm(read(Provider.STELLAR, PAYMENT))


def test_an_order_is_paid_to_our_address_with_its_memo() -> None:
    checkout = gateway(Provider.STELLAR).checkout(deposit(Provider.STELLAR, "USDC", "12.5"))
    assert checkout.url is None
    assert checkout.references == (f"stellar:{memo_of(FLOW)}",)
    assert checkout.instructions == {
        "address": OUR_ACCOUNT,
        "memo": memo_of(FLOW),
        "memo_type": "id",
        "asset_code": "USDC",
        "asset_issuer": ANCHOR,
        "amount": "12.5",
    }


def test_lumens_are_asked_for_without_an_issuer() -> None:
    checkout = gateway(Provider.STELLAR, addresses={"XLM": ANCHOR}).checkout(deposit(Provider.STELLAR, "XLM", "3"))
    assert checkout.instructions["asset_code"] == "XLM"
    assert checkout.instructions["address"] == ANCHOR
    assert "asset_issuer" not in checkout.instructions


def test_an_asset_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ProviderRefused):
        gateway(Provider.STELLAR).checkout(deposit(Provider.STELLAR, "BTC", "1"))
    with pytest.raises(ProviderRefused):
        gateway(Provider.STELLAR, addresses={}).checkout(deposit(Provider.STELLAR, "XLM", "1"))


@pytest.mark.parametrize("number", range(50))
def test_a_memo_is_one_that_the_vendor_s_library_sends(number: int) -> None:
    text = memo_of(f"dep_{number}")
    assert 0 <= int(text) < 2**63
    assert IdMemo(int(text)).memo_id == int(text)


def test_the_fixture_s_transaction_pays_what_its_record_says() -> None:
    case = json.loads((FIXTURES / "stellar_tx.json").read_text())["payment_transactions"][0]
    envelope = TransactionEnvelope.from_xdr(case["xdr"], case["network_passphrase"])
    (operation,) = envelope.transaction.operations
    assert envelope.hash_hex() == HASH
    assert isinstance(operation, Payment)
    assert (operation.amount, operation.asset.issuer) == (RECORD["amount"], ANCHOR)
    assert operation.destination.account_id == OUR_ACCOUNT
