"""What becomes of an event: when it is tried again, when it is left to people, and what they are told."""

from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import InvariantViolated, NotFound, ProviderUnavailable, Refusal, StoreUnavailable
from tallystick.domain.inbox import EventState, InboxEvent, resolved
from tallystick.domain.webhooks import Environment, Fact, Failed, Notice, Pending, Provider
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.alerts import Alert
from tallystick.services.processing import CONFIRM_AFTER_MS, Handled, Providers, handle
from tests.support.fake_webhooks import no_payer
from tests.support.incoming import DELAYS_MS, GRACE_MS, HOUR_MS, Incoming, chargeback, paid, refund
from tests.support.scene import NOW_MS, once

MINUTE_MS: Final = 60_000
SCHEDULE_MS: Final = [minutes * MINUTE_MS for minutes in (1, 5, 15, 30, 60)]


@pytest.fixture
def scene() -> Incoming:
    scene = Incoming()
    scene.store.calls.clear()
    return scene


def told(scene: Incoming, name: str, notice: Notice) -> InboxEvent:
    """Let an event come in that says what a notice says."""
    scene.gateway.script[name] = notice
    return scene.arrival(name)


def failing(scene: Incoming, call: str, error: Exception) -> None:
    """Let a call fail from now on."""

    def hook(name: str) -> None:
        if name == call:
            raise error

    scene.store.before = hook


def healed(scene: Incoming) -> None:
    """Let nothing fail any more."""
    scene.store.before = lambda _call: None


def unconfirmable(scene: Incoming) -> InboxEvent:
    """Let an event come in about which its provider has to be asked, and let the provider be down."""
    failing(scene, "gateway.confirm", ProviderUnavailable("Stripe is down."))
    return scene.event("succeeded", confirm=True)


# Retries


def test_a_failure_is_tried_again_after_1_5_15_30_and_60_minutes_and_then_left_to_people(scene: Incoming) -> None:
    event, waits = unconfirmable(scene), []
    for _ in DELAYS_MS:
        handled = scene.handle(event)
        assert handled.event == scene.stored(event)
        waits.append(handled.wait_ms)
        scene.now_ms += handled.wait_ms or 0
    assert waits == SCHEDULE_MS == list(DELAYS_MS)
    assert scene.alerts.raised == []
    dead = scene.handle(event)
    assert (dead.event.state, dead.event.attempts, dead.wait_ms) == (EventState.DEAD, 6, None)
    assert scene.stored(event) == dead.event
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"]


def test_a_failure_is_counted_with_its_reason_and_the_times_of_the_next_try(scene: Incoming) -> None:
    event = scene.handle(unconfirmable(scene)).event
    assert (event.state, event.attempts, event.version) == (EventState.OPEN, 1, 1)
    assert (event.reason, event.detail) == ("provider-unavailable", "Stripe is down.")
    assert event.not_before_ms == NOW_MS + MINUTE_MS
    assert event.due_at_ms == NOW_MS + MINUTE_MS + GRACE_MS
    assert scene.alerts.raised == []


def test_the_next_try_is_counted_from_when_the_last_one_failed(scene: Incoming) -> None:
    event = unconfirmable(scene)
    scene.handle(event)
    scene.now_ms += HOUR_MS
    assert scene.handle(event).event.not_before_ms == scene.now_ms + 5 * MINUTE_MS


@pytest.mark.parametrize("failures", range(1, 6))
def test_what_succeeds_in_the_end_is_done_and_leaves_no_alert(scene: Incoming, failures: int) -> None:
    event = unconfirmable(scene)
    for _ in range(failures):
        scene.now_ms += scene.handle(event).wait_ms or 0
    healed(scene)
    handled = scene.handle(event)
    assert (handled.event.state, handled.wait_ms, handled.event.reason) == (EventState.DONE, None, None)
    assert (scene.units(), scene.alerts.raised) == (2500, [])


