import json

import pytest

from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, Provider, TakenBack
from tallystick.services.ports.providers import Gateway
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import (
    FLOW,
    PAYSTACK_DISPUTE,
    amount,
    body,
    changed,
    deposit,
    gateway,
    paystack_dispute,
    read,
    rejection,
)

SUCCESS = body(Provider.PAYSTACK, "valid_deposit_completed")
REFUNDED = body(Provider.PAYSTACK, "valid_refunded")
PAID_OUT = body(Provider.PAYSTACK, "valid_payout_completed")
NOT_PAID_OUT = body(Provider.PAYSTACK, "valid_payout_failed")
REFERENCE = "dep-0000000000000001"
TAKEN = TakenBack("358", "chargeback", amount("2500.00", "NGN"))


@pytest.fixture
def paystack(sandbox: RunningSandbox) -> Gateway:
    return gateway(Provider.PAYSTACK, sandbox.url("paystack"))


def facts(text: bytes) -> tuple[Fact, ...]:
    return read(Provider.PAYSTACK, text).facts


def test_fees_on_top_of_the_order_do_not_come_to_us() -> None:
    assert read(Provider.PAYSTACK, SUCCESS) == Notice(
        "charge.success",
        ("dep_0000000000000001", f"paystack:{REFERENCE}"),
        (Paid("4099260516", amount("9850.00", "NGN")),),
        environment="test",
        occurred_at_ms=1_767_225_600_000,
        details={"reference": REFERENCE},
    )


@pytest.mark.parametrize(("member", "value"), [("fees", 14_000), ("fees", None), ("requested_amount", None)])
def test_otherwise_what_was_paid_counts(member: str, value: object) -> None:
    assert facts(changed(SUCCESS, f"data.{member}", value)) == (Paid("4099260516", amount("10000.00", "NGN")),)


def test_fees_that_we_bear_change_nothing() -> None:
    text = changed(SUCCESS, "data.requested_amount", 1_000_000)
    assert facts(text) == (Paid("4099260516", amount("10000.00", "NGN")),)


def test_live_money_says_so() -> None:
    assert read(Provider.PAYSTACK, changed(SUCCESS, "data.domain", "live")).environment == "live"


def test_a_payment_that_failed_says_why() -> None:
    failed = changed(changed(SUCCESS, "event", "charge.failed"), "data.gateway_response", "Declined")
    assert facts(failed) == (Failed("Declined"),)
    assert facts(changed(failed, "data.gateway_response", None)) == (Failed("failed"),)


def test_a_refund_s_amount_may_be_text() -> None:
    notice = read(Provider.PAYSTACK, REFUNDED)
    taken = TakenBack("132013318360", "refund", amount("5000.00", "NGN"))
    assert notice.facts == (taken,)
    assert notice.references == ("dep_0000000000000001", f"paystack:{REFERENCE}")
    assert facts(changed(REFUNDED, "data.amount", 500_000)) == (taken,)


def test_a_refund_without_a_reference_is_named_by_its_id() -> None:
    notice = read(Provider.PAYSTACK, changed(changed(REFUNDED, "data.refund_reference", None), "data.id", 77))
    assert notice.facts == (TakenBack("77", "refund", amount("5000.00", "NGN")),)
    assert notice.details == {"refund": "77"}


def test_a_refund_that_failed_is_undone() -> None:
    failed = changed(REFUNDED, "event", "refund.failed")
    assert facts(failed) == (TakenBack("132013318360", "refund", amount("5000.00", "NGN"), undone=True),)
    assert facts(changed(failed, "data.amount", ...)) == ()
    assert facts(changed(failed, "data.refund_reference", None)) == ()


def test_a_dispute_that_was_accepted_takes_money() -> None:
    notice = read(Provider.PAYSTACK, paystack_dispute())
    assert notice.facts == (TAKEN,)
    assert notice.references == ("dep_0000000000000001", f"paystack:{REFERENCE}")
    assert notice.environment == "test"


def test_a_dispute_that_was_declined_takes_nothing() -> None:
    assert facts(paystack_dispute(resolution="declined", refund_amount=None)) == ()


@pytest.mark.parametrize(
    "kind",
    [
        "charge.dispute.create",
        "charge.dispute.remind",
        "refund.pending",
        "refund.processing",
        "refund.needs-attention",
        "transferrecipient.created",
    ],
)
def test_other_events_say_nothing_about_an_order(kind: str) -> None:
    assert read(Provider.PAYSTACK, paystack_dispute(kind)) == Notice(kind)


