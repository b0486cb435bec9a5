from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
import stripe as sdk

from tallystick.adapters.providers import http
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS, USD
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.payers import ASSETS, HOUR_MS, carried_out, control, payer, refused, unclear
from tests.unit.providers.world import amount

SENT = submitted()
LATER_MS = NOW_MS + HOUR_MS
PENDING = Report(Outcome.PENDING, "po_sandbox_1", amount("25.00", "USD"))
ERROR = {"error": {"type": "invalid_request_error", "code": "balance_insufficient", "message": "sk_test_1"}}
UNPROVED = [
    {},
    {"error": "resource_missing"},
    {"error": {"code": "resource_missing"}},
    {"error": {"type": "invalid_request_error", "code": "free text: sk_test_1"}},
    {"error": {"type": "invalid_request_error", "code": 7}},
    {"error": {"type": "idempotency_error"}},
    {"error": {"type": "api_error", "code": "balance_insufficient"}},
    {"error": {"type": "something_new"}},
]
GARBAGE = [
    {},
    {"id": "po_1"},
    {"id": "po_1", "amount": 2500, "currency": "usd"},
    {"id": "../po_1", "amount": 2500, "currency": "usd", "status": "paid"},
    {"id": "po_1", "amount": "2500", "currency": "usd", "status": "paid"},
    {"id": "po_1", "amount": 25.0, "currency": "usd", "status": "paid"},
    {"id": "po_1", "amount": 10**40, "currency": "usd", "status": "paid"},
    {"id": "po_1", "amount": -(10**40), "currency": "usd", "status": "paid"},
    {"id": "po_1", "amount": 2500, "currency": "dollar", "status": "paid"},
    {"id": "po_1", "amount": 2500, "currency": "usd", "status": "paid out"},
    {"id": "po_1", "amount": 2500, "currency": "usd", "status": "failed", "failure_code": "no such account"},
]


@pytest.fixture
def stripe(sandbox: RunningSandbox) -> Payer:
    return payer(Provider.STRIPE, sandbox.url("stripe"))


def made(sandbox: RunningSandbox, flow_id: str = SENT.flow_id) -> list[dict[str, Any]]:
    things = sandbox.things("stripe").values()
    return [thing for thing in things if thing.get("metadata", {}).get("withdrawal_id") == flow_id]


def others(sandbox: RunningSandbox, count: int) -> None:
    for number in range(count):
        sandbox.put("stripe", f"po_other_{number}", created=NOW_MS // 1000 + number, metadata={})


def form(sandbox: RunningSandbox, number: int = 0) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(sandbox.calls("stripe")[number]["body"]).items()}


