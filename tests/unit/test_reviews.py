"""Who decides about a withdrawal, that each decision is audited with it, and that nobody decides about an own one."""

from collections.abc import Callable
from typing import Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.audit import AuditRecord
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import Forbidden, IllegalTransition, NotFound, StoreUnavailable, TooMuchContention
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawals import Taken, Withdrawal, WithdrawalAction
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services import reviews
from tallystick.services.reviews import MAX_ATTEMPTS
from tests.property.invariants import check
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import Told, kinds
from tests.support.scene import ADA, ADMIN, BOB, NOW_MS, SERVICE, once

OTHER_ADMIN: Final = Caller("boss", frozenset({Role.ADMIN}))
BOTH: Final = Caller("ada", frozenset({Role.USER, Role.ADMIN}))
"""Ada, who became an admin."""

Decide = Callable[[Told, Withdrawal, Caller], Withdrawal]
DECISIONS: Final[dict[str, Decide]] = {
    "approve": lambda scene, known, caller: scene.approve(known, caller),
    "reject": lambda scene, known, caller: scene.reject(known, caller),
}


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def reviewed(scene: Told) -> Withdrawal:
    """Ask for 60.00, which a person has to look at."""
    return scene.asked(amount="60.00")


def test_what_an_admin_approves_is_queued(scene: Told, reviewed: Withdrawal) -> None:
    scene.now_ms += 1000
    approved = scene.approve(reviewed)
    assert approved == scene.standing(reviewed)
    assert (approved.state, approved.decided_by) == (State.APPROVED, "root")
    assert approved.history[-1] == Taken(WithdrawalAction.APPROVE, NOW_MS + 1000, "root", "fine")
    assert approved.not_before_ms == NOW_MS + 1000
    assert scene.queue.sent == [reviewed.flow_id]
    assert kinds(scene) == ["withdrawal-hold"]


def test_what_an_admin_rejects_is_back_at_once(scene: Told, reviewed: Withdrawal) -> None:
    rejected = scene.reject(reviewed)
    assert rejected == scene.standing(reviewed)
    assert rejected.history[-1] == Taken(WithdrawalAction.REJECT, NOW_MS, "root", "no")
    assert (scene.units(), scene.wallet_held(), scene.held(reviewed)) == (10_000, 0, 0)
    assert list(scene.store.quotas.values()) == [Used()]
    assert scene.queue.sent == []
    check(scene.store)


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.FROZEN])
@pytest.mark.parametrize("state", [State.REQUESTED, State.IN_REVIEW, State.APPROVED])
def test_until_it_is_sent_it_may_be_rejected(scene: Told, state: State, status: Status) -> None:
    scene.with_rules(delay_ms=HOUR_MS if state is State.REQUESTED else 0)
    asked = scene.asked(amount="60.00" if state is State.IN_REVIEW else "25.00")
    assert asked.state is state
    scene.mark("wal_a", status)
    assert scene.reject(asked).state is State.REJECTED
    assert scene.units() == 10_000
    assert scene.store.audited[0].details["state"] == state


@pytest.mark.parametrize(
    ("decision", "states"),
    [
        ("approve", set(State) - {State.IN_REVIEW}),
        ("reject", {State.SUBMITTED, State.COMPLETED, State.FAILED, State.CANCELLED, State.RETURNED}),
    ],
)
def test_a_decision_that_its_state_does_not_allow_is_refused_and_not_audited(
    scene: Told, reviewed: Withdrawal, decision: str, states: set[State]
) -> None:
    for state in states:
        scene.put_in_state(reviewed, state=state)
        with pytest.raises(IllegalTransition) as refused:
            DECISIONS[decision](scene, reviewed, ADMIN)
        assert refused.value.members == {"state": state}
    assert (scene.store.audited, scene.queue.sent, kinds(scene)) == ([], [], ["withdrawal-hold"])


def test_what_is_not_in_review_is_not_approved_by_a_person(scene: Told) -> None:
    scene.with_rules(delay_ms=HOUR_MS)
    with pytest.raises(IllegalTransition):
        scene.approve(scene.asked())


# Who


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("caller", [ADA, BOB, SERVICE])
def test_no_user_and_no_service_decides(scene: Told, reviewed: Withdrawal, decision: str, caller: Caller) -> None:
    with pytest.raises(Forbidden):
        DECISIONS[decision](scene, reviewed, caller)
    assert (scene.standing(reviewed), scene.store.audited) == (reviewed, [])


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("state", list(State))
def test_no_admin_decides_about_an_own_withdrawal_whatever_its_state(
    scene: Told, reviewed: Withdrawal, decision: str, state: State
) -> None:
    known = scene.put_in_state(reviewed, state=state)
    with pytest.raises(Forbidden, match="own"):
        DECISIONS[decision](scene, reviewed, BOTH)
    assert (scene.standing(reviewed), scene.store.audited) == (known, [])


