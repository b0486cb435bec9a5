"""How a withdrawal is sent, once, and how the worker finds out what became of it."""

from typing import Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import AccountNotActive, InvariantViolated, NotYet
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import TransferKind
from tallystick.domain.withdrawals import RULE, Sending, Taken, Withdrawal, WithdrawalAction
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services.payouts import work
from tests.property.invariants import check
from tests.support.fake_payer import HOUR_MS
from tests.support.leaving import CHECKS_MS
from tests.support.payout_events import FEES, SILENCE, STRIPE, Told, check_endings, lost, record_of
from tests.support.scene import NOW_MS, once

DAY_MS: Final = 86_400_000
KEY_MS: Final = 23 * HOUR_MS


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def asked(scene: Told) -> Withdrawal:
    """Ask for 25.00, which a rule approves."""
    asked = scene.asked()
    scene.store.calls.clear()
    return asked


# What is worked on


def test_what_is_not_there_is_a_bug(scene: Told) -> None:
    with pytest.raises(InvariantViolated, match="no withdrawal wdr_nowhere"):
        work(office=scene.office(), flow_id="wdr_nowhere", now_ms=NOW_MS)


@pytest.mark.parametrize("state", [State.APPROVED, State.REQUESTED])
def test_before_its_time_nothing_is_done(scene: Told, asked: Withdrawal, state: State) -> None:
    known = scene.put_in_state(asked, state=state, not_before_ms=NOW_MS + 1)
    assert scene.work(asked) == known
    assert scene.store.calls == ["flows.get"]


def test_what_somebody_may_be_at_comes_back(scene: Told, asked: Withdrawal) -> None:
    scene.put_in_state(asked, state=State.SUBMITTED, not_before_ms=NOW_MS + 1)
    with pytest.raises(NotYet) as later:
        work(office=scene.office(), flow_id=asked.flow_id, now_ms=NOW_MS)
    assert (later.value.wait_ms, scene.store.calls) == (1, ["flows.get"])


@pytest.mark.parametrize("state", sorted(set(State) - {State.REQUESTED, State.APPROVED, State.SUBMITTED}))
def test_what_waits_for_a_person_or_is_at_its_end_is_left_alone(scene: Told, asked: Withdrawal, state: State) -> None:
    known = scene.put_in_state(asked, state=state)
    assert scene.work(asked) == known
    told = ["alerts.raise"] if state in {State.FAILED, State.RETURNED} else []
    ended = [] if state is State.IN_REVIEW else ["alerts.end"]
    assert scene.store.calls == ["flows.get", *told, *ended]


# What had to wait for its destination


@pytest.fixture
def requested(scene: Told) -> Withdrawal:
    """Ask for 25.00 to a new destination, and let its time come."""
    scene.with_rules(delay_ms=HOUR_MS)
    requested = scene.asked()
    scene.now_ms += HOUR_MS
    return requested


def test_what_has_waited_long_enough_is_approved_and_sent(scene: Told, requested: Withdrawal) -> None:
    sent = scene.work(requested)
    assert [taken.action for taken in sent.history] == ["request", "approve", "submit"]
    assert {taken.at_ms for taken in sent.history[1:]} == {NOW_MS + HOUR_MS}
    assert (sent.decided_by, len(scene.payer.payouts)) == (RULE, 1)


def test_rules_that_became_stricter_meanwhile_count(scene: Told, requested: Withdrawal) -> None:
    scene.with_rules(automatic_units=2499)
    assert scene.work(requested).state is State.IN_REVIEW
    assert scene.standing(requested).state is State.IN_REVIEW
    assert scene.payer.payouts == []


def test_an_asset_that_has_no_rules_any_more_is_for_a_person(scene: Told, requested: Withdrawal) -> None:
    scene.rules.clear()
    reviewed = scene.work(requested)
    assert (reviewed.state, reviewed.history[-1].note) == (State.IN_REVIEW, "above 0.00 USD")


def test_what_is_taken_back_while_it_is_decided_is_not_sent(scene: Told, requested: Withdrawal) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.cancel(requested)

    scene.store.before = rival
    assert scene.work(requested).state is State.CANCELLED
    assert scene.payer.payouts == []
    check_endings(scene)


# The first call


def test_what_was_not_sent_when_its_wallet_is_frozen_waits(scene: Told, asked: Withdrawal) -> None:
    scene.mark("wal_a", Status.FROZEN)
    for _ in range(3):
        waiting = scene.work_when_due(asked)
        assert (waiting.state, waiting.checks, scene.payer.payouts) == (State.APPROVED, 0, [])
        assert waiting.not_before_ms == scene.now_ms + CHECKS_MS[-1]
    scene.mark("wal_a", Status.ACTIVE)
    assert scene.work_when_due(asked).state is State.SUBMITTED


