"""What was lost on the way to processing is queued again."""

import pytest

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services.ports.agenda import Overdue
from tallystick.services.sweeping import MAX_KEYS, sweep
from tests.support.fake_payer import HOUR_MS
from tests.support.incoming import GRACE_MS, Incoming, paid
from tests.support.payout_events import Told
from tests.support.scene import NOW_MS, once


@pytest.fixture
def scene() -> Incoming:
    return Incoming()


def swept(scene: Incoming, *providers: Provider) -> int:
    return sweep(
        agenda=scene.inbox,
        queue=scene.queue,
        names=providers or (Provider.STRIPE,),
        now_ms=scene.now_ms,
        grace_ms=GRACE_MS,
    )


def overdue(scene: Incoming, name: str = "succeeded") -> InboxEvent:
    """Let an event come in, and then its time pass."""
    event = scene.event(name)
    scene.now_ms = event.due_at_ms + 1
    scene.store.calls.clear()
    return event


def test_an_event_whose_message_was_lost_is_queued_and_given_time(scene: Incoming) -> None:
    event = overdue(scene)
    assert swept(scene) == 1
    assert scene.queue.sent == [event.inbox_key]
    assert scene.stored(event).due_at_ms == scene.now_ms + GRACE_MS
    assert swept(scene) == 0


def test_an_event_that_is_lost_again_and_again_is_queued_again_and_again(scene: Incoming) -> None:
    event = overdue(scene)
    for _ in range(3):
        assert swept(scene) == 1
        scene.now_ms += GRACE_MS + 1
    assert scene.queue.sent == [event.inbox_key] * 3
    assert scene.handle(event).event.state is EventState.DONE


@pytest.mark.parametrize("late_ms", [-1, 0])
def test_an_event_is_left_alone_until_its_time_has_passed(scene: Incoming, late_ms: int) -> None:
    event = scene.event("succeeded")
    scene.now_ms = event.due_at_ms + late_ms
    assert swept(scene) == 0
    assert scene.queue.sent == []


def test_the_message_is_sent_before_the_time_is_written_so_that_no_accident_loses_it(scene: Incoming) -> None:
    event = overdue(scene)
    scene.store.before = once(StoreUnavailable("no queue"), "queue.send")
    with pytest.raises(StoreUnavailable):
        swept(scene)
    assert scene.store.calls == ["inbox.overdue", "queue.send"]
    assert scene.stored(event) == event
    assert swept(scene) == 1


def test_a_message_that_was_sent_though_the_time_could_not_be_written_is_sent_twice(scene: Incoming) -> None:
    event = overdue(scene)
    scene.store.before = once(StoreUnavailable("throttled"), "inbox.postpone")
    with pytest.raises(StoreUnavailable):
        swept(scene)
    assert swept(scene) == 1
    assert scene.queue.sent == [event.inbox_key] * 2
    for _ in range(2):
        scene.handle(event)
    assert scene.units() == 2500


def test_an_event_that_waits_for_its_next_try_is_not_overdue(scene: Incoming) -> None:
    scene.store.before = once(StoreUnavailable("throttled"), "flows.get")
    event = scene.handle(scene.event("succeeded")).event
    scene.now_ms = event.not_before_ms + GRACE_MS
    assert swept(scene) == 0
    scene.now_ms += 1
    assert swept(scene) == 1


@pytest.mark.parametrize("name", ["succeeded", "gibberish"])
def test_what_is_done_or_dead_is_never_swept(scene: Incoming, name: str) -> None:
    event = scene.event(name, paid())
    if name == "gibberish":
        del scene.gateway.script[name]
    assert scene.handle(event).wait_ms is None
    scene.now_ms += 100 * GRACE_MS
    assert swept(scene) == 0