@pytest.mark.parametrize(
    ("original", "path", "value"),
    [
        (SUCCESS, "data.amount", 10_000.5),
        (SUCCESS, "data.amount", "10,000"),
        (SUCCESS, "data.amount", True),
        (SUCCESS, "data.amount", -5),
        (SUCCESS, "data.amount", ...),
        (SUCCESS, "data.currency", "naira"),
        (SUCCESS, "data.domain", "staging"),
        (SUCCESS, "data.reference", "a/../b"),
        (SUCCESS, "data.id", "x"),
        (SUCCESS, "data", []),
        (SUCCESS, "event", None),
        (REFUNDED, "data.amount", "1e3"),
        (REFUNDED, "data.amount", None),
        (REFUNDED, "data.refund_reference", None),
        (paystack_dispute(), "data.refund_amount", None),
        (paystack_dispute(), "data.transaction", {}),
    ],
)
def test_what_paystack_does_not_document_is_unreadable(original: bytes, path: str, value: object) -> None:
    assert rejection(Provider.PAYSTACK, changed(original, path, value)) == "unreadable"


def test_a_transfer_of_somebody_else_s_is_named_by_paystack_s_id_alone() -> None:
    assert read(Provider.PAYSTACK, PAID_OUT) == Notice(
        "transfer.success",
        ("paystack:TRF_test1",),
        environment="test",
        occurred_at_ms=1_767_225_610_000,
        payout=Report(Outcome.PAID, "TRF_test1", amount("1000.00", "NGN")),
    )
    failed = Report(Outcome.FAILED, "TRF_test1", amount("1000.00", "NGN"), "failed")
    assert read(Provider.PAYSTACK, NOT_PAID_OUT).payout == failed


def test_a_transfer_of_ours_is_named_by_our_id_too() -> None:
    ours = changed(PAID_OUT, "data.reference", "wdr-0123456789abcdef0123456789abcdef")
    references = ("wdr_0123456789abcdef0123456789abcdef", "paystack:TRF_test1")
    assert read(Provider.PAYSTACK, ours).references == references
    assert read(Provider.PAYSTACK, changed(PAID_OUT, "data.reference", None)).references == ("paystack:TRF_test1",)


def test_a_transfer_that_came_back_has_failed() -> None:
    text = changed(changed(PAID_OUT, "event", "transfer.reversed"), "data.status", "reversed")
    notice = read(Provider.PAYSTACK, changed(text, "data.updatedAt", ...))
    assert notice.payout == Report(Outcome.FAILED, "TRF_test1", amount("1000.00", "NGN"), "reversed")
    assert (notice.event, notice.occurred_at_ms, notice.facts) == ("transfer.reversed", None, ())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.amount", None),
        ("data.amount", 10.5),
        ("data.currency", "naira"),
        ("data.domain", "staging"),
        ("data.domain", ...),
        ("data.transfer_code", ...),
        ("data.transfer_code", "TRF 1"),
        ("data.reference", "../1"),
        ("data.status", ...),
        ("data.updatedAt", "yesterday"),
    ],
)
def test_a_transfer_that_paystack_does_not_document_is_unreadable(path: str, value: object) -> None:
    assert rejection(Provider.PAYSTACK, changed(PAID_OUT, path, value)) == "unreadable"


def test_a_page_is_opened_under_the_order_s_id(paystack: Gateway, sandbox: RunningSandbox) -> None:
    checkout = paystack.checkout(deposit(Provider.PAYSTACK, "NGN", "9850.00"))
    reference = FLOW.replace("_", "-")
    assert checkout.url == f"https://checkout.paystack.com/{reference}"
    assert checkout.references == (f"paystack:{reference}",)
    (call,) = sandbox.calls("paystack")
    assert call["headers"]["authorization"] == "Bearer sk_test_1"
    assert json.loads(call["body"]) == {
        "email": "usr_1@example.com",
        "amount": "985000",
        "currency": "NGN",
        "reference": reference,
        "callback_url": "https://shop.example.test/back",
        "metadata": json.dumps({"deposit_id": FLOW}),
    }


def test_what_was_opened_comes_back_as_the_order(paystack: Gateway, sandbox: RunningSandbox) -> None:
    paystack.checkout(deposit(Provider.PAYSTACK, "NGN", "9850.00"))
    (paid,) = sandbox.things("paystack").values()
    event = json.dumps({"event": "charge.success", "data": {**paid, "status": "success"}}).encode()
    assert read(Provider.PAYSTACK, event).references[0] == FLOW


