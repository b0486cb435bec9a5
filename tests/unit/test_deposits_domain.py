"""What is known of an order, what is due, and where it stands."""

from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.deposits import (
    MAX_FACTS,
    Claim,
    Deposit,
    DepositState,
    Payment,
    Step,
    covered,
    credited,
    deposit_id,
    due,
    given_back,
    with_facts,
)
from tallystick.domain.money import DEFAULT_ASSETS, MAX_UNITS, Amount
from tallystick.domain.transfers import TransferKind, client_key
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Paid, Pending, Provider
from tests.support.incoming import FACTS, chargeback, paid, refund, usd
from tests.support.scene import NOW_MS, USD

ETH = DEFAULT_ASSETS["ETH"]
EXPIRY_MS: Final = NOW_MS + 1000
ORDER: Final = Deposit(
    flow_id="dep_1",
    owner_id="ada",
    wallet_id="wal_a",
    provider=Provider.STRIPE,
    environment="test",
    asset=USD,
    expected="25.00",
    currency="USD",
    fingerprint="f",
    created_at_ms=NOW_MS,
    expires_at_ms=EXPIRY_MS,
)
BOUGHT: Final = replace(ORDER, provider=Provider.MOONPAY, asset=ETH)
"""25.00 USD buy ether."""

DEPOSIT, REFUND, CHARGEBACK = TransferKind.DEPOSIT, TransferKind.REFUND, TransferKind.CHARGEBACK
REFUND_REVERSAL, CHARGEBACK_REVERSAL = TransferKind.REFUND_REVERSAL, TransferKind.CHARGEBACK_REVERSAL


def ether(text: str, charged: Amount | None) -> Paid:
    return Paid("mp_1", Amount(Decimal(text), "ETH"), charged)


def rejection(deposit: Deposit, *facts: Fact, accept: bool = False) -> str:
    with pytest.raises(EventRejected) as rejected:
        with_facts(deposit, facts, accept_any_amount=accept)
    assert rejected.value.detail
    return rejected.value.reason


def settled(deposit: Deposit, *facts: Fact, taken: int | None = None, account_id: str = "wal_a") -> Deposit:
    """Join facts and take all steps; claims take so many units of the account, by default all."""
    deposit = with_facts(deposit, facts, accept_any_amount=True)
    for _ in range(2 * MAX_FACTS):
        step = due(deposit)
        if step is None:
            return deposit
        if step.kind is DEPOSIT:
            deposit = credited(deposit, step, account_id)
        elif step.kind in {REFUND, CHARGEBACK}:
            deposit = covered(deposit, step, step.units if taken is None else taken)
        else:
            deposit = given_back(deposit, step, account_id, min(deposit.owed_units, step.units))
    raise AssertionError("the steps never end")


# Facts


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_is_known_changes_nothing(name: str) -> None:
    once = with_facts(ORDER, [FACTS[name]])
    assert with_facts(once, [FACTS[name], FACTS[name]]) == once


def test_facts_in_any_order_come_to_the_same() -> None:
    facts: list[Fact] = [paid(), refund(), refund("re_2", "5.00"), chargeback(), refund(undone=True), Failed("x")]
    expected = with_facts(ORDER, facts)
    assert all(with_facts(ORDER, order) == expected for order in permutations(facts))


def test_facts_never_change_the_version_or_what_was_posted() -> None:
    known = with_facts(ORDER, FACTS.values())
    assert (known.version, known.credited_units, known.owed_units, known.steps) == (0, 0, 0, [])


def test_of_two_failures_the_first_is_told() -> None:
    assert with_facts(ORDER, [Failed("declined"), Failed("expired")]).failure == "declined"


def test_a_claim_that_was_undone_stays_undone() -> None:
    assert with_facts(ORDER, [refund(undone=True), refund()]).claims["re_1"].undone
    assert with_facts(ORDER, [refund(), refund(undone=True)]).claims["re_1"].undone


def test_what_is_no_fact_is_a_bug() -> None:
    not_a_fact: Any = "paid"
    with pytest.raises(AttributeError):
        with_facts(ORDER, [not_a_fact])


# Payments


@pytest.mark.parametrize("amount", ["25.00", "25", "25.000", "2.5E+1"])
def test_a_payment_is_compared_by_its_value(amount: str) -> None:
    assert with_facts(ORDER, [paid(amount=amount)]).payments == {"pi_1": Payment(2500)}


@pytest.mark.parametrize("amount", ["24.99", "25.01", "0.01", "2500"])
def test_a_payment_of_another_amount_is_rejected_until_an_admin_accepts_it(amount: str) -> None:
    assert rejection(ORDER, paid(amount=amount)) == "amount-mismatch"
    accepted = with_facts(ORDER, [paid(amount=amount)], accept_any_amount=True)
    assert accepted.payments == {"pi_1": Payment(int(Decimal(amount) * 100))}


