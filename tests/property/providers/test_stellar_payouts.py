"""Amounts and memos come into a transaction as they are; no answer of Horizon proves what it does not say."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from stellar_sdk import Keypair, xdr

from cli.webhooks.keys import stellar_account
from tallystick.adapters.destinations import stellar as destinations
from tallystick.adapters.providers.stellar.drafting import Signer
from tallystick.adapters.providers.stellar.payouts import HISTORY_MS, LAG_MS, NETWORKS, StellarPayouts
from tallystick.domain.destinations import Destination, DestinationType, MemoType
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Draft, Outcome, Report
from tallystick.domain.times import from_rfc3339, to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tests.property.providers.answers import GRANTED, Answer, answers, asked, mostly, says
from tests.property.providers.test_malformed import check_report
from tests.support import profiles
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.world import NOWHERE, PUBLIC_URL, SECRETS, amount, setting

CUSTOMER: Final = stellar_account("customer")
SIGNER: Final = Signer(Keypair.from_raw_ed25519_seed(bytes(32)), NETWORKS["test"])
PAYER: Final = StellarPayouts(
    setting(Provider.STELLAR, NOWHERE), lambda: SECRETS[Provider.STELLAR], DEFAULT_ASSETS, PUBLIC_URL
)
HASH: Final = "ab" * 32
EXPIRES_MS: Final = NOW_MS + 60_000
LUMENS: Final[dict[str, Any]] = {
    "provider": Provider.STELLAR,
    "asset": DEFAULT_ASSETS["XLM"],
    "destination": Destination(DestinationType.STELLAR, CUSTOMER),
}
SENT: Final = submitted(draft=Draft("AAAA", HASH, EXPIRES_MS), **LUMENS)
PAID: Final = Report(Outcome.PAID, HASH, amount("0.0002500", "XLM"))

_FAILED: Final = "AAAAAAAAAGT/////AAAAAQAAAAAAAAAB/////gAAAAA="
MISSING: Final = {"type": "https://stellar.org/horizon-errors/not_found", "status": 404}
TRANSACTIONS: Final[list[dict[str, Any]]] = [
    {"hash": HASH, "successful": True, "result_xdr": "AAAA", "memo_type": "none"},
    {"hash": HASH, "successful": False, "result_xdr": _FAILED, "memo_type": "none"},
    MISSING,
    {"status": 400, "extras": {"result_codes": {"transaction": "tx_failed", "operations": ["op_no_trust"]}}},
]
ACCOUNTS: Final[list[dict[str, Any]]] = [
    {
        "sequence": "41",
        "data": {"config.memo_required": "MQ==", "other": "MQ=="},
        "balances": [
            {"asset_type": "native", "balance": "1.0000000", "buying_liabilities": "0.0000000"},
            {
                "asset_type": "credit_alphanum4",
                "asset_code": "USDC",
                "asset_issuer": setting(Provider.STELLAR).assets["USDC"].partition(":")[2],
                "balance": "1.0000000",
                "limit": "100.0000000",
                "buying_liabilities": "0.0000000",
                "is_authorized": True,
            },
        ],
    },
    MISSING,
]


def root(closed_ms: int) -> dict[str, Any]:
    return {"network_passphrase": NETWORKS["test"], "history_latest_ledger_closed_at": to_rfc3339(closed_ms)}


def ledgers(closed_ms: int) -> dict[str, Any]:
    return {"_embedded": {"records": [{"closed_at": to_rfc3339(closed_ms)}]}}


def signed(destination: Destination, units: int, asset: Asset) -> xdr.Transaction:
    described = withdrawal(
        **{**LUMENS, "units": units, "asset": replace(asset, code="XLM"), "destination": destination}
    )
    PAYER.check(described)
    stroops = PAYER._stroops(described)  # noqa: SLF001
    draft = SIGNER.sign(sequence=1, destination=destination, asset="native", stroops=stroops, now_ms=NOW_MS)
    envelope = xdr.TransactionEnvelope.from_xdr(draft.payload)
    assert envelope.v1 is not None
    return envelope.v1.tx


def stroops_of(transaction: xdr.Transaction) -> int:
    payment = transaction.operations[0].body.payment_op
    assert payment is not None
    return payment.amount.int64


@settings(max_examples=profiles.examples(150))
@given(units=st.integers(1, 2**63 - 1), scale=st.integers(0, 7))
def test_units_become_stroops_exactly(units: int, scale: int) -> None:
    factor = 10 ** (7 - scale)
    assume(units * factor < 2**63)
    assert stroops_of(signed(LUMENS["destination"], units, Asset("XLM", scale))) == units * factor


@settings(max_examples=profiles.examples(100))
@given(stroops=st.integers(1, 2**63 - 1), scale=st.integers(8, 18), rest=st.integers(0, 9))
def test_finer_units_are_paid_only_without_a_rest(stroops: int, scale: int, rest: int) -> None:
    asset, units = Asset("XLM", scale), stroops * 10 ** (scale - 7) + rest
    if rest:
        with pytest.raises(ProviderRefused):
            signed(LUMENS["destination"], units, asset)
    else:
        assert stroops_of(signed(LUMENS["destination"], units, asset)) == stroops


MEMOS: Final[Mapping[MemoType, st.SearchStrategy[str]]] = {
    "text": st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=28).filter(
        lambda text: len(text.encode()) <= 28
    ),
    "id": st.integers(0, 2**64 - 1).map(str),
    "hash": st.binary(min_size=32, max_size=32).map(bytes.hex),
    "return": st.binary(min_size=32, max_size=32).map(bytes.hex),
}


@pytest.mark.parametrize("memo_type", MEMOS)
@settings(max_examples=profiles.examples(60))
@given(data=st.data())
def test_memos_are_sent_as_they_are(memo_type: MemoType, data: st.DataObject) -> None:
    text = data.draw(MEMOS[memo_type])
    memo = signed(destinations.check(CUSTOMER, text, memo_type), 1, DEFAULT_ASSETS["XLM"]).memo
    match memo_type:
        case "text":
            assert (memo.type, memo.text) == (xdr.MemoType.MEMO_TEXT, text.encode())
        case "id":
            assert memo.type is xdr.MemoType.MEMO_ID
            assert memo.id is not None
            assert memo.id.uint64 == int(text)
        case "hash":
            assert memo.type is xdr.MemoType.MEMO_HASH
            assert memo.hash is not None
            assert memo.hash.hash == bytes.fromhex(text)
        case "return":
            assert memo.type is xdr.MemoType.MEMO_RETURN
            assert memo.ret_hash is not None
            assert memo.ret_hash.hash == bytes.fromhex(text)


@settings(max_examples=profiles.examples(200))
@given(answer=answers(*TRANSACTIONS))
def test_a_send_is_paid_only_when_the_ledger_says_so(answer: Answer) -> None:
    report = asked(lambda: PAYER.send(SENT), lambda _path: answer)
    if report is None:
        return
    check_report(report)
    assert report.payout_id == HASH
    if answer[0] not in GRANTED:
        assert (answer[0], bool(report.reason)) == (400, True)
        own_fault = str(report.reason).startswith("op_")
        assert report.outcome is (Outcome.FAILED if own_fault else Outcome.UNCLEAR)
        return
    assert says(answer, "hash") == HASH
    assert says(answer, "successful") is (report.outcome is Outcome.PAID)
    assert report == PAID or (report.outcome, report.amount) == (Outcome.FAILED, None)


@settings(max_examples=profiles.examples(200))
@given(data=st.data())
def test_an_absence_is_proved_only_by_all_four_answers(data: st.DataObject) -> None:
    late, early = (data.draw(st.sampled_from([-1000, 0, 1000, 2000])) for _ in "ab")
    drawn = {
        "transactions": mostly(MISSING, *TRANSACTIONS),
        "": mostly(root(EXPIRES_MS + LAG_MS + late)),
        "ledgers": mostly(ledgers(EXPIRES_MS - HISTORY_MS - early)),
    }
    told: dict[str, list[Answer]] = {name: [] for name in drawn}

    def answer(path: str) -> Answer:
        name = path.split("/")[1]
        told[name].append(data.draw(drawn[name]))
        return told[name][-1]

    report = asked(lambda: PAYER.look_up(SENT, NOW_MS), answer)
    if report is None:
        return
    check_report(report)
    assert report.payout_id == HASH
    assert (report.outcome in {Outcome.PAID, Outcome.FAILED}) == (told["transactions"][-1][0] in GRANTED)
    if report.outcome is Outcome.ABSENT:
        event("absent")
        first, second = told["transactions"]
        (over,), (reach,) = told[""], told["ledgers"]
        assert (first[0], second[0], says(first, "type"), says(second, "type")) == (404, 404, *[MISSING["type"]] * 2)
        assert (over[0] in GRANTED, says(over, "network_passphrase")) == (True, NETWORKS["test"])
        assert from_rfc3339(says(over, "history_latest_ledger_closed_at")) > EXPIRES_MS + LAG_MS
        assert reach[0] in GRANTED
        (elder, *_) = says(reach, "_embedded")["records"]
        assert from_rfc3339(elder["closed_at"]) <= EXPIRES_MS - HISTORY_MS


@settings(max_examples=profiles.examples(100))
@given(ours=answers(*ACCOUNTS), theirs=answers(*ACCOUNTS), dollars=st.booleans())
def test_a_draft_is_made_refused_or_put_off(ours: Answer, theirs: Answer, *, dollars: bool) -> None:
    wanted: Withdrawal = withdrawal(**{**LUMENS, **({"asset": DEFAULT_ASSETS["USDC"]} if dollars else {})})
    try:
        draft = asked(lambda: PAYER.draft(wanted, NOW_MS), lambda path: theirs if path.endswith(CUSTOMER) else ours)
    except ProviderRefused as refused:
        refused.detail.encode()
        assert ours[0] in GRANTED
        assert theirs[0] in GRANTED | {404}
        return
    if draft is not None:
        assert {ours[0], theirs[0]} <= GRANTED
        assert draft.expires_at_ms == EXPIRES_MS
