import pytest

from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Fact, Failed, Notice, Paid, Pending, Provider, TakenBack
from tests.unit.providers.world import amount, body, changed, read, rejection, stripe_refund

SUCCEEDED = body(Provider.STRIPE, "valid_deposit_completed")
FAILED = body(Provider.STRIPE, "valid_deposit_failed")
REFUNDED = body(Provider.STRIPE, "valid_refunded")
DISPUTED = body(Provider.STRIPE, "valid_chargeback")
PAID_OUT = body(Provider.STRIPE, "valid_payout_completed")
WITHDRAWAL = "wdr_0123456789abcdef0123456789abcdef"


def dispute_event(kind: str, status: str) -> bytes:
    return changed(changed(DISPUTED, "type", f"charge.dispute.{kind}"), "data.object.status", status)


def facts(text: bytes) -> tuple[Fact, ...]:
    return read(Provider.STRIPE, text).facts


def test_a_payment_that_succeeded_is_paid() -> None:
    notice = read(Provider.STRIPE, SUCCEEDED)
    assert notice.event == "payment_intent.succeeded"
    assert notice.references == ("dep_1", "stripe:pi_test_1")
    assert notice.facts == (Paid("pi_test_1", amount("25.99", "USD")),)
    assert (notice.confirm, notice.environment) == (False, "test")
    assert notice.details == {"payment_intent": "pi_test_1"}


def test_live_money_says_so() -> None:
    assert read(Provider.STRIPE, changed(SUCCEEDED, "livemode", value=True)).environment == "live"


def test_a_payment_of_somebody_else_s_is_named_by_stripe_s_id_alone() -> None:
    assert read(Provider.STRIPE, changed(SUCCEEDED, "data.object.metadata", {})).references == ("stripe:pi_test_1",)


@pytest.mark.parametrize(
    ("currency", "value"),
    [
        ("usd", "25.99"),
        ("jpy", "2599"),
        ("kwd", "2.599"),
        ("ugx", "25.99"),
        ("isk", "25.99"),
    ],
)
def test_minor_units_are_those_of_the_currency(currency: str, value: str) -> None:
    (paid,) = facts(changed(SUCCEEDED, "data.object.currency", currency))
    assert paid == Paid("pi_test_1", amount(value, currency.upper()))


def test_what_was_received_counts_where_it_is_told() -> None:
    assert facts(changed(SUCCEEDED, "data.object.amount_received", 1000)) == (
        Paid("pi_test_1", amount("10.00", "USD")),
    )
    untold = changed(changed(SUCCEEDED, "data.object.amount_received", ...), "data.object.amount", 2000)
    assert facts(untold) == (Paid("pi_test_1", amount("20.00", "USD")),)


def test_yen_as_documented() -> None:
    notice = read(Provider.STRIPE, body(Provider.STRIPE, "valid_deposit_completed_zero_decimal"))
    assert notice.facts == (Paid("pi_test_3", amount("500", "JPY")),)


@pytest.mark.parametrize("kind", ["created", "processing", "requires_action"])
def test_a_payment_that_goes_on_is_pending(kind: str) -> None:
    assert facts(changed(SUCCEEDED, "type", f"payment_intent.{kind}")) == (Pending(),)


def test_a_payment_that_failed_says_why() -> None:
    assert facts(FAILED) == (Failed("card_declined"),)


def test_a_payment_that_was_canceled_says_why() -> None:
    text = changed(
        changed(SUCCEEDED, "type", "payment_intent.canceled"), "data.object.cancellation_reason", "abandoned"
    )
    assert facts(text) == (Failed("abandoned"),)


def test_a_payment_that_failed_without_a_reason_has_a_general_one() -> None:
    assert facts(changed(FAILED, "data.object.last_payment_error", None)) == (Failed("failed"),)


def test_a_charge_that_was_refunded_says_too_little() -> None:
    notice = read(Provider.STRIPE, REFUNDED)
    assert (notice.confirm, notice.facts) == (True, ())
    assert notice.references == ("dep_1", "stripe:pi_test_1")
    assert notice.details == {"payment_intent": "pi_test_1"}


def test_a_charge_without_a_payment_is_not_ours() -> None:
    notice = read(Provider.STRIPE, changed(REFUNDED, "data.object.payment_intent", None))
    assert (notice.confirm, notice.references, notice.facts) == (False, (), ())


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "charge.refund.updated"])
@pytest.mark.parametrize("status", ["pending", "succeeded"])
def test_a_refund_is_taken_when_it_is_created(kind: str, status: str) -> None:
    notice = read(Provider.STRIPE, stripe_refund(kind, status=status))
    assert notice.references == ("stripe:pi_1",)
    assert notice.facts == (TakenBack("re_1", "refund", amount("10.00", "USD"), payment_id="pi_1"),)
    assert (notice.environment, notice.confirm) == ("live", False)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_is_undone(status: str) -> None:
    (taken,) = facts(stripe_refund("refund.failed", status=status))
    assert taken == TakenBack("re_1", "refund", amount("10.00", "USD"), undone=True, payment_id="pi_1")


@pytest.mark.parametrize("status", ["requires_action", "something_new", None])
def test_a_refund_that_waits_takes_nothing(status: str | None) -> None:
    assert facts(stripe_refund(status=status)) == ()


@pytest.mark.parametrize("kind", ["created", "updated", "funds_withdrawn"])
@pytest.mark.parametrize("status", ["needs_response", "under_review", "lost"])
def test_a_dispute_takes_money(kind: str, status: str) -> None:
    notice = read(Provider.STRIPE, dispute_event(kind, status))
    assert notice.references == ("stripe:pi_test_1",)
    assert notice.facts == (TakenBack("dp_test_1", "chargeback", amount("25.99", "USD"), payment_id="pi_test_1"),)
    assert notice.details == {"payment_intent": "pi_test_1", "dispute": "dp_test_1"}