@pytest.mark.parametrize("decision", DECISIONS)
def test_about_what_is_not_there_nobody_decides(scene: Told, reviewed: Withdrawal, decision: str) -> None:
    scene.store.references["wdr_name"] = reviewed.flow_id
    del scene.store.flow_items[reviewed.flow_id]
    with pytest.raises(NotFound, match="withdrawal"):
        DECISIONS[decision](scene, reviewed, ADMIN)


@pytest.mark.parametrize("caller", [ADA, SERVICE])
def test_only_admins_list_what_is_open(scene: Told, caller: Caller) -> None:
    with pytest.raises(Forbidden):
        listed(scene, State.IN_REVIEW, caller=caller)
    assert "flows.in_state" not in scene.store.calls


# The audit


@pytest.mark.parametrize(
    ("decision", "action", "notes"), [("approve", "approved", "fine"), ("reject", "rejected", "no")]
)
def test_a_decision_is_audited_with_who_why_and_what(
    scene: Told, reviewed: Withdrawal, decision: str, action: str, notes: str
) -> None:
    scene.now_ms += 1000
    DECISIONS[decision](scene, reviewed, ADMIN)
    details = {"notes": notes, "state": "IN_REVIEW", "owner_id": "ada", "units": "6000", "asset": "USD"}
    assert scene.store.audited == [
        AuditRecord(reviewed.flow_id, f"withdrawal-{action}", "root", NOW_MS + 1000, "203.0.113.7", details)
    ]


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_decision_and_audit_are_written_together_or_not_at_all(
    scene: Told, reviewed: Withdrawal, decision: str, moment: str
) -> None:
    setattr(
        scene.store, moment, once(StoreUnavailable("lost"), {"approve": "flows.save", "reject": "commit"}[decision])
    )
    with pytest.raises(StoreUnavailable):
        DECISIONS[decision](scene, reviewed, ADMIN)
    assert (scene.standing(reviewed) != reviewed, len(scene.store.audited)) == (moment == "after", moment == "after")
    decided = DECISIONS[decision](scene, reviewed, ADMIN)
    assert (decided, len(scene.store.audited)) == (scene.standing(reviewed), 1)


# Again, and at the same moment


@pytest.mark.parametrize("decision", DECISIONS)
def test_to_decide_the_same_again_changes_nothing(scene: Told, reviewed: Withdrawal, decision: str) -> None:
    first = DECISIONS[decision](scene, reviewed, ADMIN)
    moved = kinds(scene)
    scene.now_ms += 1000
    assert DECISIONS[decision](scene, reviewed, ADMIN) == first == scene.standing(reviewed)
    assert (len(scene.store.audited), kinds(scene)) == (1, moved)


def test_an_approval_sent_again_is_queued_again_in_case_its_message_was_lost(scene: Told, reviewed: Withdrawal) -> None:
    scene.store.before = once(StoreUnavailable("no queue"), "queue.send")
    scene.approve(reviewed)
    assert scene.queue.sent == []
    scene.approve(reviewed)
    assert scene.queue.sent == [reviewed.flow_id]


@pytest.mark.parametrize("state", [State.SUBMITTED, State.COMPLETED, State.FAILED, State.RETURNED])
def test_who_approved_it_may_say_so_again_whatever_became_of_it_since(
    scene: Told, reviewed: Withdrawal, state: State
) -> None:
    scene.approve(reviewed)
    known = scene.put_in_state(reviewed, state=state)
    scene.queue.sent.clear()
    assert scene.approve(reviewed) == known
    assert (scene.queue.sent, len(scene.store.audited)) == ([], 1)


@pytest.mark.parametrize("take_back", ["cancel", "reject"])
def test_who_approved_it_is_told_when_it_was_taken_back_since(
    scene: Told, reviewed: Withdrawal, take_back: str
) -> None:
    scene.approve(reviewed)
    ended = scene.cancel(reviewed) if take_back == "cancel" else scene.reject(reviewed)
    with pytest.raises(IllegalTransition) as refused:
        scene.approve(reviewed)
    assert refused.value.members == {"state": ended.state}


def test_what_another_admin_approved_cannot_be_approved_again(scene: Told, reviewed: Withdrawal) -> None:
    scene.approve(reviewed)
    with pytest.raises(IllegalTransition):
        scene.approve(reviewed, OTHER_ADMIN)
    assert len(scene.store.audited) == 1


def test_what_a_rule_approved_nobody_approves(scene: Told) -> None:
    with pytest.raises(IllegalTransition):
        scene.approve(scene.asked())


def test_what_one_admin_rejected_the_next_one_finds_rejected(scene: Told, reviewed: Withdrawal) -> None:
    rejected = scene.reject(reviewed)
    assert scene.reject(reviewed, OTHER_ADMIN) == rejected
    assert [record.actor_id for record in scene.store.audited] == ["root"]


