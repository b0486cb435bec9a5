from collections.abc import Mapping
from dataclasses import replace

import pytest

from tallystick.domain.accounts import Account, Entry, Status
from tallystick.domain.deposits import Deposit, Step
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.posting import Leg, Order, Plan, plan
from tallystick.domain.transfers import Tombstone, TransferKind, reversal_marker
from tallystick.services import movements
from tallystick.services.ports.ledger import CommitRefused
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.ports.wallets import StatusChange
from tests.support.incoming import Incoming
from tests.support.scene import BOB, NOW_MS, USD, account, claim
from tests.support.tables import Ports

A = replace(account("wal_a"), balance=1000, label="Mine", held=7)
B = account("wal_b", BOB)
ACCOUNTS = {"wal_a": A, "wal_b": B}
LEGS = (Leg("wal_a", -100), Leg("wal_b", 100))


@pytest.fixture
def ports(ports: Ports) -> Ports:
    """Give two accounts that nothing has happened to."""
    for opened in ACCOUNTS.values():
        ports.wallets.create(opened)
    return ports


def order(key: str = "k1", *legs: Leg) -> Order:
    return Order(claim(key), TransferKind.TRANSFER, USD, legs or LEGS)


def planned(wanted: Order, accounts: Mapping[str, Account] = ACCOUNTS) -> Plan:
    return plan(wanted, accounts, NOW_MS)


def entries(ports: Ports, account_id: str) -> list[Entry]:
    return ports.statements.entries(StatementQuery(account_id, limit=100)).items


def refusal(ports: Ports, wanted: Plan) -> CommitRefused:
    with pytest.raises(CommitRefused) as refused:
        ports.book.commit(wanted)
    return refused.value


def assert_untouched(ports: Ports, *keys: str) -> None:
    assert ports.book.accounts(["wal_a", "wal_b"]) == ACCOUNTS
    assert entries(ports, "wal_a") == entries(ports, "wal_b") == []
    assert [ports.book.record(claim(key).key.digest) for key in keys] == [None] * len(keys)


def test_accounts_that_do_not_exist_are_left_out(ports: Ports) -> None:
    assert ports.book.accounts(["wal_a"]) == {"wal_a": A}
    assert ports.book.accounts(["wal_nowhere"]) == {}
    assert ports.book.accounts(["wal_b", "wal_nowhere", "wal_a"]) == ACCOUNTS


def test_an_account_may_be_asked_for_twice(ports: Ports) -> None:
    assert ports.book.accounts(["wal_a", "wal_a"]) == {"wal_a": A}


def test_nothing_stands_under_an_unused_key(ports: Ports) -> None:
    assert ports.book.record(claim().key.digest) is None
    assert ports.book.reversed_by("trf_1") is None


def test_what_cannot_be_a_key_is_left_out_like_what_does_not_exist(ports: Ports) -> None:
    assert ports.book.accounts(["wal_a", "w" * 2049]) == {"wal_a": A}
    assert ports.book.accounts(["", "w" * 2049]) == ports.book.accounts(["w" * 2049]) == {}
    assert ports.wallets.get("") is ports.wallets.get("w" * 2049) is None


def test_a_prefix_alone_is_no_transfer(ports: Ports) -> None:
    assert movements.find_transfer(ports.book, "trf_") is None


def test_a_commit_writes_the_transfer_the_entries_and_the_heads(ports: Ports) -> None:
    wanted = planned(replace(order(), reference="stripe:π", metadata={"note": "größer\n😀", "empty": ""}))
    ports.book.commit(wanted)
    assert ports.book.record(claim().key.digest) == wanted.transfer
    assert ports.book.accounts(["wal_a", "wal_b"]) == {
        change.after.account_id: change.after for change in wanted.changes
    }
    assert entries(ports, "wal_a") + entries(ports, "wal_b") == [change.entry for change in wanted.changes]


def test_numbers_of_38_digits_are_exact(ports: Ports) -> None:
    full = replace(account("wal_full"), balance=MAX_UNITS)
    ports.wallets.create(full)
    wanted = planned(order("k1", Leg("wal_full", -MAX_UNITS), Leg("external:x:USD", MAX_UNITS)), {"wal_full": full})
    ports.book.commit(wanted)
    assert ports.book.record(claim().key.digest) == wanted.transfer
    assert entries(ports, "wal_full") == [wanted.changes[0].entry]
    back = planned(
        order("k2", Leg("wal_full", MAX_UNITS), Leg("external:x:USD", -MAX_UNITS)), ports.book.accounts(["wal_full"])
    )
    ports.book.commit(back)
    assert ports.book.accounts(["wal_full"])["wal_full"].balance == MAX_UNITS


