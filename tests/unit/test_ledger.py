"""What `post` writes, how many calls it takes, and how it fares against others."""

from dataclasses import replace

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.deposits import Deposit, credited, due, with_facts
from tallystick.domain.errors import (
    AccountNotActive,
    BalanceLimitExceeded,
    IdempotencyKeyReused,
    InsufficientFunds,
    NotFound,
    StoreUnavailable,
    TooMuchContention,
)
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.posting import Leg, Order
from tallystick.domain.transfers import Claim
from tallystick.services.ledger import MAX_ATTEMPTS, FlowChanged, Ledger, Movement, post
from tallystick.services.ports.ledger import CommitConflict
from tests.support.fake_store import Reason
from tests.support.incoming import Incoming, paid
from tests.support.scene import NOW_MS, USD, Pauses, Scene, once


def test_a_cold_movement_reads_once_and_writes_once(scene: Scene) -> None:
    scene.credit("k", "1.00")
    assert scene.store.calls == ["accounts", "commit"]


def test_a_cold_transfer_reads_both_wallets_in_one_call(scene: Scene) -> None:
    scene.transfer("k", "1.00")
    assert scene.store.calls == ["accounts", "commit"]


def test_a_warm_movement_is_one_call(scene: Scene) -> None:
    scene.transfer("k1", "1.00")
    scene.store.calls.clear()
    scene.debit("k2", "1.00")
    scene.transfer("k3", "1.00")
    assert scene.store.calls == ["commit", "commit"]


def test_a_stale_movement_is_two_calls_for_the_refusal_brings_the_account_back(scene: Scene) -> None:
    scene.credit("k1", "1.00")
    scene.credit("k2", "1.00", ledger=scene.new_ledger())
    scene.store.calls.clear()
    scene.credit("k3", "1.00")
    assert scene.store.calls == ["commit", "commit"]
    assert scene.units() == 1300


def test_a_transfer_stale_on_one_side_is_two_calls(scene: Scene) -> None:
    scene.transfer("k1", "1.00")
    scene.credit("k2", "1.00", "wal_b", ledger=scene.new_ledger())
    scene.store.calls.clear()
    scene.transfer("k3", "1.00")
    assert scene.store.calls == ["commit", "commit"]


def test_what_a_movement_left_behind_is_remembered(scene: Scene) -> None:
    for number in range(5):
        scene.transfer(f"k{number}", "1.00")
    assert scene.store.calls == ["accounts"] + ["commit"] * 5
    assert [entry.balance_after for entry in scene.store.entries_of("wal_b")] == [100, 200, 300, 400, 500]


def test_a_refusal_is_based_on_accounts_read_for_it_then_on_the_key(scene: Scene) -> None:
    scene.credit("k1", "1.00")
    scene.store.calls.clear()
    with pytest.raises(InsufficientFunds) as refused:
        scene.debit("k2", "11.01")
    assert scene.store.calls == ["accounts", "record"]
    assert refused.value.members["available"] == "11.00"


def test_money_that_another_lambda_brought_is_found_before_refusing(scene: Scene) -> None:
    scene.credit("k1", "1.00")
    scene.credit("k2", "50.00", ledger=scene.new_ledger())
    scene.debit("k3", "60.00")
    assert scene.units() == 100


def test_a_wallet_unfrozen_meanwhile_is_found_before_refusing(scene: Scene) -> None:
    scene.mark("wal_a", Status.FROZEN)
    with pytest.raises(AccountNotActive):
        scene.credit("k1", "1.00")
    scene.mark("wal_a", Status.ACTIVE)
    scene.credit("k1", "1.00")
    assert scene.units() == 1100


def test_a_wallet_frozen_meanwhile_is_noticed_by_the_store(scene: Scene) -> None:
    scene.credit("k1", "1.00")
    scene.mark("wal_a", Status.FROZEN)
    with pytest.raises(AccountNotActive) as refused:
        scene.debit("k2", "1.00")
    assert set(refused.value.members.values()) == {"wal_a", "FROZEN"}


