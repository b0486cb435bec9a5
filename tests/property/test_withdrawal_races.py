"""Whoever acts on a withdrawal at the same moment: one of them is first, and it is paid once or returned in full."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Final

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from tallystick.domain.errors import ProviderUnavailable, Refusal, StoreUnavailable
from tallystick.domain.payouts import Outcome
from tallystick.domain.withdrawals import Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services.ports.ledger import CommitConflict
from tests.property.interleaving import Baton
from tests.property.invariants import check
from tests.property.test_deposit_events import Killed
from tests.support import profiles
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import SILENCE, Told, check_endings, kinds
from tests.support.scene import ADMIN, once

MOST_STEPS: Final = 40
Act = Callable[[Told], object]


def the(scene: Told) -> Withdrawal:
    return scene.withdrawals[0]


def hear(outcome: Outcome, name: str = "") -> Act:
    return lambda scene: scene.handle(scene.told(the(scene), outcome, name or None))


def open_and_work(scene: Told) -> None:
    """Let the account that could not be paid to be opened, and work."""
    scene.payer.rejects = None
    scene.work(the(scene))


ACTS: Final[dict[str, Act]] = {
    "approve": lambda scene: scene.approve(the(scene), ADMIN),
    "reject": lambda scene: scene.reject(the(scene)),
    "cancel": lambda scene: scene.cancel(the(scene)),
    "work": lambda scene: scene.work(the(scene)),
    "hear, pending": hear(Outcome.PENDING),
    "hear, paid": hear(Outcome.PAID),
    "hear, failed": hear(Outcome.FAILED),
    "hear, failed, again": hear(Outcome.FAILED, "again"),
    "open and work": open_and_work,
}


@dataclass(frozen=True)
class Start:
    """Say how the scene is set, and who acts in it at the same moment."""

    prepare: Callable[[], Told]
    acts: Sequence[str]


def asked(amount: str = "25.00", *, signs: bool = False, delay_ms: int = 0) -> Told:
    scene = Told(signs=signs)
    scene.with_rules(delay_ms=delay_ms)
    scene.asked(amount=amount)
    scene.now_ms += delay_ms
    return scene


def sent(outcome: Outcome, *, signs: bool = False, heard: bool = True) -> Told:
    """Send it, and let its time come when it is looked at; unheard, nothing has reached the provider."""
    scene = asked(signs=signs)
    scene.checks_ms = (20_000,)
    if not heard:
        scene.store.before = once(SILENCE, "payer.send")
    scene.work(the(scene))
    scene.store.before = lambda _call: None
    scene.payer.pay(the(scene).flow_id, outcome)
    scene.now_ms = the(scene).not_before_ms
    return scene


def completed() -> Told:
    """Let it be paid, and then come back."""
    scene = sent(Outcome.PAID)
    scene.work(the(scene))
    scene.payer.pay(the(scene).flow_id, Outcome.FAILED)
    return scene


def gone(scene: Told, **changes: object) -> Told:
    for name, value in changes.items():
        setattr(scene.payer, name, value)
    return scene


def later(scene: Told) -> Told:
    scene.now_ms += HOUR_MS
    return scene


DECISIONS: Final = ("approve", "reject", "cancel")
STOPPED: Final = ("work", "reject", "cancel")
NEWS: Final = ("work", "hear, paid", "hear, failed")
STARTS: Final = {
    "in review": Start(lambda: asked("60.00"), DECISIONS),
    "new destination": Start(lambda: asked(delay_ms=HOUR_MS), STOPPED),
    "approved": Start(asked, STOPPED),
    "approved, paid at once": Start(lambda: gone(asked(), pays_at_once=True), (*STOPPED, "hear, paid")),
    "approved, refused": Start(lambda: gone(asked(), refuses="closed"), STOPPED),
    "approved, signed": Start(lambda: asked(signs=True), STOPPED),
    "sent, paid": Start(lambda: sent(Outcome.PAID), NEWS),
    "sent, failed": Start(lambda: sent(Outcome.FAILED), NEWS),
    "sent, unheard": Start(lambda: sent(Outcome.PENDING, heard=False), ("work",)),
    "sent, unheard, absent": Start(lambda: later(sent(Outcome.PENDING, heard=False)), ("work",)),
    "sent, unheard, refused": Start(lambda: gone(sent(Outcome.PENDING, heard=False), refuses="closed"), ("work",)),
    "signed, unheard": Start(lambda: sent(Outcome.PENDING, signs=True, heard=False), ("work",)),
    "signed, unheard, absent": Start(lambda: later(sent(Outcome.PENDING, signs=True, heard=False)), ("work",)),
    "completed, came back": Start(completed, ("hear, failed", "hear, failed, again", "hear, paid")),
}


def calls_of(prepare: Callable[[], Told], name: str) -> int:
    scene = prepare()
    scene.store.calls.clear()
    attempt(scene, ACTS[name])
    return len(scene.store.calls)


def attempt(scene: Told, act: Act) -> None:
    """Act, and take no for an answer."""
    with contextlib.suppress(Refusal):
        act(scene)


def race(scene: Told, names: Sequence[str], order: Sequence[int]) -> None:
    baton = Baton(order)
    scene.store.before = lambda _call: baton.hand_over()
    baton.run([partial(attempt, scene, ACTS[name]) for name in names])
    scene.store.before = lambda _call: None


def finish(scene: Told) -> None:
    """Let everybody do their part, and hear of what has failed: then all is settled."""
    check(scene.store)
    if the(scene).state is State.IN_REVIEW:
        scene.reject(the(scene))
    scene.run_until_nothing_is_open()
    if the(scene).state is State.COMPLETED and scene.payer.payouts[-1].outcome is Outcome.FAILED:
        scene.handle_until_finished(scene.told(the(scene), Outcome.FAILED, "at last"))
    check(scene.store)
    check_endings(scene)
    assert len(scene.payer.payouts) <= 1


def switches(prepare: Callable[[], Told], first: str, second: str) -> Iterator[list[int]]:
    """Let the first do so many steps, then the second so many, then the first the rest of its own."""
    steps = product(range(calls_of(prepare, first) + 1), range(calls_of(prepare, second) + 1))
    return ([0] * before + [1] * between for before, between in steps)


@pytest.mark.parametrize("name", STARTS)
def test_of_two_that_act_at_once_one_is_first(name: str) -> None:
    start = STARTS[name]
    for first, second in product(start.acts, start.acts):
        for order in switches(start.prepare, first, second):
            scene = start.prepare()
            race(scene, (first, second), order)
            finish(scene)
            assert len(scene.store.audited) <= 2


def test_of_two_that_sign_at_once_one_of_them_refused_one_is_first() -> None:
    def prepare() -> Told:
        return gone(asked(signs=True), rejects="no account")

    for order in switches(prepare, "work", "open and work"):
        scene = prepare()
        race(scene, ("work", "open and work"), order)
        finish(scene)


FATES: Final = [*["fine"] * 6, "before", "after", "killed"]


def disturb(scene: Told, baton: Baton, fates: Sequence[str]) -> None:
    """Hand over at each call, and let things befall it."""
    left, fate = iter(fates), {}

    def before(call: str) -> None:
        baton.hand_over()
        fate[call] = next(left, "fine")
        if fate[call] == "before":
            raise CommitConflict if call == "commit" else lost(call)
        if fate[call] == "killed":
            raise Killed

    def after(call: str) -> None:
        if fate.get(call) == "after":
            raise lost(call)

    scene.store.before, scene.store.after = before, after


def lost(call: str) -> Exception:
    return ProviderUnavailable("silence", provider="stripe") if call.startswith("payer") else StoreUnavailable("lost")


def survive(scene: Told, act: Act) -> None:
    """Act, and end as a Lambda ends; what it leaves undone is for the next one."""
    with contextlib.suppress(Refusal, Killed):
        act(scene)


def act_at_once(scene: Told, acts: Sequence[str], order: Sequence[int], fates: Sequence[str]) -> None:
    """Let all of them act, then let everybody do their part, and check everything."""
    baton = Baton(order)
    disturb(scene, baton, fates)
    baton.run([partial(survive, scene, ACTS[act]) for act in acts])
    scene.store.before = scene.store.after = lambda _call: None
    note(str([the(scene).history, scene.payer.payouts, scene.store.calls]))
    finish(scene)


@settings(max_examples=profiles.examples(150))
@given(
    st.sampled_from(sorted(STARTS)),
    st.lists(st.sampled_from(sorted(set(ACTS) - {"open and work"})), min_size=3, max_size=5),
    st.lists(st.integers(0, 4), min_size=MOST_STEPS, max_size=MOST_STEPS),
    st.lists(st.sampled_from(FATES), max_size=15),
)
def test_however_many_act_at_once_and_whatever_befalls_them_it_ends_in_one_way(
    name: str, acts: list[str], order: list[int], fates: list[str]
) -> None:
    scene = STARTS[name].prepare()
    act_at_once(scene, acts, order, fates)
    event(the(scene).state)


# Requests at once


def ask(scene: Told, key: str, amount: str, answers: list[str]) -> None:
    try:
        answers.append("replayed" if scene.ask(key, amount)[1] else "held")
    except Refusal as refusal:
        answers.append(refusal.code)


orders = st.lists(st.integers(0, 4), min_size=MOST_STEPS, max_size=MOST_STEPS)


def asked_at_once(scene: Told, requests: Sequence[tuple[str, str]], order: Sequence[int]) -> Counter[str]:
    answers: list[str] = []
    baton = Baton(order)
    scene.store.before = lambda _call: baton.hand_over()
    baton.run([partial(ask, scene, key, amount, answers) for key, amount in requests])
    scene.store.before = lambda _call: None
    check(scene.store)
    return Counter(answers)


@settings(max_examples=profiles.examples(60))
@given(st.integers(2, 5), orders)
def test_of_requests_for_all_there_is_one_gets_it(count: int, order: list[int]) -> None:
    scene = Told(units=1)
    scene.with_rules(min_units=1, fee_units=0, fee_rate=0, daily_units=None, daily_count=None)
    answers = asked_at_once(scene, [(f"w{number}", "0.01") for number in range(count)], order)
    assert answers == {"held": 1, "insufficient-funds": count - 1}
    assert (scene.units(), scene.wallet_held(), kinds(scene)) == (0, 1, ["withdrawal-hold"])


@settings(max_examples=profiles.examples(60))
@given(st.integers(2, 5), orders, st.sampled_from([{"daily_count": 1}, {"daily_units": 2500}]))
def test_of_requests_for_the_last_of_the_day_one_gets_it(count: int, order: list[int], limit: dict[str, int]) -> None:
    scene = Told(units=1_000_000)
    scene.with_rules(**limit)
    answers = asked_at_once(scene, [(f"w{number}", "25.00") for number in range(count)], order)
    assert answers == {"held": 1, "limit-exceeded": count - 1}


@settings(max_examples=profiles.examples(60))
@given(st.integers(2, 5), orders)
def test_of_requests_under_one_key_one_holds_and_all_are_answered(count: int, order: list[int]) -> None:
    scene = Told()
    answers = asked_at_once(scene, [("w1", "25.00")] * count, order)
    assert answers == {"held": 1, "replayed": count - 1}
    assert scene.wallet_held() == 2550


@settings(max_examples=profiles.examples(40))
@given(orders)
def test_what_is_affordable_together_is_held_together(order: list[int]) -> None:
    scene = Told(units=3 * 2550)
    answers = asked_at_once(scene, [(f"w{number}", "25.00") for number in range(3)], order)
    assert answers == {"held": 3}
    assert (scene.units(), scene.wallet_held()) == (0, 3 * 2550)
