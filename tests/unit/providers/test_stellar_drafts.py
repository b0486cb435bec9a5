import json
import subprocess
import sys
from typing import Any, Final

import pytest
from stellar_sdk import Asset as StellarAsset
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

from tallystick.adapters.providers.stellar.drafting import Signer
from tallystick.adapters.providers.stellar.payouts import NETWORKS
from tallystick.domain.destinations import Destination, DestinationType, MemoType
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.payouts import Payer
from tallystick.settings import ConfigurationError
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import control, refused, unclear
from tests.unit.providers.stellar_scene import (
    CUSTOMER,
    DOLLARS,
    EXPIRES_MS,
    HASH,
    LUMENS,
    OURS,
    SEED,
    STRANGER,
    at,
    draft_of,
    drafted,
    envelope_of,
    line,
    paths,
    payer,
    payment_of,
    sends,
)
from tests.unit.providers.world import ANCHOR, FIXTURES, OUR_ACCOUNT

MEMOS: Final[list[tuple[MemoType | None, str | None, Memo]]] = [
    (None, None, NoneMemo()),
    ("text", "Ünïcode, 28 bytes at most", TextMemo("Ünïcode, 28 bytes at most")),
    ("id", "0", IdMemo(0)),
    ("id", "18446744073709551615", IdMemo(2**64 - 1)),
    ("hash", HASH, HashMemo(bytes.fromhex(HASH))),
    ("return", HASH, ReturnHashMemo(bytes.fromhex(HASH))),
]


@pytest.fixture
def stellar(sandbox: RunningSandbox) -> Payer:
    at(sandbox, NOW_MS)
    return payer(sandbox.url("stellar"))


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
    signer = Signer(Keypair.from_raw_ed25519_seed(bytes(32)), case["network_passphrase"])
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


def test_the_account_that_pays_is_paid_nothing(stellar: Payer, sandbox: RunningSandbox) -> None:
    assert "paid from" in objection(stellar, destination=Destination(DestinationType.STELLAR, OURS))
    assert sandbox.calls("stellar") == []


def test_who_only_checks_needs_no_key(sandbox: RunningSandbox) -> None:
    payer(sandbox.url("stellar"), {}).check(withdrawal(**LUMENS))


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
def test_a_seed_that_is_none_is_not_told(sandbox: RunningSandbox, seed: str) -> None:
    wrong = payer(sandbox.url("stellar"), {"payout_seed": seed})
    with pytest.raises(ConfigurationError, match="is no seed") as caught:
        wrong.draft(withdrawal(**LUMENS), NOW_MS)
    assert seed not in str(caught.value)
    assert caught.value.__context__ is None
    assert sandbox.calls("stellar") == []


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
        ({"destination": Destination(DestinationType.STELLAR, OUR_ACCOUNT)}, "paid to"),
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
