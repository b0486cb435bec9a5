from dataclasses import replace
from typing import Any, Final

import pytest

from tallystick.adapters.dynamo.tables import OperationItem
from tallystick.domain.accounts import Account, AccountKind, Entry, Status
from tallystick.domain.audit import AuditRecord
from tallystick.domain.money import MAX_UNITS, Asset
from tallystick.domain.posting import Leg, Order, Plan, plan
from tallystick.domain.quotas import Quota, Used
from tallystick.domain.transfers import TransferKind
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services.ports.ledger import CommitRefused
from tallystick.services.ports.statements import StatementQuery
from tests.support.scene import NOW_MS, USD, account, claim
from tests.support.tables import Ports, Tables
from tests.support.withdrawals import withdrawal

DAY_ENDS_MS: Final = NOW_MS + 86_400_000
WALLET: Final = replace(account("wal_a"), balance=1000, label="Mine")
FLOW: Final = replace(withdrawal(), version=0, units=100, fee_units=10)
TOTAL: Final = 110
NAME: Final = "destination:somewhere"
QUOTA: Final = Quota("withdrawals#ada#USD#2026-01-01", USD, 100, 1, DAY_ENDS_MS, max_units=250, max_count=3)
BACK: Final = replace(QUOTA, units=-100, count=-1, max_units=None, max_count=None)
AUDIT: Final = AuditRecord(FLOW.flow_id, "withdrawal-rejected", "root", NOW_MS, "203.0.113.7", {"notes": "größer 😀"})


@pytest.fixture
def ports(ports: Ports) -> Ports:
    """Give a wallet that nothing has happened to."""
    ports.wallets.create(WALLET)
    return ports


def flow(number: int) -> Withdrawal:
    return replace(FLOW, flow_id=f"wdr_{number}")


def hold(wanted: Withdrawal = FLOW, **members: Any) -> Order:  # noqa: ANN401 (any member)
    """Put money on hold."""
    order = Order(
        claim=claim(wanted.flow_id),
        kind=TransferKind.WITHDRAWAL_HOLD,
        asset=wanted.asset,
        legs=(Leg("wal_a", -wanted.total_units), Leg(wanted.hold_id, wanted.total_units)),
        opens=(wanted.hold,),
        flow=wanted,
        held={"wal_a": wanted.total_units},
    )
    return replace(order, **members)


def ending(kind: TransferKind, wanted: Withdrawal = FLOW, **members: Any) -> Order:  # noqa: ANN401 (any member)
    """Pay out what is on hold, or give it back."""
    total = wanted.total_units
    paid = (Leg("external:stripe:USD", wanted.units), Leg("external:fees:USD", wanted.fee_units))
    given_back = (Leg("wal_a", total),)
    order = Order(
        claim=wanted.claim(kind),
        kind=kind,
        asset=wanted.asset,
        legs=(Leg(wanted.hold_id, -total), *(paid if kind is TransferKind.WITHDRAWAL else given_back)),
        flow=replace(wanted, state=WithdrawalState.COMPLETED, version=wanted.version + 1),
        held={"wal_a": -total},
    )
    return replace(order, **members)


def planned(ports: Ports, order: Order) -> Plan:
    """Plan an order by the accounts as they are."""
    return plan(order, ports.book.accounts([leg.account_id for leg in order.legs]), NOW_MS)


def commit(ports: Ports, order: Order) -> Plan:
    wanted = planned(ports, order)
    ports.book.commit(wanted)
    return wanted


def refusal(ports: Ports, wanted: Plan) -> CommitRefused:
    with pytest.raises(CommitRefused) as refused:
        ports.book.commit(wanted)
    return refused.value


def stored(ports: Ports, account_id: str = "wal_a") -> Account:
    return ports.book.accounts([account_id])[account_id]


def money(ports: Ports) -> tuple[int, int]:
    wallet = stored(ports)
    return wallet.balance, wallet.held


def entries(ports: Ports, account_id: str) -> list[Entry]:
    return ports.statements.entries(StatementQuery(account_id, limit=100)).items


def assert_nothing_written(ports: Ports, order: Order, before: Account = WALLET) -> None:
    assert ports.book.record(order.claim.key.digest) is None
    assert stored(ports) == before
    assert ports.book.accounts([opened.account_id for opened in order.opens]) == {}
    assert ports.flows.get(FLOW.flow_id) is None
    assert ports.flows.find(NAME) is None
    assert ports.quotas.used(QUOTA.key) == Used()
    assert ports.audited() == []