@pytest.mark.parametrize("elapsed_ms", [0, 1, MINUTE_MS - 1])
def test_a_message_that_comes_early_waits_for_the_rest_of_the_time_and_counts_as_no_try(
    scene: Incoming, elapsed_ms: int
) -> None:
    event = unconfirmable(scene)
    later = scene.handle(event).event
    scene.store.calls.clear()
    scene.now_ms += elapsed_ms
    assert scene.handle(event) == Handled(later, wait_ms=MINUTE_MS - elapsed_ms)
    assert scene.store.calls == ["inbox.get"]


def test_a_message_that_comes_in_time_is_a_try(scene: Incoming) -> None:
    event = unconfirmable(scene)
    scene.handle(event)
    scene.now_ms += MINUTE_MS
    assert scene.handle(event).event.attempts == 2


def test_an_event_that_is_finished_is_left_alone_but_for_its_alert_whatever_its_times_say(scene: Incoming) -> None:
    event = scene.event("succeeded")
    finished = scene.handle(event).event
    scene.store.calls.clear()
    for state in (EventState.DEAD, EventState.DONE, EventState.RESOLVED):
        scene.inbox.events[event.inbox_key] = replace(finished, state=state, not_before_ms=NOW_MS + HOUR_MS)
        assert scene.handle(event) == Handled(scene.stored(event), wait_ms=None)
    assert scene.store.calls == ["inbox.get", *["inbox.get", "alerts.end"] * 2]


def test_an_event_that_is_not_there_is_a_bug(scene: Incoming) -> None:
    with pytest.raises(InvariantViolated, match="no event nowhere"):
        handle(office=scene.office(), inbox_key="nowhere", now_ms=NOW_MS)


def test_a_provider_that_is_not_configured_any_more_is_waited_for(scene: Incoming) -> None:
    def gateway_of(_provider: Provider) -> None:
        raise NotFound("provider")

    office = replace(scene.office(), providers=Providers(gateway_of, no_payer))  # type: ignore[arg-type] # it never answers
    handled = scene.handle(scene.event("succeeded"), office)
    assert (handled.event.reason, handled.wait_ms, handled.fault) == ("not-found", MINUTE_MS, None)


# Faults


def test_a_fault_of_ours_is_handed_back_and_counted_like_any_failure(scene: Incoming) -> None:
    bug = ZeroDivisionError("secret of the wallet")
    failing(scene, "flows.get", bug)
    handled = scene.handle(scene.event("succeeded"))
    assert (handled.fault, handled.wait_ms) == (bug, MINUTE_MS)
    assert (handled.event.reason, handled.event.detail) == ("fault", "ZeroDivisionError")


def test_a_fault_that_stays_becomes_a_dead_letter(scene: Incoming) -> None:
    failing(scene, "flows.get", ZeroDivisionError())
    handled = scene.handle_until_finished(scene.event("succeeded"))
    assert (handled.event.state, handled.event.reason) == (EventState.DEAD, "fault")
    assert isinstance(handled.fault, ZeroDivisionError)
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"]


@pytest.mark.parametrize("call", ["inbox.get", "inbox.save"])
def test_a_failure_that_cannot_even_be_counted_is_raised_and_the_event_stays_as_it_was(
    scene: Incoming, call: str
) -> None:
    event = scene.event("succeeded")
    failing(scene, call, StoreUnavailable("throttled"))
    with pytest.raises(StoreUnavailable):
        scene.handle(event)
    assert scene.stored(event) == event
    healed(scene)
    assert scene.handle_until_finished(event).event.state is EventState.DONE
    assert scene.units() == 2500


def test_of_two_who_process_an_event_at_once_the_second_changes_nothing(scene: Incoming) -> None:
    event = scene.event("succeeded")

    def rival(call: str) -> None:
        if call == "commit":
            healed(scene)
            scene.handle(event)

    scene.store.before = rival
    assert scene.handle(event).event.state is EventState.DONE
    assert (scene.stored(event).version, scene.units()) == (1, 2500)


