"""Lose calls to providers and their answers: whatever is lost, money goes out once or comes back."""

from typing import Any, Final

import pytest

from tallystick.domain.withdrawals import WithdrawalState
from tests.functions import books, cloud, payouts
from tests.functions.paying import command, end, forget, later, made, pay_out, tell, tell_time
from tests.functions.payouts import asked, id_of, money, shown, stored
from tests.functions.world import Clock
from tests.support.sandbox import RunningSandbox

HOUR_S: Final = 3600
BEFORE: Final = {"stripe": 0, "paystack": 1, "truelayer": 1}
"""Calls before the one that makes the payout: for a recipient, for a token."""

CARRIED_OUT: Final[dict[str, dict[str, Any]]] = {
    "answer lost": {"lost": True},
    "504 after success": {"status": 504, "carried_out": True},
    "500 after success": {"status": 500, "carried_out": True},
    "409 after success": {"status": 409, "carried_out": True},
    "nonsense after success": {"status": 200, "carried_out": True, "body": {"id": 7}},
    "a refusal that is none, after success": {"status": 400, "carried_out": True, "body": {"error": "?"}},
}
NOT_CARRIED_OUT: Final[dict[str, dict[str, Any]]] = {
    "503": {"status": 503},
    "429": {"status": 429},
    "401": {"status": 401},
    "nonsense": {"status": 200, "body": {}},
}
FAULTS: Final = {**CARRIED_OUT, **NOT_CARRIED_OUT}
LOST: Final = [
    (provider, fault) for provider in BEFORE for fault in FAULTS if (provider, fault) != ("truelayer", "401")
]
"""TrueLayer is asked for another token when it does not take one."""

pytestmark = pytest.mark.usefixtures("wallets_alone", "nothing_at_providers")
each_called = pytest.mark.parametrize("provider", BEFORE)


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def nothing_at_providers(sandbox: RunningSandbox, clock: Clock) -> None:
    forget(sandbox, clock)


def fail_when_sent(sandbox: RunningSandbox, provider: str, **fault: Any) -> None:  # noqa: ANN401 (JSON)
    """Let the call that makes a payout go wrong, and none before it."""
    if BEFORE[provider]:
        sandbox.fail(provider, times=BEFORE[provider])
    sandbox.fail(provider, **fault)


def in_the_end(key: str = "key-1") -> tuple[str, list[str]]:
    """Check all books, and say how a withdrawal stands and what was moved for it."""
    books.check()
    transfers = {one.transfer_id: one.kind.value for one in books.check().transfers}
    return shown(key)["state"], [transfers[transfer_id] for transfer_id in shown(key)["transfers"]]


PAID: Final = ("COMPLETED", ["withdrawal-hold", "withdrawal"])
BACK: Final = ("FAILED", ["withdrawal-hold", "withdrawal-release"])


