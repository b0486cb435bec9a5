"""What admins see of dead letters, that a preview tells what a redrive then does, and that each act is audited once."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.audit import AuditRecord
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import (
    Forbidden,
    IllegalTransition,
    NotFound,
    ProviderUnavailable,
    StoreUnavailable,
    TooMuchContention,
)
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.transfers import Transfer
from tallystick.domain.webhooks import Fact, Notice, Pending
from tallystick.services import dead_letters
from tallystick.services.admin import Admin
from tallystick.services.dead_letters import MAX_ATTEMPTS, Preview
from tests.property.invariants import check
from tests.support.incoming import GRACE_MS, HOUR_MS, Incoming, chargeback, paid, refund
from tests.support.scene import ADA, ADMIN, NOW_MS, SERVICE, once

BOTH: Final = Caller("boss", frozenset(Role))


@dataclass(frozen=True)
class Memory:
    """Hold everything that a scene has stored, sent or said."""

    stored: dict[str, Any]

    @classmethod
    def of(cls, scene: Incoming) -> "Memory":
        """Copy it all; who was called does not count."""
        store = {name: value for name, value in vars(scene.store).items() if isinstance(value, dict | list)}
        del store["calls"]
        outside = (scene.inbox.events, scene.inbox.audited, scene.queue.sent, scene.alerts.raised)
        return cls(copy.deepcopy({**store, "outside": outside}))


class Morgue(Incoming):
    """Hold the scene with an admin who acts in it."""

    def admin(self, caller: Caller = ADMIN) -> Admin:
        """Act now, from home."""
        return Admin(caller, "203.0.113.7", self.now_ms)

    def dead(self, name: str, *facts: Fact, order: tuple[str, ...] = ("dep_1",)) -> InboxEvent:
        """Let an event come in that says these facts, and die."""
        event = self.handle_until_finished(self.event(name, *facts, order=order)).event
        assert event.state is EventState.DEAD
        return event

    def killed(self, name: str, *facts: Fact) -> InboxEvent:
        """Let an event die of a provider that was down for too long, though nothing is wrong with it."""
        self.store.before = lambda call: unavailable() if call == "gateway.confirm" else None
        event = self.event(name, *facts, confirm=True)
        event = self.handle_until_finished(event).event
        self.store.before = lambda _call: None
        self.gateway.script[name] = replace(self.gateway.script[name], confirm=False)
        return event

    def preview(self, event: InboxEvent, *, accept: bool = False) -> Preview:
        """Ask what a redrive would do, and check that asking changed nothing."""
        before = Memory.of(self)
        told = dead_letters.preview(
            inbox=self.inbox,
            book=self.store,
            flows=self.flows,
            providers=self.providers,
            admin=self.admin(),
            dead_letter_id=event.dead_letter_id,
            accept_amount=accept,
        )
        assert Memory.of(self) == before
        return told

    def redrive(self, event: InboxEvent, *, accept: bool = False) -> InboxEvent:
        """Have an event processed anew."""
        return dead_letters.redrive(
            inbox=self.inbox,
            queue=self.queue,
            admin=self.admin(),
            dead_letter_id=event.dead_letter_id,
            accept_amount=accept,
            grace_ms=GRACE_MS,
        )

    def resolve(self, event: InboxEvent, notes: str = "paid back by hand") -> InboxEvent:
        """Close a dead letter."""
        return dead_letters.resolve(
            inbox=self.inbox,
            alerts=self.alerts,
            admin=self.admin(),
            dead_letter_id=event.dead_letter_id,
            notes=notes,
        )

    def moved(self) -> dict[str, Transfer]:
        """Give all transfers there are."""
        return {key: found for key, found in self.store.records.items() if isinstance(found, Transfer)}

    def assert_redrive_does(self, told: Preview, event: InboxEvent, *, accept: bool = False) -> None:
        """Redrive an event, process it once, and check that it moved what the preview told, or died of its reason."""
        before = self.moved()
        self.redrive(event, accept=accept)
        handled = self.handle(event).event
        moved = {key: found for key, found in self.moved().items() if key not in before}
        assert list(moved.values()) == list(told.transfers)
        assert (handled.reason, handled.detail) == (told.reason, told.detail)
        assert (handled.state is EventState.DONE) is (told.reason is None)
        check(self.store)


def unavailable() -> None:
    raise ProviderUnavailable("down")


@pytest.fixture
def scene() -> Morgue:
    return Morgue()


# Who may, and what there is


CALLS: Final[dict[str, Callable[[Morgue, Caller, str], object]]] = {
    "list": lambda scene, caller, _: dead_letters.list_dead(inbox=scene.inbox, caller=caller, limit=5, after=None),
    "get": lambda scene, caller, name: dead_letters.get(inbox=scene.inbox, caller=caller, dead_letter_id=name),
    "preview": lambda scene, caller, name: dead_letters.preview(
        inbox=scene.inbox,
        book=scene.store,
        flows=scene.flows,
        providers=scene.providers,
        admin=scene.admin(caller),
        dead_letter_id=name,
        accept_amount=False,
    ),
    "redrive": lambda scene, caller, name: dead_letters.redrive(
        inbox=scene.inbox,
        queue=scene.queue,
        admin=scene.admin(caller),
        dead_letter_id=name,
        accept_amount=False,
        grace_ms=GRACE_MS,
    ),
    "resolve": lambda scene, caller, name: dead_letters.resolve(
        inbox=scene.inbox, alerts=scene.alerts, admin=scene.admin(caller), dead_letter_id=name, notes="n"
    ),
}
OF_ONE = sorted(set(CALLS) - {"list"})


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("caller", [ADA, SERVICE])
def test_dead_letters_are_for_admins_and_nobody_else_learns_which_there_are(
    scene: Morgue, call: str, caller: Caller
) -> None:
    event = scene.dead("too much", paid(amount="26.00"))
    before = Memory.of(scene)
    for name in (event.dead_letter_id, "dlq_nowhere"):
        with pytest.raises(Forbidden):
            CALLS[call](scene, caller, name)
    assert Memory.of(scene) == before
    CALLS[call](scene, BOTH, event.dead_letter_id)


@pytest.mark.parametrize("call", OF_ONE)
@pytest.mark.parametrize("name", ["dlq_nowhere", "dlq_", "", "nowhere"])
def test_what_is_not_there_is_not_found(scene: Morgue, call: str, name: str) -> None:
    with pytest.raises(NotFound):
        CALLS[call](scene, ADMIN, name)


@pytest.mark.parametrize("call", OF_ONE)
def test_the_key_of_an_event_does_not_name_a_dead_letter(scene: Morgue, call: str) -> None:
    with pytest.raises(NotFound):
        CALLS[call](scene, ADMIN, scene.dead("too much", paid(amount="26.00")).inbox_key)


@pytest.mark.parametrize("call", OF_ONE)
@pytest.mark.parametrize("handled", [False, True])
def test_an_event_that_never_died_is_no_dead_letter(scene: Morgue, call: str, handled: bool) -> None:  # noqa: FBT001
    event = scene.event("succeeded")
    if handled:
        scene.handle(event)
    before = Memory.of(scene)
    with pytest.raises(NotFound):
        CALLS[call](scene, ADMIN, event.dead_letter_id)
    assert Memory.of(scene) == before


def test_dead_letters_are_listed_newest_first(scene: Morgue) -> None:
    events = []
    for number in range(3):
        scene.now_ms += 1000
        events.append(scene.dead(f"too much {number}", paid(f"pi_{number}", "26.00")))
    page = dead_letters.list_dead(inbox=scene.inbox, caller=ADMIN, limit=2, after=None)
    rest = dead_letters.list_dead(inbox=scene.inbox, caller=ADMIN, limit=2, after=page.next_key)
    assert page.items + rest.items == events[::-1]
    assert rest.next_key is None


def test_what_was_once_dead_can_be_seen_and_is_listed_no_more(scene: Morgue) -> None:
    event = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(event, accept=True)
    done = scene.handle(event).event
    assert dead_letters.get(inbox=scene.inbox, caller=ADMIN, dead_letter_id=event.dead_letter_id) == done
    assert dead_letters.list_dead(inbox=scene.inbox, caller=ADMIN, limit=5, after=None).items == []


# Preview


@pytest.mark.parametrize(
    ("before", "facts"),
    [
        ((), (paid(),)),
        ((), (Pending(),)),
        ((refund(), chargeback("dp_1", "5.00")), (paid(),)),
        ((), (paid(), refund(), refund("re_2", "20.00"))),
        ((paid(),), (refund(),)),
        ((paid(),), (chargeback(amount="30.00"),)),
        ((paid(), refund()), (chargeback(),)),
        ((paid(), chargeback()), (chargeback(undone=True),)),
        ((paid(), chargeback(), refund()), (chargeback(undone=True), refund(undone=True))),
        ((paid(),), (paid(), Pending())),
    ],
)
@pytest.mark.parametrize("spent", [None, "1.00"])
def test_a_preview_tells_exactly_what_a_redrive_then_moves_and_writes_nothing(
    scene: Morgue, before: tuple[Fact, ...], facts: tuple[Fact, ...], spent: str | None
) -> None:
    if before:
        scene.handle(scene.event("before", *before))
    if spent and scene.units() >= 100 and scene.store.account_items["wal_a"].status is Status.ACTIVE:
        scene.spend(spent)
    event = scene.killed("event", *facts)
    scene.assert_redrive_does(scene.preview(event), event)


@pytest.mark.parametrize(
    "facts",
    [(paid(),), (paid(), refund()), (paid(), chargeback(amount="26.00")), (paid(), refund(), refund(undone=True))],
)
@pytest.mark.parametrize("opened", [False, True])
def test_a_preview_for_a_closed_wallet_shows_the_money_put_aside_and_opens_no_account(
    scene: Morgue,
    facts: tuple[Fact, ...],
    opened: bool,  # noqa: FBT001
) -> None:
    scene.mark("wal_a", Status.CLOSED)
    if opened:
        scene.order("dep_2")
        scene.handle(scene.event("other", paid("pi_2"), order=("dep_2",)))
    event = scene.killed("event", *facts)
    told = scene.preview(event)
    assert told.transfers[0].postings[0].account_id == "suspense:USD"
    assert ("suspense:USD" in scene.store.account_items) is opened
    scene.assert_redrive_does(told, event)


def test_a_preview_shows_what_is_owed(scene: Morgue) -> None:
    scene.handle(scene.event("succeeded"))
    scene.spend("20.00")
    told = scene.preview(scene.killed("disputed"))
    postings = {posting.account_id: posting.units for posting in told.transfers[0].postings}
    assert postings == {"wal_a": -500, "external:receivable:USD": -2000, "external:stripe:USD": 2500}


def test_a_preview_and_redrive_that_accept_the_amount_move_what_came(scene: Morgue) -> None:
    event = scene.dead("too much", paid(amount="26.00"))
    assert scene.preview(event).reason == "amount-mismatch"
    told = scene.preview(event, accept=True)
    assert [moved.units for moved in told.transfers] == [2600]
    scene.assert_redrive_does(told, event, accept=True)


def test_what_was_accepted_once_is_shown_as_accepted(scene: Morgue) -> None:
    event = scene.dead("too much", paid(amount="26.00"))
    scene.mark("wal_a", Status.FROZEN)
    scene.redrive(event, accept=True)
    scene.handle_until_finished(event)
    scene.mark("wal_a", Status.ACTIVE)
    assert [moved.units for moved in scene.preview(event).transfers] == [2600]


def reasons(scene: Morgue) -> dict[str, InboxEvent]:
    """Let events die of all that can be wrong."""
    scene.gateway.script["live"] = Notice("live", ("dep_1",), (paid(),), environment="live")
    unreadable, wrong = scene.arrival("gibberish"), scene.arrival("live")
    for event in (unreadable, wrong):
        scene.handle(event)
    return {
        "unreadable": scene.stored(unreadable),
        "wrong-environment": scene.stored(wrong),
        "unknown-order": scene.dead("unknown", paid("pi_9"), order=("dep_9",)),
        "amount-mismatch": scene.dead("too much", paid(amount="26.00")),
    }


@pytest.mark.parametrize("reason", ["unreadable", "wrong-environment", "unknown-order", "amount-mismatch"])
def test_a_preview_tells_of_what_a_redrive_would_die_again(scene: Morgue, reason: str) -> None:
    event = reasons(scene)[reason]
    told = scene.preview(event)
    assert (told.transfers, told.reason) == ((), reason)
    scene.assert_redrive_does(told, event)


def test_a_preview_for_a_frozen_wallet_tells_that_it_is_not_active(scene: Morgue) -> None:
    scene.mark("wal_a", Status.FROZEN)
    event = scene.dead("succeeded")
    assert scene.preview(event) == Preview(reason="account-not-active", detail="Wallet wal_a is FROZEN.")


def test_a_preview_while_the_provider_is_down_tells_that(scene: Morgue) -> None:
    event = scene.killed("succeeded")
    scene.gateway.script["succeeded"] = replace(scene.gateway.script["succeeded"], confirm=True)
    scene.store.before = lambda call: unavailable() if call == "gateway.confirm" else None
    assert scene.preview(event) == Preview(reason="provider-unavailable", detail="down")


def test_a_preview_of_money_that_was_posted_for_another_order_shows_no_movement(scene: Morgue) -> None:
    scene.order("dep_2")
    scene.handle(scene.event("succeeded"))
    event = scene.dead("again", paid(), order=("dep_2",))
    assert event.reason == "contradiction"
    scene.assert_redrive_does(scene.preview(event), event)


def test_a_preview_of_an_event_that_gives_an_order_the_name_of_another_shows_no_movement(scene: Morgue) -> None:
    scene.order("dep_2")
    scene.handle(scene.event("succeeded", order=("dep_1", "stripe:pi_1")))
    event = scene.dead("mixed up", paid("pi_9"), order=("dep_2", "stripe:pi_1"))
    assert event.reason == "contradiction"
    scene.assert_redrive_does(scene.preview(event), event)


def test_a_preview_of_what_is_done_shows_that_nothing_is_left_to_do(scene: Morgue) -> None:
    event = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(event, accept=True)
    scene.handle(event)
    assert scene.preview(event) == Preview()


def test_a_preview_of_an_event_that_needs_no_action_shows_none(scene: Morgue) -> None:
    event = scene.killed("noise", Pending())
    scene.gateway.script["noise"] = Notice("noise")
    assert scene.preview(event) == Preview()


def test_a_preview_reads_money_as_it_is_now(scene: Morgue) -> None:
    scene.handle(scene.event("succeeded"))
    event = scene.killed("disputed")
    assert len(scene.preview(event).transfers[0].postings) == 2
    scene.spend("20.00")
    assert len(scene.preview(event).transfers[0].postings) == 3


# Redrive


def test_a_redrive_starts_anew_and_is_queued_and_audited(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.now_ms += HOUR_MS
    event = scene.redrive(dead)
    assert event == scene.stored(dead)
    assert (event.state, event.attempts, event.accepted) == (EventState.OPEN, 0, False)
    assert (event.not_before_ms, event.due_at_ms) == (scene.now_ms, scene.now_ms + GRACE_MS)
    assert scene.queue.sent == [dead.inbox_key]
    details = {"accept_amount": "false", "reason": "amount-mismatch"}
    assert scene.inbox.audited == [
        AuditRecord(dead.dead_letter_id, "dead-letter-redriven", "root", scene.now_ms, "203.0.113.7", details)
    ]


def test_what_was_accepted_is_in_the_audit(scene: Morgue) -> None:
    assert scene.redrive(scene.dead("too much", paid(amount="26.00")), accept=True).accepted
    assert scene.inbox.audited[0].details == {"accept_amount": "true", "reason": "amount-mismatch"}


def test_a_redriven_event_has_all_its_retries_again(scene: Morgue) -> None:
    scene.mark("wal_a", Status.FROZEN)
    dead = scene.dead("succeeded")
    scene.redrive(dead)
    again = scene.handle_until_finished(dead).event
    assert (again.state, again.attempts, scene.alerts.kinds) == (EventState.DEAD, 6, ["WEBHOOK_FAILURE"] * 2)
    assert (again.dead_at_ms or 0) > (dead.dead_at_ms or 0)
    assert scene.alerts.told == ["raised", "ended", "raised"]


@pytest.mark.parametrize("again", [False, True])
def test_resolving_ends_the_alert_though_an_accident_kept_it_from_that_before(scene: Morgue, *, again: bool) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    if again:
        scene.store.before = once(StoreUnavailable("down"), "alerts.end")
        with pytest.raises(StoreUnavailable):
            scene.resolve(dead)
    assert scene.resolve(dead).state is EventState.RESOLVED
    assert scene.alerts.ended == [("WEBHOOK_FAILURE", dead.dead_letter_id)]


def test_what_is_processed_after_a_redrive_ends_the_alert(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(dead, accept=True)
    assert scene.alerts.ended == []
    assert scene.handle(dead).event.state is EventState.DONE
    assert scene.alerts.ended == [("WEBHOOK_FAILURE", dead.dead_letter_id)]


def test_redriving_again_queues_again_what_is_still_open_but_changes_and_audits_nothing(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    first = scene.redrive(dead)
    scene.now_ms += 1000
    assert scene.redrive(dead, accept=True) == first == scene.stored(dead)
    assert scene.queue.sent == [dead.inbox_key] * 2
    assert len(scene.inbox.audited) == 1


def test_redriving_what_is_done_moves_nothing_and_queues_nothing(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(dead, accept=True)
    done = scene.handle(dead).event
    scene.queue.sent.clear()
    before = Memory.of(scene)
    assert scene.redrive(dead, accept=True) == done
    assert Memory.of(scene) == before
    assert scene.units() == 2600


def test_money_of_an_event_that_was_redriven_and_came_again_moves_once(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(dead, accept=True)
    for _ in range(3):
        scene.handle(dead)
    assert (scene.units(), len(scene.moved())) == (2600, 1)


def test_what_was_resolved_cannot_be_redriven(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.resolve(dead)
    before = Memory.of(scene)
    with pytest.raises(IllegalTransition) as refused:
        scene.redrive(dead)
    assert refused.value.members == {"state": "RESOLVED"}
    assert Memory.of(scene) == before


@pytest.mark.parametrize("call", ["inbox.get", "inbox.save", "queue.send"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_accident_during_a_redrive_is_healed_by_asking_again_and_audited_once(
    scene: Morgue, call: str, moment: str
) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    setattr(scene.store, moment, once(StoreUnavailable("silence"), call))
    with pytest.raises(StoreUnavailable):
        scene.redrive(dead)
    assert scene.redrive(dead).state is EventState.OPEN
    assert set(scene.queue.sent) == {dead.inbox_key}
    assert len(scene.inbox.audited) == 1


# Resolve


def test_a_dead_letter_is_closed_with_notes_that_the_audit_has_too(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    event = scene.resolve(dead, "refunded at Stripe, ticket 7")
    assert event == scene.stored(dead)
    assert (event.state, event.notes, event.reason) == (
        EventState.RESOLVED,
        "refunded at Stripe, ticket 7",
        "amount-mismatch",
    )
    details = {"notes": "refunded at Stripe, ticket 7", "reason": "amount-mismatch"}
    assert scene.inbox.audited == [
        AuditRecord(dead.dead_letter_id, "dead-letter-resolved", "root", NOW_MS, "203.0.113.7", details)
    ]


def test_resolving_again_changes_and_audits_nothing(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    first = scene.resolve(dead, "first")
    before = Memory.of(scene)
    assert scene.resolve(dead, "second") == first
    assert Memory.of(scene) == before


def test_what_is_being_processed_or_was_cannot_be_resolved(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    scene.redrive(dead, accept=True)
    for state in ("OPEN", "DONE"):
        before = Memory.of(scene)
        with pytest.raises(IllegalTransition) as refused:
            scene.resolve(dead)
        assert refused.value.members == {"state": state}
        assert Memory.of(scene) == before
        scene.handle(dead)


def test_resolving_moves_no_money_and_queues_nothing(scene: Morgue) -> None:
    scene.resolve(scene.killed("succeeded"))
    assert (scene.store.records, scene.queue.sent) == ({}, [])


# At the same moment


def test_of_two_admins_who_redrive_and_resolve_at_once_one_is_told_what_the_other_did(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))

    def rival(call: str) -> None:
        if call == "inbox.save":
            scene.store.before = lambda _call: None
            scene.resolve(dead)

    scene.store.before = rival
    with pytest.raises(IllegalTransition):
        scene.redrive(dead)
    assert (scene.state(dead), len(scene.inbox.audited)) == (EventState.RESOLVED, 1)


def test_of_two_admins_who_redrive_at_once_one_is_audited(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))

    def rival(call: str) -> None:
        if call == "inbox.save":
            scene.store.before = lambda _call: None
            scene.redrive(dead)

    scene.store.before = rival
    assert scene.redrive(dead).state is EventState.OPEN
    assert len(scene.inbox.audited) == 1


def test_an_event_that_changes_each_time_is_given_up_for_now(scene: Morgue) -> None:
    dead = scene.dead("too much", paid(amount="26.00"))
    tries = []

    def rival(call: str) -> None:
        if call == "inbox.save":
            stored = scene.stored(dead)
            scene.inbox.events[dead.inbox_key] = replace(stored, version=stored.version + 1)
            tries.append(call)

    scene.store.before = rival
    with pytest.raises(TooMuchContention):
        scene.redrive(dead)
    assert (len(tries), scene.inbox.audited) == (MAX_ATTEMPTS, [])