@pytest.mark.parametrize("kind", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
@pytest.mark.parametrize("status", ["warning_needs_response", "warning_under_review", "warning_closed"])
def test_an_inquiry_takes_nothing(kind: str, status: str) -> None:
    assert facts(dispute_event(kind, status)) == ()


@pytest.mark.parametrize(
    ("kind", "status", "undone"),
    [("closed", "lost", False), ("closed", "won", True), ("funds_reinstated", "under_review", True)],
)
def test_a_dispute_ends_one_way_or_the_other(kind: str, status: str, *, undone: bool) -> None:
    (taken,) = facts(dispute_event(kind, status))
    assert taken == TakenBack("dp_test_1", "chargeback", amount("25.99", "USD"), undone=undone, payment_id="pi_test_1")


@pytest.mark.parametrize("kind", ["created", "updated", "funds_withdrawn"])
def test_that_a_dispute_was_won_is_left_to_its_end(kind: str) -> None:
    assert facts(dispute_event(kind, "won")) == ()


@pytest.mark.parametrize(
    "kind",
    [
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "payout.reconciliation_completed",
        "customer.created",
    ],
)
def test_other_events_say_nothing_about_an_order(kind: str) -> None:
    notice = read(Provider.STRIPE, changed(SUCCEEDED, "type", kind))
    assert notice == Notice(kind, environment="test")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.object.amount_received", 25.99),
        ("data.object.amount_received", "2599"),
        ("data.object.amount_received", True),
        ("data.object.amount_received", -1),
        ("data.object.amount_received", 10**40),
        ("data.object.currency", "dollar"),
        ("data.object.currency", ...),
        ("data.object.id", "../v1/charges"),
        ("data.object.id", ...),
        ("data.object.metadata", {"deposit_id": 1}),
        ("data.object", []),
        ("livemode", "false"),
        ("type", 1),
    ],
)
def test_what_stripe_does_not_document_is_unreadable(path: str, value: object) -> None:
    assert rejection(Provider.STRIPE, changed(SUCCEEDED, path, value)) == "unreadable"


def payout_event(kind: str, status: str, **members: object) -> bytes:
    text = changed(changed(PAID_OUT, "type", f"payout.{kind}"), "data.object.status", status)
    for name, value in {"metadata": {"withdrawal_id": WITHDRAWAL}, **members}.items():
        text = changed(text, f"data.object.{name}", value)
    return text


def test_a_payout_of_somebody_else_s_is_named_by_stripe_s_id_alone() -> None:
    assert read(Provider.STRIPE, PAID_OUT) == Notice(
        "payout.paid",
        ("stripe:po_test_1",),
        environment="test",
        payout=Report(Outcome.PAID, "po_test_1", amount("7.00", "USD")),
    )


@pytest.mark.parametrize(
    ("kind", "status", "outcome", "reason"),
    [
        ("created", "pending", Outcome.PENDING, None),
        ("updated", "in_transit", Outcome.PENDING, None),
        ("updated", "something_new", Outcome.UNCLEAR, None),
        ("paid", "paid", Outcome.PAID, None),
        ("failed", "failed", Outcome.FAILED, "failed"),
        ("canceled", "canceled", Outcome.FAILED, "canceled"),
    ],
)
def test_a_payout_of_ours_is_reported(kind: str, status: str, outcome: Outcome, reason: str | None) -> None:
    assert read(Provider.STRIPE, payout_event(kind, status)) == Notice(
        f"payout.{kind}",
        (WITHDRAWAL, "stripe:po_test_1"),
        environment="test",
        payout=Report(outcome, "po_test_1", amount("7.00", "USD"), reason),
    )


def test_a_payout_that_failed_says_why() -> None:
    report = read(Provider.STRIPE, payout_event("failed", "failed", failure_code="account_closed")).payout
    assert report == Report(Outcome.FAILED, "po_test_1", amount("7.00", "USD"), "account_closed")


def test_a_payout_of_live_money_says_so() -> None:
    assert read(Provider.STRIPE, changed(PAID_OUT, "livemode", value=True)).environment == "live"


def test_money_that_the_house_s_bank_has_to_give_is_no_fault() -> None:
    report = read(Provider.STRIPE, payout_event("paid", "paid", metadata=None, amount=-700)).payout
    assert report == Report(Outcome.PAID, "po_test_1", amount("-7.00", "USD"))


@pytest.mark.parametrize("tag", [None, 7, "", "wd_1", f" {WITHDRAWAL}", "wdr_ 1", "wdr_\ud800", ["wdr_1"]])
def test_what_others_wrote_on_a_payout_names_no_withdrawal(tag: object) -> None:
    event = payout_event("paid", "paid", metadata={"withdrawal_id": tag})
    assert read(Provider.STRIPE, event).references == ("stripe:po_test_1",)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.object.amount", "700"),
        ("data.object.amount", 7.5),
        ("data.object.amount", ...),
        ("data.object.amount", 10**38),
        ("data.object.amount", -(10**38)),
        ("data.object.currency", ...),
        ("data.object.id", ".."),
        ("data.object.status", None),
        ("data.object.metadata", []),
        ("data.object.failure_code", 7),
    ],
)
def test_a_payout_that_stripe_does_not_document_is_unreadable(path: str, value: object) -> None:
    assert rejection(Provider.STRIPE, changed(PAID_OUT, path, value)) == "unreadable"
