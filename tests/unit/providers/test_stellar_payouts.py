import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from stellar_sdk import (
    Asset as StellarAsset,
)
from stellar_sdk import (
    HashMemo,
    IdMemo,
    Keypair,
    Memo,
    Network,
    NoneMemo,
    Payment,
    ReturnHashMemo,
    TextMemo,
    TransactionEnvelope,
)

from cli.webhooks.keys import stellar_account
from tallystick.adapters.providers.stellar.drafting import Payer as Signer
from tallystick.adapters.providers.stellar.payouts import NETWORKS, StellarPayouts
from tallystick.domain.destinations import Destination, DestinationType, MemoType
from tallystick.domain.errors import InvariantViolated, ProviderRefused
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Draft, Outcome, Report
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tallystick.settings import ConfigurationError
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import HOUR_MS, carried_out, control, refused, unclear
from tests.unit.providers.world import ANCHOR, FIXTURES, NOWHERE, PUBLIC_URL, SECRETS, amount, setting

SEED: Final = SECRETS[Provider.STELLAR]["payout_seed"]
OURS: Final = stellar_account("payouts")
CUSTOMER: Final = stellar_account("customer")
STRANGER: Final = stellar_account("stranger")
LUMENS: Final[dict[str, Any]] = {
    "provider": Provider.STELLAR,
    "asset": DEFAULT_ASSETS["XLM"],
    "units": 123_456_789,
    "destination": Destination(DestinationType.STELLAR, CUSTOMER),
}
DOLLARS: Final[dict[str, Any]] = {**LUMENS, "asset": DEFAULT_ASSETS["USDC"], "units": 12_345_678}
PAID: Final = amount("12.3456789", "XLM")
EXPIRES_MS: Final = NOW_MS + 60_000
CERTAIN_MS: Final = EXPIRES_MS + 60_000
HASH: Final = "ab" * 32
MISSING: Final = {"type": "https://stellar.org/horizon-errors/not_found", "title": "Resource Missing", "status": 404}
MEMOS: Final[list[tuple[MemoType | None, str | None, Memo]]] = [
    (None, None, NoneMemo()),
    ("text", "Ünïcode, 28 bytes at most", TextMemo("Ünïcode, 28 bytes at most")),
    ("id", "0", IdMemo(0)),
    ("id", "18446744073709551615", IdMemo(2**64 - 1)),
    ("hash", HASH, HashMemo(bytes.fromhex(HASH))),
    ("return", HASH, ReturnHashMemo(bytes.fromhex(HASH))),
]


def payer(base_url: str = NOWHERE, secrets: Mapping[str, str] | None = None, **changes: Any) -> Payer:  # noqa: ANN401
    chosen = setting(Provider.STELLAR, base_url, **changes)
    held = SECRETS[Provider.STELLAR] if secrets is None else secrets
    return StellarPayouts(chosen, lambda: held, DEFAULT_ASSETS, PUBLIC_URL)


@pytest.fixture
def stellar(sandbox: RunningSandbox) -> Payer:
    at(sandbox, NOW_MS)
    return payer(sandbox.url("stellar"))


def at(sandbox: RunningSandbox, closed_ms: int, **others: str) -> None:
    """Say when the newest ledger was closed."""
    sandbox.put("stellar", "ledger", closed_at=to_rfc3339(closed_ms), **others)


def hold(sandbox: RunningSandbox, *, on: bool) -> None:
    sandbox.put("stellar", "held", on=on)


def drafted(stellar: Payer, now_ms: int = NOW_MS, **members: Any) -> Withdrawal:  # noqa: ANN401
    """Describe a withdrawal whose draft was stored, and that is about to be sent."""
    members = {**LUMENS, **members}
    draft = stellar.draft(withdrawal(**members), now_ms)
    assert draft is not None
    return submitted(draft=draft, at_ms=now_ms, **members)


def draft_of(sent: Withdrawal) -> Draft:
    assert sent.sending is not None
    assert sent.sending.draft is not None
    return sent.sending.draft


