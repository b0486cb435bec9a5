"""What is signed before it is sent: the same is sent again while it holds, another one once that came to nothing."""

from dataclasses import replace

import pytest

from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.payouts import Draft, Outcome, Report
from tallystick.domain.withdrawals import Sending, Withdrawal
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.support.fake_payer import DRAFT_MS, HOUR_MS
from tests.support.leaving import CHECKS_MS
from tests.support.payout_events import SILENCE, Told, check_endings, kinds, lost, sending_of
from tests.support.scene import NOW_MS, once


@pytest.fixture
def scene() -> Told:
    """Look again before a draft is over."""
    scene = Told(signs=True)
    scene.checks_ms = (20_000,)
    return scene


@pytest.fixture
def asked(scene: Told) -> Withdrawal:
    """Ask for 25.00, which a rule approves."""
    asked = scene.asked()
    scene.store.calls.clear()
    return asked


def drafted(scene: Told, withdrawal: Withdrawal) -> Draft | None:
    return sending_of(scene, withdrawal).draft


def interfering(scene: Told, withdrawal: Withdrawal, call: str) -> None:
    """Let the withdrawal change right before a call."""

    def hook(name: str) -> None:
        if name == call:
            scene.store.before = lambda _call: None
            scene.put_in_state(withdrawal, version=scene.standing(withdrawal).version + 1)

    scene.store.before = hook


def test_what_is_signed_is_written_before_it_is_sent(scene: Told, asked: Withdrawal) -> None:
    seen: list[Sending | None] = []

    def note(call: str) -> None:
        if call == "payer.send":
            seen.append(scene.standing(asked).sending)

    scene.store.before = note
    sent = scene.work(asked)
    draft = Draft(asked.flow_id, "hash1", NOW_MS + DRAFT_MS)
    assert seen == [Sending(1, NOW_MS, NOW_MS, draft)]
    assert (sent.sending, sent.payout_id) == (seen[0], "hash1")
    assert scene.store.calls == [
        *["flows.get", "accounts", "breakers.get", "payer.draft"],
        *["flows.save", "payer.send", "flows.save"],
    ]


