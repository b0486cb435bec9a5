from dataclasses import replace
from typing import Any

import pytest

from tallystick.domain.accounts import Account, AccountKind, Status
from tallystick.domain.audit import AuditRecord
from tallystick.domain.chain import entry_hash
from tallystick.domain.errors import (
    AccountNotActive,
    BalanceLimitExceeded,
    InsufficientFunds,
    InvariantViolated,
    NotFound,
    TallystickError,
)
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.posting import MAX_POSTINGS, Leg, Order, Plan, plan
from tallystick.domain.quotas import Quota
from tallystick.domain.transfers import Posting, TransferKind
from tests.support.incoming import Incoming
from tests.support.scene import BOB, EUR, NOW_MS, USD, account, claim
from tests.support.withdrawals import withdrawal

A, B = account("wal_a"), replace(account("wal_b", BOB), balance=500, version=3, head_time_ms=NOW_MS + 7)
LEGS = (Leg("wal_a", -100), Leg("wal_b", 100))
RICH = replace(A, balance=1000)


def order(*legs: Leg, **changes: Any) -> Order:  # noqa: ANN401 (any field)
    return replace(Order(claim(), TransferKind.TRANSFER, USD, legs or LEGS), **changes)


def plan_of(*accounts: Account, wanted: Order | None = None) -> Plan:
    return plan(wanted or order(), {account.account_id: account for account in accounts}, NOW_MS)


def test_a_plan_moves_every_account_by_its_leg() -> None:
    first, second = plan_of(RICH, B).changes
    assert (first.after.balance, second.after.balance) == (900, 600)
    assert (first.after.version, second.after.version) == (1, 4)


def test_an_entry_continues_its_accounts_chain() -> None:
    planned = plan_of(RICH, B)
    for change, entry in zip(planned.changes, planned.entries, strict=True):
        assert entry.sequence == change.before.version + 1
        assert entry.previous_hash == change.before.head_hash
        assert entry.hash == entry_hash(entry) == change.after.head_hash
        assert entry.balance_after == change.before.balance + entry.units


def test_all_entries_carry_one_time_after_the_newest_entry_of_any_account() -> None:
    planned = plan_of(RICH, B)
    times = {planned.transfer.created_at_ms, *(entry.time_ms for entry in planned.entries)}
    assert times == {B.head_time_ms + 1}
    assert {change.after.head_time_ms for change in planned.changes} == times


def test_a_clock_that_is_ahead_of_the_newest_entry_is_believed() -> None:
    assert plan_of(RICH, replace(B, head_time_ms=NOW_MS - 5)).transfer.created_at_ms == NOW_MS


def test_the_transfer_keeps_what_was_asked_and_what_came_of_it() -> None:
    wanted = order(reference="shop:1", metadata={"a": "b"}, reverses="trf_0")
    transfer = plan_of(RICH, B, wanted=wanted).transfer
    assert transfer.claim == wanted.claim
    assert (transfer.asset, transfer.scale, transfer.units, transfer.kind) == ("USD", 2, 100, TransferKind.TRANSFER)
    assert (transfer.reference, transfer.metadata, transfer.reverses) == ("shop:1", {"a": "b"}, "trf_0")
    assert transfer.postings == (Posting("wal_a", -100, "ada", 900), Posting("wal_b", 100, "bob", 600))


def test_a_tallied_account_gets_a_posting_and_nothing_else() -> None:
    planned = plan_of(A, wanted=order(Leg("wal_a", 100), Leg("external:stripe:USD", -100)))
    assert [change.before.account_id for change in planned.changes] == ["wal_a"]
    assert planned.transfer.postings[1] == Posting("external:stripe:USD", -100)


def test_status_and_label_are_not_a_movements_business() -> None:
    marked = replace(RICH, label="mine", held=5, status_reason="r", needs_reconciliation=True)
    after = plan_of(marked, B).changes[0].after
    assert (after.label, after.held, after.status_reason, after.needs_reconciliation) == ("mine", 5, "r", True)


FROZEN, CLOSED = replace(RICH, status=Status.FROZEN), replace(RICH, status=Status.CLOSED)
FULL = replace(B, balance=MAX_UNITS)


