"""What events about payouts do not do: what the provider does not bear out, what is old, and what cannot be."""

from decimal import Decimal
from typing import Final

import pytest

from tallystick.domain.inbox import EventState
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import TransferKind
from tallystick.domain.withdrawals import Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.incoming import DELAYS_MS
from tests.support.payout_events import Told, check_endings, done, ends, kinds, lost, rejected

FAILED_ALERT, RETURNED_ALERT, DEAD_ALERT = "PAYOUT_FAILED", "PAYOUT_RETURNED", "WEBHOOK_FAILURE"
HELD, PAID, BACK = TransferKind.WITHDRAWAL_HOLD, TransferKind.WITHDRAWAL, TransferKind.WITHDRAWAL_RELEASE
RETURNED: Final = TransferKind.WITHDRAWAL_RETURN


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def sent(scene: Told) -> Withdrawal:
    """Send 25.00, which the provider has under way as po_1."""
    sent = scene.work(scene.asked())
    scene.store.calls.clear()
    return sent


@pytest.fixture
def paid(scene: Told, sent: Withdrawal) -> Withdrawal:
    """Let it be paid, and found so."""
    scene.payer.pay(sent.flow_id)
    paid = scene.work_when_due(sent)
    scene.store.calls.clear()
    return paid


# What the provider does not bear out


@pytest.mark.parametrize(
    ("told", "report"),
    [
        (Outcome.PAID, Outcome.PENDING),
        (Outcome.FAILED, Outcome.PENDING),
        (Outcome.FAILED, Outcome.PAID),
        (Outcome.PAID, Outcome.UNCLEAR),
        (Outcome.PENDING, Outcome.UNCLEAR),
        (Outcome.FAILED, Outcome.ABSENT),
        (Outcome.PAID, Outcome.ABSENT),
    ],
)
def test_what_the_provider_does_not_bear_out_moves_nothing_and_is_tried_again(
    scene: Told, sent: Withdrawal, told: Outcome, report: Outcome
) -> None:
    scene.scripted.shown = Report(report, "po_1")
    event = scene.told(sent, told)
    assert rejected(scene, event) == (EventState.OPEN, "not-confirmed")
    assert (scene.standing(sent), kinds(scene)) == (sent, [HELD])
    detail = scene.inbox.events[event.inbox_key].detail or ""
    assert (told in detail, report in detail) == (True, True)


def test_once_the_provider_bears_it_out_it_counts(scene: Told, sent: Withdrawal) -> None:
    event = scene.told(sent, Outcome.PAID)
    handled = scene.handle(event)
    scene.payer.pay(sent.flow_id)
    scene.now_ms += handled.wait_ms or 0
    done(scene, event)
    assert scene.standing(sent).state is State.COMPLETED


def test_what_the_provider_never_bears_out_is_left_to_people(scene: Told, sent: Withdrawal) -> None:
    dead = scene.handle_until_finished(scene.told(sent, Outcome.FAILED)).event
    assert (dead.state, dead.reason, dead.attempts) == (EventState.DEAD, "not-confirmed", len(DELAYS_MS) + 1)
    assert (scene.standing(sent), scene.held(sent)) == (sent, 2550)


def test_a_provider_that_does_not_answer_is_asked_again(scene: Told, sent: Withdrawal) -> None:
    event = ends(scene, sent, Outcome.PAID)
    scene.payer.away = True
    assert rejected(scene, event) == (EventState.OPEN, "provider-unavailable")
    scene.payer.away = False
    scene.handle_until_finished(event)
    assert scene.standing(sent).state is State.COMPLETED


# What is old


@pytest.mark.parametrize("told", [Outcome.PAID, Outcome.PENDING])
def test_what_was_so_once_does_nothing_to_what_has_failed(scene: Told, sent: Withdrawal, told: Outcome) -> None:
    old = scene.told(sent, told)
    done(scene, ends(scene, sent, Outcome.FAILED))
    known = scene.standing(sent)
    event = done(scene, old)
    assert (scene.standing(sent), set(scene.alerts.kinds)) == (known, {FAILED_ALERT})
    assert event.transfers == tuple(known.transfer_ids[1:])
    check_endings(scene)


@pytest.mark.parametrize("told", [Outcome.PAID, Outcome.PENDING])
def test_what_was_so_once_does_nothing_to_what_came_back(scene: Told, paid: Withdrawal, told: Outcome) -> None:
    old = scene.told(paid, told)
    done(scene, ends(scene, paid, Outcome.FAILED))
    known = scene.standing(paid)
    done(scene, old)
    assert (scene.standing(paid), kinds(scene)) == (known, [HELD, PAID, RETURNED])
    assert set(scene.alerts.kinds) == {RETURNED_ALERT}


@pytest.mark.parametrize("told", [Outcome.PAID, Outcome.PENDING])
def test_what_is_paid_is_paid_once_however_often_it_is_told(scene: Told, paid: Withdrawal, told: Outcome) -> None:
    for number in range(3):
        done(scene, scene.told(paid, told, f"again {number}"))
    assert (scene.standing(paid), kinds(scene)) == (paid, [HELD, PAID])