def test_a_failure_does_not_undo_what_another_has_done_meanwhile(scene: Incoming) -> None:
    event = unconfirmable(scene)
    finished = replace(event, state=EventState.DONE, version=1)

    def rival(call: str) -> None:
        if call == "gateway.confirm":
            scene.inbox.events[event.inbox_key] = finished
            raise ProviderUnavailable("down")

    scene.store.before = rival
    scene.handle(event)
    assert scene.stored(event) == finished
    assert scene.handle(event).wait_ms is None


def test_a_sweep_meanwhile_does_not_hinder_processing(scene: Incoming) -> None:
    event = scene.event("succeeded")
    scene.inbox.postpone(Overdue(event.inbox_key, event.due_at_ms), NOW_MS + HOUR_MS)
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.state(event) is EventState.DONE


# Dead letters


def rejections(scene: Incoming) -> dict[str, InboxEvent]:
    """Let events come in that no time will heal."""
    scene.handle(scene.event("succeeded"))
    scene.order("dep_2")
    return {
        "unreadable": scene.arrival("gibberish"),
        "wrong-environment": told(scene, "live", Notice("live", ("dep_1",), (Pending(),), environment="live")),
        "unknown-order": scene.event("unknown", paid("pi_5"), order=("dep_5",)),
        "amount-mismatch": scene.event("too much", paid("pi_2", "26.00"), order=("dep_2",)),
        "paid-twice": scene.event("twice", paid("pi_2")),
        "contradiction": scene.event("other amount", paid(amount="24.00")),
    }


@pytest.mark.parametrize(
    "reason",
    ["unreadable", "wrong-environment", "unknown-order", "amount-mismatch", "paid-twice", "contradiction"],
)
def test_what_no_time_will_heal_is_left_to_people_at_once(scene: Incoming, reason: str) -> None:
    event = rejections(scene)[reason]
    handled = scene.handle(event)
    assert (handled.event.state, handled.event.reason, handled.wait_ms) == (EventState.DEAD, reason, None)
    assert (handled.event.attempts, handled.event.dead_at_ms) == (1, NOW_MS)
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"]
    assert scene.units() == 2500


def test_money_that_was_posted_for_another_order_contradicts(scene: Incoming) -> None:
    scene.order("dep_2")
    scene.handle(scene.event("succeeded"))
    handled = scene.handle(scene.event("again", paid(), order=("dep_2",)))
    assert (handled.event.state, handled.event.reason) == (EventState.DEAD, "contradiction")
    assert (scene.units(), scene.deposit("dep_2").credited_units) == (2500, 0)


def test_people_are_told_what_died_and_why_before_it_is_written(scene: Incoming) -> None:
    event = scene.arrival("gibberish")
    dead = scene.handle(event).event
    assert scene.store.calls == ["inbox.get", "alerts.raise", "inbox.save"]
    facts = {
        "provider": "stripe",
        "external_id": "gibberish",
        "dead_letter_id": event.dead_letter_id,
        "attempts": "1",
        "reason": "unreadable",
        "detail": str(dead.detail),
    }
    assert scene.alerts.raised == [Alert("WEBHOOK_FAILURE", "high", facts, event.dead_letter_id)]


@pytest.mark.parametrize("error", [RuntimeError("no topic"), StoreUnavailable("throttled")])
def test_a_dead_letter_that_people_cannot_be_told_of_stays_open_until_they_can(
    scene: Incoming, error: Exception
) -> None:
    event = scene.arrival("gibberish")
    failing(scene, "alerts.raise", error)
    with pytest.raises(type(error)):
        scene.handle(event)
    assert scene.stored(event) == event
    healed(scene)
    assert scene.handle(event).event.state is EventState.DEAD
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"]


def test_an_alert_whose_event_could_not_be_written_comes_again(scene: Incoming) -> None:
    event = scene.arrival("gibberish")
    scene.store.before = once(StoreUnavailable("throttled"), "inbox.save")
    with pytest.raises(StoreUnavailable):
        scene.handle(event)
    assert scene.handle(event).event.state is EventState.DEAD
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"] * 2


