from dataclasses import replace
from itertools import product

import pytest

from tallystick.domain.inbox import EventState, InboxEvent, buried, done, postponed, reopened, resolved
from tallystick.domain.webhooks import Environment, EventRejected, Forged, Provider
from tests.support.scene import NOW_MS

EVENT = InboxEvent(
    provider=Provider.STRIPE,
    environment="test",
    external_id="evt_1",
    body=b"{}",
    headers={"stripe-signature": "t=1"},
    query={"a": "b"},
    received_at_ms=NOW_MS,
    due_at_ms=NOW_MS + 120_000,
)
TRIED = postponed(EVENT, reason="busy", detail="later", not_before_ms=NOW_MS + 5, due_at_ms=NOW_MS + 9)
DEAD = buried(TRIED, reason="unreadable", detail="no JSON", now_ms=NOW_MS + 7)


def test_an_event_is_known_by_its_provider_environment_and_id() -> None:
    environments: tuple[Environment, ...] = ("test", "live")
    keys = {
        replace(EVENT, provider=provider, environment=environment, external_id=external_id).inbox_key
        for provider, environment, external_id in product(Provider, environments, ("1", "11", "test1"))
    }
    assert len(keys) == len(Provider) * 2 * 3


@pytest.mark.parametrize("changes", [{"body": b"other"}, {"headers": {}}, {"query": {}}, {"received_at_ms": 1}])
def test_what_else_a_delivery_says_does_not_change_the_key(changes: dict[str, object]) -> None:
    assert replace(EVENT, **changes).inbox_key == EVENT.inbox_key  # type: ignore[arg-type]


def test_each_further_body_under_an_id_has_a_key_of_its_own() -> None:
    second, third = (replace(EVENT, body=body, conflicts=True) for body in (b"second", b"third"))
    assert len({EVENT.inbox_key, second.inbox_key, third.inbox_key}) == 3
    assert second.inbox_key == replace(second, received_at_ms=1).inbox_key


def test_a_dead_letter_is_named_by_its_key() -> None:
    assert EVENT.dead_letter_id == f"dlq_{EVENT.inbox_key}"


def test_a_try_that_failed_for_now_is_counted_with_its_reason_and_times() -> None:
    assert (TRIED.state, TRIED.attempts, TRIED.version) == (EventState.OPEN, 1, 1)
    assert (TRIED.reason, TRIED.detail) == ("busy", "later")
    assert (TRIED.not_before_ms, TRIED.due_at_ms) == (NOW_MS + 5, NOW_MS + 9)


def test_a_dead_letter_has_its_last_reason_and_the_time_at_which_it_died() -> None:
    assert (DEAD.state, DEAD.attempts, DEAD.version, DEAD.dead_at_ms) == (EventState.DEAD, 2, 2, NOW_MS + 7)
    assert (DEAD.reason, DEAD.detail) == ("unreadable", "no JSON")


def test_a_redrive_starts_anew_with_all_tries_and_remembers_that_it_was_dead() -> None:
    event = reopened(DEAD, accepted=False, now_ms=NOW_MS + 20, due_at_ms=NOW_MS + 30)
    assert (event.state, event.attempts, event.version) == (EventState.OPEN, 0, 3)
    assert (event.not_before_ms, event.due_at_ms) == (NOW_MS + 20, NOW_MS + 30)
    assert (event.dead_at_ms, event.reason, event.accepted) == (NOW_MS + 7, "unreadable", False)


def test_what_an_admin_accepted_stays_accepted() -> None:
    accepted = reopened(DEAD, accepted=True, now_ms=NOW_MS, due_at_ms=NOW_MS)
    dead_again = buried(accepted, reason="busy", detail="", now_ms=NOW_MS)
    assert accepted.accepted
    assert reopened(dead_again, accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS).accepted


def test_what_is_done_names_its_movements_and_no_fault() -> None:
    event = done(TRIED, ["trf_1", "trf_2"])
    assert (event.state, event.transfers, event.version) == (EventState.DONE, ("trf_1", "trf_2"), 2)
    assert (event.reason, event.detail, event.attempts) == (None, None, 1)


def test_a_resolved_dead_letter_keeps_why_it_died_and_why_it_was_closed() -> None:
    event = resolved(DEAD, "paid back by hand")
    assert (event.state, event.notes, event.version) == (EventState.RESOLVED, "paid back by hand", 3)
    assert (event.reason, event.dead_at_ms, event.attempts) == ("unreadable", NOW_MS + 7, 2)


@pytest.mark.parametrize("event", [TRIED, DEAD, done(EVENT, ["trf_1"]), resolved(DEAD, "n")])
def test_what_came_in_is_never_changed(event: InboxEvent) -> None:
    kept = ("provider", "environment", "external_id", "body", "headers", "query", "received_at_ms", "inbox_key")
    assert [getattr(event, name) for name in kept] == [getattr(EVENT, name) for name in kept]


def test_a_rejection_says_its_reason_as_a_code_and_in_words() -> None:
    rejected = EventRejected("amount-mismatch", "25.00 was ordered.")
    assert (rejected.reason, rejected.detail) == ("amount-mismatch", "25.00 was ordered.")
    assert str(rejected) == "amount-mismatch: 25.00 was ordered."
    assert (Forged("stale").reason, str(Forged("stale"))) == ("stale", "stale")