@pytest.mark.parametrize(
    ("accounts", "refusal"),
    [
        ([], NotFound),
        ([RICH], NotFound),
        ([B], NotFound),
        ([CLOSED], NotFound),  # missing ranks before status
        ([A], NotFound),  # and before funds
        ([FROZEN, B], AccountNotActive),
        ([CLOSED, B], AccountNotActive),
        ([replace(A, status=Status.FROZEN), B], AccountNotActive),  # status ranks before funds
        ([A, replace(B, status=Status.CLOSED)], AccountNotActive),  # of any account
        ([A, B], InsufficientFunds),
        ([replace(A, balance=99), B], InsufficientFunds),
        ([A, FULL], InsufficientFunds),  # in the order of the legs
        ([RICH, FULL], BalanceLimitExceeded),
        ([RICH, replace(B, balance=MAX_UNITS - 99)], BalanceLimitExceeded),
    ],
)
def test_refusals_rank_missing_then_status_then_funds(accounts: list[Account], refusal: type[TallystickError]) -> None:
    with pytest.raises(refusal):
        plan_of(*accounts)


def test_a_wallet_may_be_emptied_and_filled_to_the_last_unit() -> None:
    planned = plan_of(replace(A, balance=100), replace(B, balance=MAX_UNITS - 100))
    assert [change.after.balance for change in planned.changes] == [0, MAX_UNITS]


def test_too_little_money_says_how_much_there_is() -> None:
    with pytest.raises(InsufficientFunds) as refused:
        plan_of(replace(A, balance=99), B)
    assert refused.value.members == {"account": "wal_a", "available": "0.99", "asset": "USD", "scale": 2}


@pytest.mark.parametrize(("status", "passes"), [(Status.ACTIVE, True), (Status.FROZEN, True), (Status.CLOSED, False)])
def test_a_reversal_passes_a_frozen_wallet_but_no_closed_one(status: Status, passes: bool) -> None:  # noqa: FBT001
    wanted = order(kind=TransferKind.REVERSAL)
    assert (status in wanted.accepted_statuses) is passes
    if passes:
        assert plan_of(replace(RICH, status=status), B, wanted=wanted).accepted_statuses == wanted.accepted_statuses
    else:
        with pytest.raises(AccountNotActive):
            plan_of(replace(RICH, status=status), B, wanted=wanted)