def test_an_alert_ends_when_the_event_succeeds_although_nobody_wrote_that_it_was_dead(scene: Incoming) -> None:
    """Found by the simulator: whoever told people died before it wrote that down."""
    event = scene.event("unknown", paid("pi_5"), order=("dep_5",))
    scene.store.before = once(StoreUnavailable("throttled"), "inbox.save")
    with pytest.raises(StoreUnavailable):
        scene.handle(event)
    scene.order("dep_5")
    assert scene.handle(event).event.state is EventState.DONE
    assert (scene.alerts.kinds, scene.alerts.ended) == (
        ["WEBHOOK_FAILURE"],
        [("WEBHOOK_FAILURE", event.dead_letter_id)],
    )


@pytest.mark.parametrize("state", [EventState.DONE, EventState.OPEN])
def test_an_alert_of_what_somebody_else_has_finished_meanwhile_ends(scene: Incoming, state: EventState) -> None:
    event = scene.arrival("gibberish")

    def overtake(call: str) -> None:
        if call == "inbox.save":
            scene.inbox.events[event.inbox_key] = replace(event, state=state, version=event.version + 1)

    scene.store.before = overtake
    scene.handle(event)
    assert scene.alerts.ended == ([("WEBHOOK_FAILURE", event.dead_letter_id)] if state is EventState.DONE else [])


@pytest.mark.parametrize("error", [RuntimeError("no topic"), StoreUnavailable("throttled")])
def test_an_event_is_not_done_before_people_know_what_they_have_to(scene: Incoming, error: Exception) -> None:
    scene.mark("wal_a", Status.CLOSED)
    event = scene.event("succeeded")
    failing(scene, "alerts.raise", error)
    assert scene.handle(event).wait_ms == MINUTE_MS
    healed(scene)
    scene.now_ms += MINUTE_MS
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.alerts.kinds == ["MONEY_IN_SUSPENSE"]
    assert scene.units("suspense:USD") == 2500


# Environments and freshness


@pytest.mark.parametrize(("deployed", "comes"), [("test", "live"), ("live", "test")])
def test_money_of_one_environment_never_reaches_the_other(
    scene: Incoming, deployed: Environment, comes: Environment
) -> None:
    scene.store.flow_items["dep_1"] = replace(scene.deposit(), environment=deployed)
    event = told(scene, "paid", Notice("paid", ("dep_1",), (paid(),), environment=comes))
    event = replace(event, environment=deployed)
    scene.inbox.events[event.inbox_key] = event
    handled = scene.handle(event)
    assert (handled.event.reason, scene.store.records) == ("wrong-environment", {})
    assert comes in str(handled.event.detail)


@pytest.mark.parametrize("environment", ["test", None])
def test_an_event_of_this_environment_or_of_an_untold_one_passes(
    scene: Incoming, environment: Environment | None
) -> None:
    event = told(scene, "paid", Notice("paid", ("dep_1",), (paid(),), environment=environment))
    assert scene.handle(event).event.state is EventState.DONE


def test_a_fresh_event_is_believed_without_asking_its_provider(scene: Incoming) -> None:
    scene.handle(scene.event("succeeded"))
    assert "gateway.confirm" not in scene.store.calls


def test_an_event_that_came_late_is_confirmed_and_only_what_its_provider_says_now_counts(scene: Incoming) -> None:
    event = scene.event("succeeded")
    scene.inbox.events[event.inbox_key] = replace(event, confirm=True)
    scene.gateway.confirmed["succeeded"] = Notice("succeeded", ("dep_1",), (Pending(),))
    assert scene.handle(event).event.state is EventState.DONE
    assert "gateway.confirm" in scene.store.calls
    assert (scene.units(), scene.deposit().pending) == (0, True)