def test_the_very_same_is_sent_again(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    draft = drafted(scene, asked)
    scene.work_when_due(asked)
    assert sending_of(scene, asked) == Sending(2, NOW_MS, scene.now_ms, draft)
    assert (scene.payer.drafts, len(scene.payer.payouts)) == (1, 1)


@pytest.mark.parametrize(
    ("passed_ms", "again"), [(DRAFT_MS - 1, True), (DRAFT_MS, False), (DRAFT_MS + 1, False), (HOUR_MS, False)]
)
def test_only_while_it_holds(scene: Told, asked: Withdrawal, passed_ms: int, *, again: bool) -> None:
    lost(scene, asked, heard=False)
    scene.scripted.shown = Report(Outcome.UNCLEAR)
    scene.now_ms += passed_ms
    scene.work(asked)
    assert (sending_of(scene, asked).sends, scene.payer.drafts) == ((2 if again else 1), 1)
    assert scene.standing(asked).state is State.SUBMITTED


def test_how_long_a_key_holds_does_not_matter_to_what_is_signed(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.scripted.lifetime_ms = 0
    scene.work_when_due(asked)
    assert sending_of(scene, asked).sends == 2


def test_another_one_is_signed_once_it_is_proved_that_nothing_came_of_the_first(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.now_ms += DRAFT_MS + 1
    scene.work(asked)
    draft = Draft(asked.flow_id, "hash2", scene.now_ms + DRAFT_MS)
    assert sending_of(scene, asked) == Sending(2, scene.now_ms, scene.now_ms, draft)
    assert [payout.payout_id for payout in scene.payer.payouts] == ["hash2"]


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.PENDING, Outcome.FAILED])
def test_what_came_of_the_first_after_all_is_found_before_another_one_is_signed(
    scene: Told, asked: Withdrawal, outcome: Outcome
) -> None:
    lost(scene, asked, heard=True)
    scene.payer.pay(asked.flow_id, outcome)
    scene.now_ms += HOUR_MS
    scene.work(asked)
    scene.run_until_nothing_is_open()
    assert (scene.payer.drafts, len(scene.payer.payouts)) == (1, 1)
    check_endings(scene)


def test_a_refusal_of_what_is_signed_is_only_noted_for_it_may_be_taken_yet(scene: Told, asked: Withdrawal) -> None:
    scene.payer.refuses = "tx_failed"
    noted = scene.work(asked)
    assert (noted.state, noted.sending) == (
        State.SUBMITTED,
        Sending(1, NOW_MS, NOW_MS, Draft(asked.flow_id, "hash1", NOW_MS + DRAFT_MS), "tx_failed"),
    )
    assert (scene.held(asked), scene.alerts.raised) == (2550, [])
    scene.payer.refuses = None
    scene.work_when_due(asked)
    assert (sending_of(scene, asked).sends, scene.payer.payouts) == (1, [])
    scene.now_ms = NOW_MS + DRAFT_MS + 1
    assert scene.work(asked).failure == "tx_failed"
    check_endings(scene)


def test_what_was_refused_and_then_taken_all_the_same_is_paid(scene: Told, asked: Withdrawal) -> None:
    scene.scripted.answer = Report(Outcome.FAILED, reason="tx_failed")
    scene.work(asked)
    scene.payer.pay(asked.flow_id)
    assert scene.work_when_due(asked).state is State.COMPLETED
    check_endings(scene)


def test_a_draft_that_is_refused_fails_the_withdrawal_at_once(scene: Told, asked: Withdrawal) -> None:
    scene.payer.rejects = "There is no such account."
    failed = scene.work(asked)
    assert (failed.state, failed.failure) == (State.FAILED, "There is no such account.")
    assert [taken.action for taken in failed.history] == ["request", "approve", "submit", "fail"]
    assert failed.sending == Sending(0, NOW_MS, NOW_MS)
    assert "payer.send" not in scene.store.calls
    assert scene.alerts.kinds == ["PAYOUT_FAILED"]
    check_endings(scene)


@pytest.fixture
def unsent(scene: Told, asked: Withdrawal) -> Withdrawal:
    """Be killed after the refusal of a draft was written, and before the money is back."""
    scene.payer.rejects = "There is no such account."
    scene.store.before = once(RuntimeError("killed"), "commit")
    with pytest.raises(RuntimeError):
        scene.work(asked)
    assert sending_of(scene, asked).sends == 0
    scene.store.calls.clear()
    return scene.standing(asked)


def test_what_was_never_sent_is_drafted_anew_without_a_look(scene: Told, unsent: Withdrawal) -> None:
    scene.payer.rejects = None
    sent = scene.work(unsent)
    assert sent.sending == Sending(1, scene.now_ms, scene.now_ms, drafted(scene, unsent))
    assert "payer.look_up" not in scene.store.calls
    assert len(scene.payer.payouts) == 1


def test_what_was_never_sent_and_is_refused_again_fails(scene: Told, unsent: Withdrawal) -> None:
    assert scene.work(unsent).state is State.FAILED
    assert "payer.look_up" not in scene.store.calls
    check_endings(scene)


def test_another_draft_that_is_refused_fails_the_withdrawal_too(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.rejects = "There is no such account."
    scene.now_ms += DRAFT_MS + 1
    failed = scene.work(asked)
    assert (failed.state, failed.failure) == (State.FAILED, "There is no such account.")
    check_endings(scene)


def test_another_draft_that_is_refused_while_somebody_else_acts_fails_nothing(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.payer.rejects = "There is no such account."
    scene.now_ms += DRAFT_MS + 1
    interfering(scene, asked, "commit")
    assert scene.work(asked) == scene.standing(asked)
    assert (scene.standing(asked).state, kinds(scene)) == (State.SUBMITTED, ["withdrawal-hold"])


def test_while_nothing_can_be_signed_it_waits_to_be_sent(scene: Told, asked: Withdrawal) -> None:
    scene.store.before = once(SILENCE, "payer.draft")
    waiting = scene.work(asked)
    assert (waiting.state, waiting.checks, waiting.sending) == (State.APPROVED, 1, None)
    assert waiting.not_before_ms == NOW_MS + 20_000
    assert scene.cancel(asked).state is State.CANCELLED


def test_of_two_drafts_at_the_same_moment_one_is_sent(scene: Told, asked: Withdrawal) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.work(asked)

    scene.store.before = rival
    assert scene.work(asked).payout_id == "hash2"
    assert scene.payer.drafts == 2
    assert [payout.payout_id for payout in scene.payer.payouts] == ["hash2"]


class LateChain:
    """Take a draft only some time after it was sent, and then at most once."""

    def __init__(self, scene: Told, withdrawal: Withdrawal) -> None:
        """Answer every call with a silence."""
        self.scene, self.withdrawal = scene, withdrawal
        scene.store.before = self.silence

    def silence(self, call: str) -> None:
        if call == "payer.send":
            raise ProviderUnavailable("silence", provider="stellar")

    def include(self) -> None:
        """Take what was signed last."""
        self.scene.store.before = lambda _call: None
        self.scene.payer.now_ms = self.scene.now_ms
        self.scene.payer.send(self.scene.standing(self.withdrawal))


@pytest.mark.parametrize("included_ms", [1, DRAFT_MS - 1, DRAFT_MS])
def test_what_is_taken_late_is_paid_once(scene: Told, asked: Withdrawal, included_ms: int) -> None:
    chain = LateChain(scene, asked)
    while scene.now_ms < NOW_MS + included_ms:
        scene.work(asked)
        scene.now_ms = min(scene.standing(asked).not_before_ms, NOW_MS + included_ms)
    chain.include()
    scene.run_until_nothing_is_open()
    assert (scene.payer.drafts, len(scene.payer.payouts)) == (1, 1)
    assert scene.standing(asked).state is State.COMPLETED
    check_endings(scene)


def test_what_comes_too_late_is_not_taken(scene: Told, asked: Withdrawal) -> None:
    chain = LateChain(scene, asked)
    scene.work(asked)
    scene.now_ms += DRAFT_MS + 1
    chain.include()
    assert scene.payer.payouts == []
    scene.run_until_nothing_is_open()
    assert [payout.payout_id for payout in scene.payer.payouts] == ["hash2"]
    check_endings(scene)


def test_the_hash_of_what_is_signed_is_no_payout_that_was_seen(scene: Told, asked: Withdrawal) -> None:
    scene.store.before = once(SILENCE, "payer.send")
    scene.scripted.answer = scene.scripted.shown = Report(Outcome.UNCLEAR, "hash1", reason="tx_bad_seq")
    assert scene.work(asked).payout_id is None
    assert scene.work_when_due(asked).payout_id is None  # sent again
    scene.scripted.shown, scene.now_ms = Report(Outcome.UNCLEAR, "hash1"), NOW_MS + DRAFT_MS
    assert scene.work(asked).payout_id is None  # only looked at


def test_what_is_signed_is_this_withdrawals_alone_before_it_is_sent(scene: Told, asked: Withdrawal) -> None:
    scene.store.before = once(SILENCE, "payer.send")
    scene.work(asked)
    assert scene.store.references["stripe:hash1"] == asked.flow_id


def test_what_another_withdrawal_has_signed_is_not_sent_and_another_one_is_signed(
    scene: Told, asked: Withdrawal
) -> None:
    twin = scene.asked("w2")
    scene.work(asked)
    scene.payer.drafts = 0  # the same amount, destination, number and second have the same hash
    waiting = scene.work(twin)
    assert (waiting.state, waiting.sending, waiting.not_before_ms) == (State.APPROVED, None, NOW_MS)
    scene.run_until_nothing_is_open()
    assert [(payout.payout_id, payout.withdrawal_id) for payout in scene.payer.payouts] == [
        ("hash1", asked.flow_id),
        ("hash2", twin.flow_id),
    ]
    check_endings(scene)


def test_nor_is_it_when_nothing_came_of_a_first_one(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.now_ms += DRAFT_MS + 1
    scene.work(scene.asked("w2"))
    scene.payer.drafts = 1
    waiting = scene.work(asked)
    assert (sending_of(scene, asked).sends, waiting.not_before_ms <= scene.now_ms) == (1, True)
    scene.run_until_nothing_is_open()
    assert len({payout.payout_id for payout in scene.payer.payouts}) == 2
    check_endings(scene)


def test_what_was_signed_before_hashes_were_names_is_sent_as_it_is(scene: Told, asked: Withdrawal) -> None:
    lost(scene, asked, heard=False)
    scene.store.references.clear()
    scene.work_when_due(asked)
    scene.run_until_nothing_is_open()
    assert (scene.payer.drafts, [payout.payout_id for payout in scene.payer.payouts]) == (1, ["hash1"])
    assert scene.store.references["stripe:hash1"] == asked.flow_id
    check_endings(scene)


# What was found


def test_a_draft_that_is_refused_does_not_fail_what_another_worker_has_sent_meanwhile(
    scene: Told, asked: Withdrawal
) -> None:
    scene.payer.rejects = "There is no such account."

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.payer.rejects = None  # the account was opened in this very second
            scene.work(asked)

    scene.store.before = rival
    scene.work(asked)
    scene.run_until_nothing_is_open()
    assert scene.payer.paid_units(asked.flow_id) == 2500
    assert scene.standing(asked).state is State.COMPLETED
    check_endings(scene)


@pytest.mark.parametrize("ending", ["cancel", "reject"])
def test_a_draft_that_is_refused_while_it_is_taken_back_worries_nobody(
    scene: Told, asked: Withdrawal, ending: str
) -> None:
    scene.payer.rejects = "There is no such account."

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.cancel(asked) if ending == "cancel" else scene.reject(asked)

    scene.store.before = rival
    scene.work(asked)
    check_endings(scene)
    assert scene.alerts.kinds == []


def test_that_another_worker_was_refused_too_is_settled_once(scene: Told, asked: Withdrawal) -> None:
    scene.payer.rejects = "There is no such account."

    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            scene.work(asked)

    scene.store.before = rival
    assert scene.work(asked).state is State.FAILED
    assert kinds(scene) == ["withdrawal-hold", "withdrawal-release"]
    check_endings(scene)


def test_checks_are_as_they_were_for_others() -> None:
    assert Told().checks_ms == CHECKS_MS
    assert replace(Told().office(), checks_ms=()).checks_ms == ()