def test_a_key_is_used_once_and_the_refusal_brings_its_record(ports: Ports) -> None:
    first = planned(order())
    ports.book.commit(first)
    again = planned(order("k1", Leg("wal_a", -1), Leg("wal_b", 1)), ports.book.accounts(["wal_a", "wal_b"]))
    refused = refusal(ports, again)
    assert (refused.record, refused.accounts, refused.reversed_by) == (first.transfer, {}, None)
    assert len(entries(ports, "wal_a")) == 1


@pytest.mark.parametrize("stale", [{"version": 1}, {"balance": 999}])
@pytest.mark.parametrize("which", ["wal_a", "wal_b"])
def test_an_account_that_changed_refuses_all_and_comes_back(ports: Ports, which: str, stale: dict[str, int]) -> None:
    seen = {**ACCOUNTS, which: replace(ACCOUNTS[which], **stale)}  # type: ignore[arg-type]
    refused = refusal(ports, planned(order(), seen))
    assert (refused.record, refused.accounts) == (None, {which: ACCOUNTS[which]})
    assert_untouched(ports, "k1")


def test_all_accounts_that_changed_come_back(ports: Ports) -> None:
    seen = {key: replace(found, version=3) for key, found in ACCOUNTS.items()}
    assert refusal(ports, planned(order(), seen)).accounts == ACCOUNTS
    assert_untouched(ports, "k1")


def test_a_used_key_and_a_changed_account_are_told_together(ports: Ports) -> None:
    first = planned(order())
    ports.book.commit(first)
    refused = refusal(ports, first)
    assert refused.record == first.transfer
    assert refused.accounts == ports.book.accounts(["wal_a", "wal_b"])


def test_an_account_that_does_not_exist_refuses_all_without_an_image(ports: Ports) -> None:
    ghost = account("wal_ghost")
    wanted = planned(order("k1", Leg("wal_a", -1), Leg("wal_ghost", 1)), {**ACCOUNTS, "wal_ghost": ghost})
    refused = refusal(ports, wanted)
    assert (refused.record, refused.accounts) == (None, {})
    assert_untouched(ports, "k1")
    assert ports.wallets.get("wal_ghost") is None


def mark(ports: Ports, account_id: str, status: Status) -> None:
    assert ports.wallets.change_status(StatusChange(account_id, frozenset({Status.ACTIVE}), status))[0]


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_an_account_that_is_not_active_any_more_refuses(ports: Ports, status: Status) -> None:
    mark(ports, "wal_b", status)
    refused = refusal(ports, planned(order()))
    assert refused.accounts == {"wal_b": replace(B, status=status)}
    assert ports.book.record(claim().key.digest) is None


@pytest.mark.parametrize(("status", "passes"), [(Status.FROZEN, True), (Status.CLOSED, False)])
def test_a_reversal_passes_a_frozen_account_only(ports: Ports, status: Status, passes: bool) -> None:  # noqa: FBT001
    mark(ports, "wal_b", status)
    wanted = planned(replace(order(), kind=TransferKind.REVERSAL, reverses="trf_1"))
    if passes:
        ports.book.commit(wanted)
    else:
        refusal(ports, wanted)
    assert ports.book.reversed_by("trf_1") == (wanted.transfer.transfer_id if passes else None)


def test_a_commit_leaves_the_rest_of_an_account_alone(ports: Ports) -> None:
    ports.wallets.change_status(StatusChange("wal_a", frozenset({Status.ACTIVE}), Status.FROZEN, "why"))
    ports.wallets.change_status(StatusChange("wal_a", frozenset({Status.FROZEN}), Status.ACTIVE))
    ports.book.commit(planned(order()))
    after = ports.book.accounts(["wal_a"])["wal_a"]
    assert (after.label, after.held, after.status_reason, after.balance) == ("Mine", 7, "why", 900)


def test_a_transfer_is_reversed_once_and_the_refusal_names_its_reversal(ports: Ports) -> None:
    first = planned(replace(order("r1"), kind=TransferKind.REVERSAL, reverses="trf_1"))
    ports.book.commit(first)
    assert ports.book.reversed_by("trf_1") == first.transfer.transfer_id
    assert ports.book.record(claim("r1").key.digest) == first.transfer
    second = replace(order("r2"), kind=TransferKind.REVERSAL, reverses="trf_1")
    refused = refusal(ports, planned(second, ports.book.accounts(["wal_a", "wal_b"])))
    assert (refused.record, refused.reversed_by) == (None, first.transfer.transfer_id)
    assert ports.book.record(claim("r2").key.digest) is None