def test_a_lost_answer_leaves_an_order_that_cannot_be_paid_any_more(paystack: Gateway, sandbox: RunningSandbox) -> None:
    order = deposit(Provider.PAYSTACK, "NGN", "9850.00")
    sandbox.fail("paystack", lost=True)
    with pytest.raises(ProviderUnavailable):
        paystack.checkout(order)
    assert len(sandbox.calls("paystack")) == 1
    with pytest.raises(ProviderRefused, match="order again"):
        paystack.checkout(order)


def test_another_refusal_is_told_as_such(paystack: Gateway, sandbox: RunningSandbox) -> None:
    sandbox.fail("paystack", status=403)
    with pytest.raises(ProviderRefused, match=r"paystack refused it \(403\)"):
        paystack.checkout(deposit(Provider.PAYSTACK, "NGN", "9850.00"))


def test_a_payment_is_confirmed(paystack: Gateway, sandbox: RunningSandbox) -> None:
    notice = read(Provider.PAYSTACK, SUCCESS)
    with pytest.raises(EventRejected, match="not-confirmed"):
        paystack.confirm(notice)
    sandbox.put("paystack", REFERENCE, **json.loads(SUCCESS)["data"])
    assert paystack.confirm(notice) == notice


@pytest.mark.parametrize(("member", "value"), [("status", "abandoned"), ("status", "ongoing"), ("amount", 999_999)])
def test_a_payment_that_paystack_tells_otherwise_is_rejected(
    paystack: Gateway, sandbox: RunningSandbox, member: str, value: object
) -> None:
    sandbox.put("paystack", REFERENCE, **{**json.loads(SUCCESS)["data"], member: value})
    with pytest.raises(EventRejected, match="not-confirmed"):
        paystack.confirm(read(Provider.PAYSTACK, SUCCESS))


def test_an_old_failure_is_confirmed_as_it_stands_now(paystack: Gateway, sandbox: RunningSandbox) -> None:
    notice = read(Provider.PAYSTACK, changed(SUCCESS, "event", "charge.failed"))
    sandbox.put("paystack", REFERENCE, **{**json.loads(SUCCESS)["data"], "status": "ongoing"})
    assert paystack.confirm(notice).facts == (Pending(),)
    sandbox.put("paystack", REFERENCE, status="success")
    assert paystack.confirm(notice).facts == (Paid("4099260516", amount("9850.00", "NGN")),)


def refund_now(sandbox: RunningSandbox, status: str, units: int = 500_000) -> None:
    sandbox.put("paystack", "refund/77", status=status, amount=units, currency="NGN")


def refund_notice() -> Notice:
    return read(Provider.PAYSTACK, changed(REFUNDED, "data.id", 77))


@pytest.mark.parametrize(("status", "undone"), [("processed", False), ("failed", True)])
def test_a_refund_with_an_id_is_confirmed(
    paystack: Gateway, sandbox: RunningSandbox, status: str, *, undone: bool
) -> None:
    refund_now(sandbox, status)
    expected = TakenBack("132013318360", "refund", amount("5000.00", "NGN"), undone=undone)
    assert paystack.confirm(refund_notice()).facts == (expected,)


@pytest.mark.parametrize(("status", "units"), [("pending", 500_000), ("processed", 1), (None, 0)])
def test_a_refund_that_paystack_tells_otherwise_is_rejected(
    paystack: Gateway, sandbox: RunningSandbox, status: str | None, units: int
) -> None:
    if status:
        refund_now(sandbox, status, units)
    with pytest.raises(EventRejected, match="not-confirmed"):
        paystack.confirm(refund_notice())


def test_a_refund_without_an_id_cannot_be_asked_for(paystack: Gateway, sandbox: RunningSandbox) -> None:
    notice = read(Provider.PAYSTACK, REFUNDED)
    assert paystack.confirm(notice) == notice
    assert sandbox.calls("paystack") == []


def test_a_dispute_is_confirmed(paystack: Gateway, sandbox: RunningSandbox) -> None:
    notice = read(Provider.PAYSTACK, paystack_dispute())
    with pytest.raises(EventRejected, match="not-confirmed"):
        paystack.confirm(notice)
    sandbox.put("paystack", "dispute/358", **PAYSTACK_DISPUTE)
    assert paystack.confirm(notice).facts == (TAKEN,)