@pytest.mark.parametrize(("provider", "fault"), LOST)
def test_a_call_whose_end_is_unknown_is_found_out_about_and_paid_once(
    provider: str, fault: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    fail_when_sent(sandbox, provider, **FAULTS[fault])
    asked(provider=provider)
    pay_out()
    assert (shown()["state"], shown()["payout_id"]) == ("SUBMITTED", None)
    assert len(made(sandbox, provider)) == (1 if fault in CARRIED_OUT else 0)
    later(sandbox, clock, 61)
    end(sandbox, provider)
    later(sandbox, clock, 301)
    assert (len(made(sandbox, provider)), in_the_end()) == (1, PAID)
    assert cloud.alerts() == []


@each_called
def test_an_event_that_comes_before_the_answer_settles_it(provider: str, sandbox: RunningSandbox, clock: Clock) -> None:
    fail_when_sent(sandbox, provider, lost=True)
    asked(provider=provider)
    pay_out()
    end(sandbox, provider)
    tell(sandbox, provider, clock)
    assert (len(made(sandbox, provider)), in_the_end()) == (1, PAID)
    later(sandbox, clock, HOUR_S)
    assert in_the_end() == PAID


def test_a_payout_is_found_though_stripe_has_forgotten_its_key(sandbox: RunningSandbox, clock: Clock) -> None:
    fail_when_sent(sandbox, "stripe", lost=True)
    asked()
    pay_out()
    command(sandbox, "forget", provider="stripe")
    end(sandbox, "stripe")
    later(sandbox, clock, 24 * HOUR_S)
    assert (len(made(sandbox, "stripe")), in_the_end()) == (1, PAID)


@pytest.mark.parametrize("provider", ["stripe", "paystack"])
def test_what_was_never_made_is_made_once_it_is_proved_that_nothing_was(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    fail_when_sent(sandbox, provider, status=503)
    asked(provider=provider)
    pay_out()
    command(sandbox, "forget", provider=provider)
    later(sandbox, clock, 25 * HOUR_S)
    end(sandbox, provider)
    later(sandbox, clock, 301)
    assert (len(made(sandbox, provider)), in_the_end()) == (1, PAID)


def test_what_nobody_can_prove_is_told_of_and_not_sent_again(sandbox: RunningSandbox, clock: Clock) -> None:
    fail_when_sent(sandbox, "truelayer", status=503)
    asked(provider="truelayer")
    pay_out()
    for _ in range(3):
        later(sandbox, clock, 2 * HOUR_S)
    assert (shown()["state"], made(sandbox, "truelayer")) == ("SUBMITTED", [])
    assert [alert["kind"] for alert in cloud.alerts() if alert.get("withdrawal_id") == id_of("key-1")] == [
        "PAYOUT_UNCLEAR"
    ]
    assert money("wal_dora_gbp")[1] == 1234


# Refusals


def test_the_refusal_of_the_first_call_gives_the_money_back_at_once(sandbox: RunningSandbox) -> None:
    before = money()
    asked(destination={"type": "stripe", "external_account": "ba_unknown"})
    pay_out()
    assert (in_the_end(), shown()["failure"], made(sandbox, "stripe")) == (BACK, "resource_missing", [])
    assert money() == before


@each_called
def test_a_balance_that_does_not_suffice_gives_the_money_back(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    sandbox.put(provider, "balance", usd=1, NGN=1, GBP=1)
    wallet_id = payouts.ORDERS[provider]["wallet_id"]
    before = money(wallet_id)
    asked(provider=provider)
    pay_out()
    later(sandbox, clock, 61)
    assert (in_the_end(), money(wallet_id)) == (BACK, before)
    assert [alert["kind"] for alert in cloud.alerts()] == ["PAYOUT_FAILED"]


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 503}], ids=["carried out", "not carried out"])
def test_the_refusal_of_a_later_call_proves_nothing_of_the_first(
    fault: dict[str, Any], sandbox: RunningSandbox, clock: Clock
) -> None:
    asked()
    fail_when_sent(sandbox, "stripe", **fault)
    pay_out()
    hidden = made(sandbox, "stripe")
    sandbox.put("stripe", "balance", usd=1)
    command(sandbox, "forget", provider="stripe")
    if hidden:
        sandbox.put("stripe", hidden[0]["id"], created=0)  # Stripe shows it late
    later(sandbox, clock, 61)
    assert (shown()["state"], stored().sending.refusal) == ("SUBMITTED", "balance_insufficient")  # type: ignore[union-attr]
    if hidden:
        sandbox.put("stripe", hidden[0]["id"], created=clock.now_ms // 1000, status="paid")
    later(sandbox, clock, HOUR_S + 1)
    assert in_the_end() == (PAID if hidden else BACK)
    assert len(made(sandbox, "stripe")) == len(hidden)


# Stellar


def test_a_payment_that_is_in_a_ledger_later_is_found(sandbox: RunningSandbox, clock: Clock) -> None:
    sandbox.put("stellar", "held", on=True)
    asked(provider="stellar")
    pay_out()
    assert (shown()["state"], shown()["payout_id"], made(sandbox, "stellar")) == ("SUBMITTED", None, [])
    sandbox.put("stellar", "held", on=False)
    later(sandbox, clock, 0)
    assert made(sandbox, "stellar") == []
    sandbox.http.get("/stellar/")  # it comes into a ledger before its minute is over
    later(sandbox, clock, 61)
    assert (len(made(sandbox, "stellar")), in_the_end()) == (1, PAID)


def test_a_payment_that_comes_too_late_is_signed_and_sent_anew(sandbox: RunningSandbox, clock: Clock) -> None:
    sandbox.put("stellar", "held", on=True)
    asked(provider="stellar")
    pay_out()
    first = stored().sending
    clock.now_ms += 125_000
    tell_time(sandbox, clock)
    sandbox.put("stellar", "held", on=False)
    later(sandbox, clock, 1)
    second = stored().sending
    assert first is not None
    assert second is not None
    assert first.draft != second.draft
    assert (len(made(sandbox, "stellar")), in_the_end()) == (1, PAID)


def test_while_it_may_still_come_nothing_is_signed_anew(sandbox: RunningSandbox, clock: Clock) -> None:
    sandbox.put("stellar", "held", on=True)
    asked(provider="stellar")
    pay_out()
    first = stored().sending
    sandbox.put("stellar", "ledger", closed_at="2026-01-31T13:00:59Z")
    clock.now_ms += 600_000
    for _ in range(3):
        assert cloud.pay(id_of("key-1")) == []
        clock.now_ms += 600_000
    assert first is not None
    assert stored().sending is not None
    assert stored().sending.draft == first.draft  # type: ignore[union-attr]


def test_two_payments_of_one_number_are_both_made_once(sandbox: RunningSandbox, clock: Clock) -> None:
    sandbox.put("stellar", "held", on=True)
    for key, amount in (("key-1", "10"), ("key-2", "20")):
        asked(key, provider="stellar", amount=amount)
    pay_out()
    sandbox.put("stellar", "held", on=False)
    sandbox.http.get("/stellar/")
    for _ in range(3):
        later(sandbox, clock, 125)
    assert [(len(made(sandbox, "stellar", key)), in_the_end(key)) for key in ("key-1", "key-2")] == [(1, PAID)] * 2


def test_two_payments_that_would_be_one_transaction_are_both_made_once(sandbox: RunningSandbox, clock: Clock) -> None:
    sandbox.put("stellar", "held", on=True)
    for key in ("key-1", "key-2"):
        asked(key, provider="stellar", amount="10")
    pay_out()
    sandbox.put("stellar", "held", on=False)
    sandbox.http.get("/stellar/")
    for _ in range(3):
        later(sandbox, clock, 125)
    assert [in_the_end(key) for key in ("key-1", "key-2")] == [PAID] * 2
    assert len({shown(key)["payout_id"] for key in ("key-1", "key-2")}) == 2
    assert len(made(sandbox, "stellar")) == 2
    assert cloud.alerts() == []


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (None, "There is no such account on Stellar."),
        ({"balances": [{"asset_type": "native", "balance": "1.0000000"}]}, "no trustline"),
        ({"data": {"config.memo_required": "MQ=="}}, None),
    ],
    ids=["no such account", "no trustline", "wants a memo, and has one"],
)
def test_an_account_that_cannot_receive_fails_the_withdrawal_before_anything_is_sent(
    account: dict[str, Any] | None, reason: str | None, sandbox: RunningSandbox, clock: Clock
) -> None:
    elsewhere = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
    if account is not None:
        sandbox.put("stellar", elsewhere, **account)
    before = money("wal_dora_usdc")
    destination = {**payouts.STELLAR, "address": elsewhere, "memo": "777"}
    asked(provider="stellar", wallet_id="wal_dora_usdc", amount="20", destination=destination)
    later(sandbox, clock, HOUR_S + 1)
    if reason is None:
        assert in_the_end() == PAID
        return
    assert in_the_end() == BACK
    assert reason in shown()["failure"]
    assert not any(call["method"] == "POST" and id_of("key-1") in call["body"] for call in sandbox.calls("stellar"))
    assert (money("wal_dora_usdc")[0], stored().state) == (before[0], WithdrawalState.FAILED)