@pytest.mark.parametrize("amount", ["25.001", "0", "-25.00", "NaN", "1E+60", str(MAX_UNITS)])
def test_what_the_asset_cannot_hold_is_rejected_and_nobody_can_accept_it(amount: str) -> None:
    assert rejection(ORDER, paid(amount=amount)) == "amount-mismatch"
    assert rejection(ORDER, paid(amount=amount), accept=True) == "amount-mismatch"


def test_money_that_the_wallet_does_not_hold_is_rejected_and_nobody_can_accept_it() -> None:
    euros = Paid("pi_1", Amount(Decimal("25.00"), "EUR"), usd("25.00"))
    assert rejection(ORDER, euros) == rejection(ORDER, euros, accept=True) == "asset-mismatch"


@pytest.mark.parametrize("charged", [usd("25.00"), usd("25"), usd("25.0000")])
def test_where_one_currency_buys_another_what_was_charged_is_compared(charged: Amount) -> None:
    assert with_facts(BOUGHT, [ether("0.0075", charged)]).payments == {"mp_1": Payment(7_500_000_000_000_000)}


@pytest.mark.parametrize(
    ("charged", "reason"),
    [
        (usd("25.01"), "amount-mismatch"),
        (Amount(Decimal("25.00"), "EUR"), "asset-mismatch"),
        (None, "asset-mismatch"),
    ],
)
def test_what_was_charged_otherwise_is_rejected_until_an_admin_accepts_it(charged: Amount | None, reason: str) -> None:
    assert rejection(BOUGHT, ether("0.0075", charged)) == reason
    assert with_facts(BOUGHT, [ether("0.0075", charged)], accept_any_amount=True).payments


def test_a_rejection_names_the_currency_that_came() -> None:
    with pytest.raises(EventRejected, match="in USD, the payment in EUR"):
        with_facts(BOUGHT, [ether("1", Amount(Decimal(25), "EUR"))])
    with pytest.raises(EventRejected, match="in USD, the payment in ETH"):
        with_facts(BOUGHT, [ether("1", None)])


def test_a_rejection_names_both_amounts_without_exponents() -> None:
    with pytest.raises(EventRejected, match=r"over 25\.00 USD, the payment over 20\."):
        with_facts(ORDER, [paid(amount="2E+1")])


def test_what_was_delivered_in_the_orders_own_currency_counts_whatever_was_charged() -> None:
    assert with_facts(ORDER, [Paid("pi_1", usd("25.00"), usd("26.00"))]).payments
    assert rejection(ORDER, Paid("pi_1", usd("24.00"), usd("25.00"))) == "amount-mismatch"


def test_a_second_payment_is_rejected_until_an_admin_accepts_it() -> None:
    assert rejection(ORDER, paid(), paid("pi_2")) == "paid-twice"
    assert with_facts(ORDER, [paid(), paid("pi_2")], accept_any_amount=True).payments.keys() == {"pi_1", "pi_2"}


def test_a_payment_told_again_with_another_amount_contradicts_and_nobody_can_accept_it() -> None:
    known = with_facts(ORDER, [paid()])
    assert rejection(known, paid(amount="24.00")) == rejection(known, paid(amount="24.00"), accept=True)
    assert rejection(known, paid(amount="24.00")) == "contradiction"


def test_a_payment_is_known_by_its_units_not_by_how_they_are_written() -> None:
    known = with_facts(ORDER, [paid()])
    assert with_facts(known, [paid(amount="25.000")]) == known


@pytest.mark.parametrize("told", [refund(amount="9.99"), chargeback("re_1", "10.00")])
def test_a_claim_told_again_otherwise_contradicts(told: Fact) -> None:
    assert rejection(with_facts(ORDER, [refund()]), told) == "contradiction"


def test_a_claim_in_another_asset_is_rejected() -> None:
    assert rejection(BOUGHT, refund()) == "asset-mismatch"


def test_an_order_has_a_bounded_number_of_payments_and_claims() -> None:
    claims: list[Fact] = [refund(f"re_{number}", "0.01") for number in range(MAX_FACTS)]
    full = with_facts(ORDER, [*claims[1:], paid()])
    assert len(full.claims) + len(full.payments) == MAX_FACTS
    assert with_facts(full, [claims[5], Pending()]).pending
    assert rejection(full, claims[0]) == "too-many-facts"


# Steps


def test_nothing_is_due_before_money_has_arrived() -> None:
    known = with_facts(ORDER, [Pending(), Failed("x"), refund(), chargeback(), refund("re_2", undone=True)])
    assert due(ORDER) is due(known) is None