def test_a_reversals_marker_is_no_record(ports: Ports) -> None:
    ports.book.commit(planned(replace(order("r1"), kind=TransferKind.REVERSAL, reverses="trf_1")))
    assert ports.book.record(reversal_marker("trf_1")) is None


def test_an_unused_key_can_be_voided_and_then_moves_nothing(ports: Ports) -> None:
    tombstone = Tombstone(replace(claim(), fingerprint=""), NOW_MS)
    ports.book.void(tombstone)
    assert ports.book.record(claim().key.digest) == tombstone
    assert refusal(ports, planned(order())).record == tombstone
    assert ports.book.accounts(["wal_a", "wal_b"]) == ACCOUNTS


def test_a_taken_key_cannot_be_voided_and_the_refusal_brings_what_stands_there(ports: Ports) -> None:
    moved = planned(order())
    ports.book.commit(moved)
    voided = Tombstone(replace(claim("k2"), fingerprint=""), NOW_MS)
    ports.book.void(voided)
    for taken, standing in ((claim("k1"), moved.transfer), (claim("k2"), voided)):
        with pytest.raises(CommitRefused) as refused:
            ports.book.void(Tombstone(replace(taken, fingerprint=""), NOW_MS + 1))
        assert refused.value.record == standing == ports.book.record(taken.key.digest)


# Steps of flows

FLOW = replace(Incoming().deposit(), flow_id="dep_1", instructions={"memo": "größer 😀"})
CLAIMED = (Leg("wal_a", 0), Leg("external:receivable:USD", -100), Leg("external:stripe:USD", 100))
DEPOSITED = (Leg("wal_a", 100), Leg("external:stripe:USD", -100))


def step(
    *legs: Leg, flow: Deposit = FLOW, kind: TransferKind = TransferKind.REFUND, freeze: str | None = None
) -> Order:
    """Take a step that makes the flow's next version."""
    following = replace(flow, pending=True, version=flow.version + 1)
    key = replace(claim("k1"), key=flow.key(Step(kind, "re_1", 100)))
    return Order(key, kind, USD, legs or CLAIMED, flow=following, freeze=freeze)


def test_a_step_writes_its_movement_and_the_flows_next_version_together(ports: Ports) -> None:
    ports.flows.create(FLOW)
    wanted = planned(step(*DEPOSITED, kind=TransferKind.DEPOSIT))
    ports.book.commit(wanted)
    assert ports.flows.get("dep_1") == wanted.order.flow
    assert ports.book.record(wanted.transfer.claim.key.digest) == wanted.transfer
    assert ports.book.accounts(["wal_a"])["wal_a"].balance == 1100


@pytest.mark.parametrize("version", [1, 5])
@pytest.mark.parametrize("legs", [CLAIMED, DEPOSITED])
def test_a_flow_that_changed_refuses_all_and_that_is_told(ports: Ports, version: int, legs: tuple[Leg, ...]) -> None:
    stored = replace(FLOW, version=version)
    ports.flows.create(stored)
    wanted = planned(step(*legs))
    refused = refusal(ports, wanted)
    assert refused.flow_changed
    assert refused.is_final
    assert (refused.record, refused.accounts, refused.reversed_by) == (None, {}, None)
    assert ports.flows.get("dep_1") == stored
    assert ports.book.record(wanted.transfer.claim.key.digest) is None
    assert_untouched(ports)


def test_a_step_that_was_taken_is_told_with_its_record_and_the_changed_flow(ports: Ports) -> None:
    ports.flows.create(FLOW)
    wanted = planned(step(*DEPOSITED))
    ports.book.commit(wanted)
    refused = refusal(ports, wanted)
    assert (refused.record, refused.flow_changed) == (wanted.transfer, True)
    assert refused.accounts == ports.book.accounts(["wal_a"])
    assert len(entries(ports, "wal_a")) == 1


def test_an_account_that_changed_leaves_the_flow_as_it_was(ports: Ports) -> None:
    ports.flows.create(FLOW)
    refused = refusal(ports, planned(step(*DEPOSITED), {"wal_a": replace(A, version=9)}))
    assert (refused.flow_changed, refused.accounts) == (False, {"wal_a": A})
    assert ports.flows.get("dep_1") == FLOW