# Accounts that are opened


def test_a_hold_is_opened_with_its_money_its_entry_and_all_that_belongs_to_it(ports: Ports) -> None:
    wanted = commit(ports, hold(references=(NAME,), quota=QUOTA, audit=AUDIT))
    opened = wanted.changes[1].after
    assert stored(ports, FLOW.hold_id) == opened
    assert (opened.balance, opened.held, opened.version, opened.kind) == (TOTAL, 0, 1, AccountKind.HOLD)
    assert (opened.owner_id, opened.status, opened.asset.code) == (FLOW.flow_id, Status.ACTIVE, "USD")
    assert stored(ports) == replace(wanted.changes[0].after, held=TOTAL)
    assert entries(ports, "wal_a") + entries(ports, FLOW.hold_id) == list(wanted.entries)
    assert (ports.flows.get(FLOW.flow_id), ports.flows.find(NAME)) == (FLOW, FLOW.flow_id)
    assert (ports.quotas.used(QUOTA.key), ports.audited()) == (Used(100, 1), [AUDIT])
    assert ports.book.record(wanted.transfer.claim.key.digest) == wanted.transfer


def test_a_hold_of_38_digits_is_exact(ports: Ports) -> None:
    dust = Asset("DUST", 18)
    huge = replace(FLOW, asset=dust, units=MAX_UNITS - 10)
    full = replace(account("wal_full", asset=dust), balance=MAX_UNITS)
    ports.wallets.create(full)
    legs = (Leg("wal_full", -MAX_UNITS), Leg(huge.hold_id, MAX_UNITS))
    quota = replace(QUOTA, asset=dust, units=huge.units, max_units=MAX_UNITS)
    wanted = commit(ports, hold(huge, legs=legs, held={"wal_full": MAX_UNITS}, quota=quota))
    assert (stored(ports, "wal_full").held, stored(ports, huge.hold_id)) == (MAX_UNITS, wanted.changes[1].after)
    assert ports.quotas.used(QUOTA.key) == Used(huge.units, 1)


def test_an_id_that_is_taken_opens_nothing_and_comes_back(ports: Ports) -> None:
    taken = replace(FLOW.hold, created_at_ms=NOW_MS - 5)
    ports.wallets.create(taken)
    order = hold(references=(NAME,), quota=QUOTA, audit=AUDIT)
    refused = refusal(ports, plan(order, {"wal_a": WALLET}, NOW_MS))
    assert (refused.accounts, refused.record, refused.flow_changed, refused.used) == (
        {FLOW.hold_id: taken},
        None,
        False,
        None,
    )
    assert not refused.is_final
    assert_nothing_written(ports, replace(order, opens=()))
    assert stored(ports, FLOW.hold_id) == taken


def test_a_wallet_that_changed_opens_nothing(ports: Ports) -> None:
    order = hold(references=(NAME,), quota=QUOTA, audit=AUDIT)
    refused = refusal(ports, plan(order, {"wal_a": replace(WALLET, version=7)}, NOW_MS))
    assert (refused.accounts, refused.used, refused.is_final) == ({"wal_a": WALLET}, None, False)
    assert_nothing_written(ports, order)


def test_a_withdrawal_that_is_there_opens_nothing(ports: Ports) -> None:
    ports.flows.create(FLOW)
    order = hold(quota=QUOTA, audit=AUDIT)
    refused = refusal(ports, planned(ports, order))
    assert (refused.flow_changed, refused.is_final, refused.accounts) == (True, True, {})
    assert (stored(ports), ports.book.accounts([FLOW.hold_id])) == (WALLET, {})
    assert (ports.quotas.used(QUOTA.key), ports.audited()) == (Used(), [])


# What is on hold


def test_what_is_on_hold_goes_with_what_is_paid_and_with_what_is_given_back(ports: Ports) -> None:
    for number in (1, 2):
        commit(ports, hold(flow(number)))
    assert money(ports) == (780, 220)
    commit(ports, ending(TransferKind.WITHDRAWAL, flow(1)))
    assert money(ports) == (780, 110)
    commit(ports, ending(TransferKind.WITHDRAWAL_RELEASE, flow(2)))
    assert money(ports) == (890, 0)
    assert stored(ports).label == "Mine"
    assert [stored(ports, flow(number).hold_id).balance for number in (1, 2)] == [0, 0]