@pytest.mark.parametrize(
    ("age_ms", "asked"), [(0, 0), (CONFIRM_AFTER_MS, 0), (CONFIRM_AFTER_MS + 1, 1), (-HOUR_MS, 0), (100 * HOUR_MS, 1)]
)
def test_an_event_that_was_old_when_it_arrived_is_confirmed(scene: Incoming, age_ms: int, asked: int) -> None:
    event = told(scene, "paid", Notice("paid", ("dep_1",), (paid(),), occurred_at_ms=NOW_MS - age_ms))
    scene.now_ms += 50 * HOUR_MS  # how long it lay here does not matter
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.store.calls.count("gateway.confirm") == asked


def test_an_old_event_that_says_nothing_is_not_worth_asking(scene: Incoming) -> None:
    event = told(scene, "noise", Notice("noise", ("dep_1",), occurred_at_ms=0))
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.store.calls == ["inbox.get", "alerts.end", "inbox.save"]


def test_an_event_that_leaves_facts_out_is_asked_about_and_they_are_what_counts(scene: Incoming) -> None:
    scene.gateway.confirmed["hint"] = Notice("hint", ("dep_1",), (paid(), refund()))
    event = told(scene, "hint", Notice("hint", ("dep_1",), confirm=True))
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.units() == 1500


# Whose order


@pytest.mark.parametrize("facts", [(), (Pending(),), (Failed("declined"),), (Pending(), Failed("x"))])
def test_an_event_of_an_unknown_order_that_is_not_about_money_needs_no_action(
    scene: Incoming, facts: tuple[Fact, ...]
) -> None:
    for number, references in enumerate([(), ("dep_9",), ("stripe:pi_9",)]):
        event = told(scene, f"other {number}", Notice("other", references, facts))
        assert scene.handle(event).event.state is EventState.DONE
    assert scene.alerts.raised == []


@pytest.mark.parametrize("fact", [paid(), refund(), chargeback(), refund(undone=True)])
@pytest.mark.parametrize("references", [(), ("dep_9",), ("dep_8", "dep_9")])
def test_money_of_an_unknown_order_is_left_to_people(scene: Incoming, fact: Fact, references: tuple[str, ...]) -> None:
    dead = scene.handle(told(scene, "other", Notice("other", references, (Pending(), fact)))).event
    assert (dead.state, dead.reason) == (EventState.DEAD, "unknown-order")
    assert dead.detail == f"No order of ours is meant by {', '.join(references) or 'it'}."


def test_money_known_by_a_providers_name_alone_waits_for_the_event_that_tells_whose_it_is(scene: Incoming) -> None:
    event = told(scene, "refunded", Notice("refunded", ("stripe:pi_1",), (refund(),)))
    handled = scene.handle(event)
    assert (handled.wait_ms, handled.event.reason, handled.event.state) == (MINUTE_MS, "unknown-order", EventState.OPEN)
    assert (scene.alerts.raised, handled.fault) == ([], None)
    scene.now_ms += MINUTE_MS
    scene.handle(told(scene, "succeeded", Notice("succeeded", ("dep_1", "stripe:pi_1"), (paid(),))))
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.units() == 1500


def test_money_that_nobody_claims_is_left_to_people_in_the_end(scene: Incoming) -> None:
    event = told(scene, "paid", Notice("paid", ("stripe:pi_9",), (paid(),)))
    dead = scene.handle_until_finished(event).event
    assert (dead.state, dead.reason, dead.attempts) == (EventState.DEAD, "unknown-order", 6)
    assert scene.alerts.kinds == ["WEBHOOK_FAILURE"]


@pytest.mark.parametrize("other", [{"provider": Provider.PAYSTACK}, {"environment": "live"}])
def test_an_order_of_another_provider_or_environment_is_not_found(scene: Incoming, other: dict[str, str]) -> None:
    scene.store.flow_items["dep_1"] = replace(scene.deposit(), **other)  # type: ignore[arg-type]
    assert scene.handle(scene.event("succeeded")).event.reason == "unknown-order"
    assert scene.store.records == {}


