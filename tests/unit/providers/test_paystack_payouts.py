import json
from dataclasses import replace
from typing import Any

import pytest

from tallystick.adapters.providers import http
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import HOUR_MS, carried_out, control, payer, refused, unclear
from tests.unit.providers.world import amount

NGN = DEFAULT_ASSETS["NGN"]
NUBAN = Destination(DestinationType.NUBAN, "0001234567", bank_code="058", name="Ada Eze")
OURS: dict[str, Any] = {"provider": Provider.PAYSTACK, "asset": NGN, "units": 985_000, "destination": NUBAN}
SENT = submitted(**OURS)
REFERENCE = "wdr-0123456789abcdef0123456789abcdef"
TRANSFER = f"transfer/{REFERENCE}"
LATER_MS = NOW_MS + HOUR_MS
MADE = "TRF_5000000001"
PENDING = Report(Outcome.PENDING, MADE, amount("9850.00", "NGN"))
TOLD = {"transfer_code": MADE, "domain": "test", "status": "success", "currency": "NGN", "amount": 985_000}
ERROR = {"status": False, "message": "No: sk_test_1", "type": "api_error", "code": "insufficient_balance"}
TAKEN = "Please provide a unique reference. Reference already exists on a transfer"
UNPROVED = [
    {},
    {"status": True, "message": "No"},
    {"status": False},
    {"message": "No"},
    {"status": False, "message": 7},
    {"status": False, "message": "No", "code": "free text: sk_test_1"},
    {"status": False, "message": "No", "type": "processor_error"},
    {"status": False, "message": TAKEN},
    {"status": False, "message": "Duplicate Transfer Reference"},
    {"status": False, "message": "No", "code": "duplicate_transfer_reference"},
]
GARBAGE = [
    {},
    {"status": True},
    {"status": True, "data": []},
    {"status": False, "data": TOLD},
    {"data": TOLD},
    *(
        {"status": True, "data": {**TOLD, member: value}}
        for member, value in [
            ("transfer_code", "../TRF_1"),
            ("transfer_code", None),
            ("reference", "wdr-1"),
            ("status", "paid out"),
            ("status", None),
            ("currency", "naira"),
            ("amount", -1),
            ("amount", 98.5),
            ("amount", "1e3"),
        ]
    ),
]


@pytest.fixture
def paystack(sandbox: RunningSandbox) -> Payer:
    return payer(Provider.PAYSTACK, sandbox.url("paystack"))


def transfers(sandbox: RunningSandbox) -> int:
    return sum(name.startswith("transfer/") for name in sandbox.things("paystack"))


def recipient_named(sandbox: RunningSandbox) -> None:
    """Let the first of the two calls pass."""
    sandbox.fail("paystack")


def test_a_transfer_is_sent_to_its_recipient_under_our_id(paystack: Payer, sandbox: RunningSandbox) -> None:
    assert paystack.send(SENT) == PENDING
    first, second = sandbox.calls("paystack")
    assert [(call["method"], call["path"]) for call in (first, second)] == [
        ("POST", "/transferrecipient"),
        ("POST", "/transfer"),
    ]
    for call in (first, second):
        assert call["headers"]["authorization"] == "Bearer sk_test_1"
        assert call["headers"]["content-type"] == "application/json"
    assert json.loads(first["body"]) == {
        "type": "nuban",
        "name": "Ada Eze",
        "account_number": "0001234567",
        "bank_code": "058",
        "currency": "NGN",
    }
    assert json.loads(second["body"]) == {
        "source": "balance",
        "amount": 985_000,
        "currency": "NGN",
        "recipient": "RCP_0580001234567",
        "reference": REFERENCE,
        "reason": SENT.flow_id,
    }


def test_nothing_is_signed_beforehand(paystack: Payer, sandbox: RunningSandbox) -> None:
    assert paystack.draft(withdrawal(**OURS), NOW_MS) is None
    assert sandbox.calls("paystack") == []


def test_a_reference_is_never_forgotten(paystack: Payer) -> None:
    assert paystack.key_lifetime_ms is None


def test_a_recipient_that_is_known_is_used_again(paystack: Payer, sandbox: RunningSandbox) -> None:
    assert paystack.send(SENT).outcome is Outcome.PENDING
    assert paystack.send(replace(SENT, flow_id="wdr_1")).outcome is Outcome.PENDING
    assert [call["status"] for call in sandbox.calls("paystack")] == [201, 200, 200, 200]


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 504, "carried_out": True}])
def test_a_transfer_whose_answer_is_lost_is_made_once(
    paystack: Payer, sandbox: RunningSandbox, fault: dict[str, Any]
) -> None:
    recipient_named(sandbox)
    sandbox.fail("paystack", **fault)
    unclear(lambda: paystack.send(SENT))
    assert len(sandbox.calls("paystack")) == 2
    assert transfers(sandbox) == 1
    assert paystack.look_up(SENT, NOW_MS) == PENDING
    assert unclear(lambda: paystack.send(submitted(sends=2, **OURS))).startswith("paystack answered 400")
    assert transfers(sandbox) == 1


