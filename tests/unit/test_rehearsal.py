"""A rehearsal sees what is stored and what it would have written itself, and writes nothing."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.house import suspense_account
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.payouts import Outcome
from tallystick.domain.posting import Leg, Order, Plan, plan
from tallystick.domain.transfers import Tombstone, TransferKind
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction
from tallystick.services import dead_letters
from tallystick.services.dead_letters import Preview
from tallystick.services.ports.ledger import CommitRefused
from tallystick.services.rehearsal import Rehearsal
from tallystick.services.steps import Step, take
from tests.support.incoming import Incoming
from tests.support.payout_events import Told
from tests.support.scene import BOB, NOW_MS, USD, claim


@pytest.fixture
def scene() -> Incoming:
    """Give ada 25.00 in wal_a and bob an empty wal_b."""
    scene = Incoming()
    scene.wallet("wal_b", BOB)
    scene.handle(scene.event("succeeded"))
    scene.store.calls.clear()
    return scene


@pytest.fixture
def rehearsal(scene: Incoming) -> Rehearsal:
    return Rehearsal(scene.store, scene.flows)


def spending(scene: Incoming) -> Plan:
    """Plan to take 10.00 out of wal_a, as a step of its order that freezes the wallet."""
    flow = replace(scene.deposit(), pending=True, version=scene.deposit().version + 1)
    legs = (Leg("wal_a", -1000), Leg("external:x:USD", 1000))
    order = Order(claim(), TransferKind.REFUND, USD, legs, flow=flow, freeze="why")
    return plan(order, scene.store.account_items, NOW_MS)


def test_what_is_stored_is_seen(scene: Incoming, rehearsal: Rehearsal) -> None:
    assert rehearsal.accounts(["wal_a", "wal_b", "wal_c"]) == scene.store.account_items
    assert rehearsal.get("dep_1") == scene.deposit()
    assert (rehearsal.get("dep_9"), rehearsal.find("stripe:pi_9"), rehearsal.reversed_by("trf_1")) == (None, None, None)
    (record,) = scene.store.records.values()
    assert rehearsal.record(record.claim.key.digest) == record


def test_names_are_looked_up(scene: Incoming, rehearsal: Rehearsal) -> None:
    scene.store.references["stripe:pi_1"] = "dep_1"
    scene.store.reversals["trf_1"] = "trf_2"
    assert (rehearsal.find("stripe:pi_1"), rehearsal.reversed_by("trf_1")) == ("dep_1", "trf_2")


def test_what_would_be_written_is_seen_by_the_rehearsal_alone(scene: Incoming, rehearsal: Rehearsal) -> None:
    before = dict(scene.store.account_items), scene.deposit()
    wanted = spending(scene)
    rehearsal.commit(wanted)
    seen = rehearsal.accounts(["wal_a", "wal_b"])
    assert (seen["wal_a"].balance, seen["wal_a"].status) == (1500, Status.FROZEN)
    assert seen["wal_b"] == before[0]["wal_b"]
    assert rehearsal.get("dep_1") == wanted.order.flow
    assert (scene.store.account_items, scene.deposit()) == before


def test_an_account_that_it_knows_is_not_read_again(scene: Incoming, rehearsal: Rehearsal) -> None:
    rehearsal.commit(spending(scene))
    scene.store.calls.clear()
    rehearsal.accounts(["wal_a"])
    assert scene.store.calls == []


def test_a_movement_without_a_flow_leaves_flows_as_they_are(scene: Incoming, rehearsal: Rehearsal) -> None:
    plan = spending(scene)
    rehearsal.commit(replace(plan, order=replace(plan.order, flow=None)))
    assert rehearsal.get("dep_1") == scene.deposit()


def test_a_flow_that_would_be_saved_is_seen(scene: Incoming, rehearsal: Rehearsal) -> None:
    changed = replace(scene.deposit(), pending=True)
    assert rehearsal.save(changed, ["stripe:pi_1"])
    assert rehearsal.get("dep_1") == changed != scene.deposit()
    assert scene.store.references == {}


def test_a_flow_is_saved_with_names_of_its_own_or_of_nobody_and_not_with_those_of_another(
    scene: Incoming, rehearsal: Rehearsal
) -> None:
    scene.store.references |= {"stripe:pi_1": "dep_1", "stripe:pi_2": "dep_2"}
    changed = replace(scene.deposit(), pending=True)
    assert not rehearsal.save(changed, ["stripe:pi_1", "stripe:pi_2"])
    assert rehearsal.get("dep_1") == scene.deposit()
    assert rehearsal.save(changed, ["stripe:pi_1", "stripe:pi_3"])
    assert rehearsal.get("dep_1") == changed


def test_what_was_written_before_is_not_written_again(scene: Incoming, rehearsal: Rehearsal) -> None:
    wanted = spending(scene)
    scene.store.commit(wanted)
    with pytest.raises(CommitRefused) as refused:
        rehearsal.commit(wanted)
    assert refused.value.record == wanted.transfer


def test_an_account_that_would_be_opened_is_seen_as_it_was_first(scene: Incoming, rehearsal: Rehearsal) -> None:
    opened = suspense_account(USD, NOW_MS)
    assert rehearsal.open_account(opened) == opened
    assert rehearsal.open_account(suspense_account(USD, NOW_MS + 1)) == opened
    assert rehearsal.accounts(["suspense:USD"]) == {"suspense:USD": opened}
    assert "suspense:USD" not in scene.store.account_items


def test_an_account_that_is_there_is_not_opened_again(scene: Incoming, rehearsal: Rehearsal) -> None:
    stored = replace(suspense_account(USD, NOW_MS), balance=7)
    scene.store.account_items["suspense:USD"] = stored
    assert rehearsal.open_account(suspense_account(USD, NOW_MS)) == stored


def test_what_no_event_does_is_a_bug(scene: Incoming, rehearsal: Rehearsal) -> None:
    with pytest.raises(InvariantViolated, match="voids no key"):
        rehearsal.void(Tombstone(claim(), NOW_MS))
    with pytest.raises(InvariantViolated, match="creates no order"):
        rehearsal.create(scene.deposit())


def test_it_waits_for_nobody(rehearsal: Rehearsal) -> None:
    rehearsal.books().ledger.pause(1_000_000)


# Payouts


@dataclass(frozen=True)
class Memory:
    """Hold everything that a scene has stored, sent or said."""

    stored: dict[str, Any]

    @classmethod
    def of(cls, scene: Told) -> "Memory":
        """Copy it all; who was called does not count."""
        store = {name: value for name, value in vars(scene.store).items() if isinstance(value, dict | list)}
        del store["calls"]
        outside = (scene.inbox.events, scene.inbox.audited, scene.queue.sent, scene.alerts.raised, scene.payer.payouts)
        return cls(copy.deepcopy({**store, "outside": outside}))


def preview_of(scene: Told, event: InboxEvent) -> Preview:
    """Work out what a redrive would do, and show that nothing was written."""
    before = Memory.of(scene)
    preview = dead_letters.preview(
        inbox=scene.inbox,
        book=scene.store,
        flows=scene.flows,
        providers=scene.processor().providers,
        admin=scene.admin(),
        dead_letter_id=event.dead_letter_id,
        accept_amount=False,
    )
    assert Memory.of(scene) == before
    return preview


def buried(scene: Told, withdrawal: Withdrawal, outcome: Outcome) -> InboxEvent:
    """Let an event about a payout die, because the provider does not answer; then let it be so."""
    scene.payer.away = True
    event = scene.handle_until_finished(scene.told(withdrawal, outcome)).event
    assert event.state is EventState.DEAD
    scene.payer.away = False
    scene.payer.pay(withdrawal.flow_id, outcome)
    return event


def redriven(scene: Told, event: InboxEvent) -> InboxEvent:
    dead_letters.redrive(
        inbox=scene.inbox,
        queue=scene.queue,
        admin=scene.admin(),
        dead_letter_id=event.dead_letter_id,
        accept_amount=False,
        grace_ms=0,
    )
    return scene.handle(event).event


@pytest.fixture
def leaving() -> Told:
    return Told()


@pytest.mark.parametrize("returned", [False, True])
@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
@pytest.mark.parametrize("status", list(Status))
def test_the_preview_of_an_event_about_a_payout_shows_what_its_redrive_then_moves(
    leaving: Told, outcome: Outcome, status: Status, *, returned: bool
) -> None:
    sent = leaving.work(leaving.asked())
    if returned:
        leaving.payer.pay(sent.flow_id)
        leaving.work_when_due(sent)
    event = buried(leaving, sent, outcome)
    leaving.mark("wal_a", status)
    (*shown,) = preview_of(leaving, event).transfers
    finished = redriven(leaving, event)
    moved = [record for record in leaving.store.records.values() if record in shown]
    assert (finished.state, moved) == (EventState.DONE, shown)
    assert len(shown) == (0 if returned and outcome is Outcome.PAID else 1)
    assert {transfer.transfer_id for transfer in shown} <= set(finished.transfers)


def test_the_preview_of_what_cannot_be_says_why(leaving: Told) -> None:
    sent = leaving.work(leaving.asked())
    event = leaving.handle(leaving.says("other", Outcome.PAID, sent.flow_id, payout_id="po_2")).event
    preview = preview_of(leaving, event)
    assert (preview.transfers, preview.reason) == ((), "contradiction")


def test_the_preview_of_what_was_settled_meanwhile_moves_nothing(leaving: Told) -> None:
    sent = leaving.work(leaving.asked())
    event = buried(leaving, sent, Outcome.PAID)
    leaving.work_when_due(sent)
    assert preview_of(leaving, event) == Preview()


def test_a_step_that_is_rehearsed_is_seen_by_the_rehearsal_alone(leaving: Told) -> None:
    sent = leaving.work(leaving.asked())
    rehearsal = Rehearsal(leaving.store, leaving.flows)
    following, posts = sent.taken(WithdrawalAction.FAIL, at_ms=NOW_MS, by="stripe")
    stepped = take(books=rehearsal.books(), step=Step(following, posts, ["stripe:po_9"]), now_ms=NOW_MS)
    assert stepped is not None
    assert (rehearsal.get(sent.flow_id), leaving.standing(sent)) == (following, sent)
    assert rehearsal.accounts([sent.hold_id])[sent.hold_id].balance == 0
    assert take(books=rehearsal.books(), step=Step(following), now_ms=NOW_MS) is not None