def test_two_payouts_that_were_planned_at_once_both_count_whatever_moves_meanwhile(ports: Ports) -> None:
    for number in (1, 2):
        commit(ports, hold(flow(number)))
    plans = [planned(ports, ending(TransferKind.WITHDRAWAL, flow(number))) for number in (1, 2)]
    commit(ports, hold(flow(3)))
    for wanted in plans:
        ports.book.commit(wanted)
    assert money(ports) == (670, 110)


def test_what_is_on_hold_does_not_hinder_a_movement_that_was_planned_before(ports: Ports) -> None:
    commit(ports, hold())
    transfer = Order(
        claim("k9"), TransferKind.DEBIT, USD, (Leg("wal_a", -40), Leg("external:x:USD", 40)), reference="x:1"
    )
    wanted = planned(ports, transfer)
    commit(ports, ending(TransferKind.WITHDRAWAL))
    ports.book.commit(wanted)
    assert money(ports) == (850, 0)


@pytest.mark.parametrize("kind", [TransferKind.WITHDRAWAL, TransferKind.WITHDRAWAL_RELEASE])
def test_less_than_nothing_is_never_on_hold(ports: Ports, kind: TransferKind) -> None:
    commit(ports, hold())
    before = stored(ports)
    order = ending(kind, held={"wal_a": -TOTAL - 1}, quota=BACK, audit=AUDIT)
    refused = refusal(ports, planned(ports, order))
    assert (refused.accounts, refused.record, refused.flow_changed) == ({"wal_a": before}, None, False)
    assert (stored(ports), stored(ports, FLOW.hold_id).balance) == (before, TOTAL)
    assert (ports.flows.get(FLOW.flow_id), ports.quotas.used(QUOTA.key), ports.audited()) == (FLOW, Used(), [])


def test_nothing_is_on_hold_for_a_wallet_that_is_not_there(dynamo: Tables) -> None:
    ports = dynamo.ports
    ports.wallets.create(WALLET)
    commit(ports, hold())
    refused = refusal(ports, planned(ports, ending(TransferKind.WITHDRAWAL, held={"wal_nowhere": 1})))
    assert (refused.accounts, refused.is_final) == ({}, False)
    assert ports.wallets.get("wal_nowhere") is None


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_what_is_paid_out_asks_nothing_of_the_wallet(ports: Ports, status: Status) -> None:
    ports.wallets.create(replace(account("wal_b"), held=TOTAL, status=status))
    commit(ports, hold())
    commit(ports, ending(TransferKind.WITHDRAWAL, held={"wal_b": -TOTAL}))
    after = stored(ports, "wal_b")
    assert (after.held, after.status, after.version) == (0, status, 0)


# Quotas


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"max_units": None, "max_count": None}, 5),
        ({"max_units": 250, "max_count": None}, 2),
        ({"max_units": 300, "max_count": None}, 3),
        ({"max_units": 299, "max_count": None}, 2),
        ({"max_units": None, "max_count": 1}, 1),
        ({"max_units": None, "max_count": 3}, 3),
        ({"max_units": 200, "max_count": 4}, 2),
        ({"max_units": 400, "max_count": 3}, 3),
    ],
)
def test_so_much_is_let_through_as_the_quota_says(ports: Ports, limits: dict[str, int | None], passes: int) -> None:
    quota = replace(QUOTA, **limits)  # type: ignore[arg-type] # by name
    for number in range(passes):
        commit(ports, hold(flow(number), quota=quota))
    assert ports.quotas.used(QUOTA.key) == Used(100 * passes, passes)
    if not quota.max_units and not quota.max_count:
        return
    before = stored(ports)
    order = hold(quota=quota, references=(NAME,), audit=AUDIT)
    refused = refusal(ports, planned(ports, order))
    assert (refused.used, refused.accounts, refused.flow_changed) == (Used(100 * passes, passes), {}, False)
    assert refused.is_final
    assert stored(ports) == before
    assert (ports.flows.find(NAME), ports.audited()) == (None, [])
    assert ports.quotas.used(QUOTA.key) == Used(100 * passes, passes)


def test_what_is_given_back_can_be_used_again(ports: Ports) -> None:
    quota = replace(QUOTA, max_count=1)
    commit(ports, hold(flow(1), quota=quota))
    commit(ports, ending(TransferKind.WITHDRAWAL_RELEASE, flow(1), quota=BACK))
    assert ports.quotas.used(QUOTA.key) == Used()
    commit(ports, hold(flow(2), quota=quota))
    assert ports.quotas.used(QUOTA.key) == Used(100, 1)


