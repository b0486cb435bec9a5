"""Show that whatever several Lambdas do at once, each answer is one that a single queue could have given."""

import pytest
from hypothesis import event, given, settings

from tests.property.interleaving import OPENING_UNITS, Baton, Script, Stage, scripts
from tests.property.requests import Request
from tests.support import profiles
from tests.support.fake_store import FakeStore
from tests.support.scene import Scene


@settings(max_examples=profiles.examples(1000))
@given(scripts)
def test_every_interleaving_is_as_if_one_came_after_the_other(script: Script) -> None:
    stage = Stage(script)
    stage.play()
    for asked in stage.asked:
        event(f"{asked.request.kind}: {asked.answer.code}")


@settings(max_examples=profiles.examples(100))
@given(scripts)
def test_duplicates_of_one_key_are_one_movement_with_equal_answers(script: Script) -> None:
    same = Request("debit", "k1", "a", units=3)
    stage = Stage(Script([[same]] * 4, script.order, script.fates))
    stage.play()
    answers = [asked.answer for asked in stage.asked if asked.request == same and asked.answer.transfer]
    assert len({repr(answer.transfer) for answer in answers}) == 1
    assert sum(answer.code == "moved" for answer in answers) <= 1
    assert len(stage.store.entries_of("a")) == 2


@settings(max_examples=profiles.examples(100))
@given(scripts)
def test_what_is_affordable_in_any_order_succeeds(script: Script) -> None:
    jobs = [[Request("transfer", f"k{number}", "a", "b", 3)] for number in range(4)]
    stage = Stage(Script(jobs, script.order, script.fates))
    stage.play()
    assert (stage.store.account_items["a"].balance, stage.store.account_items["b"].balance) == (0, 24)


@settings(max_examples=profiles.examples(100))
@given(scripts)
def test_exactly_what_is_affordable_succeeds(script: Script) -> None:
    jobs = [[Request("debit", f"k{number}", "a", units=5)] for number in range(4)]
    stage = Stage(Script(jobs, script.order, script.fates))
    stage.play()
    assert stage.store.account_items["a"].balance == 2
    assert len(stage.store.entries_of("a")) == 3


@settings(max_examples=profiles.examples(100))
@given(scripts)
def test_a_wallet_may_be_emptied_filled_frozen_and_closed_at_the_same_moment(script: Script) -> None:
    marks = [Request(kind, wallet="c") for kind in ("freeze", "unfreeze", "close")]
    moves = [Request("debit", "k1", "c", units=OPENING_UNITS), Request("credit", "k2", "c", units=1)]
    Stage(Script([moves, marks, marks[::-1], moves[:1]], script.order, script.fates)).play()


def test_the_baton_follows_the_order() -> None:
    steps: list[str] = []
    baton = Baton([0, 1, 1, 0])

    def job(name: str) -> None:
        for step in range(2):
            steps.append(f"{name}{step}")
            baton.hand_over()

    baton.run([lambda: job("a"), lambda: job("b")])
    assert steps == ["a0", "b0", "b1", "a1"]


def test_a_failure_in_a_thread_fails_the_test() -> None:
    def job() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        Baton([]).run([job, lambda: None])


def test_outside_of_a_job_nothing_is_handed_over() -> None:
    scene = Scene()
    scene.store.before = lambda _call: Baton([]).hand_over()
    assert isinstance(scene.store, FakeStore)
    assert scene.wallet() == "wal_a"