def test_a_missing_wallet_is_refused(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.credit("k1", "1.00", "wal_nowhere")
    assert scene.store.calls == ["accounts", "record"]


def test_a_wallet_opened_meanwhile_is_found(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.credit("k1", "1.00", "wal_new")
    scene.wallet("wal_new")
    assert scene.credit("k1", "1.00", "wal_new").transfer.units == 100


def test_a_refused_request_leaves_nothing_behind_and_its_key_may_succeed_later(scene: Scene) -> None:
    with pytest.raises(InsufficientFunds):
        scene.debit("k1", "10.01")
    assert len(scene.store.written) == 1
    scene.credit("k2", "0.01")
    assert not scene.debit("k1", "10.01").replayed
    assert scene.units() == 0


def test_a_balance_has_at_most_38_digits(scene: Scene) -> None:
    scene.wallet("wal_full", units=MAX_UNITS)
    with pytest.raises(BalanceLimitExceeded):
        scene.credit("k1", "0.01", "wal_full")
    assert scene.units("wal_full") == MAX_UNITS


def test_images_of_one_account_only_are_not_enough_to_refuse(scene: Scene) -> None:
    scene.transfer("k1", "1.00")
    scene.debit("k2", "9.00", ledger=scene.new_ledger())
    scene.store.calls.clear()
    with pytest.raises(InsufficientFunds):
        scene.transfer("k3", "1.00")
    assert scene.store.calls == ["commit", "accounts", "record"]


def test_a_refusal_without_images_leads_to_a_read(scene: Scene) -> None:
    def entries_only(reasons: list[Reason]) -> list[Reason]:
        return [reason for reason in reasons if reason.condition == "entry"] or reasons

    scene.credit("k1", "1.00")
    scene.credit("k2", "1.00", ledger=scene.new_ledger())  # the same millisecond after the same entry
    scene.store.calls.clear()
    scene.store.reported = entries_only
    scene.credit("k3", "1.00")
    assert scene.store.calls == ["commit", "accounts", "commit"]
    assert scene.units() == 1300


def test_another_transaction_in_the_way_is_waited_for(scene: Scene) -> None:
    waited = Pauses()
    scene.ledger = replace(scene.ledger, pause=waited)
    scene.store.before = once(CommitConflict(), "commit")
    scene.credit("k1", "1.00")
    assert waited == [0]
    assert scene.store.calls == ["accounts", "commit", "commit"]


def test_tries_are_bounded(scene: Scene) -> None:
    waited = Pauses()

    def always(call: str) -> None:
        if call == "commit":
            raise CommitConflict

    scene.ledger = replace(scene.ledger, pause=waited)
    scene.store.before = always
    with pytest.raises(TooMuchContention):
        scene.credit("k1", "1.00")
    assert waited == list(range(MAX_ATTEMPTS))
    assert len(scene.store.written) == 1


def test_others_who_always_come_first_end_in_contention_and_the_key_stays_usable(scene: Scene) -> None:
    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.credit(f"rival-{len(scene.store.written)}", "1.00", ledger=scene.new_ledger())
            scene.store.before = rival

    scene.store.before = rival
    with pytest.raises(TooMuchContention):
        scene.credit("k1", "1.00")
    scene.store.before = lambda _call: None
    assert not scene.credit("k1", "1.00").replayed
    assert scene.units() == 1000 + (MAX_ATTEMPTS + 1) * 100


@pytest.mark.parametrize("call", ["accounts", "commit"])
def test_a_store_that_does_not_answer_is_said_to_be_unavailable(scene: Scene, call: str) -> None:
    scene.store.before = once(StoreUnavailable("no answer"), call)
    with pytest.raises(StoreUnavailable):
        scene.credit("k1", "1.00")
    assert len(scene.store.written) == 1
    assert not scene.credit("k1", "1.00").replayed


def test_each_ledger_has_a_memory_of_its_own(scene: Scene) -> None:
    one, other = Ledger(scene.store, scene.ledger.pause), Ledger(scene.store, scene.ledger.pause)
    assert one.memory is not other.memory


@pytest.fixture
def incoming() -> Incoming:
    """Give ada an empty wallet and an order for 25.00, on a store without calls."""
    return Incoming()


def deposit_step(deposit: Deposit) -> Movement:
    """Credit an order as it was read."""
    known = with_facts(deposit, [paid()])
    step = due(known)
    assert step is not None
    claim = Claim(deposit.key(step), deposit.step_fingerprint(step))
    legs = (Leg("wal_a", step.units), Leg("external:stripe:USD", -step.units))
    order = Order(claim, step.kind, USD, legs, flow=credited(known, step, "wal_a"))
    return Movement(claim, ("wal_a",), lambda _accounts: order)


def test_a_step_is_written_with_its_flow(incoming: Incoming) -> None:
    movement = deposit_step(incoming.deposit())
    assert not post(ledger=incoming.ledger, movement=movement, now_ms=NOW_MS).replayed
    assert incoming.deposit().credited_units == incoming.units() == 2500


def test_a_step_of_a_flow_that_has_changed_writes_nothing_and_is_not_tried_again(incoming: Incoming) -> None:
    movement = deposit_step(incoming.deposit())
    incoming.store.flow_items["dep_1"] = changed = replace(incoming.deposit(), pending=True, version=1)
    with pytest.raises(FlowChanged):
        post(ledger=incoming.ledger, movement=movement, now_ms=NOW_MS)
    assert incoming.store.calls == ["accounts", "commit", "record"]
    assert (incoming.units(), incoming.store.records, incoming.deposit()) == (0, {}, changed)


@pytest.mark.parametrize("told", ["all", "flow"])
def test_a_step_that_was_taken_is_replayed_though_the_flow_has_changed(incoming: Incoming, told: str) -> None:
    def reported(reasons: list[Reason]) -> list[Reason]:
        return [reason for reason in reasons if told in ("all", reason.condition)]

    movement = deposit_step(incoming.deposit())
    first = post(ledger=incoming.ledger, movement=movement, now_ms=NOW_MS)
    incoming.store.reported = reported
    again = post(ledger=incoming.new_ledger(), movement=movement, now_ms=NOW_MS + 5)
    assert (again.transfer, again.replayed) == (first.transfer, True)
    assert incoming.units() == 2500


def test_a_flow_that_has_changed_outranks_an_account_that_has(incoming: Incoming) -> None:
    incoming.credit("k1", "1.00")
    incoming.credit("k2", "1.00", ledger=incoming.new_ledger())
    movement = deposit_step(replace(incoming.deposit(), version=5))
    with pytest.raises(FlowChanged):
        post(ledger=incoming.ledger, movement=movement, now_ms=NOW_MS)
    assert incoming.units() == 200


def test_a_key_used_for_another_step_ranks_before_a_changed_flow(incoming: Incoming) -> None:
    post(ledger=incoming.ledger, movement=deposit_step(incoming.deposit()), now_ms=NOW_MS)
    other = deposit_step(replace(incoming.order("dep_2"), version=9))
    with pytest.raises(IdempotencyKeyReused):
        post(ledger=incoming.ledger, movement=other, now_ms=NOW_MS)