@pytest.mark.parametrize(("state", "alert"), [(State.SUBMITTED, FAILED_ALERT), (State.COMPLETED, RETURNED_ALERT)])
def test_what_an_old_event_brings_to_light_is_told_of(scene: Told, sent: Withdrawal, state: State, alert: str) -> None:
    if state is State.COMPLETED:
        done(scene, ends(scene, sent, Outcome.PAID))
    old = scene.told(sent, Outcome.PAID, "old")
    scene.payer.pay(sent.flow_id, Outcome.FAILED)
    done(scene, old)
    assert scene.units() == 10_000
    assert scene.alerts.kinds == [alert]


# What cannot be


OTHERS: Final = {
    "another amount": Report(Outcome.PAID, "po_1", Amount(Decimal("2.50"), "USD")),
    "another asset": Report(Outcome.PAID, "po_1", Amount(Decimal("25.00"), "EUR")),
    "another payout": Report(Outcome.PAID, "po_2"),
    "another payout under way": Report(Outcome.PENDING, "po_2"),
    "another payout that failed": Report(Outcome.FAILED, "po_2"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_an_event_of_another_payout_is_left_to_people_and_nobody_is_asked(
    scene: Told, sent: Withdrawal, name: str
) -> None:
    told = OTHERS[name]
    event = scene.says("other", told.outcome, sent.flow_id, payout_id=told.payout_id, amount=told.amount)
    assert rejected(scene, event) == (EventState.DEAD, "contradiction")
    assert (scene.standing(sent), scene.alerts.kinds) == (sent, [DEAD_ALERT])
    assert "payer.look_up" not in scene.store.calls


@pytest.mark.parametrize("name", ["another amount", "another asset", "another payout"])
def test_what_the_provider_says_when_asked_may_contradict_too(scene: Told, sent: Withdrawal, name: str) -> None:
    scene.scripted.shown = OTHERS[name]
    event = scene.says("paid", Outcome.PAID, sent.flow_id)
    assert rejected(scene, event) == (EventState.DEAD, "contradiction")
    assert scene.standing(sent) == sent


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
def test_a_payout_that_another_withdrawal_is_known_by_is_left_to_people(scene: Told, outcome: Outcome) -> None:
    asked = scene.asked()
    known = lost(scene, asked, heard=True)
    scene.store.references["stripe:po_1"] = "wdr_other"
    event = ends(scene, asked, outcome)
    assert rejected(scene, event) == (EventState.DEAD, "contradiction")
    assert scene.inbox.events[event.inbox_key].detail == "Its payout po_1 is that of wdr_other too."
    assert (scene.standing(asked), kinds(scene)) == (known, [HELD])


def unsent(scene: Told, state: State) -> Withdrawal:
    asked = scene.asked(amount="60.00" if state is State.IN_REVIEW else "25.00")
    if state is State.CANCELLED:
        return scene.cancel(asked)
    if state is State.REJECTED:
        return scene.reject(asked)
    return scene.put_in_state(asked, state=state)


@pytest.mark.parametrize("state", [State.REQUESTED, State.IN_REVIEW, State.APPROVED, State.CANCELLED, State.REJECTED])
@pytest.mark.parametrize("told", [Outcome.PENDING, Outcome.PAID, Outcome.FAILED])
def test_a_payout_of_what_was_never_sent_is_left_to_people(scene: Told, state: State, told: Outcome) -> None:
    known = unsent(scene, state)
    moved = kinds(scene)
    scene.store.calls.clear()
    assert rejected(scene, scene.told(known, told)) == (EventState.DEAD, "contradiction")
    assert (scene.standing(known), kinds(scene)) == (known, moved)
    assert "payer.look_up" not in scene.store.calls


@pytest.mark.parametrize("told", [Outcome.PENDING, Outcome.PAID])
def test_a_payout_of_what_has_failed_is_left_to_people(scene: Told, sent: Withdrawal, told: Outcome) -> None:
    done(scene, ends(scene, sent, Outcome.FAILED))
    known = scene.standing(sent)
    scene.payer.pay(sent.flow_id, told)
    assert rejected(scene, scene.told(sent, told)) == (EventState.DEAD, "contradiction")
    assert (scene.standing(sent), kinds(scene)) == (known, [HELD, BACK])


@pytest.mark.parametrize("told", [Outcome.PENDING, Outcome.PAID])
def test_a_payout_of_what_came_back_is_left_to_people(scene: Told, paid: Withdrawal, told: Outcome) -> None:
    done(scene, ends(scene, paid, Outcome.FAILED))
    scene.payer.pay(paid.flow_id, told)
    assert rejected(scene, scene.told(paid, told)) == (EventState.DEAD, "contradiction")
    assert kinds(scene) == [HELD, PAID, RETURNED]


def test_a_payout_that_was_paid_and_is_under_way_again_is_believed_to_be_paid(scene: Told, paid: Withdrawal) -> None:
    scene.payer.pay(paid.flow_id, Outcome.PENDING)
    done(scene, scene.told(paid, Outcome.PENDING, "under way"))
    assert scene.standing(paid) == paid