def test_a_payout_is_sent_under_our_id(stripe: Payer, sandbox: RunningSandbox) -> None:
    assert stripe.send(SENT) == PENDING
    (call,) = sandbox.calls("stripe")
    assert (call["method"], call["path"]) == ("POST", "/v1/payouts")
    assert call["headers"]["authorization"] == "Bearer sk_test_1"
    assert call["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert call["headers"]["idempotency-key"] == SENT.flow_id
    assert form(sandbox) == {
        "amount": "2500",
        "currency": "usd",
        "destination": "ba_1",
        "metadata[withdrawal_id]": SENT.flow_id,
    }


def test_nothing_is_signed_beforehand(stripe: Payer, sandbox: RunningSandbox) -> None:
    assert stripe.draft(withdrawal(), NOW_MS) is None
    assert sandbox.calls("stripe") == []


def test_a_key_is_trusted_for_an_hour_less_than_stripe_promises(stripe: Payer) -> None:
    assert stripe.key_lifetime_ms == 23 * HOUR_MS


def test_every_send_is_the_same_call(stripe: Payer, sandbox: RunningSandbox) -> None:
    later = submitted(sends=3, at_ms=LATER_MS, key_since_ms=NOW_MS)
    assert stripe.send(SENT) == stripe.send(replace(later, version=9, checks=4)) == PENDING
    first, second = sandbox.calls("stripe")
    assert first["body"] == second["body"]
    assert len(made(sandbox)) == 1


@pytest.mark.parametrize("fault", [{"lost": True}, {"status": 504, "carried_out": True}])
def test_a_payout_whose_answer_is_lost_is_made_once(
    stripe: Payer, sandbox: RunningSandbox, fault: dict[str, Any]
) -> None:
    sandbox.fail("stripe", **fault)
    unclear(lambda: stripe.send(SENT))
    assert len(sandbox.calls("stripe")) == len(made(sandbox)) == 1
    assert stripe.look_up(SENT, NOW_MS) == PENDING
    assert stripe.send(submitted(sends=2)) == PENDING
    assert len(made(sandbox)) == 1


def test_a_payout_that_is_made_after_we_gave_up_is_made_once(
    stripe: Payer, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.25)
    hasty = payer(Provider.STRIPE, sandbox.url("stripe"))
    sandbox.fail("stripe", delay_ms=900)
    unclear(lambda: hasty.send(SENT))
    assert stripe.look_up(SENT, NOW_MS) == Report(Outcome.UNCLEAR)
    assert stripe.send(submitted(sends=2)) == PENDING
    carried_out(sandbox, "stripe", 3)
    assert len(made(sandbox)) == 1


def test_what_was_made_under_a_forgotten_key_is_found(stripe: Payer, sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", lost=True)
    unclear(lambda: stripe.send(SENT))
    control(sandbox, "forget", provider="stripe")
    assert stripe.look_up(SENT, NOW_MS + 48 * HOUR_MS) == PENDING
    assert len(made(sandbox)) == 1


def test_two_payouts_under_one_id_are_for_people(stripe: Payer, sandbox: RunningSandbox) -> None:
    stripe.send(SENT)
    control(sandbox, "forget", provider="stripe")
    stripe.send(SENT)
    assert stripe.look_up(SENT, LATER_MS) == Report(Outcome.UNCLEAR, reason="several-payouts")


def test_a_provider_that_is_away_says_nothing(stripe: Payer, sandbox: RunningSandbox) -> None:
    control(sandbox, "away", provider="stripe", away=True)
    for act in (lambda: stripe.send(SENT), lambda: stripe.look_up(SENT, LATER_MS)):
        assert unclear(act) == "stripe answered 503; try again."
    control(sandbox, "away", provider="stripe", away=False)
    assert stripe.look_up(SENT, LATER_MS) == Report(Outcome.ABSENT)
    assert stripe.send(SENT) == PENDING


@pytest.mark.parametrize(
    ("status", "code", "outcome", "reason"),
    [
        ("pending", None, Outcome.PENDING, None),
        ("in_transit", None, Outcome.PENDING, None),
        ("paid", None, Outcome.PAID, None),
        ("paid", "account_closed", Outcome.PAID, None),
        ("failed", "account_closed", Outcome.FAILED, "account_closed"),
        ("failed", None, Outcome.FAILED, "failed"),
        ("canceled", None, Outcome.FAILED, "canceled"),
        ("something_new", "account_closed", Outcome.UNCLEAR, None),
    ],
)
@pytest.mark.parametrize("payout_id", [None, "po_sandbox_1"])
def test_every_status_is_understood(
    stripe: Payer,
    sandbox: RunningSandbox,
    payout_id: str | None,
    status: str,
    code: str | None,
    outcome: Outcome,
    reason: str | None,
) -> None:
    stripe.send(SENT)
    sandbox.put("stripe", "po_sandbox_1", status=status, failure_code=code)
    expected = Report(outcome, "po_sandbox_1", amount("25.00", "USD"), reason)
    assert stripe.look_up(replace(SENT, payout_id=payout_id), NOW_MS) == expected


@pytest.mark.parametrize(
    ("asset", "units", "sent", "value"),
    [
        (Asset("JPY", 0), 500, "500", "500"),
        (Asset("KWD", 3), 5120, "5120", "5.120"),
        (Asset("ISK", 0), 5, "500", "5.00"),
    ],
)
def test_amounts_are_written_as_stripe_does(
    stripe: Payer, sandbox: RunningSandbox, asset: Asset, units: int, sent: str, value: str
) -> None:
    assert stripe.send(submitted(asset=asset, units=units)).amount == amount(value, asset.code)
    assert form(sandbox)["amount"] == sent


@pytest.mark.parametrize("destination", ["ba_unknown", "ba_1"])
def test_a_refusal_is_told_by_its_code(stripe: Payer, sandbox: RunningSandbox, destination: str) -> None:
    sandbox.put("stripe", "balance", usd=2499)
    report = stripe.send(submitted(destination=Destination(DestinationType.STRIPE, destination)))
    code = "resource_missing" if destination == "ba_unknown" else "balance_insufficient"
    assert report == Report(Outcome.FAILED, reason=code)
    assert made(sandbox) == []


@pytest.mark.parametrize("status", [400, 402, 404, 422])
@pytest.mark.parametrize("kind", ["invalid_request_error", "card_error"])
def test_refusals_as_stripe_documents_them_prove_that_nothing_was_made(
    stripe: Payer, sandbox: RunningSandbox, status: int, kind: str
) -> None:
    sandbox.fail("stripe", status=status, body=ERROR)
    assert stripe.send(SENT) == Report(Outcome.FAILED, reason="balance_insufficient")
    sandbox.fail("stripe", status=status, body={"error": {"type": kind, "code": None}})
    assert stripe.send(SENT) == Report(Outcome.FAILED, reason=kind)
    assert len(sandbox.calls("stripe")) == 2


@pytest.mark.parametrize("status", [401, 403, 405, 409, 410, 429, 300, 500, 502, 503])
def test_other_answers_prove_nothing(stripe: Payer, sandbox: RunningSandbox, status: int) -> None:
    for act in (lambda: stripe.send(SENT), lambda: stripe.look_up(SENT, LATER_MS)):
        sandbox.fail("stripe", status=status, times=3, body=ERROR)
        assert f"stripe answered {status}" in unclear(act)
        sandbox.reset()


@pytest.mark.parametrize("body", UNPROVED)
@pytest.mark.parametrize("status", [400, 402, 404, 422])
def test_a_refusal_that_stripe_does_not_document_proves_nothing(
    stripe: Payer, sandbox: RunningSandbox, status: int, body: dict[str, Any]
) -> None:
    sandbox.fail("stripe", status=status, body=body)
    unclear(lambda: stripe.send(SENT))


def test_another_body_under_our_key_is_no_refusal(stripe: Payer, sandbox: RunningSandbox) -> None:
    stripe.send(submitted(units=2600))
    unclear(lambda: stripe.send(SENT))
    assert sandbox.calls("stripe")[1]["status"] == 400


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
@pytest.mark.parametrize("body", [{}, ERROR])
def test_a_search_that_is_refused_proves_nothing(
    stripe: Payer, sandbox: RunningSandbox, status: int, body: dict[str, Any]
) -> None:
    sandbox.fail("stripe", status=status, body=body)
    unclear(lambda: stripe.look_up(SENT, LATER_MS))


@pytest.mark.parametrize("body", GARBAGE)
def test_what_is_no_payout_proves_nothing(stripe: Payer, sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    sandbox.fail("stripe", status=200, body=body, times=2)
    unclear(lambda: stripe.send(SENT))
    unclear(lambda: stripe.look_up(replace(SENT, payout_id="po_1"), LATER_MS))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"has_more": False},
        {"data": {}, "has_more": False},
        {"data": [{}], "has_more": False},
        {"data": [{"id": "po_1", "metadata": []}], "has_more": False},
        {"data": [], "has_more": "false"},
    ],
)
def test_what_is_no_list_proves_nothing(stripe: Payer, sandbox: RunningSandbox, body: dict[str, Any]) -> None:
    sandbox.fail("stripe", status=200, body=body)
    unclear(lambda: stripe.look_up(SENT, LATER_MS))