@pytest.mark.parametrize(
    "references",
    [("stripe:pi_1",), ("dep_9", "stripe:pi_1"), ("stripe:pi_9", "stripe:pi_1"), ("dep_1", "dep_9")],
)
def test_the_first_name_that_is_known_names_the_order(scene: Incoming, references: tuple[str, ...]) -> None:
    scene.store.references["stripe:pi_1"] = "dep_1"
    event = told(scene, "paid", Notice("paid", references, (paid(),)))
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.deposit().credited_units == 2500


def test_an_order_of_another_provider_does_not_hide_the_one_that_is_meant(scene: Incoming) -> None:
    scene.order("dep_2")
    scene.store.flow_items["dep_2"] = replace(scene.deposit("dep_2"), provider=Provider.RAMP)
    scene.handle(told(scene, "paid", Notice("paid", ("dep_2", "dep_1"), (paid(),))))
    assert scene.deposit().credited_units == 2500


def test_a_name_that_looks_like_ours_but_is_none_is_never_kept_for_an_order(scene: Incoming) -> None:
    scene.handle(told(scene, "paid", Notice("paid", ("dep_1", "dep_9", "stripe:pi_1"), (paid(),))))
    assert "dep_9" not in scene.store.references


# What people are told though an event is done


def test_nobody_is_told_of_what_went_as_it_should(scene: Incoming) -> None:
    for name in ("created", "succeeded", "refunded", "refund failed", "disputed", "dispute won"):
        assert scene.handle(scene.event(name)).event.state is EventState.DONE
    assert scene.alerts.raised == []


def test_a_done_event_names_its_movements_and_those_of_other_events_not(scene: Incoming) -> None:
    succeeded = scene.handle(scene.event("succeeded")).event
    refunded = scene.handle(scene.event("refunded")).event
    assert len(set(succeeded.transfers + refunded.transfers)) == 2
    assert {key.removeprefix("trf_") for key in succeeded.transfers + refunded.transfers} == set(scene.store.records)


def test_money_for_a_closed_wallet_is_put_aside_and_people_are_told(scene: Incoming) -> None:
    scene.mark("wal_a", Status.CLOSED)
    event = scene.event("succeeded")
    assert scene.handle(event).event.state is EventState.DONE
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == ("MONEY_IN_SUSPENSE", "high")
    assert alert.facts == {
        "provider": "stripe",
        "external_id": "succeeded",
        "dead_letter_id": event.dead_letter_id,
        "attempts": "0",
        "account_id": "suspense:USD",
        "deposit_id": "dep_1",
        "wallet_id": "wal_a",
        "asset": "USD",
    }


def test_a_later_event_of_money_that_was_put_aside_is_no_news(scene: Incoming) -> None:
    scene.mark("wal_a", Status.CLOSED)
    scene.handle(scene.event("succeeded"))
    scene.handle(scene.event("created"))
    scene.handle(scene.event("refunded"))
    assert scene.alerts.kinds == ["MONEY_IN_SUSPENSE"]


def test_a_second_payment_that_is_put_aside_is_told_though_the_first_reached_its_wallet(scene: Incoming) -> None:
    scene.handle(scene.event("succeeded"))
    scene.spend("25.00")
    scene.mark("wal_a", Status.CLOSED)
    event = scene.event("twice", paid("pi_2"))
    scene.inbox.events[event.inbox_key] = replace(event, accepted=True)
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.units("suspense:USD") == 2500
    assert scene.alerts.kinds == ["MONEY_IN_SUSPENSE"]


def test_money_that_is_given_back_to_a_closed_wallet_is_put_aside_and_told(scene: Incoming) -> None:
    scene.handle(scene.event("succeeded"))
    scene.handle(scene.event("disputed"))
    scene.mark("wal_a", Status.CLOSED)
    assert scene.handle(scene.event("dispute won")).event.state is EventState.DONE
    assert scene.units("suspense:USD") == 2500
    assert scene.alerts.kinds == ["MONEY_IN_SUSPENSE"]


