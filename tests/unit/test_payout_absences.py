"""How a provider that is away is borne with, and several workers at once."""

from typing import Final

import pytest

from tallystick.domain.breaker import BreakerState
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.payout_events import Told, check_endings, kinds, lost, sending_of
from tests.support.scene import NOW_MS

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
UNCLEAR_MS: Final = 90 * MINUTE_MS
STUCK_MS: Final = 5 * DAY_MS
UNCLEAR, CONTRADICTION, OPEN = "PAYOUT_UNCLEAR", "PAYOUT_CONTRADICTION", "CIRCUIT_BREAKER_OPEN"


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def asked(scene: Told) -> Withdrawal:
    """Ask for 25.00, which a rule approves."""
    return scene.asked()


def unseen(scene: Told, asked: Withdrawal, reason: str | None = None) -> None:
    """Send it, and let nothing be seen of it, nor a key be known."""
    lost(scene, asked, heard=False)
    scene.scripted.lifetime_ms = 0
    scene.scripted.shown = Report(Outcome.UNCLEAR, reason=reason)


def at(scene: Told, asked: Withdrawal, passed_ms: int) -> Withdrawal:
    """Work when so much time has passed since the beginning."""
    scene.now_ms = NOW_MS + passed_ms
    return scene.work(asked)


# A provider that is away


def test_while_the_breaker_is_open_a_withdrawal_waits_and_that_is_no_look(scene: Told, asked: Withdrawal) -> None:
    scene.payer.away = True
    for number in range(5):
        scene.work(scene.asked(f"more{number}", "1.00") if number else asked)
    breaker = scene.breakers.breakers["stripe"]
    assert (breaker.state, scene.alerts.kinds) == (BreakerState.OPEN, [OPEN])
    sent = scene.payer.payouts, scene.standing(asked).checks
    scene.put_in_state(asked, not_before_ms=0)
    waiting = scene.work(asked)
    assert (waiting.state, waiting.not_before_ms) == (State.SUBMITTED, breaker.until_ms)
    assert (scene.payer.payouts, waiting.checks) == sent
    assert waiting == scene.standing(asked)


def test_what_was_not_sent_yet_waits_as_it_is_and_may_be_taken_back(scene: Told, asked: Withdrawal) -> None:
    scene.breakers.breakers["stripe"] = opened = scene.breakers.get("stripe").failed(0).probing(NOW_MS)
    waiting = scene.work(asked)
    assert (waiting.state, waiting.not_before_ms, waiting.checks) == (State.APPROVED, opened.until_ms, 0)
    assert scene.cancel(asked).state is State.CANCELLED


def test_what_cannot_be_told_to_wait_is_as_it_stands(scene: Told, asked: Withdrawal) -> None:
    scene.breakers.breakers["stripe"] = scene.breakers.get("stripe").failed(0).probing(NOW_MS)

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.cancel(asked)

    scene.store.before = rival
    assert scene.work(asked).state is State.CANCELLED


def test_a_provider_that_is_away_keeps_no_other_from_being_called(scene: Told, asked: Withdrawal) -> None:
    scene.breakers.breakers["truelayer"] = scene.breakers.get("truelayer").failed(0).probing(NOW_MS)
    assert scene.work(asked).state is State.SUBMITTED
    assert scene.payer.payouts != []


def test_a_refusal_is_an_answer_and_closes_the_breaker() -> None:
    for signs in (False, True):
        scene = Told(signs=signs)
        asked = scene.asked()
        scene.breakers.breakers["stripe"] = scene.breakers.get("stripe").failed(0).probing(0)
        scene.payer.refuses = scene.payer.rejects = "no"
        assert scene.work(asked).state is State.FAILED
        assert scene.breakers.breakers["stripe"].state is BreakerState.CLOSED


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("days", [1, 7])
def test_a_provider_that_is_away_loses_nothing_and_doubles_nothing(*, signs: bool, heard: bool, days: int) -> None:
    scene = Told(signs=signs)
    first = scene.asked("w1", "25.00")
    lost(scene, first, heard=heard)
    scene.payer.away = True
    second = scene.asked("w2", "10.00")
    while scene.now_ms < NOW_MS + days * DAY_MS:
        scene.sweep()
        scene.deliver()
        scene.now_ms += 10 * MINUTE_MS
    assert {scene.standing(first).state, scene.standing(second).state} <= {State.APPROVED, State.SUBMITTED}
    assert scene.wallet_held() == first.total_units + second.total_units
    scene.payer.away = False
    scene.payer.forget()
    scene.run_until_nothing_is_open()
    assert {scene.standing(first).state, scene.standing(second).state} == {State.COMPLETED}
    assert len(scene.payer.payouts) == 2
    assert sending_of(scene, first).sends <= 3
    assert (OPEN, "stripe") in scene.alerts.ended
    assert {(alert.kind, alert.subject) for alert in scene.alerts.raised} <= set(scene.alerts.ended)
    check_endings(scene)


def test_a_message_that_comes_twice_is_worked_on_once(scene: Told, asked: Withdrawal) -> None:
    for _ in range(10):
        scene.work(asked)
    assert (len(scene.payer.payouts), scene.store.calls.count("payer.send")) == (1, 1)


def test_two_workers_on_one_message_send_once(scene: Told, asked: Withdrawal) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.work(asked)

    scene.store.before = rival
    scene.work(asked)
    assert (len(scene.payer.payouts), sending_of(scene, asked).sends) == (1, 1)


def test_what_another_worker_settled_meanwhile_stays_as_it_is(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.payer.pay(asked.flow_id)
    scene.now_ms = scene.standing(asked).not_before_ms

    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.work(asked)

    scene.store.before = rival
    assert scene.work(asked) == scene.standing(asked)
    assert kinds(scene) == ["withdrawal-hold", "withdrawal"]


def test_what_came_to_its_end_while_the_provider_was_silent_stays_as_it_is(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.payer.pay(asked.flow_id)

    def rival(call: str) -> None:
        if call == "payer.look_up":
            scene.store.before = lambda _call: None
            scene.handle(scene.told(asked, Outcome.PAID))
            scene.payer.away = True

    scene.now_ms = scene.standing(asked).not_before_ms
    scene.store.before = rival
    known = scene.work(asked)
    assert (known.state, known) == (State.COMPLETED, scene.standing(asked))
    assert (known.checks, known.version) == (1, 3)


def test_what_has_changed_before_it_is_to_be_looked_at_later_is_as_it_stands(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.payer.pay(asked.flow_id, Outcome.PENDING)

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.payer.pay(asked.flow_id)
            scene.handle(scene.told(asked, Outcome.PAID))

    scene.now_ms = scene.standing(asked).not_before_ms
    scene.store.before = rival
    assert scene.work(asked).state is State.COMPLETED