@pytest.mark.parametrize(
    ("after_ms", "outcome"), [(0, Outcome.UNCLEAR), (HOUR_MS - 1, Outcome.UNCLEAR), (HOUR_MS, Outcome.ABSENT)]
)
def test_what_is_not_there_is_absent_once_no_call_can_be_under_way(
    stripe: Payer, after_ms: int, outcome: Outcome
) -> None:
    again = submitted(sends=2, at_ms=LATER_MS, key_since_ms=NOW_MS)
    assert stripe.look_up(again, LATER_MS + after_ms) == Report(outcome)


def test_what_says_not_how_it_was_sent_is_never_absent(stripe: Payer) -> None:
    assert stripe.look_up(replace(SENT, sending=None), LATER_MS) == Report(Outcome.UNCLEAR)


def test_a_payout_that_was_seen_is_never_absent(stripe: Payer, sandbox: RunningSandbox) -> None:
    gone = Report(Outcome.UNCLEAR, "po_gone", reason="not-found")
    assert stripe.look_up(replace(SENT, payout_id="po_gone"), LATER_MS) == gone
    sandbox.fail(
        "stripe",
        status=200,
        body={"data": [{"id": "po_gone", "metadata": {"withdrawal_id": SENT.flow_id}}], "has_more": False},
    )
    assert stripe.look_up(SENT, LATER_MS) == gone


