"""Whatever call is the last one before an accident: tried again, a withdrawal is paid once or returned in full."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.domain.accounts import Status
from tallystick.domain.breaker import Breaker, BreakerState
from tallystick.domain.errors import ProviderUnavailable, StoreUnavailable
from tallystick.domain.payouts import Outcome
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services.breaking import BREAKER_OPEN
from tests.property.invariants import check
from tests.property.test_deposit_events import Killed
from tests.support import profiles
from tests.support.fake_payer import DRAFT_MS, HOUR_MS
from tests.support.leaving import CHECKS_MS
from tests.support.payout_events import Told, accident, check_endings, kinds
from tests.support.scene import once

Accident = tuple[str, Callable[[], BaseException]]
ACCIDENTS: Final[tuple[Accident, ...]] = (
    ("killed", Killed),
    ("the store is silent", lambda: StoreUnavailable("silence")),
    ("the provider is silent", lambda: ProviderUnavailable("silence", provider="stripe")),
    ("a fault of ours", lambda: RuntimeError("bug")),
)
SURVIVED: Final = (Killed, StoreUnavailable, ProviderUnavailable, RuntimeError)
MOMENTS: Final = ("before", "after")
MOST_TRIES: Final = 10
REVIEWED: Final = "60.00"


@dataclass(frozen=True)
class Plot:
    """Say how the scene is set, what is done in it, how the withdrawal ends, and how many calls the doing takes."""

    prepare: Callable[[], Told]
    act: Callable[[Told], object]
    ending: WithdrawalState
    calls: int


def scene_of(*, signs: bool = False, **rules: object) -> Told:
    scene = Told(signs=signs)
    scene.with_rules(**rules)
    return scene


def asked(amount: str = "25.00", *, signs: bool = False, **rules: object) -> Told:
    scene = scene_of(signs=signs, **rules)
    scene.asked(amount=amount)
    return scene


def the(scene: Told) -> Withdrawal:
    return scene.withdrawals[0]


def work(scene: Told) -> None:
    scene.work_when_due(the(scene))


def ask(scene: Told) -> None:
    scene.ask()


def submitted() -> Told:
    scene = asked()
    work(scene)
    return scene


def unheard(*, signs: bool = False, later_ms: int = 0, checks_ms: Sequence[int] = CHECKS_MS) -> Told:
    """Send it, but the provider never hears of it."""
    scene = asked(signs=signs)
    scene.checks_ms = checks_ms
    scene.store.before = once(ProviderUnavailable("lost", provider="stripe"), "payer.send")
    work(scene)
    scene.store.before = lambda _call: None
    scene.now_ms += later_ms
    return scene


def refused_later() -> Told:
    """Let the provider refuse what it may have carried out before."""
    scene = unheard()
    scene.payer.refuses = "closed"
    work(scene)
    scene.now_ms += HOUR_MS
    return scene


def with_payer(scene: Told, **changes: object) -> Told:
    for name, value in changes.items():
        setattr(scene.payer, name, value)
    return scene


def ended(scene: Told, outcome: Outcome) -> Told:
    scene.payer.pay(the(scene).flow_id, outcome, "bank says no" if outcome is Outcome.FAILED else None)
    return scene


def returning(status: Status = Status.ACTIVE) -> Told:
    """Let a payout that was paid fail in the end."""
    scene = ended(submitted(), Outcome.PAID)
    work(scene)
    scene.mark("wal_a", status)
    return ended(scene, Outcome.FAILED)


def probing() -> Told:
    scene = asked()
    scene.breakers.breakers["stripe"] = Breaker("stripe", BreakerState.OPEN, 5, scene.now_ms, 5)
    return scene


def hear(outcome: Outcome) -> Callable[[Told], None]:
    def act(scene: Told) -> None:
        scene.handle_until_finished(scene.told(the(scene), outcome))

    return act


def overdue() -> Told:
    scene = asked()
    scene.queue.sent.clear()
    scene.now_ms += 1
    return scene


def finish(scene: Told) -> None:
    """Let everybody do their part: an admin approves, messages are delivered, the provider pays."""
    for known in scene.withdrawals:
        if known.state is WithdrawalState.IN_REVIEW:
            scene.approve(known)
    scene.run_until_nothing_is_open()


def live(scene: Told, amount: str = "25.00") -> None:
    scene.ask(amount=amount)
    finish(scene)


def live_and_return(scene: Told) -> None:
    live(scene)
    ended(scene, Outcome.FAILED)
    hear(Outcome.FAILED)(scene)


COMPLETED, FAILED = WithdrawalState.COMPLETED, WithdrawalState.FAILED
CANCELLED, REJECTED, RETURNED = WithdrawalState.CANCELLED, WithdrawalState.REJECTED, WithdrawalState.RETURNED

PLOTS: Final = {
    "ask": Plot(scene_of, ask, COMPLETED, 4),
    "ask for much": Plot(scene_of, lambda scene: scene.ask(amount=REVIEWED), COMPLETED, 3),
    "ask for a new destination": Plot(lambda: scene_of(delay_ms=HOUR_MS), ask, COMPLETED, 3),
    "approve": Plot(lambda: asked(REVIEWED), lambda scene: scene.approve(the(scene)), COMPLETED, 3),
    "reject in review": Plot(lambda: asked(REVIEWED), lambda scene: scene.reject(the(scene)), REJECTED, 3),
    "reject approved": Plot(asked, lambda scene: scene.reject(the(scene)), REJECTED, 3),
    "cancel in review": Plot(lambda: asked(REVIEWED), lambda scene: scene.cancel(the(scene)), CANCELLED, 3),
    "cancel requested": Plot(lambda: asked(delay_ms=HOUR_MS), lambda scene: scene.cancel(the(scene)), CANCELLED, 3),
    "cancel approved": Plot(asked, lambda scene: scene.cancel(the(scene)), CANCELLED, 3),
    "decide": Plot(lambda: asked(delay_ms=HOUR_MS), work, COMPLETED, 7),
    "send": Plot(asked, work, COMPLETED, 6),
    "send, paid at once": Plot(lambda: with_payer(asked(), pays_at_once=True), work, COMPLETED, 8),
    "send, refused": Plot(lambda: with_payer(asked(), refuses="closed"), work, FAILED, 9),
    "draft": Plot(lambda: asked(signs=True), work, COMPLETED, 7),
    "draft, paid at once": Plot(lambda: with_payer(asked(signs=True), pays_at_once=True), work, COMPLETED, 9),
    "draft, refused when sent": Plot(lambda: with_payer(asked(signs=True), refuses="closed"), work, FAILED, 7),
    "draft, refused": Plot(lambda: with_payer(asked(signs=True), rejects="nobody"), work, FAILED, 9),
    "look, pending": Plot(submitted, work, COMPLETED, 4),
    "look, paid": Plot(lambda: ended(submitted(), Outcome.PAID), work, COMPLETED, 6),
    "look, failed": Plot(lambda: ended(submitted(), Outcome.FAILED), work, FAILED, 7),
    "send again": Plot(unheard, work, COMPLETED, 8),
    "send again, refused": Plot(lambda: with_payer(unheard(), refuses="closed"), work, FAILED, 8),
    "send the draft again": Plot(lambda: unheard(signs=True, checks_ms=(DRAFT_MS // 2,)), work, COMPLETED, 8),
    "begin anew": Plot(lambda: unheard(later_ms=HOUR_MS), work, COMPLETED, 8),
    "begin anew with another draft": Plot(lambda: unheard(signs=True, later_ms=HOUR_MS), work, COMPLETED, 9),
    "begin anew, draft refused": Plot(
        lambda: with_payer(unheard(signs=True, later_ms=HOUR_MS), rejects="nobody"), work, FAILED, 10
    ),
    "settle a refusal": Plot(refused_later, work, FAILED, 7),
    "probe": Plot(probing, work, COMPLETED, 10),
    "sweep": Plot(overdue, lambda scene: scene.sweep(), COMPLETED, 7),
    "hear, pending": Plot(submitted, hear(Outcome.PENDING), COMPLETED, 5),
    "hear, paid": Plot(lambda: ended(submitted(), Outcome.PAID), hear(Outcome.PAID), COMPLETED, 8),
    "hear, failed": Plot(lambda: ended(submitted(), Outcome.FAILED), hear(Outcome.FAILED), FAILED, 9),
    "hear, returned": Plot(returning, hear(Outcome.FAILED), RETURNED, 9),
    "hear, returned, frozen": Plot(lambda: returning(Status.FROZEN), hear(Outcome.FAILED), RETURNED, 9),
    "hear, returned, closed": Plot(lambda: returning(Status.CLOSED), hear(Outcome.FAILED), RETURNED, 12),
    "a whole life": Plot(scene_of, live, COMPLETED, 23),
    "a whole life with a review": Plot(scene_of, lambda scene: live(scene, REVIEWED), COMPLETED, 25),
    "a whole life with a new destination": Plot(lambda: scene_of(delay_ms=HOUR_MS), live, COMPLETED, 30),
    "a whole life with drafts": Plot(lambda: scene_of(signs=True), live, COMPLETED, 24),
    "a whole life that is refused": Plot(lambda: with_payer(scene_of(), refuses="closed"), live, FAILED, 13),
    "a whole life that is never drafted": Plot(
        lambda: with_payer(scene_of(signs=True), rejects="nobody"), live, FAILED, 13
    ),
    "a whole life that comes back": Plot(scene_of, live_and_return, RETURNED, 32),
}
LIVES: Final = [name for name in PLOTS if name.startswith("a whole life")]

RUNS: Final = 3152
"""As many accidents are tried: each plot, each call, before or after it, each kind of accident."""


def try_again(scene: Told, act: Callable[[Told], object]) -> None:
    for _ in range(MOST_TRIES):
        try:
            act(scene)
        except SURVIVED:
            continue
        return
    raise AssertionError("it never succeeds")


def check_all(scene: Told, plot: Plot) -> None:
    check(scene.store)
    check_endings(scene)
    assert [known.state for known in scene.withdrawals] == [plot.ending]
    assert len(scene.payer.payouts) <= 1


@pytest.mark.parametrize("name", PLOTS)
def test_an_accident_before_or_after_any_call_changes_nothing_in_the_end(name: str) -> None:
    plot = PLOTS[name]
    undisturbed = plot.prepare()
    with accident(undisturbed, "never", 0, Killed()) as calls:
        plot.act(undisturbed)
    finish(undisturbed)
    check_all(undisturbed, plot)
    assert len(calls) == plot.calls, calls
    for position, moment, (_, error) in product(range(1, len(calls) + 1), MOMENTS, ACCIDENTS):
        scene = plot.prepare()
        with accident(scene, moment, position, error()):
            try_again(scene, plot.act)
        finish(scene)
        check_all(scene, plot)
        assert kinds(scene) == kinds(undisturbed)
        assert len(scene.payer.payouts) == len(undisturbed.payer.payouts)
        # A probe that an accident befalls is told of: whether the breaker was open before, people know.
        assert set(scene.alerts.kinds) - {BREAKER_OPEN} == set(undisturbed.alerts.kinds)


def test_so_many_accidents_were_tried() -> None:
    assert sum(plot.calls for plot in PLOTS.values()) * len(MOMENTS) * len(ACCIDENTS) == RUNS


@settings(max_examples=profiles.examples(150))
@given(
    st.sampled_from(LIVES),
    st.lists(
        st.tuples(st.integers(1, 12), st.sampled_from(MOMENTS), st.sampled_from(ACCIDENTS)), min_size=2, max_size=5
    ),
)
def test_accidents_upon_accidents_change_nothing_in_the_end(name: str, storm: list[tuple[int, str, Accident]]) -> None:
    plot = PLOTS[name]
    scene = plot.prepare()
    for position, moment, (_, error) in storm:
        with accident(scene, moment, position, error()), contextlib.suppress(*SURVIVED):
            plot.act(scene)
    try_again(scene, plot.act)
    finish(scene)
    check_all(scene, plot)
