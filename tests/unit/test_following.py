"""What events about payouts do: each thing once, whoever else does the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.inbox import EventState
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import TransferKind
from tallystick.domain.webhooks import Notice, Provider
from tallystick.domain.withdrawals import Taken, Withdrawal, WithdrawalAction
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services.following import MAX_ATTEMPTS
from tests.property.invariants import check
from tests.support.payout_events import (
    FEES,
    SILENCE,
    STRIPE,
    Told,
    aside,
    check_endings,
    done,
    ends,
    kinds,
    record_of,
    rejected,
    side,
)
from tests.support.scene import NOW_MS, once

FAILED_ALERT, RETURNED_ALERT, DEAD_ALERT = "PAYOUT_FAILED", "PAYOUT_RETURNED", "WEBHOOK_FAILURE"
HELD, PAID, BACK = TransferKind.WITHDRAWAL_HOLD, TransferKind.WITHDRAWAL, TransferKind.WITHDRAWAL_RELEASE
RETURNED: Final = TransferKind.WITHDRAWAL_RETURN


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def sent(scene: Told) -> Withdrawal:
    """Send 25.00, which the provider has under way as po_1."""
    sent = scene.work(scene.asked())
    scene.store.calls.clear()
    return sent


@pytest.fixture
def paid(scene: Told, sent: Withdrawal) -> Withdrawal:
    """Let it be paid, and found so."""
    scene.payer.pay(sent.flow_id)
    paid = scene.work_when_due(sent)
    scene.store.calls.clear()
    return paid


# What goes as it should


def test_a_payout_that_is_told_to_be_paid_and_is_takes_what_was_on_hold(scene: Told, sent: Withdrawal) -> None:
    scene.now_ms += 5
    event = done(scene, ends(scene, sent, Outcome.PAID))
    known = scene.standing(sent)
    assert (known.state, known.history[-1]) == (State.COMPLETED, Taken(WithdrawalAction.COMPLETE, NOW_MS + 5, "stripe"))
    assert event.transfers == (record_of(scene, sent, PAID).transfer_id,)
    assert (scene.wallet_held(), side(scene, STRIPE), side(scene, FEES)) == (0, 2500, 50)
    assert scene.store.calls == [
        *("inbox.get", "flows.get", "payer.look_up", "accounts", "commit"),
        *("alerts.end", "alerts.end", "inbox.save"),
    ]
    check_endings(scene)
    check(scene.store)


def test_a_payout_that_is_told_to_have_failed_and_has_gives_all_of_it_back(scene: Told, sent: Withdrawal) -> None:
    event = done(scene, ends(scene, sent, Outcome.FAILED))
    known = scene.standing(sent)
    assert (known.state, known.failure, known.history[-1].note) == (State.FAILED, "bank says no", "bank says no")
    assert (scene.units(), scene.wallet_held(), list(scene.store.quotas.values())) == (10_000, 0, [Used()])
    assert event.transfers == (record_of(scene, sent, BACK).transfer_id,)
    assert [(alert.kind, alert.severity) for alert in scene.alerts.raised] == [(FAILED_ALERT, "medium")]
    assert scene.alerts.raised[0].facts["detail"] == "bank says no"
    check_endings(scene)


def test_a_paid_payout_that_comes_back_returns_amount_and_fee_once(scene: Told, paid: Withdrawal) -> None:
    event = done(scene, ends(scene, paid, Outcome.FAILED))
    known = scene.standing(paid)
    assert (known.state, known.failure) == (State.RETURNED, "bank says no")
    assert known.history[-1] == Taken(WithdrawalAction.RETURN, scene.now_ms, "stripe", "bank says no")
    moved = record_of(scene, paid, RETURNED)
    assert {posting.account_id: posting.units for posting in moved.postings} == {
        "wal_a": 2550,
        STRIPE: -2500,
        FEES: -50,
    }
    assert (moved.reference, moved.metadata) == ("stripe:po_1", {"withdrawal_id": paid.flow_id})
    assert (scene.units(), scene.wallet_held(), scene.held(paid)) == (10_000, 0, 0)
    assert list(scene.store.quotas.values()) == [Used(2500, 1)]
    assert event.transfers == tuple(scene.standing(paid).transfer_ids[1:])
    check(scene.store)


def test_people_are_told_that_it_came_back(scene: Told, paid: Withdrawal) -> None:
    done(scene, ends(scene, paid, Outcome.FAILED))
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == (RETURNED_ALERT, "high")
    assert (
        alert.facts.items()
        >= {
            "withdrawal_id": paid.flow_id,
            "wallet_id": "wal_a",
            "provider": "stripe",
            "payout_id": "po_1",
            "amount": "25.00 USD",
            "detail": "bank says no",
            "external_id": f"{paid.flow_id} FAILED",
        }.items()
    )


def test_however_often_it_is_told_it_comes_back_once(scene: Told, paid: Withdrawal) -> None:
    scene.payer.pay(paid.flow_id, Outcome.FAILED)
    for number in range(20):
        done(scene, scene.told(paid, Outcome.FAILED, f"again {number}"))
    assert kinds(scene) == [HELD, PAID, RETURNED]
    assert scene.units() == 10_000


def test_without_a_fee_none_is_given_back(scene: Told) -> None:
    scene.with_rules(fee_units=0, fee_rate=0)
    known = scene.work(scene.asked())
    done(scene, ends(scene, known, Outcome.PAID))
    done(scene, ends(scene, known, Outcome.FAILED))
    assert {posting.account_id for posting in record_of(scene, known, RETURNED).postings} == {"wal_a", STRIPE}


def test_what_comes_back_passes_a_freeze(scene: Told, paid: Withdrawal) -> None:
    scene.mark("wal_a", Status.FROZEN)
    done(scene, ends(scene, paid, Outcome.FAILED))
    assert scene.units() == 10_000


def test_what_comes_back_to_a_closed_wallet_is_put_aside(scene: Told, paid: Withdrawal) -> None:
    scene.mark("wal_a", Status.CLOSED)
    done(scene, ends(scene, paid, Outcome.FAILED))
    assert (scene.units(), aside(scene)) == (7450, 2550)
    assert record_of(scene, paid, RETURNED).postings[0].account_id == "suspense:USD"
    assert scene.alerts.kinds == [RETURNED_ALERT]
    check(scene.store)


def test_a_wallet_that_is_closed_at_the_same_moment_loses_nothing(scene: Told, paid: Withdrawal) -> None:
    event = ends(scene, paid, Outcome.FAILED)
    interfering(scene, "commit", lambda: scene.mark("wal_a", Status.CLOSED))
    done(scene, event)
    assert (scene.units(), aside(scene)) == (7450, 2550)
    check(scene.store)


def test_what_fails_while_its_wallet_is_frozen_is_back_in_it(scene: Told, sent: Withdrawal) -> None:
    scene.mark("wal_a", Status.FROZEN)
    done(scene, ends(scene, sent, Outcome.FAILED))
    assert (scene.units(), scene.wallet_held()) == (10_000, 0)


def test_money_of_a_wallet_that_was_closed_behind_our_back_is_put_aside_and_held_no_more(
    scene: Told, sent: Withdrawal
) -> None:
    scene.mark("wal_a", Status.CLOSED)
    done(scene, ends(scene, sent, Outcome.FAILED))
    assert (scene.units(), aside(scene), scene.wallet_held(), scene.held(sent)) == (7450, 2550, 0, 0)
    check(scene.store)


def test_a_payout_that_is_under_way_changes_nothing(scene: Told, sent: Withdrawal) -> None:
    event = done(scene, scene.told(sent, Outcome.PENDING))
    assert (scene.standing(sent), event.transfers, scene.alerts.raised) == (sent, (), [])


def test_an_event_that_comes_late_finds_what_is_so_now(scene: Told, sent: Withdrawal) -> None:
    late = scene.told(sent, Outcome.PENDING)
    scene.payer.pay(sent.flow_id)
    done(scene, late)
    assert scene.standing(sent).state is State.COMPLETED


def test_an_event_may_be_the_first_to_tell_of_a_payout_s_id(scene: Told) -> None:
    asked = scene.asked()
    scene.store.after = once(SILENCE, "payer.send")
    assert scene.work(asked).payout_id is None
    done(scene, ends(scene, asked, Outcome.PAID))
    assert (scene.standing(asked).payout_id, scene.store.references["stripe:po_1"]) == ("po_1", asked.flow_id)
    check_endings(scene)


def test_the_provider_is_asked_by_the_id_that_the_event_tells(scene: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scene.asked()
    scene.store.after = once(SILENCE, "payer.send")
    scene.work(asked)
    ids: list[str | None] = []

    def note(withdrawal: Withdrawal, _now_ms: int) -> Report:
        ids.append(withdrawal.payout_id)
        return Report(Outcome.PAID, withdrawal.payout_id)

    monkeypatch.setattr(scene.payer, "look_up", note)
    done(scene, ends(scene, asked, Outcome.PAID))
    assert (ids, scene.standing(asked).payout_id) == (["po_1"], "po_1")


# Whose payout it is


def test_a_payout_is_known_by_its_id_alone(scene: Told, sent: Withdrawal) -> None:
    scene.payer.pay(sent.flow_id)
    done(scene, scene.says("paid", Outcome.PAID, "stripe:po_1", payout_id="po_1"))
    assert scene.standing(sent).state is State.COMPLETED


def test_a_payout_of_the_house_s_own_is_done_without_action(scene: Told, sent: Withdrawal) -> None:
    event = done(scene, scene.says("ours", Outcome.PAID, "stripe:po_of_the_house", payout_id="po_of_the_house"))
    assert event.transfers == ()
    assert done(scene, scene.says("nobody's", Outcome.FAILED)).transfers == ()
    assert (scene.standing(sent), "payer.look_up" in scene.store.calls) == (sent, False)
    assert scene.alerts.raised == []


def test_a_payout_of_a_withdrawal_that_is_not_ours_is_left_to_people(scene: Told, sent: Withdrawal) -> None:
    event = scene.says("lost", Outcome.PAID, "wdr_nowhere", "stripe:po_9")
    assert rejected(scene, event) == (EventState.DEAD, "unknown-withdrawal")
    assert "wdr_nowhere" in (scene.inbox.events[event.inbox_key].detail or "")
    assert (scene.alerts.kinds, scene.standing(sent)) == ([DEAD_ALERT], sent)


def test_the_first_name_that_is_known_counts(scene: Told, sent: Withdrawal) -> None:
    scene.payer.pay(sent.flow_id)
    done(scene, scene.says("paid", Outcome.PAID, "wdr_nowhere", "stripe:po_1"))
    assert scene.standing(sent).state is State.COMPLETED


@pytest.mark.parametrize("changes", [{"provider": Provider.STELLAR}, {"environment": "live"}])
def test_a_withdrawal_of_another_provider_or_environment_is_another(
    scene: Told, sent: Withdrawal, changes: dict[str, object]
) -> None:
    known = scene.put_in_state(sent, **changes)
    assert rejected(scene, scene.told(sent, Outcome.PAID)) == (EventState.DEAD, "unknown-withdrawal")
    assert scene.standing(sent) == known


def test_a_name_that_leads_to_a_deposit_is_no_withdrawal(scene: Told, sent: Withdrawal) -> None:
    scene.store.references["stripe:po_7"] = "dep_1"
    done(scene, scene.says("other", Outcome.PAID, "stripe:po_7"))
    assert scene.standing(sent) == sent


def test_an_event_of_another_environment_is_left_to_people(scene: Told, sent: Withdrawal) -> None:
    event = ends(scene, sent, Outcome.PAID)
    scene.gateway.script[event.external_id] = replace(scene.gateway.script[event.external_id], environment="live")
    assert rejected(scene, event) == (EventState.DEAD, "wrong-environment")


# At the same moment, and after accidents


def interfering(scene: Told, call: str, rival: Callable[[], object], times: int = 1) -> list[str]:
    """Let somebody else act right before a call, so often."""
    seen: list[str] = []
    resting = scene.store.before

    def hook(name: str) -> None:
        if name == call and len(seen) < times:
            seen.append(name)
            scene.store.before = resting
            rival()
            scene.store.before = hook

    scene.store.before = hook
    return seen


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
def test_an_event_that_meets_the_worker_finds_it_settled(scene: Told, sent: Withdrawal, outcome: Outcome) -> None:
    event = ends(scene, sent, outcome)
    scene.now_ms = sent.not_before_ms
    interfering(scene, "commit", lambda: scene.work(sent))
    done(scene, event)
    assert len(kinds(scene)) == 2
    check_endings(scene)


def test_an_event_that_meets_a_change_without_money_is_worked_out_anew(scene: Told, sent: Withdrawal) -> None:
    event = ends(scene, sent, Outcome.PAID)
    interfering(scene, "commit", lambda: bump(scene, sent), times=2)
    done(scene, event)
    assert scene.store.calls.count("payer.look_up") == 3
    assert scene.standing(sent).state is State.COMPLETED


def bump(scene: Told, known: Withdrawal) -> None:
    scene.put_in_state(known, version=scene.standing(known).version + 1)


def test_an_event_that_always_meets_others_is_tried_again(scene: Told, sent: Withdrawal) -> None:
    event = ends(scene, sent, Outcome.PAID)
    seen = interfering(scene, "commit", lambda: bump(scene, sent), times=100)
    assert rejected(scene, event) == (EventState.OPEN, "too-much-contention")
    assert (len(seen), scene.held(sent)) == (MAX_ATTEMPTS, 2550)


def test_a_payment_and_a_return_that_come_at_once_are_both_posted(scene: Told, sent: Withdrawal) -> None:
    paid_event = ends(scene, sent, Outcome.PAID)
    returned = scene.told(sent, Outcome.FAILED, "returned")

    def rival() -> None:
        done(scene, paid_event)
        scene.payer.pay(sent.flow_id, Outcome.FAILED)

    interfering(scene, "payer.look_up", rival)
    scene.handle_until_finished(returned)
    assert kinds(scene) == [HELD, PAID, RETURNED]
    assert scene.alerts.kinds == [RETURNED_ALERT]


@pytest.mark.parametrize("call", ["alerts.raise", "inbox.save"])
def test_people_are_told_though_the_event_had_to_be_handled_twice(scene: Told, paid: Withdrawal, call: str) -> None:
    event = ends(scene, paid, Outcome.FAILED)
    scene.store.before = once(StoreUnavailable("down"), call)
    scene.now_ms += scene.handle(event).wait_ms or 0
    done(scene, event)
    assert set(scene.alerts.kinds) == {RETURNED_ALERT}
    assert kinds(scene) == [HELD, PAID, RETURNED]


def test_the_notice_of_a_payout_is_not_confirmed_as_that_of_a_deposit(scene: Told, sent: Withdrawal) -> None:
    event = ends(scene, sent, Outcome.PAID)
    scene.gateway.script[event.external_id] = replace(scene.gateway.script[event.external_id], confirm=True)
    done(scene, event)
    assert "gateway.confirm" not in scene.store.calls


def test_an_event_without_a_payout_is_no_business_of_a_withdrawal(scene: Told, sent: Withdrawal) -> None:
    event = scene.says("other", Outcome.PAID, sent.flow_id)
    scene.gateway.script["other"] = Notice("other", (sent.flow_id,))
    done(scene, event)
    assert scene.standing(sent) == sent