def test_what_was_sent_when_its_wallet_is_frozen_goes_on(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.mark("wal_a", Status.FROZEN)
    scene.payer.pay(asked.flow_id)
    assert scene.work_when_due(asked).state is State.COMPLETED


def test_that_it_is_sent_is_written_before(scene: Told, asked: Withdrawal) -> None:
    seen: list[Withdrawal] = []

    def note(call: str) -> None:
        if call == "payer.send":
            seen.append(scene.standing(asked))

    scene.store.before = note
    scene.work(asked)
    assert [known.state for known in seen] == [State.SUBMITTED]
    assert seen[0].sending == Sending(1, NOW_MS, NOW_MS)
    assert seen[0].history[-1] == Taken(WithdrawalAction.SUBMIT, NOW_MS, RULE)
    assert seen[0].not_before_ms == NOW_MS + CHECKS_MS[0]
    assert scene.store.calls == ["flows.get", "accounts", "breakers.get", "flows.save", "payer.send", "flows.save"]


def test_what_could_not_be_written_is_not_sent(scene: Told, asked: Withdrawal) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.cancel(asked)

    scene.store.before = rival
    assert scene.work(asked).state is State.CANCELLED
    assert (scene.payer.payouts, scene.units()) == ([], 10_000)


def test_a_payout_that_is_under_way_is_known_by_its_id_and_looked_at_later(scene: Told, asked: Withdrawal) -> None:
    sent = scene.work(asked)
    assert (sent.state, sent.payout_id, sent.checks) == (State.SUBMITTED, "po_1", 1)
    assert sent.not_before_ms == NOW_MS + CHECKS_MS[0]
    assert scene.store.references["stripe:po_1"] == asked.flow_id
    assert sent == scene.standing(asked)
    assert (scene.held(asked), scene.wallet_held()) == (2550, 2550)


def test_a_payout_that_is_paid_at_once_takes_what_was_on_hold(scene: Told, asked: Withdrawal) -> None:
    scene.payer.pays_at_once = True
    paid = scene.work(asked)
    assert (paid.state, paid.payout_id, paid.failure) == (State.COMPLETED, "po_1", None)
    assert paid.history[-1] == Taken(WithdrawalAction.COMPLETE, NOW_MS, "stripe")
    moved = record_of(scene, asked, TransferKind.WITHDRAWAL)
    assert {posting.account_id: posting.units for posting in moved.postings} == {
        asked.hold_id: -2550,
        STRIPE: 2500,
        FEES: 50,
    }
    assert (moved.reference, moved.metadata) == ("stripe:po_1", {"withdrawal_id": asked.flow_id})
    assert (scene.units(), scene.wallet_held(), scene.held(asked)) == (7450, 0, 0)
    assert scene.store.references["stripe:po_1"] == asked.flow_id
    assert scene.alerts.raised == []
    check(scene.store)


def test_without_a_fee_none_is_taken(scene: Told) -> None:
    scene.with_rules(fee_units=0, fee_rate=0)
    scene.payer.pays_at_once = True
    asked = scene.asked()
    scene.work(asked)
    moved = record_of(scene, asked, TransferKind.WITHDRAWAL)
    assert {posting.account_id for posting in moved.postings} == {asked.hold_id, STRIPE}
    check_endings(scene)


def test_a_payout_that_is_refused_at_once_gives_all_of_it_back(scene: Told, asked: Withdrawal) -> None:
    scene.payer.refuses = "account_closed"
    failed = scene.work(asked)
    assert (failed.state, failed.failure, failed.payout_id) == (State.FAILED, "account_closed", None)
    assert failed.history[-1] == Taken(WithdrawalAction.FAIL, NOW_MS, "stripe", "account_closed")
    moved = record_of(scene, asked, TransferKind.WITHDRAWAL_RELEASE)
    assert {posting.account_id: posting.units for posting in moved.postings} == {asked.hold_id: -2550, "wal_a": 2550}
    assert (scene.units(), scene.wallet_held(), moved.reference) == (10_000, 0, None)
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == ("PAYOUT_FAILED", "medium")
    assert alert.facts == {
        "withdrawal_id": asked.flow_id,
        "wallet_id": "wal_a",
        "provider": "stripe",
        "payout_id": "",
        "amount": "25.00 USD",
        "detail": "account_closed",
    }
    check(scene.store)


def test_a_failure_without_a_reason_is_a_failure(scene: Told, asked: Withdrawal) -> None:
    scene.scripted.answer = Report(Outcome.FAILED)
    failed = scene.work(asked)
    assert (failed.failure, failed.history[-1].note) == ("failed", None)
    assert scene.alerts.raised[0].facts["detail"] == "failed"


def test_people_are_told_once_the_money_is_back_and_no_accident_keeps_it_from_them(
    scene: Told, asked: Withdrawal
) -> None:
    scene.payer.refuses = "account_closed"
    scene.store.before = once(RuntimeError("killed"), "alerts.raise")
    with pytest.raises(RuntimeError):
        scene.work(asked)
    assert scene.store.calls[-3:] == ["accounts", "commit", "alerts.raise"]
    assert (scene.standing(asked).state, scene.alerts.kinds) == (State.FAILED, [])
    scene.work(asked)  # its message comes back
    assert scene.alerts.kinds == ["PAYOUT_FAILED"]
    check(scene.store)


@pytest.mark.parametrize("report", [Report(Outcome.UNCLEAR), Report(Outcome.UNCLEAR, "po_9", reason="otp")])
def test_an_answer_that_proves_nothing_is_looked_into_later(scene: Told, asked: Withdrawal, report: Report) -> None:
    scene.scripted.answer = report
    sent = scene.work(asked)
    assert (sent.state, sent.payout_id, sent.checks) == (State.SUBMITTED, report.payout_id, 1)
    assert (sent.not_before_ms, scene.alerts.raised) == (NOW_MS + CHECKS_MS[0], [])


@pytest.mark.parametrize("heard", [False, True])
def test_a_call_without_an_answer_is_looked_into_later(scene: Told, asked: Withdrawal, *, heard: bool) -> None:
    sent = lost(scene, asked, heard=heard)
    assert (sent.state, sent.payout_id, sent.checks) == (State.SUBMITTED, None, 1)
    assert sent.sending == Sending(1, NOW_MS, NOW_MS)
    assert sent.not_before_ms == NOW_MS + CHECKS_MS[0]
    assert scene.breakers.breakers["stripe"].failures == 1


def test_of_a_payout_that_was_not_seen_no_name_is_written(scene: Told, asked: Withdrawal) -> None:
    named = dict(scene.store.references)
    lost(scene, asked, heard=True)
    scene.scripted.shown = Report(Outcome.PENDING)
    scene.work_when_due(asked)
    scene.scripted.shown = Report(Outcome.PAID)
    assert scene.work_when_due(asked).state is State.COMPLETED
    assert scene.store.references == named


@pytest.mark.parametrize("answered", [False, True])
def test_what_has_changed_before_it_could_be_put_off_is_as_it_stands(
    scene: Told, asked: Withdrawal, *, answered: bool
) -> None:
    saves: list[str] = []

    def rival(call: str) -> None:
        saves.extend([call] if call == "flows.save" else [])
        if call == "flows.save" and len(saves) == 2:
            scene.put_in_state(asked, version=scene.standing(asked).version + 1)

    scene.store.before = rival
    scene.store.after = once(SILENCE, "never" if answered else "payer.send")
    scene.scripted.answer = Report(Outcome.UNCLEAR)
    known = scene.work(asked)
    assert (known, known.checks) == (scene.standing(asked), 0)
    assert scene.alerts.raised == []


# Looking at it


def test_it_is_looked_at_after_longer_and_longer(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    waits = []
    for _ in range(5):
        looked_ms = scene.now_ms = scene.standing(asked).not_before_ms
        waits.append(scene.work(asked).not_before_ms - looked_ms)
    assert waits == [CHECKS_MS[1], CHECKS_MS[2], CHECKS_MS[2], CHECKS_MS[2], CHECKS_MS[2]]
    assert scene.standing(asked).checks == 6


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED, Outcome.PENDING])
def test_what_is_found_after_an_answer_was_lost_decides(scene: Told, asked: Withdrawal, outcome: Outcome) -> None:
    lost(scene, asked, heard=True)
    scene.payer.pay(asked.flow_id, outcome, "bank says no" if outcome is Outcome.FAILED else None)
    known = scene.work_when_due(asked)
    ending = {Outcome.PAID: State.COMPLETED, Outcome.FAILED: State.FAILED, Outcome.PENDING: State.SUBMITTED}
    assert (known.state, known.payout_id) == (ending[outcome], "po_1")
    assert scene.store.references["stripe:po_1"] == asked.flow_id
    assert "payer.send" not in scene.store.calls[6:]
    check_endings(scene)