def test_payments_are_due_before_claims_and_each_in_the_order_of_their_ids() -> None:
    facts: list[Fact] = [
        chargeback("a"),
        refund("c", "1.00"),
        refund("b", "2.00"),
        paid("z", "3.00"),
        paid("y", "4.00"),
    ]
    known, steps = with_facts(ORDER, facts, accept_any_amount=True), []
    for _ in facts:
        step = due(known)
        assert step is not None
        steps.append((step.kind, step.money_id, step.units))
        known = credited(known, step, "wal_a") if step.kind is DEPOSIT else covered(known, step, step.units)
    assert due(known) is None
    assert steps == [
        (DEPOSIT, "y", 400),
        (DEPOSIT, "z", 300),
        (CHARGEBACK, "a", 2500),
        (REFUND, "b", 200),
        (REFUND, "c", 100),
    ]


@pytest.mark.parametrize(("claim", "kind"), [(refund, REFUND_REVERSAL), (chargeback, CHARGEBACK_REVERSAL)])
def test_a_claim_is_given_back_once_when_it_was_covered(claim: Any, kind: TransferKind) -> None:  # noqa: ANN401
    told = claim()
    taken = settled(ORDER, paid(), told)
    undone = with_facts(taken, [claim(undone=True)])
    step = due(undone)
    assert step is not None
    assert (step.kind, step.money_id, step.units) == (kind, told.claim_id, int(told.amount.value * 100))
    assert due(given_back(undone, step, "wal_a", 0)) is None


def test_a_claim_that_was_undone_before_it_was_covered_is_never_posted() -> None:
    assert due(settled(ORDER, paid(), refund(undone=True), refund())) is None
    assert settled(ORDER, paid(), refund(undone=True)).steps == [Step(DEPOSIT, "pi_1", 2500)]


def test_every_step_makes_a_new_version() -> None:
    assert settled(ORDER, paid()).version == 1
    assert settled(ORDER, paid(), refund()).version == 2
    assert settled(settled(ORDER, paid(), refund()), refund(undone=True)).version == 3


def test_steps_name_everything_that_was_posted() -> None:
    order = settled(settled(ORDER, paid(), refund(), chargeback()), chargeback(undone=True))
    assert [(step.kind, step.money_id, step.units) for step in order.steps] == [
        (DEPOSIT, "pi_1", 2500),
        (REFUND, "re_1", 1000),
        (CHARGEBACK, "dp_1", 2500),
        (CHARGEBACK_REVERSAL, "dp_1", 2500),
    ]


@pytest.mark.parametrize(("taken", "owed"), [(2500, 0), (2499, 1), (0, 2500)])
def test_what_a_claim_could_not_take_is_owed(taken: int, owed: int) -> None:
    assert settled(ORDER, paid(), chargeback(), taken=taken).owed_units == owed


def test_what_is_owed_adds_up_and_is_settled_by_what_is_given_back() -> None:
    order = settled(ORDER, paid(), chargeback(), refund(), taken=0)
    assert order.owed_units == 3500
    assert settled(order, chargeback(undone=True)).owed_units == 1000
    assert settled(order, chargeback(undone=True), refund(undone=True)).owed_units == 0


def test_money_is_where_the_first_payment_went() -> None:
    assert ORDER.account_id == with_facts(ORDER, [paid()]).account_id == "wal_a"
    assert settled(ORDER, paid(), account_id="suspense:USD").account_id == "suspense:USD"


@given(
    st.lists(st.sampled_from(sorted(FACTS)), max_size=10),
    st.lists(st.integers(0, 2500), min_size=10, max_size=10),
)
def test_whatever_happens_every_step_is_taken_once(names: list[str], takes: list[int]) -> None:
    order = ORDER
    for name, taken in zip(names, takes, strict=False):
        order = settled(order, FACTS[name], taken=min(taken, 500))
    assert len({(step.kind, step.money_id) for step in order.steps}) == len(order.steps)
    assert order.version == len(order.steps)
    assert order.owed_units >= 0


# Keys


def test_a_step_is_known_by_the_providers_id_of_the_money_and_by_what_is_done_with_it() -> None:
    key = ORDER.key(Step(REFUND, "re_1", 1000))
    assert (key.source, key.scope, key.reference, key.action) == ("stripe", "test", "re_1", "refund")


def test_a_key_does_not_depend_on_order_or_amount_but_its_fingerprint_does() -> None:
    step, other = Step(REFUND, "re_1", 1000), replace(ORDER, flow_id="dep_2")
    assert ORDER.key(step) == other.key(step) == ORDER.key(replace(step, units=1))
    fingerprints = {
        ORDER.step_fingerprint(step),
        other.step_fingerprint(step),
        ORDER.step_fingerprint(replace(step, units=1)),
        ORDER.step_fingerprint(replace(step, money_id="re_2")),
        ORDER.step_fingerprint(replace(step, kind=CHARGEBACK)),
    }
    assert len(fingerprints) == 5