def test_what_was_approved_may_still_be_rejected_and_both_are_audited(scene: Told, reviewed: Withdrawal) -> None:
    scene.approve(reviewed)
    scene.reject(reviewed, OTHER_ADMIN)
    assert [(record.action, record.actor_id) for record in scene.store.audited] == [
        ("withdrawal-approved", "root"),
        ("withdrawal-rejected", "boss"),
    ]
    assert scene.work(reviewed).state is State.REJECTED
    assert (scene.units(), scene.payer.payouts) == (10_000, [])


def interfering(scene: Told, call: str, rival: Callable[[], object]) -> None:
    """Let somebody else act once, right before a call."""

    def hook(name: str) -> None:
        if name == call:
            scene.store.before = lambda _call: None
            rival()

    scene.store.before = hook


def test_an_approval_that_meets_a_rejection_finds_it_rejected(scene: Told, reviewed: Withdrawal) -> None:
    interfering(scene, "flows.save", lambda: scene.reject(reviewed, OTHER_ADMIN))
    with pytest.raises(IllegalTransition):
        scene.approve(reviewed)
    assert [record.action for record in scene.store.audited] == ["withdrawal-rejected"]
    assert (scene.units(), scene.queue.sent) == (10_000, [])


def test_a_rejection_that_meets_an_approval_takes_it_back(scene: Told, reviewed: Withdrawal) -> None:
    interfering(scene, "commit", lambda: scene.approve(reviewed, OTHER_ADMIN))
    assert [taken.action for taken in scene.reject(reviewed).history] == ["request", "review", "approve", "reject"]
    assert [record.details["state"] for record in scene.store.audited] == ["IN_REVIEW", "APPROVED"]
    check(scene.store)


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_that_meets_a_cancellation_finds_it_cancelled(
    scene: Told, reviewed: Withdrawal, decision: str
) -> None:
    call = {"approve": "flows.save", "reject": "commit"}[decision]
    interfering(scene, call, lambda: scene.cancel(reviewed))
    with pytest.raises(IllegalTransition) as refused:
        DECISIONS[decision](scene, reviewed, ADMIN)
    assert refused.value.members == {"state": State.CANCELLED}
    assert (scene.store.audited, scene.units()) == ([], 10_000)


def test_a_rejection_that_meets_the_payout_comes_too_late(scene: Told, reviewed: Withdrawal) -> None:
    scene.approve(reviewed)
    interfering(scene, "commit", lambda: scene.work(reviewed))
    with pytest.raises(IllegalTransition):
        scene.reject(reviewed)
    assert (scene.standing(reviewed).state, len(scene.payer.payouts)) == (State.SUBMITTED, 1)


@pytest.mark.parametrize("decision", DECISIONS)
def test_when_other_steps_always_come_first_nothing_is_decided(
    scene: Told, reviewed: Withdrawal, decision: str
) -> None:
    def rival(call: str) -> None:
        if call in {"flows.save", "commit"}:
            scene.put_in_state(reviewed, version=scene.standing(reviewed).version + 1)

    scene.store.calls.clear()
    scene.store.before = rival
    with pytest.raises(TooMuchContention):
        DECISIONS[decision](scene, reviewed, ADMIN)
    assert (scene.store.calls.count("flows.get"), scene.store.audited) == (MAX_ATTEMPTS, [])


def test_a_rejection_is_one_movement_of_its_own_key(scene: Told, reviewed: Withdrawal) -> None:
    scene.reject(reviewed)
    record = scene.store.records[reviewed.claim(TransferKind.WITHDRAWAL_RELEASE).key.digest]
    assert isinstance(record, Transfer)
    assert record.units == reviewed.total_units == 6085


# What is open


def listed(
    scene: Told, state: State, limit: int = 10, after: str | None = None, *, caller: Caller = ADMIN
) -> list[str]:
    """Name the withdrawals on all pages from here on."""
    page = reviews.list_open(flows=scene.flows, admin=scene.admin(caller), state=state, limit=limit, after=after)
    rest = listed(scene, state, limit, page.next_key) if page.next_key else []
    return [known.flow_id for known in page.items] + rest


def test_admins_see_what_waits_for_them_longest_first() -> None:
    scene, waiting = Told(units=20_000), []
    for number in range(3):
        scene.now_ms += 1000
        waiting.append(scene.asked(f"w{number}", "60.00" if number else "25.00"))
    scene.wallet("wal_b", BOB, units=20_000)
    scene.now_ms = NOW_MS
    oldest = scene.ask(amount="60.00", caller=BOB, wallet_id="wal_b")[0]
    assert waiting[2].state is State.IN_REVIEW
    expected = [oldest.flow_id, waiting[1].flow_id, waiting[2].flow_id]
    assert listed(scene, State.IN_REVIEW) == listed(scene, State.IN_REVIEW, limit=1) == expected
    assert listed(scene, State.APPROVED) == [waiting[0].flow_id]
    assert listed(scene, State.COMPLETED) == []