def test_giving_back_is_never_refused(ports: Ports) -> None:
    quota = replace(QUOTA, max_units=100, max_count=1)
    commit(ports, hold(quota=quota))
    commit(ports, ending(TransferKind.WITHDRAWAL_RELEASE, quota=replace(quota, units=-100, count=-1)))
    assert ports.quotas.used(QUOTA.key) == Used()


def test_what_is_given_back_after_its_count_was_removed_harms_nobody(ports: Ports) -> None:
    commit(ports, hold())
    commit(ports, ending(TransferKind.WITHDRAWAL_RELEASE, quota=BACK))
    assert ports.quotas.used(QUOTA.key) == Used(-100, -1)


def test_every_period_and_owner_has_a_count_of_its_own(ports: Ports) -> None:
    quota = replace(QUOTA, max_count=1)
    commit(ports, hold(flow(1), quota=quota))
    commit(ports, hold(flow(2), quota=replace(quota, key="withdrawals#bob#USD#2026-01-01")))
    assert ports.quotas.used(QUOTA.key) == ports.quotas.used("withdrawals#bob#USD#2026-01-01") == Used(100, 1)
    assert ports.quotas.used("withdrawals#eve#USD#2026-01-01") == Used()


def test_a_count_is_removed_a_week_after_its_period(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(WALLET)
    for number in (1, 2):
        commit(dynamo.ports, hold(flow(number), quota=QUOTA))
    item = OperationItem.get(f"quota#{QUOTA.key}")
    assert (item.units, item.count_of_period) == (200, 2)
    assert item.expires_at_s == DAY_ENDS_MS // 1000 + 7 * 86_400


def test_a_quota_that_is_used_up_is_final_only_when_the_wallet_was_as_it_was_seen(ports: Ports) -> None:
    quota = replace(QUOTA, max_count=1)
    commit(ports, hold(flow(1), quota=quota))
    refused = refusal(ports, plan(hold(quota=quota), {"wal_a": WALLET}, NOW_MS))
    assert (refused.used, refused.accounts, refused.is_final) == (Used(100, 1), {"wal_a": stored(ports)}, False)


# References, and several reasons at once


@pytest.mark.parametrize("names", [(NAME,), ("destination:new", NAME)])
def test_a_name_that_leads_to_another_refuses_all(ports: Ports, names: tuple[str, ...]) -> None:
    commit(ports, hold(flow(1), references=(NAME,)))
    before = stored(ports)
    refused = refusal(ports, planned(ports, hold(references=names, quota=QUOTA, audit=AUDIT)))
    assert (refused.flow_changed, refused.is_final) == (True, True)
    assert (refused.accounts, refused.record, refused.used) == ({}, None, None)
    assert (stored(ports), ports.flows.find(NAME), ports.flows.find("destination:new")) == (before, "wdr_1", None)
    assert (ports.flows.get(FLOW.flow_id), ports.quotas.used(QUOTA.key), ports.audited()) == (None, Used(), [])


def test_a_name_of_its_own_may_be_told_again_with_a_later_step(ports: Ports) -> None:
    commit(ports, hold(references=(NAME,)))
    commit(ports, ending(TransferKind.WITHDRAWAL, references=(NAME, "stripe:po_1")))
    assert ports.flows.find(NAME) == ports.flows.find("stripe:po_1") == FLOW.flow_id


def test_the_same_hold_again_is_told_with_everything_that_stands_in_its_way(ports: Ports) -> None:
    quota = replace(QUOTA, max_count=1)
    order = hold(references=(NAME,), quota=quota)
    first = commit(ports, order)
    refused = refusal(ports, first)
    assert (refused.record, refused.flow_changed, refused.used) == (first.transfer, True, Used(100, 1))
    assert refused.accounts == ports.book.accounts(["wal_a", FLOW.hold_id])
    assert refused.is_final
    assert (len(entries(ports, "wal_a")), money(ports)) == (1, (890, TOTAL))


def test_who_rejected_it_is_written_with_what_was_given_back(ports: Ports) -> None:
    commit(ports, hold())
    commit(ports, ending(TransferKind.WITHDRAWAL_RELEASE, audit=AUDIT))
    assert ports.audited() == [AUDIT]
    assert money(ports) == (1000, 0)