def test_a_recipient_whose_answer_is_lost_is_asked_for_again(paystack: Payer, sandbox: RunningSandbox) -> None:
    sandbox.fail("paystack", lost=True)
    assert paystack.send(SENT) == PENDING
    assert [call["path"] for call in sandbox.calls("paystack")] == ["/transferrecipient"] * 2 + ["/transfer"]


def test_a_transfer_that_is_made_after_we_gave_up_is_made_once(
    paystack: Payer, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.25)
    hasty = payer(Provider.PAYSTACK, sandbox.url("paystack"))
    recipient_named(sandbox)
    sandbox.fail("paystack", delay_ms=900)
    unclear(lambda: hasty.send(SENT))
    assert paystack.look_up(SENT, NOW_MS) == Report(Outcome.UNCLEAR)
    assert paystack.send(submitted(sends=2, **OURS)) == PENDING
    carried_out(sandbox, "paystack", 5)
    assert transfers(sandbox) == 1


def test_a_provider_that_is_away_says_nothing(paystack: Payer, sandbox: RunningSandbox) -> None:
    control(sandbox, "away", provider="paystack", away=True)
    for act in (lambda: paystack.send(SENT), lambda: paystack.look_up(SENT, LATER_MS)):
        assert unclear(act) == "paystack answered 503; try again."
    control(sandbox, "away", provider="paystack", away=False)
    assert paystack.look_up(SENT, LATER_MS) == Report(Outcome.ABSENT)
    assert paystack.send(SENT) == PENDING


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", Outcome.PAID),
        *((status, Outcome.FAILED) for status in ("reversed", "failed", "abandoned", "blocked", "rejected")),
        *((status, Outcome.PENDING) for status in ("pending", "otp", "received", "processing", "queued")),
        ("something_new", Outcome.UNCLEAR),
    ],
)
@pytest.mark.parametrize("payout_id", [None, MADE])
def test_every_status_is_understood(
    paystack: Payer, sandbox: RunningSandbox, payout_id: str | None, status: str, outcome: Outcome
) -> None:
    paystack.send(SENT)
    sandbox.put("paystack", TRANSFER, status=status)
    reason = status if outcome is Outcome.FAILED else None
    told = paystack.look_up(replace(SENT, payout_id=payout_id), NOW_MS)
    assert told == Report(outcome, MADE, amount("9850.00", "NGN"), reason)
    assert sandbox.calls("paystack")[-1]["path"] == f"/transfer/verify/{REFERENCE}"


def test_a_status_may_be_told_by_the_send_itself(paystack: Payer, sandbox: RunningSandbox) -> None:
    recipient_named(sandbox)
    sandbox.fail("paystack", status=200, body={"status": True, "data": {**TOLD, "status": "otp"}})
    assert paystack.send(SENT) == PENDING


def test_what_paystack_has_no_money_for_is_refused(paystack: Payer, sandbox: RunningSandbox) -> None:
    sandbox.put("paystack", "balance", NGN=984_999)
    assert paystack.send(SENT) == Report(Outcome.FAILED, reason="insufficient_balance")
    assert transfers(sandbox) == 0


def test_what_goes_to_an_unknown_bank_is_refused_and_not_sent(paystack: Payer, sandbox: RunningSandbox) -> None:
    report = paystack.send(submitted(**{**OURS, "destination": replace(NUBAN, bank_code="000")}))
    assert report == Report(Outcome.FAILED, reason="invalid_bank_code")
    assert [call["path"] for call in sandbox.calls("paystack")] == ["/transferrecipient"]


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("status", [400, 402, 404, 422])
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "insufficient_balance"),
        ({"code": None}, "api_error"),
        ({"code": None, "type": "validation_error"}, "validation_error"),
        ({"code": None, "type": None}, "refused"),
    ],
)
def test_refusals_as_paystack_documents_them_prove_that_nothing_was_made(
    paystack: Payer, sandbox: RunningSandbox, step: int, status: int, members: dict[str, Any], reason: str
) -> None:
    sandbox.fail("paystack", times=step)
    sandbox.fail("paystack", status=status, body={**ERROR, **members})
    assert paystack.send(SENT) == Report(Outcome.FAILED, reason=reason)
    assert len(sandbox.calls("paystack")) == step + 1


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("status", [401, 403, 405, 409, 410, 429, 300, 500, 502, 503])
def test_other_answers_prove_nothing(paystack: Payer, sandbox: RunningSandbox, step: int, status: int) -> None:
    sandbox.fail("paystack", times=step)
    sandbox.fail("paystack", status=status, times=3, body=ERROR)
    assert f"paystack answered {status}" in unclear(lambda: paystack.send(SENT))
    assert transfers(sandbox) == 0


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("body", UNPROVED)
@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_that_may_have_another_cause_proves_nothing(
    paystack: Payer, sandbox: RunningSandbox, step: int, status: int, body: dict[str, Any]
) -> None:
    sandbox.fail("paystack", times=step)
    sandbox.fail("paystack", status=status, body=body)
    unclear(lambda: paystack.send(SENT))