def test_an_event_that_a_lagging_index_still_shows_is_processed_no_second_time(
    scene: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = overdue(scene)
    seen = [Overdue(event.inbox_key, event.due_at_ms)]
    done = scene.handle(event).event
    monkeypatch.setattr(scene.inbox, "overdue", lambda *_: seen)
    assert swept(scene) == 0
    assert scene.handle(event).event == done == scene.stored(event)
    assert scene.units() == 2500


def test_an_event_that_was_tried_since_the_index_saw_it_keeps_its_new_time(
    scene: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = overdue(scene)
    seen = [Overdue(event.inbox_key, event.due_at_ms)]
    scene.store.before = once(StoreUnavailable("throttled"), "flows.get")
    later = scene.handle(event).event
    monkeypatch.setattr(scene.inbox, "overdue", lambda *_: seen)
    assert swept(scene) == 0
    assert scene.stored(event) == later


def test_every_provider_is_swept_and_all_are_counted(scene: Incoming) -> None:
    overdue(scene)
    assert swept(scene, *Provider) == 1
    assert scene.store.calls.count("inbox.overdue") == len(Provider)
    assert swept(scene, Provider.RAMP) == 0


def test_a_sweep_takes_on_a_bounded_number_oldest_first(scene: Incoming, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = scene.inbox.overdue

    def noted(name: str, now_ms: int, limit: int) -> list[Overdue]:
        asked.append(limit)
        return original(name, now_ms, 2)

    monkeypatch.setattr(scene.inbox, "overdue", noted)
    events = []
    for number in range(3):
        scene.now_ms = NOW_MS - number
        events.append(scene.event(f"event {number}", paid()))
    scene.now_ms = NOW_MS + GRACE_MS + 1
    assert swept(scene) == 2
    assert (asked, scene.queue.sent) == ([MAX_KEYS], [events[2].inbox_key, events[1].inbox_key])


# Withdrawals


@pytest.fixture
def leaving() -> Told:
    return Told()


def lost_on_the_way(scene: Told, state: WithdrawalState) -> Withdrawal:
    """Let a withdrawal come to a state, its message be lost, and its time come."""
    scene.with_rules(delay_ms=HOUR_MS if state is WithdrawalState.REQUESTED else 0)
    known = scene.asked(amount="60.00" if state is WithdrawalState.IN_REVIEW else "25.00")
    if state is WithdrawalState.SUBMITTED:
        known = scene.work(known)
    assert known.state is state
    scene.queue.sent.clear()
    scene.now_ms = known.not_before_ms + 1
    return known


@pytest.mark.parametrize("state", [WithdrawalState.REQUESTED, WithdrawalState.APPROVED, WithdrawalState.SUBMITTED])
def test_a_withdrawal_whose_message_was_lost_is_queued_once_and_given_time(
    leaving: Told, state: WithdrawalState
) -> None:
    known = lost_on_the_way(leaving, state)
    assert leaving.sweep() == 1
    assert leaving.queue.sent == [known.flow_id]
    assert leaving.sweep() == 0
    leaving.now_ms += GRACE_MS
    assert leaving.sweep() == 0
    leaving.now_ms += 1
    assert leaving.sweep() == 1
    leaving.run_until_nothing_is_open()
    assert leaving.standing(known).state is WithdrawalState.COMPLETED


@pytest.mark.parametrize("state", [WithdrawalState.REQUESTED, WithdrawalState.SUBMITTED])
def test_a_withdrawal_is_left_alone_until_its_time(leaving: Told, state: WithdrawalState) -> None:
    lost_on_the_way(leaving, state)
    leaving.now_ms -= 1
    assert leaving.sweep() == 0


def test_a_withdrawal_that_waits_for_a_person_is_not_swept(leaving: Told) -> None:
    known = lost_on_the_way(leaving, WithdrawalState.IN_REVIEW)
    leaving.now_ms += 100 * GRACE_MS
    assert leaving.sweep() == 0
    assert leaving.standing(known).state is WithdrawalState.IN_REVIEW


def test_a_withdrawal_at_its_end_is_not_swept(leaving: Told) -> None:
    leaving.cancel(lost_on_the_way(leaving, WithdrawalState.APPROVED))
    leaving.now_ms += 100 * GRACE_MS
    assert leaving.sweep() == 0


def test_a_withdrawal_that_waits_for_its_next_look_is_due_then(leaving: Told) -> None:
    known = lost_on_the_way(leaving, WithdrawalState.SUBMITTED)
    leaving.sweep()
    later = leaving.work(known)
    leaving.queue.sent.clear()
    leaving.now_ms = later.not_before_ms
    assert leaving.sweep() == 0
    leaving.now_ms += 1
    assert leaving.sweep() == 1


def test_a_withdrawal_that_an_admin_approved_and_whose_message_was_lost_is_swept(leaving: Told) -> None:
    known = lost_on_the_way(leaving, WithdrawalState.IN_REVIEW)
    leaving.store.before = once(StoreUnavailable("no queue"), "queue.send")
    leaving.approve(known)
    leaving.now_ms += 1
    assert leaving.sweep() == 1


def test_each_state_is_a_list_of_its_own_and_all_are_counted(leaving: Told) -> None:
    for number, state in enumerate((WithdrawalState.APPROVED, WithdrawalState.SUBMITTED)):
        asked = leaving.asked(f"w{number}", "1.00")
        if state is WithdrawalState.SUBMITTED:
            leaving.work(asked)
    leaving.queue.sent.clear()
    leaving.now_ms += HOUR_MS
    leaving.store.calls.clear()
    assert leaving.sweep() == 2
    assert leaving.store.calls.count("flows.overdue") == 3
