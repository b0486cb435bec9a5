"""Each situation by itself is found to be what it is."""

from dataclasses import replace

import pytest

from tallystick.domain.deposits import Claim, Deposit, Payment
from tallystick.domain.differences import Run
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_matching import DIFFERENCES, Match, claimed, is_compared, judge
from tallystick.domain.provider_records import Direction, ProviderRecord, Unusable, name_of
from tallystick.domain.webhooks import Pending, Provider, TakenBack
from tallystick.domain.withdrawals import WithdrawalAction
from tests.support.comparing import OLD_MS, SITUATIONS, Comparing, arrange, usd
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_found_to_be_what_it_is(name: str) -> None:
    both = Comparing()
    truth = arrange(both, [name])
    run = both.run()
    assert both.found == {name: match for name, match in truth.items() if match in DIFFERENCES}
    counts = [match.value for match in truth.values()]
    assert run.counts == {match: counts.count(match) for match in counts}


def record(told: object, **members: object) -> ProviderRecord:
    made = ProviderRecord(Provider.STRIPE, "x_1", ("dep_1",), told, OLD_MS)  # type: ignore[arg-type] # what is told
    return replace(made, **members)  # type: ignore[arg-type] # by name


def deposit(**members: object) -> Deposit:
    return Comparing().deposit(1, **members)


def told(flow: Deposit | None, said: object) -> Match:
    return judge(flow, record(said), first=None, aged_before_ms=NOW_MS)


PAID = {"pi_1": Payment(2500, "wal_a")}


@pytest.mark.parametrize(
    ("claim", "undone", "expected"),
    [
        (None, True, Match.MATCHED),
        (Claim("refund", 1000, "pi_1", undone=True), True, Match.MATCHED),
        (Claim("refund", 1000, "pi_1", covered=True), True, Match.MISSING_WEBHOOK),
        (Claim("refund", 1000, "pi_1", covered=True, undone=True), True, Match.MISSING_WEBHOOK),
        (Claim("refund", 1000, "pi_1", covered=True, undone=True, given_back_to="wal_a"), True, Match.MATCHED),
        (Claim("refund", 1000, "pi_1", covered=True, undone=True, given_back_to="wal_a"), False, Match.STATUS_DIFFERS),
        (Claim("refund", 1000, "pi_1"), False, Match.MISSING_WEBHOOK),
        (Claim("chargeback", 1000, "pi_1", covered=True), False, Match.AMOUNT_DIFFERS),
    ],
)
def test_what_was_taken_back_is_compared_with_its_claim(
    claim: Claim | None,
    undone: bool,  # noqa: FBT001 (a parameter)
    expected: Match,
) -> None:
    taken = deposit(payments=PAID, claims={"re_1": claim} if claim else {})
    assert told(taken, TakenBack("re_1", "refund", usd("10.00"), undone, "pi_1")) is expected


@pytest.mark.parametrize(("payment_id", "expected"), [(None, Match.MISSING_WEBHOOK), ("pi_2", Match.MATCHED)])
def test_what_was_never_credited_cannot_be_taken_back(payment_id: str | None, expected: Match) -> None:
    refund = TakenBack("re_1", "refund", usd("10.00"), payment_id=payment_id)
    assert told(deposit(payments=PAID), refund) is expected


def test_money_that_is_not_taken_is_told_of() -> None:
    assert told(deposit(), Unusable("address-mismatch")) is Match.STATUS_DIFFERS
    assert told(None, Unusable("address-mismatch")) is Match.MATCHED


def test_a_payment_that_waits_to_be_credited_is_not_settled() -> None:
    waiting = deposit(payments={"pi_1": Payment(2500)})
    both = Comparing()
    both.put(waiting)
    both.pay(1)
    both.run()
    assert both.found == {"pi_1": Match.MISSING_WEBHOOK}


def test_a_flow_claims_its_payments_refunds_and_its_payout() -> None:
    claims = {
        "re_1": Claim("refund", 100, "pi_1", covered=True),
        "re_2": Claim("refund", 100, "pi_1"),
        "dp_1": Claim("chargeback", 100, "pi_1", covered=True),
    }
    paid = deposit(payments={**PAID, "pi_2": Payment(1)}, claims=claims)
    assert [wanted.name for wanted in claimed(paid)] == ["pi_1", "refund-re_1"]
    assert claimed(paid)[1].references == ("dep_1", "stripe:pi_1")
    assert [wanted.name for wanted in claimed(submitted(payout_id="po_1"))] == ["payout-po_1"]
    assert claimed(withdrawal()) == []


def test_what_was_never_sent_is_not_compared() -> None:
    asked = withdrawal()
    cancelled, _ = asked.taken(WithdrawalAction.CANCEL, at_ms=NOW_MS, by="ada")
    assert [is_compared(flow) for flow in (deposit(), submitted(), asked, cancelled)] == [True, True, False, False]


def test_records_are_named_by_what_they_are_of() -> None:
    payout = record(Report(Outcome.PAID, "x_1", usd("1.00")))
    refund = record(TakenBack("x_1", "refund", usd("1.00"), undone=True))
    assert [one.name for one in (record(Pending()), refund, payout)] == ["x_1", "refund-x_1", "payout-x_1"]
    assert [one.status for one in (record(Pending()), refund, payout)] == ["pending", "undone", "paid"]
    assert replace(refund, told=TakenBack("x_1", "refund", usd("1.00"))).status == "taken"
    assert record(Pending()).amount is None
    assert name_of(Direction.PAYOUT, "1") == "payout-1"


def test_a_run_counts_its_versions() -> None:
    assert Run(Provider.STRIPE).next(pages=3) == Run(Provider.STRIPE, pages=3, version=1)