@pytest.mark.parametrize(("name", "kind"), [("refunded", "refund re_1"), ("disputed", "chargeback dp_1")])
def test_what_a_claim_could_not_take_is_told(scene: Incoming, name: str, kind: str) -> None:
    scene.handle(scene.event("succeeded"))
    scene.spend("24.99")
    scene.handle(scene.event(name))
    (alert,) = scene.alerts.raised
    assert (alert.kind, alert.severity) == ("RECEIVABLE", "high")
    assert alert.facts["owed"] == {"refunded": "9.99", "disputed": "24.99"}[name]
    assert (alert.facts["deposit_id"], alert.facts["wallet_id"], alert.facts["asset"]) == ("dep_1", "wal_a", "USD")
    assert str(scene.store.account_items["wal_a"].status_reason).startswith(kind)


def test_what_is_owed_is_told_when_the_claims_were_there_before_the_payment(scene: Incoming) -> None:
    for name in ("disputed", "refunded", "succeeded"):
        assert scene.handle(scene.event(name)).event.state is EventState.DONE
    assert scene.deposit().owed_units == 1000
    assert scene.store.account_items["wal_a"].status is Status.FROZEN
    assert scene.alerts.kinds == ["RECEIVABLE"]


def test_what_is_owed_is_not_told_again_by_events_that_are_not_about_money(scene: Incoming) -> None:
    for name in ("disputed", "refunded", "succeeded", "created", "failed"):
        assert scene.handle(scene.event(name)).event.state is EventState.DONE
    assert scene.alerts.kinds == ["RECEIVABLE"]


def test_a_claim_that_was_won_back_owes_nothing_and_is_not_told(scene: Incoming) -> None:
    scene.handle(scene.event("succeeded"))
    scene.spend("25.00")
    scene.handle(scene.event("disputed"))
    scene.handle(scene.event("dispute won"))
    assert scene.alerts.kinds == ["RECEIVABLE"]


# A wallet that is frozen


def test_money_for_a_frozen_wallet_waits_until_it_is_active_again(scene: Incoming) -> None:
    scene.mark("wal_a", Status.FROZEN)
    event = scene.event("succeeded")
    handled = scene.handle(event)
    assert (handled.wait_ms, handled.event.reason, handled.fault) == (MINUTE_MS, "account-not-active", None)
    scene.mark("wal_a", Status.ACTIVE)
    scene.now_ms += MINUTE_MS
    assert scene.handle(event).event.state is EventState.DONE
    assert scene.units() == 2500


def test_money_for_a_wallet_that_stays_frozen_is_left_to_people(scene: Incoming) -> None:
    scene.mark("wal_a", Status.FROZEN)
    dead = scene.handle_until_finished(scene.event("succeeded")).event
    assert (dead.state, dead.reason) == (EventState.DEAD, "account-not-active")
    assert "suspense:USD" not in scene.store.account_items


def test_a_refusal_of_the_ledger_is_waited_for(scene: Incoming) -> None:
    failing(scene, "commit", Refusal("no"))
    assert scene.handle(scene.event("succeeded")).event.reason == "refused"


def test_a_dead_letter_that_was_resolved_is_never_processed(scene: Incoming) -> None:
    event = scene.event("succeeded")
    scene.inbox.events[event.inbox_key] = resolved(event, "by hand")
    assert scene.handle(event).wait_ms is None
    assert scene.units() == 0


def test_a_refund_of_a_payment_that_was_never_credited_takes_nothing(scene: Incoming) -> None:
    scene.handle(scene.event("succeeded"))
    assert scene.handle(scene.event("paid again", paid("pi_2"))).event.reason == "paid-twice"
    scene.handle(scene.event("given back", replace(refund("re_2", "25.00"), payment_id="pi_2")))
    assert scene.units() == 2500
    assert scene.deposit().state(scene.now_ms) == "COMPLETED"
