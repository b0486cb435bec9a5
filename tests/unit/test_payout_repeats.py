"""When the same call is made again, when another one, and when it is given up."""

from typing import Final

import pytest

from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import Sending, Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.fake_payer import HOUR_MS
from tests.support.leaving import CHECKS_MS
from tests.support.payout_events import SILENCE, Told, check_endings, kinds, lost, sending_of
from tests.support.scene import NOW_MS

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


# The same call again


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_not_to_be_seen_is_sent_again_under_the_same_key(scene: Told, asked: Withdrawal, times: int) -> None:
    lost(scene, asked, heard=False)
    scene.store.before = lambda call: (_ for _ in ()).throw(SILENCE) if call == "payer.send" else None
    for _ in range(times - 1):
        scene.work_when_due(asked)
    scene.store.before = lambda _call: None
    sent = scene.work_when_due(asked)
    assert sent.sending == Sending(times + 1, NOW_MS, scene.now_ms)
    assert (sent.payout_id, len(scene.payer.payouts)) == ("po_1", 1)


@pytest.mark.parametrize(
    ("lifetime_ms", "passed_ms", "again"),
    [
        (KEY_MS, KEY_MS - 1, True),
        (KEY_MS, KEY_MS, False),
        (KEY_MS, KEY_MS + 1, False),
        (None, 1000 * DAY_MS, True),
        (0, CHECKS_MS[0], False),
    ],
)
def test_only_while_the_provider_surely_knows_the_key(
    scene: Told, asked: Withdrawal, lifetime_ms: int | None, passed_ms: int, *, again: bool
) -> None:
    lost(scene, asked, heard=False)
    scene.scripted.lifetime_ms = lifetime_ms
    scene.scripted.shown = Report(Outcome.UNCLEAR)
    scene.now_ms += passed_ms
    known = scene.work(asked)
    assert (sending_of(scene, asked).sends, len(scene.payer.payouts)) == ((2, 1) if again else (1, 0))
    assert known.state is State.SUBMITTED


def test_the_key_s_time_is_counted_from_the_first_call_under_it(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.scripted.shown = scene.scripted.answer = Report(Outcome.UNCLEAR)
    scene.now_ms = NOW_MS + KEY_MS - 1
    scene.work(asked)
    assert sending_of(scene, asked) == Sending(2, NOW_MS, NOW_MS + KEY_MS - 1)
    scene.payer.forget()
    scene.now_ms += CHECKS_MS[0]
    scene.work(asked)
    assert (sending_of(scene, asked).sends, len(scene.payer.payouts)) == (2, 1)


def test_what_was_seen_before_is_never_sent_again(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.scripted.shown = Report(Outcome.UNCLEAR, "po_1")
    scene.payer.forget()
    assert scene.work_when_due(asked).state is State.SUBMITTED
    assert (sending_of(scene, asked).sends, len(scene.payer.payouts)) == (1, 1)


def test_what_could_not_be_written_again_is_not_sent_again(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.put_in_state(asked, version=scene.standing(asked).version + 1)

    scene.store.before = rival
    scene.work_when_due(asked)
    assert (sending_of(scene, asked).sends, scene.payer.payouts) == (1, [])


# As if for the first time


def test_what_is_proved_absent_is_sent_anew_and_its_key_begins_anew(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.now_ms += HOUR_MS
    assert scene.work(asked).sending == Sending(2, scene.now_ms, scene.now_ms)
    assert len(scene.payer.payouts) == 1


def test_a_refusal_of_the_same_call_again_is_only_noted(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.refuses = "account_closed"
    noted = scene.work_when_due(asked)
    assert (noted.state, noted.failure, scene.alerts.raised) == (State.SUBMITTED, None, [])
    assert noted.sending == Sending(2, NOW_MS, scene.now_ms, refusal="account_closed")
    assert (noted, noted.not_before_ms) == (scene.standing(asked), scene.now_ms + CHECKS_MS[0])
    assert scene.held(asked) == 2550


def test_what_was_refused_is_not_sent_again_and_fails_once_it_is_proved_absent(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.refuses = "account_closed"
    scene.work_when_due(asked)
    scene.payer.refuses = None
    scene.work_when_due(asked)
    assert (scene.standing(asked).state, sending_of(scene, asked).sends) == (State.SUBMITTED, 2)
    scene.now_ms += HOUR_MS
    failed = scene.work(asked)
    assert (failed.state, failed.failure, scene.payer.payouts) == (State.FAILED, "account_closed", [])
    check_endings(scene)


def test_a_refusal_without_a_reason_is_one(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.scripted.answer = Report(Outcome.FAILED)
    assert scene.work_when_due(asked).sending == Sending(2, NOW_MS, scene.now_ms, refusal="refused")


def test_what_was_refused_and_then_found_is_paid(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=True)
    scene.scripted.shown = Report(Outcome.UNCLEAR)
    scene.scripted.answer = Report(Outcome.FAILED, reason="reference taken")
    scene.work_when_due(asked)
    scene.scripted.shown = scene.scripted.answer = None
    scene.payer.pay(asked.flow_id)
    assert scene.work_when_due(asked).state is State.COMPLETED
    check_endings(scene)


def test_a_refusal_that_cannot_be_noted_changes_nothing(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.refuses = "account_closed"
    saves: list[str] = []

    def rival(call: str) -> None:
        saves.extend([call] if call == "flows.save" else [])
        if call == "flows.save" and len(saves) == 2:
            scene.put_in_state(asked, version=scene.standing(asked).version + 1)

    scene.store.before = rival
    assert scene.work_when_due(asked) == scene.standing(asked)
    assert sending_of(scene, asked).refusal is None


def test_what_was_sent_anew_and_refused_is_settled_by_its_absence_too(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.refuses = "account_closed"
    scene.now_ms += HOUR_MS
    assert scene.work(asked).state is State.SUBMITTED
    scene.now_ms += HOUR_MS
    assert scene.work(asked).state is State.FAILED
    assert kinds(scene) == ["withdrawal-hold", "withdrawal-release"]
