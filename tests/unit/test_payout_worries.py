"""When people are told of a payout, and that what cannot be moves no money."""

from decimal import Decimal
from typing import Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import Told, check_endings, kinds, lost, sending_of
from tests.support.scene import NOW_MS, once

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
    known = at(scene, asked, STUCK_MS + HOUR_MS + 1)
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


@pytest.mark.parametrize(("lost_answer", "after_ms"), [(False, STUCK_MS), (True, UNCLEAR_MS)])
def test_a_millisecond_more_than_it_may_take_is_enough(
    scene: Told, asked: Withdrawal, after_ms: int, *, lost_answer: bool
) -> None:
    if lost_answer:
        unseen(scene, asked)
        scene.scripted.lifetime_ms, scene.scripted.answer = None, Report(Outcome.UNCLEAR)
    else:
        scene.work(asked)
    at(scene, asked, after_ms)
    assert scene.alerts.kinds == []
    scene.put_in_state(asked, not_before_ms=0)
    at(scene, asked, after_ms + 1)
    assert scene.alerts.kinds == [UNCLEAR]


def test_what_is_sent_again_and_again_without_being_seen_is_told_of_every_day(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    scene.scripted.lifetime_ms, scene.scripted.answer = None, Report(Outcome.UNCLEAR)
    told = []
    for hours in range(1, 60):
        before = len(scene.alerts.raised)
        at(scene, asked, hours * HOUR_MS)
        told += [hours] if len(scene.alerts.raised) > before else []
    assert told == [2, 26, 50]
    assert sending_of(scene, asked).sends == 60


def test_while_the_key_holds_people_are_told_once_and_it_is_sent_again_all_the_same(
    scene: Told, asked: Withdrawal
) -> None:
    lost(scene, asked, heard=True)
    scene.scripted.shown = Report(Outcome.UNCLEAR, reason="too-many-payouts")
    known = at(scene, asked, MINUTE_MS)
    assert (scene.alerts.kinds, scene.alerts.raised[0].facts["detail"]) == ([UNCLEAR], "too-many-payouts")
    assert (known.payout_id, sending_of(scene, asked).sends, len(scene.payer.payouts)) == ("po_1", 2, 1)
    assert (known.alerted_of, known.alerted_at_ms) == (UNCLEAR, scene.now_ms)


def test_without_a_reason_nobody_is_told_that_it_is_sent_again(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=True)
    scene.scripted.shown = Report(Outcome.UNCLEAR)
    assert at(scene, asked, MINUTE_MS).alerted_of is None
    assert scene.alerts.kinds == []


def test_what_was_approved_long_before_it_may_be_sent_is_not_under_way_since_then() -> None:
    scene = Told(signs=True)
    scene.with_rules(delay_ms=2 * HOUR_MS)
    asked = scene.approve(scene.asked(amount="60.00"))
    scene.payer.away = True
    at(scene, asked, 2 * HOUR_MS)
    assert (scene.standing(asked).checks, scene.alerts.kinds) == (1, [])


def test_how_long_it_waited_before_it_was_sent_does_not_count(scene: Told) -> None:
    asked = scene.approve(scene.asked(amount="60.00"))
    scene.mark("wal_a", Status.FROZEN)
    at(scene, asked, STUCK_MS)
    scene.mark("wal_a", Status.ACTIVE)
    assert at(scene, asked, 2 * STUCK_MS).state is State.SUBMITTED
    at(scene, asked, 3 * STUCK_MS)
    assert scene.alerts.raised == []


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


def test_people_are_told_of_each_kind_of_worry_though_it_is_the_same_day(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.scripted.shown = OTHERS["another amount"]
    at(scene, asked, 2 * HOUR_MS)
    scene.scripted.shown = Report(Outcome.UNCLEAR, "po_1", reason="not-found")
    at(scene, asked, 3 * HOUR_MS)
    at(scene, asked, 4 * HOUR_MS)
    assert scene.alerts.kinds == [CONTRADICTION, UNCLEAR]


def test_that_it_cannot_be_and_takes_long_is_told_as_one_worry(scene: Told, asked: Withdrawal) -> None:
    scene.work(asked)
    scene.scripted.shown = OTHERS["another amount"]
    at(scene, asked, STUCK_MS + HOUR_MS)
    at(scene, asked, STUCK_MS + 2 * HOUR_MS)
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
    assert scene.alerts.kinds.count(CONTRADICTION) == 1
    assert [alert.facts["detail"] for alert in scene.alerts.raised if alert.kind == CONTRADICTION] == [
        "Its payout po_1 is that of wdr_other too."
    ]
    assert scene.standing(asked).not_before_ms > scene.now_ms


def test_that_it_failed_is_not_told_while_its_payout_is_another_withdrawal_s(scene: Told, asked: Withdrawal) -> None:
    scene.store.references["stripe:po_1"] = "wdr_other"
    scene.scripted.shown = scene.scripted.answer = Report(Outcome.FAILED, "po_1")
    lost(scene, asked, heard=True)
    for _ in range(3):
        scene.work_when_due(asked)
    assert (scene.standing(asked).state, scene.alerts.kinds) == (State.SUBMITTED, [CONTRADICTION])


def test_what_was_unclear_and_comes_to_its_end_is_said_to_be_over(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, 2 * HOUR_MS)
    scene.scripted.shown = Report(Outcome.PAID, "po_1")
    at(scene, asked, 3 * HOUR_MS)
    assert (scene.standing(asked).state, scene.alerts.told) == (State.COMPLETED, ["raised", "ended"])
    assert scene.alerts.ended == [(UNCLEAR, asked.flow_id)]


def test_an_accident_before_that_is_said_is_made_up_for(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, 2 * HOUR_MS)
    scene.scripted.shown = Report(Outcome.PAID, "po_1")
    scene.store.before = once(RuntimeError("killed"), "alerts.end")
    with pytest.raises(RuntimeError):
        at(scene, asked, 3 * HOUR_MS)
    scene.work(asked)  # its message comes back
    assert scene.alerts.ended == [(UNCLEAR, asked.flow_id)]


def test_an_event_that_ends_what_was_unclear_says_so(scene: Told, asked: Withdrawal) -> None:
    unseen(scene, asked)
    at(scene, asked, 2 * HOUR_MS)
    scene.scripted.shown = Report(Outcome.PAID, "po_1")
    scene.handle(scene.told(asked, Outcome.PAID))
    assert (scene.standing(asked).state, scene.alerts.kinds) == (State.COMPLETED, [UNCLEAR])
    assert (UNCLEAR, asked.flow_id) in scene.alerts.ended


def test_what_people_were_told_ends_although_the_withdrawal_does_not_know_of_it(scene: Told, asked: Withdrawal) -> None:
    """Found by the simulator: whoever told people died before writing that down."""
    unseen(scene, asked)
    scene.store.before = once(StoreUnavailable("throttled"), "flows.save")
    with pytest.raises(StoreUnavailable):
        at(scene, asked, 2 * HOUR_MS)
    assert (scene.alerts.told, scene.standing(asked).alerted_of) == (["raised"], None)
    scene.scripted.shown = Report(Outcome.PAID, "po_1")
    at(scene, asked, 3 * HOUR_MS)
    assert (scene.standing(asked).state, scene.alerts.told) == (State.COMPLETED, ["raised", "ended"])