def envelope_of(draft: Draft, network: str = NETWORKS["test"]) -> TransactionEnvelope:
    return TransactionEnvelope.from_xdr(draft.payload, network)


def payment_of(draft: Draft) -> Payment:
    (operation,) = envelope_of(draft).transaction.operations
    assert isinstance(operation, Payment)
    return operation


def payments(sandbox: RunningSandbox, **members: object) -> list[dict[str, Any]]:
    records = [thing for thing in sandbox.things("stellar").values() if "paging_token" in thing]
    return [record for record in records if members.items() <= record.items()]


def paid(sandbox: RunningSandbox, account: str = CUSTOMER) -> list[dict[str, Any]]:
    return payments(sandbox, to=account, transaction_successful=True)


def sends(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return [call for call in sandbox.calls("stellar") if call["method"] == "POST"]


def paths(sandbox: RunningSandbox, since: int = 0) -> list[str]:
    return [call["path"].replace(CUSTOMER, "customer") for call in sandbox.calls("stellar")[since:]]


def line(**members: object) -> dict[str, object]:
    """Describe a trustline for dollars."""
    return {
        "balance": "0.0000000",
        "limit": "1000.0000000",
        "buying_liabilities": "0.0000000",
        "is_authorized": True,
        "asset_type": "credit_alphanum4",
        "asset_code": "USDC",
        "asset_issuer": ANCHOR,
        **members,
    }


def objection(stellar: Payer, **members: Any) -> str:  # noqa: ANN401
    """Say why no draft is made."""
    with pytest.raises(ProviderRefused) as caught:
        stellar.draft(withdrawal(**{**DOLLARS, **members}), NOW_MS)
    assert caught.value.members == {"provider": Provider.STELLAR}
    return caught.value.detail


def test_the_networks_are_those_of_stellar() -> None:
    assert NETWORKS == {"test": Network.TESTNET_NETWORK_PASSPHRASE, "live": Network.PUBLIC_NETWORK_PASSPHRASE}


def test_a_draft_pays_what_was_asked_for_and_nothing_else(stellar: Payer, sandbox: RunningSandbox) -> None:
    sandbox.put("stellar", OURS, sequence="41")
    draft = draft_of(drafted(stellar))
    envelope, payment = envelope_of(draft), payment_of(draft)
    assert (payment.destination.account_id, payment.destination.account_muxed_id) == (CUSTOMER, None)
    assert (payment.amount, payment.asset, payment.source) == ("12.3456789", StellarAsset.native(), None)
    transaction = envelope.transaction
    assert (transaction.source.account_id, transaction.sequence, transaction.fee) == (OURS, 42, 10_000)
    assert transaction.memo == NoneMemo()
    assert transaction.preconditions is not None
    bounds = transaction.preconditions.time_bounds
    assert bounds is not None
    assert (bounds.min_time, bounds.max_time) == (0, EXPIRES_MS // 1000)
    assert draft.expires_at_ms == EXPIRES_MS
    assert draft.payout_id == envelope.hash_hex()


def test_a_draft_is_signed_by_the_account_that_pays(stellar: Payer) -> None:
    envelope = envelope_of(draft_of(drafted(stellar)))
    (signature,) = envelope.signatures
    Keypair.from_public_key(OURS).verify(envelope.hash(), signature.signature)
    assert signature.signature_hint == Keypair.from_public_key(OURS).signature_hint()


def test_a_draft_is_for_the_network_of_its_environment(sandbox: RunningSandbox) -> None:
    live = payer(sandbox.url("stellar"), environment="live")
    draft = draft_of(drafted(live))
    envelope = envelope_of(draft, Network.PUBLIC_NETWORK_PASSPHRASE)
    Keypair.from_public_key(OURS).verify(envelope.hash(), envelope.signatures[0].signature)
    assert draft.payout_id == envelope.hash_hex()
    at(sandbox, NOW_MS)
    assert live.send(submitted(draft=draft, **LUMENS)) == Report(Outcome.UNCLEAR, draft.payout_id, None, "tx_bad_auth")


@pytest.mark.parametrize("now_ms", [NOW_MS, NOW_MS + 1, NOW_MS + 999])
def test_a_draft_expires_with_its_second(stellar: Payer, now_ms: int) -> None:
    draft = draft_of(drafted(stellar, now_ms))
    assert draft.expires_at_ms == EXPIRES_MS


@pytest.mark.parametrize(("memo_type", "memo", "expected"), MEMOS)
def test_a_draft_has_the_memo_of_its_destination(
    stellar: Payer,
    memo_type: MemoType | None,
    memo: str | None,
    expected: Memo,
) -> None:
    destination = Destination(DestinationType.STELLAR, CUSTOMER, memo=memo, memo_type=memo_type)
    assert envelope_of(draft_of(drafted(stellar, destination=destination))).transaction.memo == expected


def test_other_assets_are_paid_by_code_and_issuer(stellar: Payer) -> None:
    payment = payment_of(draft_of(drafted(stellar, **DOLLARS)))
    assert (payment.amount, payment.asset) == ("12.345678", StellarAsset("USDC", ANCHOR))


def test_asking_changes_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    assert drafted(stellar) == drafted(stellar)
    assert paths(sandbox) == [f"/accounts/{OURS}", "/accounts/customer"] * 2
    assert sends(sandbox) == []


def test_a_hash_is_that_of_the_vendor_s_own_transaction() -> None:
    case = json.loads((FIXTURES / "stellar_tx.json").read_text())["payment_transactions"][0]
    transaction = TransactionEnvelope.from_xdr(case["xdr"], case["network_passphrase"]).transaction
    bounds = transaction.preconditions and transaction.preconditions.time_bounds
    assert bounds
    # Its payer's key is nobody's here, and it offers another fee and begins later: all else is as we write it.
    signer = Signer(bytes(32), case["network_passphrase"])
    draft = signer.sign(
        sequence=transaction.sequence - 1,
        destination=Destination(DestinationType.STELLAR, STRANGER, memo="186384", memo_type="id"),
        asset=f"USDC:{ANCHOR}",
        stroops=123_456_789,
        now_ms=bounds.max_time * 1000 - 60_000,
    )
    ours = envelope_of(draft)
    ours.transaction.source = transaction.source
    ours.transaction.fee = transaction.fee
    assert ours.transaction.preconditions is not None
    ours.transaction.preconditions.time_bounds = bounds
    operation = ours.transaction.operations[0]
    assert isinstance(operation, Payment)
    operation.destination = transaction.operations[0].destination  # type: ignore[attr-defined]
    assert ours.hash_hex() == case["hash"]


def test_an_account_that_is_not_there_is_refused(stellar: Payer) -> None:
    destination = Destination(DestinationType.STELLAR, STRANGER)
    assert "no such account" in objection(stellar, destination=destination)


def test_while_our_account_is_not_funded_nothing_is_refused(sandbox: RunningSandbox) -> None:
    other = payer(sandbox.url("stellar"), {"payout_seed": Keypair.random().secret})
    assert "not funded" in unclear(lambda: drafted(other))
    assert "not funded" in unclear(lambda: drafted(other, destination=Destination(DestinationType.STELLAR, STRANGER)))


@pytest.mark.parametrize(("data", "wanted"), [({"config.memo_required": "MQ=="}, True), ({"other": "MQ=="}, False)])
def test_an_account_that_wants_a_memo_gets_one(
    stellar: Payer, sandbox: RunningSandbox, data: dict[str, str], *, wanted: bool
) -> None:
    sandbox.put("stellar", CUSTOMER, data=data)
    drafted(stellar, destination=Destination(DestinationType.STELLAR, CUSTOMER, memo="1", memo_type="id"))
    if wanted:
        assert "memo" in objection(stellar)
        assert "memo" in objection(stellar, **LUMENS)
    else:
        drafted(stellar)


def test_an_entry_of_another_value_wants_no_memo(stellar: Payer, sandbox: RunningSandbox) -> None:
    sandbox.put("stellar", CUSTOMER, data={"config.memo_required": "MA=="})
    drafted(stellar)


@pytest.mark.parametrize(
    ("balances", "why"),
    [
        ([], "trustline"),
        ([line(asset_code="USDT")], "trustline"),
        ([line(asset_issuer=STRANGER)], "trustline"),
        ([{"balance": "9999.0000000", "asset_type": "native"}], "trustline"),
        ([line(is_authorized=False)], "does not let"),
        ([{name: value for name, value in line().items() if name != "is_authorized"}], "does not let"),
        ([line(limit="12.3456779")], "limit"),
        ([line(limit="100.0000000", balance="87.6543221")], "limit"),
        ([line(limit="100.0000000", buying_liabilities="87.6543221")], "limit"),
        ([line(limit="100.0000000", balance="50.0000000", buying_liabilities="37.6543221")], "limit"),
        ([{name: value for name, value in line().items() if name != "limit"}], "limit"),
    ],
)
def test_an_account_that_cannot_receive_it_is_refused(
    stellar: Payer, sandbox: RunningSandbox, balances: list[dict[str, object]], why: str
) -> None:
    sandbox.put("stellar", CUSTOMER, balances=balances)
    assert why in objection(stellar)
    drafted(stellar)  # lumens need no line


@pytest.mark.parametrize(
    "members",
    [
        {"limit": "12.3456780"},
        {"limit": "100.0000000", "balance": "87.6543220"},
        {"limit": "100.0000000", "balance": "50.0000000", "buying_liabilities": "37.6543220"},
        {"limit": "922337203685.4775807"},
    ],
)
def test_an_account_with_just_enough_room_is_paid(
    stellar: Payer, sandbox: RunningSandbox, members: dict[str, object]
) -> None:
    native = {"balance": "1.0000000", "buying_liabilities": "0.0000000", "asset_type": "native"}
    shares = {"balance": "1.0000000", "limit": "1.0000000", "asset_type": "liquidity_pool_shares"}
    sandbox.put("stellar", CUSTOMER, balances=[native, shares, line(asset_code="USDT"), line(**members)])
    drafted(stellar, **DOLLARS)


@pytest.mark.parametrize(
    "members",
    [
        {"sequence": None},
        {"sequence": "-1"},
        {"sequence": str(2**63)},
        {"balances": None},
        {"balances": [{}]},
        {"balances": [line(balance="1")]},
        {"balances": [line(balance="1e3")]},
        {"balances": [line(limit="0.00000001")]},
        {"balances": [line(is_authorized="true")]},
        {"data": None},
        {"data": {"config.memo_required": 1}},
    ],
)
def test_an_account_that_cannot_be_read_is_asked_for_later(
    stellar: Payer, sandbox: RunningSandbox, members: dict[str, object]
) -> None:
    for account in (OURS, CUSTOMER):
        sandbox.put("stellar", account, **members)
        unclear(lambda: drafted(stellar, **DOLLARS))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_an_account_that_is_not_told_is_asked_for_later(stellar: Payer, sandbox: RunningSandbox, status: int) -> None:
    control(sandbox, "faults", provider="stellar", times=4, status=status, body={"title": "Some proxy's"})
    unclear(lambda: drafted(stellar))
    control(sandbox, "reset")
    control(sandbox, "faults", provider="stellar", status=200, body={"sequence": "1", "balances": [], "data": {}})
    control(sandbox, "faults", provider="stellar", times=4, status=status, body={"title": "Some proxy's"})
    unclear(lambda: drafted(stellar))


@pytest.mark.parametrize(
    "seed", ["not one", OURS, SEED[:-1], SEED[:-8], f"{SEED[:9]}A{SEED[10:]}", SEED.lower(), "é" * 56]
)
@pytest.mark.parametrize("act", ["check", "draft"])
def test_a_seed_that_is_none_is_not_told(sandbox: RunningSandbox, seed: str, act: str) -> None:
    wrong = payer(sandbox.url("stellar"), {"payout_seed": seed})
    with pytest.raises(ConfigurationError, match="is no seed") as caught:
        wrong.check(withdrawal(**LUMENS)) if act == "check" else wrong.draft(withdrawal(**LUMENS), NOW_MS)
    assert seed not in str(caught.value)
    assert caught.value.__context__ is None
    assert sandbox.calls("stellar") == []


def test_a_payment_is_sent_and_paid(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    report = stellar.send(sent)
    assert report == Report(Outcome.PAID, draft_of(sent).payout_id, PAID)
    (call,), (payment,) = sends(sandbox), paid(sandbox)
    assert (call["path"], call["headers"]["content-type"]) == ("/transactions", "application/x-www-form-urlencoded")
    assert (payment["transaction_hash"], payment["amount"]) == (report.payout_id, "12.3456789")
    assert stellar.look_up(sent, NOW_MS) == report


def test_dollars_are_paid_too(stellar: Payer, sandbox: RunningSandbox) -> None:
    destination = Destination(DestinationType.STELLAR, CUSTOMER, memo="7", memo_type="id")
    sent = drafted(stellar, **{**DOLLARS, "destination": destination})
    assert stellar.send(sent).amount == amount("12.345678", "USDC")
    (payment,) = paid(sandbox)
    assert (payment["asset_code"], payment["asset_issuer"], payment["amount"]) == ("USDC", ANCHOR, "12.3456780")
    assert (payment["transaction"]["memo_type"], payment["transaction"]["memo"]) == ("id", "7")


def test_the_same_is_sent_again_and_pays_once(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    reports = [stellar.send(sent) for _ in range(3)]
    assert len({report.payout_id for report in reports}) == 1
    assert {report.outcome for report in reports} == {Outcome.PAID}
    assert len({call["body"] for call in sends(sandbox)}) == 1
    assert len(paid(sandbox)) == 1


def test_one_send_is_one_call_and_pays_once_whatever_is_lost(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    sandbox.fail("stellar", lost=True, times=2)
    for count in (1, 2):
        unclear(lambda: stellar.send(sent))
        carried_out(sandbox, "stellar", 2 + count)
        assert len(sends(sandbox)) == count
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.PAID
    assert stellar.send(sent).outcome is Outcome.PAID
    assert len(paid(sandbox)) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503, 504])
def test_other_answers_prove_nothing(stellar: Payer, sandbox: RunningSandbox, status: int) -> None:
    sent = drafted(stellar)
    failed = {"extras": {"result_codes": {"transaction": "tx_failed"}}}
    control(sandbox, "faults", provider="stellar", status=status, body=failed)
    unclear(lambda: stellar.send(sent))
    assert len(sends(sandbox)) == 1


def test_silence_is_no_answer(stellar: Payer) -> None:
    sent = drafted(stellar)
    unclear(lambda: payer().send(sent))
    unclear(lambda: payer().look_up(sent, NOW_MS))


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ({"transaction": "tx_bad_seq"}, "tx_bad_seq"),
        ({"transaction": "tx_too_late", "operations": []}, "tx_too_late"),
        ({"transaction": "tx_insufficient_fee"}, "tx_insufficient_fee"),
        ({"transaction": "tx_failed"}, "tx_failed"),
        ({"transaction": "tx_failed", "operations": ["op_line_full"]}, "op_line_full"),
        ({"transaction": "tx_failed", "operations": ["op_success", "op_no_trust"]}, "op_no_trust"),
        ({"transaction": "tx_failed", "operations": ["op_success"]}, "tx_failed"),
    ],
)
def test_a_refusal_says_why_and_proves_nothing(
    stellar: Payer, sandbox: RunningSandbox, codes: dict[str, Any], reason: str
) -> None:
    sent = drafted(stellar)
    control(sandbox, "faults", provider="stellar", status=400, body={"extras": {"result_codes": codes}})
    assert stellar.send(sent) == Report(Outcome.UNCLEAR, draft_of(sent).payout_id, reason=reason)


@pytest.mark.parametrize(
    "problem",
    [
        {},
        {"type": "https://stellar.org/horizon-errors/transaction_malformed"},
        {"extras": None},
        {"extras": {"result_codes": {}}},
        {"extras": {"result_codes": {"transaction": "Free text!"}}},
        {"extras": {"result_codes": {"transaction": "tx_failed", "operations": "op_no_trust"}}},
    ],
)
def test_a_refusal_that_cannot_be_read_is_none(
    stellar: Payer, sandbox: RunningSandbox, problem: dict[str, Any]
) -> None:
    sent = drafted(stellar)
    control(sandbox, "faults", provider="stellar", status=400, body=problem)
    unclear(lambda: stellar.send(sent))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"hash": HASH, "successful": True},
        {"hash": None, "successful": True},
        {"hash": ..., "successful": "true"},
        {"hash": ...},
        {"hash": ..., "successful": False, "result_xdr": 7},
    ],
)
def test_a_grant_that_cannot_be_read_is_none(stellar: Payer, sandbox: RunningSandbox, answer: dict[str, Any]) -> None:
    sent = drafted(stellar)
    own = draft_of(sent).payout_id
    body = {name: own if value is ... else value for name, value in answer.items()}
    control(sandbox, "faults", provider="stellar", times=2, status=200, body=body)
    unclear(lambda: stellar.send(sent))
    unclear(lambda: stellar.look_up(sent, NOW_MS))