@pytest.mark.parametrize(
    "legs",
    [
        (Leg("wal_a", -100), Leg("wal_b", 99)),
        (Leg("wal_a", 0), Leg("wal_b", 0)),
        (Leg("wal_a", -1), Leg("wal_b", 1), Leg("external:x:USD", 0)),
        (Leg("wal_a", -1), Leg("wal_a", 1)),
        (Leg("external:x:USD", -1), Leg("external:y:USD", 1)),
    ],
)
def test_what_is_no_movement_is_a_bug(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(InvariantViolated):
        plan_of(RICH, B, wanted=order(*legs))


def many(count: int) -> tuple[Leg, ...]:
    return (Leg("wal_a", 1 - count), *(Leg(f"external:{number}:USD", 1) for number in range(count - 1)))


def test_a_movement_has_a_bounded_number_of_postings() -> None:
    assert len(plan_of(RICH, wanted=order(*many(MAX_POSTINGS))).transfer.postings) == MAX_POSTINGS
    with pytest.raises(InvariantViolated):
        plan_of(RICH, wanted=order(*many(MAX_POSTINGS + 1)))


def test_an_order_without_legs_is_a_bug() -> None:
    with pytest.raises(InvariantViolated):
        plan(replace(order(), legs=()), {}, NOW_MS)


@pytest.mark.parametrize("asset", [EUR, replace(USD, scale=3)])
def test_an_account_of_another_asset_or_scale_is_a_bug(asset: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvariantViolated, match="wal_b"):
        plan_of(RICH, replace(B, asset=asset))


DEPOSIT = Incoming().deposit()
CLAIM_LEGS = (Leg("wal_a", 0), Leg("external:receivable:USD", -100), Leg("external:stripe:USD", 100))


def step(*legs: Leg, kind: TransferKind = TransferKind.REFUND, **changes: Any) -> Order:  # noqa: ANN401 (any field)
    return order(*(legs or CLAIM_LEGS), kind=kind, flow=DEPOSIT, **changes)


def test_a_step_of_a_flow_writes_the_flow_and_any_other_movement_none() -> None:
    assert plan_of(RICH, wanted=step()).order.flow is DEPOSIT
    assert plan_of(RICH, B).order.flow is None


def test_a_leg_without_units_looks_at_its_account_and_leaves_no_entry_or_posting() -> None:
    planned = plan_of(RICH, wanted=step())
    assert planned.entries == ()
    assert [(change.before, change.after, change.entry) for change in planned.changes] == [(RICH, RICH, None)]
    assert planned.transfer.postings == (
        Posting("external:receivable:USD", -100),
        Posting("external:stripe:USD", 100),
    )
    assert planned.transfer.units == 100


def test_a_leg_without_units_still_orders_the_movement_after_its_accounts_newest_entry() -> None:
    late = replace(RICH, head_time_ms=NOW_MS + 50)
    assert plan_of(late, wanted=step()).transfer.created_at_ms == NOW_MS + 51


def test_a_leg_without_units_needs_its_account() -> None:
    with pytest.raises(NotFound):
        plan_of(wanted=step())


@pytest.mark.parametrize(
    "legs", [(Leg("wal_a", 0),), (Leg("wal_a", 0), Leg("external:x:USD", 0)), (Leg("wal_a", 0), Leg("wal_b", 1))]
)
def test_a_step_that_moves_nothing_or_does_not_add_up_is_a_bug(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(InvariantViolated):
        plan_of(RICH, B, wanted=step(*legs))


@pytest.mark.parametrize("legs", [CLAIM_LEGS, (Leg("wal_a", -1), Leg("external:stripe:USD", 1))])
def test_an_active_account_is_frozen_with_the_reason_whether_money_moves_or_not(legs: tuple[Leg, ...]) -> None:
    (change,) = plan_of(RICH, wanted=step(*legs, freeze="owes")).changes
    assert (change.after.status, change.after.status_reason) == (Status.FROZEN, "owes")
    assert change.after.balance == RICH.balance + legs[0].units
    assert change.after.version == RICH.version + bool(legs[0].units)


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_an_account_that_is_not_active_keeps_its_status_and_reason(status: Status) -> None:
    marked = replace(RICH, status=status, status_reason="first")
    (change,) = plan_of(marked, wanted=step(freeze="owes")).changes
    assert (change.after.status, change.after.status_reason) == (status, "first")


@pytest.mark.parametrize("status", list(Status))
def test_what_may_freeze_an_account_holds_only_while_its_status_is_as_it_was_seen(status: Status) -> None:
    marked = replace(RICH, status=status)
    assert plan_of(marked, wanted=step(freeze="owes")).accepted_statuses == {status}
    assert plan_of(marked, wanted=step()).accepted_statuses == set(Status)


def test_without_a_reason_nothing_is_frozen() -> None:
    assert plan_of(RICH, wanted=step()).changes[0].after.status is Status.ACTIVE


@pytest.mark.parametrize(
    ("kind", "passes"),
    [
        (TransferKind.CREDIT, ""),
        (TransferKind.DEBIT, ""),
        (TransferKind.TRANSFER, ""),
        (TransferKind.DEPOSIT, ""),
        (TransferKind.REVERSAL, "FROZEN"),
        (TransferKind.REFUND_REVERSAL, "FROZEN"),
        (TransferKind.CHARGEBACK_REVERSAL, "FROZEN"),
        (TransferKind.REFUND, "FROZEN CLOSED"),
        (TransferKind.CHARGEBACK, "FROZEN CLOSED"),
        (TransferKind.WITHDRAWAL_HOLD, ""),
        (TransferKind.WITHDRAWAL, ""),
        (TransferKind.WITHDRAWAL_RELEASE, "FROZEN"),
        (TransferKind.WITHDRAWAL_RETURN, "FROZEN"),
    ],
)
def test_returns_pass_a_frozen_wallet_and_claims_a_closed_one_too(kind: TransferKind, passes: str) -> None:
    wanted = step(kind=kind)
    assert wanted.accepted_statuses == {Status.ACTIVE, *map(Status, passes.split())}
    for status in Status:
        marked = replace(RICH, status=status)
        if status in wanted.accepted_statuses:
            assert plan_of(marked, wanted=wanted).accepted_statuses == wanted.accepted_statuses
        else:
            with pytest.raises(AccountNotActive):
                plan_of(marked, wanted=wanted)


WITHDRAWAL = replace(withdrawal(units=90, fee_units=10), version=0)
HOLD_LEGS = (Leg("wal_a", -100), Leg(WITHDRAWAL.hold_id, 100))


def hold(**changes: Any) -> Order:  # noqa: ANN401 (any field)
    opens = {"opens": (WITHDRAWAL.hold,), "flow": WITHDRAWAL, "held": {"wal_a": 100}, **changes}
    return order(*HOLD_LEGS, kind=TransferKind.WITHDRAWAL_HOLD, **opens)


def test_an_account_may_be_opened_with_the_movement_that_fills_it() -> None:
    planned = plan_of(RICH, wanted=hold())
    assert planned.opened == {WITHDRAWAL.hold_id}
    opened = planned.changes[1]
    assert opened.before == WITHDRAWAL.hold
    assert (opened.after.balance, opened.after.version, opened.after.kind) == (100, 1, AccountKind.HOLD)
    assert opened.entry is not None
    assert (opened.entry.sequence, opened.entry.previous_hash) == (1, WITHDRAWAL.hold.head_hash)
    assert planned.transfer.postings[1] == Posting(WITHDRAWAL.hold_id, 100, WITHDRAWAL.flow_id, 100)


def test_an_account_that_is_to_be_opened_is_described_by_the_order_whatever_was_seen() -> None:
    seen = replace(WITHDRAWAL.hold, balance=7, version=3)
    assert plan_of(RICH, seen, wanted=hold()).changes[1].before == WITHDRAWAL.hold


def test_other_movements_open_nothing() -> None:
    assert plan_of(RICH, B).opened == frozenset()


def test_an_account_that_is_to_be_opened_may_not_be_overdrawn() -> None:
    legs = (Leg("wal_a", 100), Leg(WITHDRAWAL.hold_id, -100))
    with pytest.raises(InsufficientFunds):
        plan_of(RICH, wanted=replace(hold(), legs=legs))


def test_what_is_on_hold_for_a_wallet_is_not_worked_out_here() -> None:
    planned = plan_of(replace(RICH, held=7), wanted=hold())
    assert (planned.changes[0].after.held, planned.held_elsewhere) == (7, {})


def test_what_is_on_hold_changes_for_a_wallet_that_does_not_change_otherwise() -> None:
    legs = (Leg(WITHDRAWAL.hold_id, -100), Leg("external:stripe:USD", 90), Leg("external:fees:USD", 10))
    held = replace(WITHDRAWAL.hold, balance=100)
    wanted = order(*legs, kind=TransferKind.WITHDRAWAL, flow=WITHDRAWAL, held={"wal_a": -100, held.account_id: 0})
    assert plan_of(held, wanted=wanted).held_elsewhere == {"wal_a": -100}


def test_a_plan_keeps_all_that_its_order_asks_for() -> None:
    audit = AuditRecord("wdr_1", "withdrawal-rejected", "root", NOW_MS, "203.0.113.7", {})
    quota = Quota("key", USD, 90, 1, NOW_MS)
    asked = plan_of(RICH, wanted=hold(audit=audit, quota=quota, references=("destination:1",))).order
    assert (asked.audit, asked.quota, asked.references, asked.flow) == (audit, quota, ("destination:1",), WITHDRAWAL)
    plain = order()
    assert (plain.audit, plain.quota, plain.references, plain.opens, dict(plain.held)) == (None, None, (), (), {})