@pytest.mark.parametrize("changes", [{"provider": Provider.PAYSTACK}, {"environment": "live"}])
def test_another_provider_or_environment_has_other_keys(changes: dict[str, Any]) -> None:
    step = Step(DEPOSIT, "pi_1", 2500)
    assert replace(ORDER, **changes).key(step).digest != ORDER.key(step).digest


def test_an_order_is_named_by_the_key_that_it_was_asked_for_with() -> None:
    first, same, other = (deposit_id(client_key(caller, key)) for caller, key in (("a", "k"), ("a", "k"), ("b", "k")))
    assert first == same != other
    assert first.startswith("dep_")
    assert len(first) == len("dep_") + 32


# States

PAID: Final = settled(ORDER, paid())
LATE_MS: Final = EXPIRY_MS + 1


@pytest.mark.parametrize(
    ("order", "now_ms", "state"),
    [
        (ORDER, NOW_MS, "CREATED"),
        (ORDER, EXPIRY_MS - 1, "CREATED"),
        (ORDER, EXPIRY_MS, "EXPIRED"),
        (with_facts(ORDER, [Pending()]), EXPIRY_MS - 1, "PENDING"),
        (with_facts(ORDER, [Pending()]), EXPIRY_MS, "EXPIRED"),
        (with_facts(ORDER, [paid()]), NOW_MS, "PENDING"),
        (with_facts(ORDER, [refund()]), NOW_MS, "CREATED"),
        (with_facts(ORDER, [Pending(), Failed("x")]), NOW_MS, "FAILED"),
        (with_facts(ORDER, [Failed("")]), LATE_MS, "FAILED"),
        (PAID, NOW_MS, "COMPLETED"),
        (PAID, LATE_MS, "COMPLETED"),
        (settled(ORDER, Failed("x"), paid()), LATE_MS, "COMPLETED"),
        (settled(PAID, refund()), NOW_MS, "PARTIALLY_REFUNDED"),
        (settled(PAID, refund(), refund("re_2", "14.99")), NOW_MS, "PARTIALLY_REFUNDED"),
        (settled(PAID, refund(), refund("re_2", "15.00")), NOW_MS, "REFUNDED"),
        (settled(PAID, refund(amount="25.01")), NOW_MS, "REFUNDED"),
        (settled(PAID, refund(), refund(undone=True)), NOW_MS, "COMPLETED"),
        (settled(PAID, refund("re_2", "15.00"), refund(), refund(undone=True)), NOW_MS, "PARTIALLY_REFUNDED"),
        (settled(PAID, chargeback()), NOW_MS, "CHARGED_BACK"),
        (settled(PAID, chargeback(amount="0.01"), refund(amount="25.00")), NOW_MS, "CHARGED_BACK"),
        (settled(PAID, chargeback(), chargeback(undone=True)), NOW_MS, "COMPLETED"),
        (settled(PAID, chargeback(), chargeback(undone=True), refund()), NOW_MS, "PARTIALLY_REFUNDED"),
    ],
)
def test_the_state_is_what_the_facts_and_the_time_say(order: Deposit, now_ms: int, state: str) -> None:
    assert order.state(now_ms) is DepositState(state)


def test_what_was_credited_is_counted_and_what_waits_is_not() -> None:
    order = with_facts(PAID, [paid("pi_2", "7.00")], accept_any_amount=True)
    assert order.credited_units == 2500
    assert settled(order).credited_units == 3200
    assert settled(order, refund()).credited_units == 3200


def test_a_claim_is_kept_with_what_was_done_about_it() -> None:
    order = settled(settled(PAID, refund(), taken=400), refund(undone=True))
    assert order.claims == {"re_1": Claim("refund", 1000, undone=True, covered=True, given_back_to="wal_a")}


def test_a_claim_of_a_payment_that_was_never_credited_takes_nothing() -> None:
    paid_once = with_facts(ORDER, [paid("pi_1")])
    known = credited(paid_once, Step(TransferKind.DEPOSIT, "pi_1", 2500), "wal_a")
    claimed = with_facts(known, [replace(refund("re_2", "25.00"), payment_id="pi_2")])
    assert due(claimed) is None
    assert due(with_facts(known, [replace(refund("re_1", "25.00"), payment_id="pi_1")])) is not None


def test_a_claim_is_covered_by_what_its_payment_was_credited_to() -> None:
    facts = [paid("pi_1"), paid("pi_2")]
    known = with_facts(ORDER, facts, accept_any_amount=True)
    known = credited(known, Step(TransferKind.DEPOSIT, "pi_1", 2500), "wal_a")
    known = credited(known, Step(TransferKind.DEPOSIT, "pi_2", 2500), "suspense:USD")
    known = with_facts(known, [replace(refund("re_2"), payment_id="pi_2")])
    step = due(known)
    assert step is not None
    assert known.account_of(step) == "suspense:USD"