def test_the_sandbox_refuses_what_the_network_refuses(stellar: Payer, sandbox: RunningSandbox) -> None:
    first, second = drafted(stellar), drafted(stellar, flow_id="wdr_2", units=1)
    assert stellar.send(first).outcome is Outcome.PAID
    assert stellar.send(second).reason == "tx_bad_seq"
    late = drafted(stellar)
    at(sandbox, EXPIRES_MS + 1000)
    assert stellar.send(late).reason == "tx_too_late"
    assert len(payments(sandbox)) == 1
    broken = submitted(draft=replace(draft_of(late), payload="AAAA"), **LUMENS)
    unclear(lambda: stellar.send(broken))


FAULTS: Final[list[tuple[Callable[[RunningSandbox], object], str]]] = [
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[]), "op_no_trust"),
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[line(is_authorized=False)]), "op_not_authorized"),
    (lambda sandbox: sandbox.put("stellar", CUSTOMER, balances=[line(limit="1.0000000")]), "op_line_full"),
    (lambda sandbox: sandbox.put("stellar", OURS, balances=[line(balance="1.0000000")]), "op_underfunded"),
    (lambda sandbox: sandbox.put("stellar", OURS, balances=[]), "op_src_no_trust"),
]


@pytest.mark.parametrize(("spoil", "reason"), FAULTS)
def test_only_the_ledger_says_that_a_payment_failed(
    stellar: Payer, sandbox: RunningSandbox, spoil: Callable[[RunningSandbox], object], reason: str
) -> None:
    sent = drafted(stellar, **DOLLARS)
    spoil(sandbox)
    payout_id = draft_of(sent).payout_id
    assert stellar.send(sent) == Report(Outcome.UNCLEAR, payout_id, reason=reason)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.FAILED, payout_id, reason=reason)
    assert stellar.send(sent).reason == reason
    assert (len(payments(sandbox)), len(paid(sandbox))) == (1, 0)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("AAAAAAAAAGT/////AAAAAQAAAAAAAAAB/////gAAAAA=", "op_underfunded"),
        ("AAAAAAAAAGT////7AAAAAA==", "tx_bad_seq"),
        ("AAAAAAAAAGT////5AAAAAA==", "tx_insufficient_balance"),
        ("AAAAAAAAAGT/////AAAAAf////8AAAAA", "tx_failed"),
        ("AAAAAAAAAGT/////AAAAAA==", "tx_failed"),
        ("", "tx_failed"),
        ("AAAA", "tx_failed"),
        ("no base64", "tx_failed"),
        ("/" * 60, "tx_failed"),
    ],
)
def test_a_failure_has_the_name_that_horizon_gives_it(
    stellar: Payer, sandbox: RunningSandbox, result: str, reason: str
) -> None:
    sent = drafted(stellar)
    answer = {"hash": draft_of(sent).payout_id, "successful": False, "result_xdr": result}
    control(sandbox, "faults", provider="stellar", status=200, body=answer)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.FAILED, draft_of(sent).payout_id, reason=reason)


