"""Which steps there are, who takes them, and that money is held once and then paid or given back once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.accounts import Account, AccountKind, Status
from tallystick.domain.chain import genesis
from tallystick.domain.errors import IllegalTransition
from tallystick.domain.transfers import IdempotencyKey
from tallystick.domain.transfers import TransferKind as Kind
from tallystick.domain.transitions import Actor, Transition, find
from tallystick.domain.withdrawals import (
    OPEN,
    RULE,
    TRANSITIONS,
    Taken,
    Withdrawal,
    actor_of,
    posted_by,
    withdrawal_id,
)
from tallystick.domain.withdrawals import WithdrawalAction as Action
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.scene import ADA, ADMIN, NOW_MS, USD, claim
from tests.support.withdrawals import submitted, withdrawal

HELD, PAID, BACK, RETURNED = (
    Kind.WITHDRAWAL_HOLD,
    Kind.WITHDRAWAL,
    Kind.WITHDRAWAL_RELEASE,
    Kind.WITHDRAWAL_RETURN,
)

LEGAL: Final[dict[tuple[State | None, Action], tuple[State, Actor, Kind | None]]] = {
    (None, Action.REQUEST): (State.REQUESTED, Actor.OWNER, HELD),
    (State.REQUESTED, Action.REVIEW): (State.IN_REVIEW, Actor.RULE, None),
    (State.REQUESTED, Action.APPROVE): (State.APPROVED, Actor.RULE, None),
    (State.REQUESTED, Action.CANCEL): (State.CANCELLED, Actor.OWNER, BACK),
    (State.REQUESTED, Action.REJECT): (State.REJECTED, Actor.ADMIN, BACK),
    (State.IN_REVIEW, Action.APPROVE): (State.APPROVED, Actor.ADMIN, None),
    (State.IN_REVIEW, Action.CANCEL): (State.CANCELLED, Actor.OWNER, BACK),
    (State.IN_REVIEW, Action.REJECT): (State.REJECTED, Actor.ADMIN, BACK),
    (State.APPROVED, Action.SUBMIT): (State.SUBMITTED, Actor.RULE, None),
    (State.APPROVED, Action.CANCEL): (State.CANCELLED, Actor.OWNER, BACK),
    (State.APPROVED, Action.REJECT): (State.REJECTED, Actor.ADMIN, BACK),
    (State.SUBMITTED, Action.COMPLETE): (State.COMPLETED, Actor.PROVIDER, PAID),
    (State.SUBMITTED, Action.FAIL): (State.FAILED, Actor.PROVIDER, BACK),
    (State.COMPLETED, Action.RETURN): (State.RETURNED, Actor.PROVIDER, RETURNED),
}
PAIRS: Final = [(state, action) for state in (None, *State) for action in Action]
FINAL: Final = set(State) - OPEN
BY: Final = {Actor.OWNER: ADA.caller_id, Actor.RULE: RULE, Actor.ADMIN: ADMIN.caller_id, Actor.PROVIDER: "stripe"}


def in_state(state: State | None) -> Withdrawal:
    """Describe a withdrawal as it stands in a state; without one it is not yet asked for."""
    asked = withdrawal()
    return replace(asked, history=(), version=0) if state is None else replace(asked, state=state)


@pytest.mark.parametrize(("state", "action"), [pair for pair in PAIRS if pair in LEGAL])
def test_a_legal_step_leads_to_its_state_and_names_its_movement(state: State | None, action: Action) -> None:
    before, (expected, actor, movement) = in_state(state), LEGAL[state, action]
    after, posts = before.taken(action, at_ms=NOW_MS + 7, by=BY[actor], note="why")
    assert (after.state, posts) == (expected, movement)
    assert after.history == (*before.history, Taken(action, NOW_MS + 7, BY[actor], "why"))
    assert after.version == before.version + 1
    assert after.not_before_ms == NOW_MS + 7


@pytest.mark.parametrize(("state", "action"), [pair for pair in PAIRS if pair not in LEGAL])
@pytest.mark.parametrize("by", ["who", RULE])
def test_any_other_step_is_refused_with_the_state(state: State | None, action: Action, by: str) -> None:
    with pytest.raises(IllegalTransition) as refused:
        in_state(state).taken(action, at_ms=NOW_MS, by=by)
    assert refused.value.members == {"state": state}
    assert (str(state) in refused.value.detail, action in refused.value.detail) == (True, True)


@pytest.mark.parametrize(("state", "action"), [pair for pair in PAIRS if pair in LEGAL])
def test_no_person_takes_the_step_of_a_rule_and_no_rule_that_of_a_person(state: State | None, action: Action) -> None:
    other = "who" if LEGAL[state, action][1] is Actor.RULE else RULE
    with pytest.raises(IllegalTransition) as refused:
        in_state(state).taken(action, at_ms=NOW_MS, by=other)
    assert refused.value.members == {"state": state}


def test_the_table_is_as_it_is_written_here() -> None:
    assert {(row.before, row.action): (row.after, row.actor, row.posts) for row in TRANSITIONS} == LEGAL
    assert len(TRANSITIONS) == len(LEGAL) == 14
    assert len(PAIRS) - len(LEGAL) == 76


def test_a_step_is_found_in_any_table() -> None:
    row = Transition(State.FAILED, Action.REQUEST, State.FAILED, Actor.RULE)
    assert find([row], State.FAILED, Action.REQUEST) is row
    with pytest.raises(IllegalTransition):
        find([row], None, Action.REQUEST)


def lives(state: State, posted: tuple[Kind, ...]) -> Iterator[tuple[State, tuple[Kind, ...]]]:
    """Walk every way on through the table, and give each state with the movements on the way to it."""
    yield state, posted
    for row in TRANSITIONS:
        if row.before is state:
            yield from lives(row.after, (*posted, *([row.posts] if row.posts else [])))


def test_whatever_way_a_withdrawal_takes_its_money_is_held_then_paid_or_given_back_once() -> None:
    ways = list(lives(State.REQUESTED, (HELD,)))
    assert {state for state, _ in ways} == set(State)
    endings = {
        State.COMPLETED: (HELD, PAID),
        State.RETURNED: (HELD, PAID, RETURNED),
        **dict.fromkeys((State.FAILED, State.CANCELLED, State.REJECTED), (HELD, BACK)),
    }
    for state, posted in ways:
        assert posted == endings.get(state, (HELD,))


def test_money_is_on_hold_in_four_states_and_from_each_of_them_it_comes_free() -> None:
    assert set(OPEN) == {State.REQUESTED, State.IN_REVIEW, State.APPROVED, State.SUBMITTED}
    for state in OPEN:
        assert {after for after, _ in lives(state, ())} >= {State.COMPLETED, State.FAILED, State.RETURNED}


def test_what_is_at_its_end_takes_no_step_but_that_a_payout_comes_back() -> None:
    assert {(row.before, row.action) for row in TRANSITIONS if row.before in FINAL} == {
        (State.COMPLETED, Action.RETURN)
    }


def test_nothing_that_was_sent_can_be_taken_back_by_a_person() -> None:
    people = {Actor.OWNER, Actor.ADMIN}
    assert {row.before for row in TRANSITIONS if row.actor in people} == {
        None,
        State.REQUESTED,
        State.IN_REVIEW,
        State.APPROVED,
    }


@pytest.mark.parametrize("submit_after_ms", [NOW_MS - 1, NOW_MS + 7, NOW_MS + 8, NOW_MS + 1000])
def test_after_a_step_nothing_is_done_before_the_step_and_before_it_may_be_sent(submit_after_ms: int) -> None:
    after, _ = withdrawal(submit_after_ms=submit_after_ms).taken(Action.APPROVE, at_ms=NOW_MS + 7, by=RULE)
    assert after.not_before_ms == max(NOW_MS + 7, submit_after_ms)


@pytest.mark.parametrize(("pair", "expected"), LEGAL.items())
def test_the_history_tells_in_what_part_somebody_took_a_step(
    pair: tuple[State | None, Action], expected: tuple[State, Actor, Kind | None]
) -> None:
    assert actor_of(Taken(pair[1], NOW_MS, BY[expected[1]])) is expected[1]


def test_who_approved_it_is_known_once_somebody_did() -> None:
    asked = withdrawal()
    reviewed = asked.taken(Action.REVIEW, at_ms=NOW_MS, by=RULE)[0]
    approved = reviewed.taken(Action.APPROVE, at_ms=NOW_MS, by="root")[0]
    assert (asked.decided_by, reviewed.decided_by, approved.decided_by) == (None, None, "root")
    assert submitted().decided_by == RULE


def test_amount_and_fee_are_held_together_in_an_account_of_its_own() -> None:
    asked = withdrawal(units=2500, fee_units=51)
    assert asked.total_units == 2551
    assert asked.hold == Account(
        account_id=f"hold:{asked.flow_id}",
        owner_id=asked.flow_id,
        asset=USD,
        created_at_ms=asked.created_at_ms,
        head_hash=genesis(f"hold:{asked.flow_id}", "USD"),
        kind=AccountKind.HOLD,
        status=Status.ACTIVE,
    )
    assert asked.hold.account_id == asked.hold_id


def test_each_kind_of_movement_has_one_key_of_the_withdrawal_and_of_nothing_else() -> None:
    asked = withdrawal()
    key = asked.claim(BACK).key
    assert key == IdempotencyKey("withdrawal", "test", asked.flow_id, action="withdrawal-release")
    others = {asked.claim(kind).key.digest for kind in (PAID, BACK, RETURNED)}
    others |= {withdrawal(flow_id="wdr_2").claim(BACK).key.digest}
    others |= {withdrawal(environment="live").claim(BACK).key.digest}
    assert len(others) == 5


def test_the_key_of_a_movement_is_the_same_in_every_state_so_that_it_happens_once() -> None:
    claims = {in_state(state).claim(BACK) for state in State}
    assert len(claims) == 1


def test_what_is_asked_under_a_movements_key_is_bound_to_withdrawal_kind_and_amount() -> None:
    asked = withdrawal()
    prints = {asked.claim(kind).fingerprint for kind in (PAID, BACK, RETURNED)}
    prints |= {withdrawal(units=2501).claim(PAID).fingerprint, withdrawal(flow_id="wdr_2").claim(PAID).fingerprint}
    assert len(prints) == 5


def test_a_withdrawal_is_named_by_the_key_that_it_is_asked_for_under() -> None:
    names = {withdrawal_id(claim(key, caller=caller).key) for key in ("k1", "k2") for caller in (ADA, ADMIN)}
    assert len(names) == 4
    assert withdrawal_id(claim("k1").key) == withdrawal_id(claim("k1", body="other").key)
    assert all(name.startswith("wdr_") and len(name) == 36 for name in names)


def test_an_action_is_the_same_movement_in_every_state() -> None:
    for (_, action), (_, _, posts) in LEGAL.items():
        assert posted_by(action) is posts


@pytest.mark.parametrize(
    ("actions", "movements"),
    [
        ([], []),
        ([Action.REVIEW, Action.APPROVE, Action.SUBMIT], []),
        ([Action.APPROVE, Action.SUBMIT, Action.COMPLETE], [PAID]),
        ([Action.APPROVE, Action.SUBMIT, Action.COMPLETE, Action.RETURN], [PAID, RETURNED]),
        ([Action.APPROVE, Action.SUBMIT, Action.FAIL], [BACK]),
        ([Action.CANCEL], [BACK]),
        ([Action.REVIEW, Action.REJECT], [BACK]),
    ],
)
def test_all_movements_of_a_withdrawal_can_be_named(actions: list[Action], movements: list[Kind]) -> None:
    known = withdrawal(hold_transfer_id="trf_hold")
    for action in actions:
        rule = action in {Action.REVIEW, Action.SUBMIT} or (action is Action.APPROVE and known.state is State.REQUESTED)
        known, _ = known.taken(action, at_ms=NOW_MS, by=RULE if rule else "who")
    assert known.transfer_ids == ["trf_hold", *(known.claim(kind).key.transfer_id for kind in movements)]