def test_a_payout_that_fails_later_gives_all_of_it_back_under_its_name(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.payer.pay(asked.flow_id, Outcome.FAILED, "bank says no")
    assert scene.work_when_due(asked).failure == "bank says no"
    assert record_of(scene, asked, TransferKind.WITHDRAWAL_RELEASE).reference == "stripe:po_1"
    assert scene.alerts.raised[0].facts["payout_id"] == "po_1"


def test_the_id_of_its_payout_is_written_once(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.store.references.clear()
    scene.work_when_due(asked)
    scene.payer.pay(asked.flow_id)
    assert scene.work_when_due(asked).state is State.COMPLETED
    assert scene.store.references == {}


def test_what_was_sent_and_nothing_says_how_is_a_bug(scene: Told, asked: Withdrawal) -> None:
    scene.put_in_state(asked, state=State.SUBMITTED)
    with pytest.raises(InvariantViolated, match="nothing says how"):
        scene.work(asked)


def test_what_is_paid_while_its_hold_is_frozen_is_completed_once_it_is_not(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.payer.pay(asked.flow_id)
    scene.mark(asked.hold_id, Status.FROZEN)
    with pytest.raises(AccountNotActive):
        scene.work_when_due(asked)
    assert (scene.standing(asked).state, "suspense:USD" in scene.store.account_items) == (State.SUBMITTED, False)
    scene.mark(asked.hold_id, Status.ACTIVE)
    assert scene.work(asked).state is State.COMPLETED
    check_endings(scene)
