"""So much and so often a day, and not at once to a new destination."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.errors import (
    LimitExceeded,
    TooMuchContention,
)
from tallystick.domain.payouts import Outcome
from tallystick.domain.quotas import Used
from tallystick.domain.withdrawal_rules import DAY_MS
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services.withdrawals import MAX_ATTEMPTS
from tests.property.invariants import check
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import Told, kinds
from tests.support.scene import BOB, NOW_MS
from tests.support.withdrawals import STRIPE_BANK

OTHER_BANK: Final = replace(STRIPE_BANK, account="ba_2")
TODAY: Final = "withdrawals#ada#USD#2026-01-01"


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def careful() -> Told:
    """Let a new destination wait for an hour."""
    scene = Told()
    scene.with_rules(delay_ms=HOUR_MS)
    return scene


def nothing_moved(scene: Told) -> bool:
    return (scene.units(), scene.wallet_held(), kinds(scene), scene.withdrawals) == (10_000, 0, [], [])


def cancelled(scene: Told) -> None:
    scene.cancel(scene.withdrawals[0])


def paid(scene: Told) -> None:
    scene.payer.pays_at_once = True
    scene.work(scene.withdrawals[0])


# The limits of a day


def test_so_much_a_day_may_be_withdrawn_and_no_more() -> None:
    scene = Told(units=100_000)
    for key in ("w1", "w2"):
        scene.ask(key, "90.00")
    with pytest.raises(LimitExceeded) as refused:
        scene.ask("w3", "20.01")
    assert refused.value.members == {
        "resets_at": "2026-01-02T00:00:00.000Z",
        "remaining": "20.00",
        "asset": "USD",
        "remaining_count": 3,
    }
    assert scene.wallet_held() == 2 * 9115
    scene.ask("w3", "20.00")
    assert scene.store.quotas[TODAY] == Used(20_000, 3)


def test_so_many_a_day_may_be_asked_for_and_no_more(scene: Told) -> None:
    for number in range(5):
        scene.ask(f"w{number}", "1.00")
    with pytest.raises(LimitExceeded):
        scene.ask("w5", "1.00")
    assert scene.store.quotas[TODAY] == Used(500, 5)
    scene.now_ms += DAY_MS - 1
    with pytest.raises(LimitExceeded):
        scene.ask("w5", "1.00")
    scene.now_ms += 1
    scene.ask("w5", "1.00")


@pytest.mark.parametrize("limit", [{"daily_units": 2499}, {"daily_count": 0}])
def test_more_than_a_whole_day_s_limit_is_refused_without_a_write(scene: Told, limit: dict[str, int]) -> None:
    scene.with_rules(**limit)
    with pytest.raises(LimitExceeded):
        scene.ask()
    assert "commit" not in scene.store.calls


def test_who_asks_for_more_than_a_whole_day_s_limit_is_told_what_is_left_of_the_day(scene: Told) -> None:
    scene.ask("w1", "50.00")
    with pytest.raises(LimitExceeded) as refused:
        scene.ask("w2", "200.01")
    assert (refused.value.members["remaining"], refused.value.members["remaining_count"]) == ("150.00", 4)


def test_all_wallets_of_an_owner_count_together_and_nobody_else_s() -> None:
    scene = Told(units=100_000)
    scene.wallet("wal_2", units=100_000)
    scene.wallet("wal_b", BOB, units=100_000)
    scene.ask("w1", "150.00")
    with pytest.raises(LimitExceeded):
        scene.ask("w2", "50.01", wallet_id="wal_2")
    scene.ask("w2", "150.00", caller=BOB, wallet_id="wal_b")


def test_a_limit_that_was_lowered_counts_what_was_withdrawn_before() -> None:
    scene = Told(units=100_000)
    scene.ask("w1", "150.00")
    scene.with_rules(daily_units=10_000)
    with pytest.raises(LimitExceeded) as refused:
        scene.ask("w2", "1.00")
    assert refused.value.members["remaining"] == "0.00"


def test_two_requests_at_the_same_moment_do_not_both_take_what_is_left() -> None:
    scene = Told(units=100_000)
    scene.ask("first", "1.00")

    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.ask("rival", "150.00")

    scene.store.before = rival
    with pytest.raises(LimitExceeded):
        scene.ask("w1", "150.00")
    assert scene.store.quotas[TODAY] == Used(15_100, 2)
    assert kinds(scene) == ["withdrawal-hold"] * 2
    check(scene.store)


def failed(scene: Told) -> None:
    scene.payer.refuses = "closed"
    scene.work(scene.withdrawals[0])


def returned(scene: Told) -> None:
    paid(scene)
    asked = scene.withdrawals[0]
    scene.payer.pay(asked.flow_id, Outcome.FAILED)
    scene.handle(scene.told(asked, Outcome.FAILED))


@pytest.mark.parametrize(
    ("end", "left"),
    [
        (cancelled, Used()),
        (lambda scene: scene.reject(scene.withdrawals[0]), Used()),
        (failed, Used()),
        (paid, Used(2500, 1)),
        (returned, Used(2500, 1)),
    ],
    ids=["cancelled", "rejected", "failed", "paid", "returned"],
)
@pytest.mark.parametrize("days", [0, 3])
def test_what_was_not_paid_is_given_back_to_the_day_of_its_request(
    scene: Told, end: Callable[[Told], object], left: Used, days: int
) -> None:
    scene.ask()
    scene.with_rules(daily_units=None, daily_count=None)
    scene.now_ms += days * DAY_MS
    end(scene)
    assert scene.store.quotas == {TODAY: left}


def test_without_limits_nothing_is_counted_then_or_later(scene: Told) -> None:
    scene.with_rules(daily_units=None, daily_count=None)
    asked = scene.asked()
    scene.with_rules()
    scene.cancel(asked)
    assert scene.store.quotas == {}


# New destinations


def test_a_withdrawal_to_a_new_destination_waits(careful: Told) -> None:
    asked = careful.asked()
    assert (asked.state, careful.queue.sent, careful.wallet_held()) == (State.REQUESTED, [], 2550)
    assert asked.submit_after_ms == asked.not_before_ms == NOW_MS + HOUR_MS


def test_a_large_one_is_reviewed_while_it_waits(careful: Told) -> None:
    asked = careful.asked(amount="60.00")
    assert (asked.state, asked.not_before_ms) == (State.IN_REVIEW, NOW_MS + HOUR_MS)
    assert careful.approve(asked).not_before_ms == NOW_MS + HOUR_MS
    assert careful.work(asked).state is State.APPROVED
    careful.now_ms += HOUR_MS
    assert careful.work(asked).state is State.SUBMITTED


@pytest.mark.parametrize(("passed_ms", "state"), [(HOUR_MS - 1, State.REQUESTED), (HOUR_MS, State.APPROVED)])
def test_its_time_is_counted_from_the_first_request_to_it(careful: Told, passed_ms: int, state: State) -> None:
    careful.cancel(careful.asked("w1"))
    careful.now_ms += passed_ms
    asked = careful.asked("w2")
    assert (asked.state, asked.submit_after_ms) == (state, NOW_MS + HOUR_MS)
    assert careful.asked("w3").submit_after_ms == NOW_MS + HOUR_MS


def test_a_third_request_looks_at_the_first_not_at_the_second(careful: Told) -> None:
    first = careful.asked("w1")
    careful.now_ms += HOUR_MS // 2
    careful.ask("w2")
    assert list(careful.store.references.values()) == [first.flow_id]


def test_each_destination_is_new_to_each_owner(careful: Told) -> None:
    careful.wallet("wal_b", BOB, units=10_000)
    careful.ask("w1")
    careful.now_ms += HOUR_MS
    other = careful.ask("w2", destination=OTHER_BANK)[0]
    bobs = careful.ask("w1", caller=BOB, wallet_id="wal_b")[0]
    assert {other.submit_after_ms, bobs.submit_after_ms} == {careful.now_ms + HOUR_MS}


def test_two_that_use_a_destination_for_the_first_time_at_once_agree_which_was_first(careful: Told) -> None:
    def rival(call: str) -> None:
        if call == "commit":
            careful.store.before = lambda _call: None
            careful.now_ms -= 1000
            careful.ask("rival")
            careful.now_ms += 1000

    careful.store.before = rival
    asked = careful.asked()
    assert asked.submit_after_ms == NOW_MS - 1000 + HOUR_MS
    assert careful.wallet_held() == 2 * 2550
    check(careful.store)


def test_when_others_always_come_first_the_same_request_may_be_sent_again(careful: Told) -> None:
    destination = f"destination:{STRIPE_BANK.digest_for('ada')}"
    rivals: list[str] = []

    def hide(call: str) -> None:
        if call == "flows.find":
            careful.store.references.pop(destination, None)
        if call == "commit":
            rivals.append(call)
            careful.store.references[destination] = "wdr_rival"

    careful.store.before = hide
    with pytest.raises(TooMuchContention, match="destination"):
        careful.ask()
    assert len(rivals) == MAX_ATTEMPTS
    assert nothing_moved(careful)


def test_a_name_that_leads_to_no_withdrawal_makes_no_destination_old(careful: Told) -> None:
    careful.store.references[f"destination:{STRIPE_BANK.digest_for('ada')}"] = "dep_1"
    assert careful.asked().submit_after_ms == NOW_MS + HOUR_MS
