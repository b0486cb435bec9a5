"""When people are told of a payout, what contradictions do, and how a provider that is away is borne with."""

from decimal import Decimal
from typing import Final

import pytest

from tallystick.domain.breaker import BreakerState
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.fake_payer import HOUR_MS
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


# Unclear


def test_what_is_not_to_be_seen_for_an_hour_and_a_half_is_told_of(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, UNCLEAR_MS)
    assert scene.alerts.raised == []
    known = at(scene, asked, UNCLEAR_MS + 5 * MINUTE_MS)
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == (UNCLEAR, "high")
    assert alert.facts["detail"] == "nothing is to be seen of it"
    assert (known.state, known.alerted_at_ms) == (State.SUBMITTED, scene.now_ms)
    assert scene.held(asked) == 2550


def test_a_millisecond_more_than_an_hour_and_a_half_is_enough(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, UNCLEAR_MS + 1)
    assert scene.alerts.kinds == [UNCLEAR]


def test_what_has_a_reason_is_told_of_at_once(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked, "not-found")
    at(scene, asked, MINUTE_MS)
    assert [(alert.kind, alert.facts["detail"]) for alert in scene.alerts.raised] == [(UNCLEAR, "not-found")]


def test_what_has_a_reason_is_told_of_at_once_while_the_key_holds(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=True)
    scene.scripted.shown = Report(Outcome.UNCLEAR, reason="several-payouts")
    at(scene, asked, MINUTE_MS)
    assert scene.alerts.kinds == [UNCLEAR]