def test_another_payout_than_was_asked_for_proves_nothing(stripe: Payer, sandbox: RunningSandbox) -> None:
    stripe.send(SENT)
    sandbox.put("stripe", "po_2", **{**made(sandbox)[0], "status": "paid"})
    unclear(lambda: stripe.look_up(replace(SENT, payout_id="po_2"), LATER_MS))


def test_all_payouts_since_the_withdrawal_are_searched(stripe: Payer, sandbox: RunningSandbox) -> None:
    late = submitted(at_ms=NOW_MS + 90 * 24 * HOUR_MS)
    since_s = NOW_MS // 1000 - 600
    sandbox.put("stripe", "po_1", **(told := {"metadata": {"withdrawal_id": SENT.flow_id}}), created=since_s - 1)
    assert stripe.look_up(late, NOW_MS).outcome is Outcome.UNCLEAR
    sandbox.put("stripe", "po_2", **told, created=since_s, amount=2500, currency="usd", status="paid")
    assert stripe.look_up(late, NOW_MS) == Report(Outcome.PAID, "po_2", amount("25.00", "USD"))
    assert sandbox.calls("stripe")[0]["query"] == {"created[gte]": str(since_s), "limit": "100"}


def test_every_page_is_read(stripe: Payer, sandbox: RunningSandbox) -> None:
    stripe.send(SENT)
    sandbox.put("stripe", "po_sandbox_1", created=NOW_MS // 1000 - 1)
    others(sandbox, 250)
    assert stripe.look_up(SENT, LATER_MS) == PENDING
    pages = sandbox.calls("stripe")[1:-1]
    assert [page["query"].get("starting_after") for page in pages] == [None, "po_other_150", "po_other_50"]


def test_a_list_without_end_proves_nothing(
    stripe: Payer, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.adapters.providers.stripe.payouts.MAX_PAGES", 2)
    stripe.send(SENT)
    others(sandbox, 199)
    assert stripe.look_up(SENT, LATER_MS) == PENDING
    others(sandbox, 200)
    assert stripe.look_up(SENT, LATER_MS) == Report(Outcome.UNCLEAR, reason="too-many-payouts")


def test_a_thousand_payouts_are_read_and_no_more(stripe: Payer, sandbox: RunningSandbox) -> None:
    page = {"data": [{"id": "po_1"}], "has_more": True}
    sandbox.fail("stripe", status=200, body=page, times=11)
    assert stripe.look_up(SENT, LATER_MS) == Report(Outcome.UNCLEAR, reason="too-many-payouts")
    assert len(sandbox.calls("stripe")) == 10


def test_an_empty_page_that_is_not_the_last_proves_nothing(stripe: Payer, sandbox: RunningSandbox) -> None:
    sandbox.fail("stripe", status=200, body={"data": [], "has_more": True})
    assert stripe.look_up(SENT, LATER_MS) == Report(Outcome.UNCLEAR, reason="too-many-payouts")
    assert len(sandbox.calls("stripe")) == 1


def test_payouts_of_the_house_s_own_are_passed_over(stripe: Payer, sandbox: RunningSandbox) -> None:
    stripe.send(SENT)
    tags = [None, {}, {"withdrawal_id": 1}, {"withdrawal_id": "..  "}, {"withdrawal_id": "wdr_other"}, {"order": "7"}]
    for number, metadata in enumerate(tags):
        sandbox.put("stripe", f"po_other_{number}", created=NOW_MS // 1000, amount=-1, metadata=metadata)
    assert stripe.look_up(SENT, LATER_MS) == PENDING


IBAN = Destination(DestinationType.IBAN, "DE89370400440532013000", name="Ada")


@pytest.mark.parametrize(
    ("described", "part"),
    [
        (withdrawal(destination=IBAN), "a bank account or card"),
        (withdrawal(asset=DEFAULT_ASSETS["BTC"]), "does not pay out BTC"),
        (withdrawal(asset=DEFAULT_ASSETS["XP"]), "does not pay out XP"),
        (withdrawal(asset=Asset("CHF", 2)), "does not pay out CHF"),
        (withdrawal(asset=Asset("USD", 3), units=25_001), "USD has 2 decimals"),
        (withdrawal(asset=Asset("JPY", 1), units=5), "JPY has 0 decimals"),
        (withdrawal(asset=ASSETS["KWD"], units=5124), "KWD in larger steps"),
        *(
            (withdrawal(asset=ASSETS[code], units=1045), f"{code} in larger steps")
            for code in ("HUF", "ISK", "TWD", "UGX")
        ),
    ],
)
def test_what_stripe_cannot_pay_out_is_refused_at_once(described: Withdrawal, part: str) -> None:
    assert part in refused(payer(Provider.STRIPE), described)


@pytest.mark.parametrize(
    ("asset", "units"),
    [
        (USD, 1),
        (Asset("USD", 4), 100),
        (Asset("JPY", 0), 1),
        (ASSETS["KWD"], 5120),
        (ASSETS["HUF"], 1000),
        (Asset("ISK", 0), 5),
    ],
)
def test_what_stripe_can_pay_out_is_accepted_without_asking(asset: Asset, units: int) -> None:
    payer(Provider.STRIPE).check(withdrawal(asset=asset, units=units))


def test_stripe_s_own_library_makes_the_same_call(stripe: Payer, sandbox: RunningSandbox) -> None:
    theirs = sdk.StripeClient("sk_test_1", base_addresses={"api": sandbox.url("stripe")}, max_network_retries=0)
    stripe.send(SENT)
    control(sandbox, "forget", provider="stripe")
    theirs.v1.payouts.create(
        {"amount": 2500, "currency": "usd", "destination": "ba_1", "metadata": {"withdrawal_id": SENT.flow_id}},
        {"idempotency_key": SENT.flow_id},
    )
    ours, other = sandbox.calls("stripe")
    assert form(sandbox, 0) == form(sandbox, 1)
    for name in ("authorization", "content-type", "idempotency-key"):
        assert ours["headers"][name] == other["headers"][name]


def test_stripe_s_own_library_reads_what_the_sandbox_answers(stripe: Payer, sandbox: RunningSandbox) -> None:
    theirs = sdk.StripeClient("sk_test_1", base_addresses={"api": sandbox.url("stripe")}, max_network_retries=0)
    stripe.send(SENT)
    others(sandbox, 3)
    listed = theirs.v1.payouts.list({"created": {"gte": NOW_MS // 1000}, "limit": 2})
    ids = [payout.id for payout in listed.auto_paging_iter()]
    assert ids == ["po_sandbox_1", "po_other_2", "po_other_1", "po_other_0"]
    assert theirs.v1.payouts.retrieve("po_sandbox_1").status == "pending"
    with pytest.raises(sdk.InvalidRequestError) as caught:
        theirs.v1.payouts.create(
            {"amount": 1, "currency": "usd", "destination": "ba_unknown", "metadata": {"withdrawal_id": "w"}}
        )
    assert caught.value.code == "resource_missing"
    with pytest.raises(sdk.IdempotencyError):
        theirs.v1.payouts.create({"amount": 1, "currency": "usd"}, {"idempotency_key": SENT.flow_id})