def test_until_its_time_is_over_nothing_is_said_to_be_absent(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    unclear_yet = Report(Outcome.UNCLEAR, draft_of(sent).payout_id)
    for closed_ms in (NOW_MS, EXPIRES_MS - 1000, EXPIRES_MS, EXPIRES_MS + 1000, CERTAIN_MS):
        at(sandbox, closed_ms)
        assert stellar.look_up(sent, CERTAIN_MS + HOUR_MS) == unclear_yet
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.ABSENT, draft_of(sent).payout_id)


def test_what_came_late_is_found(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    hold(sandbox, on=True)
    unclear(lambda: stellar.send(sent))
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.UNCLEAR
    unclear(lambda: stellar.send(sent))
    at(sandbox, EXPIRES_MS)
    hold(sandbox, on=False)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.PAID
    assert len(paid(sandbox)) == 1


def test_what_was_given_up_can_never_come(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    hold(sandbox, on=True)
    unclear(lambda: stellar.send(sent))
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.ABSENT
    anew = drafted(stellar, CERTAIN_MS + 1000)
    hold(sandbox, on=False)
    assert stellar.look_up(sent, NOW_MS).outcome is Outcome.ABSENT
    assert stellar.send(sent).reason == "tx_too_late"
    assert stellar.send(anew).outcome is Outcome.PAID
    assert [payment["transaction_hash"] for payment in paid(sandbox)] == [draft_of(anew).payout_id]


def test_two_payouts_that_race_for_one_number_are_both_paid_once(stellar: Payer, sandbox: RunningSandbox) -> None:
    first, second = drafted(stellar), drafted(stellar, flow_id="wdr_2", units=70_000_000)
    assert stellar.send(second).outcome is Outcome.PAID
    assert stellar.send(first) == Report(Outcome.UNCLEAR, draft_of(first).payout_id, reason="tx_bad_seq")
    at(sandbox, CERTAIN_MS + 1000)
    assert stellar.look_up(first, NOW_MS).outcome is Outcome.ABSENT
    again = drafted(stellar, CERTAIN_MS + 1000)
    assert stellar.send(again).outcome is Outcome.PAID
    assert [payment["amount"] for payment in paid(sandbox)] == ["7.0000000", "12.3456789"]


def test_the_newest_ledger_is_read_before_the_transaction_is_asked_for_again(
    stellar: Payer, sandbox: RunningSandbox
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    stellar.look_up(sent, NOW_MS)
    path = f"/transactions/{draft_of(sent).payout_id}"
    assert paths(sandbox, 2) == [path, "/", path, "/ledgers"]
    assert sandbox.calls("stellar")[-1]["query"] == {"order": "asc", "limit": "1"}


def test_what_comes_between_the_questions_is_found(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    assert stellar.send(sent).outcome is Outcome.PAID
    at(sandbox, CERTAIN_MS + 1000)
    control(sandbox, "faults", provider="stellar", status=404, body=MISSING)
    assert stellar.look_up(sent, NOW_MS) == Report(Outcome.PAID, draft_of(sent).payout_id, PAID)


@pytest.mark.parametrize(
    ("elder_ms", "outcome", "reason"),
    [
        (EXPIRES_MS - HOUR_MS - 1000, Outcome.ABSENT, None),
        (EXPIRES_MS - HOUR_MS, Outcome.ABSENT, None),
        (EXPIRES_MS - HOUR_MS + 1000, Outcome.UNCLEAR, "history-too-short"),
        (EXPIRES_MS + 1000, Outcome.UNCLEAR, "history-too-short"),
    ],
)
def test_a_horizon_that_forgets_proves_nothing(
    stellar: Payer, sandbox: RunningSandbox, elder_ms: int, outcome: Outcome, reason: str | None
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000, elder_closed_at=to_rfc3339(elder_ms))
    assert stellar.look_up(sent, NOW_MS) == Report(outcome, draft_of(sent).payout_id, reason=reason)


def test_a_horizon_without_ledgers_proves_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    for given in ({"status": 404, "body": MISSING}, {}, {"status": 404, "body": MISSING}):
        control(sandbox, "faults", provider="stellar", **given)
    control(sandbox, "faults", provider="stellar", status=200, body={"_embedded": {"records": []}})
    assert stellar.look_up(sent, NOW_MS).reason == "history-too-short"


def test_a_horizon_of_another_network_proves_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    at(sandbox, CERTAIN_MS + 1000)
    sent = drafted(stellar)
    live = payer(sandbox.url("stellar"), environment="live")
    expected = Report(Outcome.UNCLEAR, draft_of(sent).payout_id, reason="other-network")
    assert live.look_up(sent, NOW_MS) == expected


@pytest.mark.parametrize(
    "answers",
    [
        [(404, {})],
        [(404, {"type": "https://proxy.example/errors/missing"})],
        [(404, {"type": "https://stellar.org/horizon-errors/not_found_here"})],
        [(404, MISSING | {"type": "https://stellar.org/horizon-errors/bad_request"})],
        [(400, MISSING)],
        [(402, MISSING)],
        [(422, MISSING)],
        [(410, MISSING)],
        [(500, MISSING)] * 3,
        [(404, MISSING), (200, {})],
        [(404, MISSING), (200, {"network_passphrase": NETWORKS["test"]})],
        [
            (404, MISSING),
            (200, {"network_passphrase": NETWORKS["test"], "history_latest_ledger_closed_at": "2026-01-01T00:02:01"}),
        ],
        [(404, MISSING), (404, MISSING)],
        [(404, MISSING), None, (404, {})],
        [(404, MISSING), None, (404, MISSING), (200, {"_embedded": {"records": [{}]}})],
        [(404, MISSING), None, (404, MISSING), (404, MISSING)],
    ],
)
def test_answers_that_are_not_documented_prove_nothing(
    stellar: Payer, sandbox: RunningSandbox, answers: list[tuple[int, dict[str, Any]] | None]
) -> None:
    sent = drafted(stellar)
    at(sandbox, CERTAIN_MS + 1000)
    for answer in answers:
        given = {} if answer is None else {"status": answer[0], "body": answer[1]}
        control(sandbox, "faults", provider="stellar", **given)
    unclear(lambda: stellar.look_up(sent, NOW_MS))


@pytest.mark.parametrize("act", ["send", "look_up"])
def test_without_a_draft_there_is_nothing_to_speak_of(act: str) -> None:
    for bare in (withdrawal(**LUMENS), submitted(**LUMENS)):
        with pytest.raises(InvariantViolated):
            payer().send(bare) if act == "send" else payer().look_up(bare, NOW_MS)


def test_no_key_makes_a_second_payout() -> None:
    assert payer().key_lifetime_ms == 0


@pytest.mark.parametrize(
    "members",
    [
        {},
        DOLLARS,
        {"units": 1},
        {"units": 2**63 - 1},
        {"asset": Asset("XLM", 9), "units": 1_200},
        {"asset": Asset("XLM", 0), "units": 922_337_203_685},
    ],
)
def test_what_stellar_pays_out_is_taken(members: dict[str, Any]) -> None:
    payer().check(withdrawal(**{**LUMENS, **members}))


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"destination": Destination(DestinationType.EVM, "0x0")}, "its own accounts"),
        ({"destination": Destination(DestinationType.STELLAR, OURS)}, "paid from"),
        ({"asset": DEFAULT_ASSETS["BTC"]}, "not configured to pay out BTC"),
        ({"asset": Asset("XLM", 9), "units": 1_250}, "has 7 decimals"),
        ({"units": 2**63}, "more than"),
    ],
)
def test_what_stellar_does_not_pay_out_is_refused(members: dict[str, Any], why: str) -> None:
    assert why in refused(payer(), withdrawal(**{**LUMENS, **members}))


def test_nothing_but_a_draft_needs_the_vendor_s_library() -> None:
    script = """
import sys
from tallystick.adapters.providers.stellar import gateway, payouts
from cli.local.sandbox import application
print("stellar_sdk" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "False"