def test_a_leg_without_units_leaves_its_account_without_an_entry(ports: Ports) -> None:
    ports.flows.create(FLOW)
    wanted = planned(step())
    ports.book.commit(wanted)
    assert ports.book.accounts(["wal_a"]) == {"wal_a": A}
    assert entries(ports, "wal_a") == []
    assert ports.book.record(wanted.transfer.claim.key.digest) == wanted.transfer
    assert ports.flows.get("dep_1") == wanted.order.flow


@pytest.mark.parametrize("stale", [{"version": 1}, {"balance": 999}])
def test_an_account_that_a_leg_without_units_looks_at_must_be_as_it_was_seen(
    ports: Ports, stale: dict[str, int]
) -> None:
    ports.flows.create(FLOW)
    seen = replace(A, **stale)  # type: ignore[arg-type]
    refused = refusal(ports, planned(step(), {"wal_a": seen}))
    assert (refused.accounts, refused.flow_changed) == ({"wal_a": A}, False)
    assert ports.flows.get("dep_1") == FLOW


@pytest.mark.parametrize("legs", [CLAIMED, (Leg("wal_a", -100), Leg("external:stripe:USD", 100))])
def test_an_account_is_frozen_with_its_reason_by_the_movement_itself(ports: Ports, legs: tuple[Leg, ...]) -> None:
    ports.flows.create(FLOW)
    wanted = planned(step(*legs, freeze="owes größer 😀"))
    ports.book.commit(wanted)
    after = ports.book.accounts(["wal_a"])["wal_a"]
    assert after == wanted.changes[0].after
    assert (after.status, after.status_reason) == (Status.FROZEN, "owes größer 😀")
    assert (after.label, after.held, after.version) == ("Mine", 7, len(entries(ports, "wal_a")))


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_an_account_whose_status_changed_since_it_was_seen_is_not_frozen(ports: Ports, status: Status) -> None:
    ports.flows.create(FLOW)
    mark(ports, "wal_a", status)
    wanted = step(freeze="why")
    refused = refusal(ports, planned(wanted))
    assert refused.accounts == {"wal_a": replace(A, status=status)}
    assert ports.flows.get("dep_1") == FLOW
    ports.book.commit(planned(wanted, refused.accounts))
    assert ports.book.accounts(["wal_a"]) == {"wal_a": replace(A, status=status)}


@pytest.mark.parametrize("legs", [CLAIMED, (Leg("wal_a", -100), Leg("external:stripe:USD", 100))])
def test_an_account_that_was_unfrozen_since_it_was_seen_is_looked_at_again_before_it_is_left_active(
    ports: Ports, legs: tuple[Leg, ...]
) -> None:
    ports.flows.create(FLOW)
    wanted = step(*legs, freeze="why")
    refused = refusal(ports, planned(wanted, {"wal_a": replace(A, status=Status.FROZEN)}))
    assert refused.accounts == {"wal_a": A}
    ports.book.commit(planned(wanted, refused.accounts))
    assert ports.book.accounts(["wal_a"])["wal_a"].status is Status.FROZEN


@pytest.mark.parametrize("status", list(Status))
def test_a_claim_passes_an_account_of_any_status_and_leaves_it(ports: Ports, status: Status) -> None:
    ports.flows.create(FLOW)
    if status is not Status.ACTIVE:
        mark(ports, "wal_a", status)
    ports.book.commit(planned(step(), {"wal_a": replace(A, status=status)}))
    assert ports.book.accounts(["wal_a"])["wal_a"].status is status


@pytest.mark.parametrize(("status", "passes"), [(Status.FROZEN, True), (Status.CLOSED, False)])
def test_what_is_given_back_passes_a_frozen_account_only(ports: Ports, status: Status, passes: bool) -> None:  # noqa: FBT001
    ports.flows.create(FLOW)
    mark(ports, "wal_a", status)
    wanted = planned(step(*DEPOSITED, kind=TransferKind.CHARGEBACK_REVERSAL))
    if passes:
        ports.book.commit(wanted)
    else:
        assert refusal(ports, wanted).accounts == {"wal_a": replace(A, status=status)}
    assert ports.book.accounts(["wal_a"])["wal_a"].balance == (1100 if passes else 1000)


def test_a_movement_without_a_flow_tells_of_none(ports: Ports) -> None:
    ports.book.commit(planned(order()))
    assert not refusal(ports, planned(order())).flow_changed