def test_people_are_told_again_every_day(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    told = []
    for hours in range(2, 99):
        before = len(scene.alerts.raised)
        at(scene, asked, hours * HOUR_MS)
        told += [hours] if len(scene.alerts.raised) > before else []
    assert told == [2, 26, 50, 74, 98]
    assert scene.standing(asked).state is State.SUBMITTED


def test_a_millisecond_less_than_a_day_is_too_soon(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked, "not-found")
    at(scene, asked, MINUTE_MS)
    at(scene, asked, MINUTE_MS + DAY_MS - 1)
    assert len(scene.alerts.raised) == 1
    scene.put_in_state(asked, not_before_ms=0)
    at(scene, asked, MINUTE_MS + DAY_MS)
    assert len(scene.alerts.raised) == 2


def test_it_is_looked_at_all_the_same_and_what_is_found_counts(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, 2 * HOUR_MS)
    checks = scene.standing(asked).checks
    scene.scripted.shown = None
    scene.payer.send(scene.standing(asked))
    scene.payer.pay(asked.flow_id)
    assert checks == 2
    assert scene.work_when_due(asked).state is State.COMPLETED


def test_a_payout_that_is_under_way_for_days_is_told_of(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    at(scene, asked, STUCK_MS)
    assert scene.alerts.raised == []
    known = at(scene, asked, STUCK_MS + HOUR_MS)
    assert [(alert.kind, alert.facts["detail"]) for alert in scene.alerts.raised] == [
        (UNCLEAR, "it is under way for long")
    ]
    assert (known.state, known.payout_id, known.alerted_at_ms) == (State.SUBMITTED, "po_1", scene.now_ms)
    assert known.not_before_ms > scene.now_ms


def test_what_cannot_even_be_signed_for_so_long_is_told_of() -> None:
    scene = Told(signs=True)
    asked = scene.asked()
    scene.payer.away = True
    at(scene, asked, UNCLEAR_MS)
    assert scene.alerts.kinds == []
    known = at(scene, asked, UNCLEAR_MS + 5 * MINUTE_MS)
    assert (known.state, scene.alerts.kinds) == (State.APPROVED, [UNCLEAR])


def test_what_is_under_way_for_days_is_told_of_every_day(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    for days in range(6, 9):
        at(scene, asked, days * DAY_MS)
    assert scene.alerts.kinds == [UNCLEAR] * 3


def test_an_alert_that_cannot_be_raised_is_raised_later(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked, "not-found")

    def broken(call: str) -> None:
        if call == "alerts.raise":
            raise RuntimeError("no topic")

    scene.store.before = broken
    with pytest.raises(RuntimeError):
        at(scene, asked, MINUTE_MS)
    scene.store.before = lambda _call: None
    scene.work(asked)
    assert scene.alerts.kinds == [UNCLEAR]


# Contradictions

OTHERS: Final = {
    "another amount": Report(Outcome.PAID, "po_1", Amount(Decimal("25.01"), "USD")),
    "another asset": Report(Outcome.PAID, "po_1", Amount(Decimal("25.00"), "EUR")),
    "another payout": Report(Outcome.PAID, "po_2", Amount(Decimal("25.00"), "USD")),
    "another payout that failed": Report(Outcome.FAILED, "po_2"),
    "another amount that failed": Report(Outcome.FAILED, "po_1", Amount(Decimal(25), "EUR")),
    "another amount under way": Report(Outcome.PENDING, "po_1", Amount(Decimal("2.5"), "USD")),
    "another payout that is not to be seen": Report(Outcome.UNCLEAR, "po_2"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_moves_no_money_and_is_told_of(scene: Told, asked: Withdrawal, name: str) -> None:
    scene.work(asked)
    scene.scripted.shown = OTHERS[name]
    known = scene.work_when_due(asked)
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == (CONTRADICTION, "critical")
    assert (known.state, known.payout_id, known.alerted_at_ms) == (State.SUBMITTED, "po_1", scene.now_ms)
    assert (kinds(scene), scene.held(asked)) == (["withdrawal-hold"], 2550)
    scene.work_when_due(asked)
    assert len(scene.alerts.raised) == 1
    at(scene, asked, 2 * DAY_MS)
    assert scene.alerts.kinds == [CONTRADICTION] * 2


@pytest.mark.parametrize(
    ("report", "detail"),
    [
        (OTHERS["another amount"], "It is over 25.00 USD, and its payout over 25.01 USD."),
        (OTHERS["another asset"], "It is over 25.00 USD, and its payout over 25.00 EUR."),
        (OTHERS["another payout"], "Its payout is po_1, and there is po_2 too."),
    ],
)
def test_people_are_told_what_contradicts_what(scene: Told, asked: Withdrawal, report: Report, detail: str) -> None:
    scene.work(asked)
    scene.scripted.shown = report
    scene.work_when_due(asked)
    assert scene.alerts.raised[0].facts["detail"] == detail


@pytest.mark.parametrize("told", ["25", "25.0", "25.00", "2.5E+1"])
def test_the_same_amount_written_otherwise_is_the_same(scene: Told, asked: Withdrawal, told: str) -> None:
    scene.work(asked)
    scene.scripted.shown = Report(Outcome.PAID, "po_1", Amount(Decimal(told), "USD"))
    assert scene.work_when_due(asked).state is State.COMPLETED


@pytest.mark.parametrize("report", [Report(Outcome.PAID), Report(Outcome.PAID, "po_1")])
def test_what_the_provider_leaves_out_contradicts_nothing(scene: Told, asked: Withdrawal, report: Report) -> None:
    scene.work(asked)
    scene.scripted.shown = report
    assert (scene.work_when_due(asked).state, scene.standing(asked).payout_id) == (State.COMPLETED, "po_1")


def test_what_cannot_be_may_be_answered_to_the_call_that_sends_it(scene: Told, asked: Withdrawal) -> None:
    scene.scripted.answer = OTHERS["another amount"]
    assert scene.work(asked).state is State.SUBMITTED
    assert scene.alerts.kinds == [CONTRADICTION]


def test_what_was_cleared_up_goes_on(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.scripted.shown = OTHERS["another amount"]
    scene.work_when_due(asked)
    scene.scripted.shown = None
    scene.payer.pay(asked.flow_id)
    assert scene.work_when_due(asked).state is State.COMPLETED
    check_endings(scene)


def test_what_cannot_be_is_told_of_though_it_was_unclear_before(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, 2 * HOUR_MS)
    scene.scripted.shown = OTHERS["another amount"]
    scene.work_when_due(asked)
    assert scene.alerts.kinds == [UNCLEAR, CONTRADICTION]


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.PAID, Outcome.FAILED])
def test_a_payout_of_another_withdrawal_is_told_of(scene: Told, asked: Withdrawal, outcome: Outcome) -> None:
    scene.store.references["stripe:po_1"] = "wdr_other"
    scene.scripted.shown = scene.scripted.answer = Report(outcome, "po_1")
    lost(scene, asked, heard=True)
    for _ in range(3):
        scene.work_when_due(asked)
    assert (kinds(scene), scene.held(asked)) == (["withdrawal-hold"], 2550)
    assert CONTRADICTION in scene.alerts.kinds


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
    assert scene.alerts.kinds.count(OPEN) == 1
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
    assert scene.work(asked).state is State.COMPLETED
    assert scene.standing(asked).state is State.COMPLETED


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