@pytest.mark.parametrize("body", GARBAGE)
def test_what_is_no_transfer_proves_nothing(paystack: Payer, sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    recipient_named(sandbox)
    sandbox.fail("paystack", status=200, body=body, times=2)
    unclear(lambda: paystack.send(SENT))
    unclear(lambda: paystack.look_up(SENT, LATER_MS))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": True},
        {"status": True, "data": {}},
        {"status": True, "data": {"recipient_code": None}},
        {"status": True, "data": {"recipient_code": "RCP 1"}},
        {"status": False, "data": {"recipient_code": "RCP_1"}},
    ],
)
def test_without_a_recipient_nothing_is_sent(paystack: Payer, sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    sandbox.fail("paystack", status=200, body=body)
    unclear(lambda: paystack.send(SENT))
    assert len(sandbox.calls("paystack")) == 1


@pytest.mark.parametrize(
    ("after_ms", "outcome"), [(0, Outcome.UNCLEAR), (HOUR_MS - 1, Outcome.UNCLEAR), (HOUR_MS, Outcome.ABSENT)]
)
def test_what_is_not_there_is_absent_once_no_call_can_be_under_way(
    paystack: Payer, after_ms: int, outcome: Outcome
) -> None:
    again = submitted(sends=2, at_ms=LATER_MS, key_since_ms=NOW_MS, **OURS)
    assert paystack.look_up(again, LATER_MS + after_ms) == Report(outcome)


@pytest.mark.parametrize(
    ("status", "message"), [(404, "Transfer not found"), (404, "Entity is gone"), (400, "Transfer Not Found")]
)
def test_paystack_says_in_several_ways_that_there_is_none(
    paystack: Payer, sandbox: RunningSandbox, status: int, message: str
) -> None:
    sandbox.fail("paystack", status=status, body={"status": False, "message": message})
    assert paystack.look_up(SENT, LATER_MS) == Report(Outcome.ABSENT)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {}),
        (404, {"error": "not found"}),
        (400, {}),
        (400, ERROR),
        (422, ERROR),
        (401, {"status": False, "message": "Key not found"}),
        (403, {"status": False, "message": "not found"}),
    ],
)
def test_a_search_that_is_refused_proves_nothing(
    paystack: Payer, sandbox: RunningSandbox, status: int, body: dict[str, Any]
) -> None:
    sandbox.fail("paystack", status=status, body=body)
    unclear(lambda: paystack.look_up(SENT, LATER_MS))


def test_a_transfer_that_was_seen_is_never_absent(paystack: Payer) -> None:
    assert paystack.look_up(replace(SENT, payout_id=MADE), LATER_MS) == Report(Outcome.UNCLEAR, MADE)


@pytest.mark.parametrize(
    ("described", "part"),
    [
        ({"destination": replace(NUBAN, type=DestinationType.IBAN)}, "a NUBAN"),
        ({"destination": replace(NUBAN, bank_code=None)}, "its bank's code"),
        ({"destination": replace(NUBAN, name=None)}, "its holder's name"),
        ({"asset": DEFAULT_ASSETS["USD"]}, "NGN, not USD"),
        ({"asset": Asset("NGN", 3), "units": 1}, "NGN has 2 decimals"),
    ],
)
def test_what_paystack_cannot_pay_out_is_refused_at_once(described: dict[str, Any], part: str) -> None:
    assert part in refused(payer(Provider.PAYSTACK), withdrawal(**{**OURS, **described}))


@pytest.mark.parametrize("members", [{}, {"units": 1}, {"asset": Asset("NGN", 3), "units": 10}])
def test_what_paystack_can_pay_out_is_accepted_without_asking(members: dict[str, Any]) -> None:
    described: Withdrawal = withdrawal(**{**OURS, **members})
    payer(Provider.PAYSTACK).check(described)
