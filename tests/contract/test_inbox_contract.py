import hashlib
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import pytest

from tallystick.domain.audit import AuditRecord
from tallystick.domain.inbox import EventState, InboxEvent, buried, done, postponed, reopened, resolved
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.agenda import Overdue
from tests.support.scene import NOW_MS
from tests.support.tables import Ports, Tables

DUE_MS: Final = NOW_MS + 120_000
FAR_MS: Final = NOW_MS + 10_000_000
EVENT: Final = InboxEvent(
    provider=Provider.STRIPE,
    environment="test",
    external_id="evt_1",
    body=b'{"id": "evt_1"}',
    headers={"stripe-signature": "t=1,v1=2"},
    query={},
    received_at_ms=NOW_MS,
    due_at_ms=DUE_MS,
)
FULL: Final = replace(
    EVENT,
    provider=Provider.TRUELAYER,
    environment="live",
    external_id="größer 😀",
    headers={"tl-signature": "a..b", "x-tl-größer": '"\\\n😀', "empty": ""},
    query={"transaction": "π", "": ""},
    confirm=True,
    conflicts=True,
)


def event(number: int, **changes: Any) -> InboxEvent:  # noqa: ANN401 (any field)
    return replace(EVENT, external_id=f"evt_{number}", **changes)


def audit(event: InboxEvent, action: str = "dead-letter-redriven", at_ms: int = NOW_MS) -> AuditRecord:
    return AuditRecord(event.dead_letter_id, action, "root", at_ms, "203.0.113.7", {"notes": "größer 😀", "empty": ""})


def is_overdue(ports: Ports, stored: InboxEvent) -> bool:
    return stored.inbox_key in {one.key for one in ports.inbox.overdue(stored.provider, FAR_MS, 100)}


def is_listed(ports: Ports, stored: InboxEvent) -> bool:
    return stored in ports.inbox.dead(100, None).items


# Storing


@pytest.mark.parametrize("new", [EVENT, FULL], ids=["plain", "full"])
def test_an_event_is_stored_with_all_it_says(ports: Ports, new: InboxEvent) -> None:
    assert ports.inbox.store(new) == new == ports.inbox.get(new.inbox_key)


NOISE: Final = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(3000))
BODIES: Final = {
    "empty": b"",
    "zero": b"\x00",
    "every byte": bytes(range(256)),
    "no UTF-8": b"\xff\xfe\xed\xa0\x80",
    "text": "größer 😀\r\n".encode(),
    "base64": b"AAECAw==",
    "zlib": bytes.fromhex("789c030000000001"),
    "noise": NOISE,
    "long": b'{"a": "b"}' * 50_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_of_any_kind_survives(ports: Ports, body: bytes) -> None:
    ports.inbox.store(replace(EVENT, body=body))
    stored = ports.inbox.get(EVENT.inbox_key)
    assert stored is not None
    assert stored.body == body


def test_a_taken_key_answers_the_event_that_stands_there(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    again = replace(EVENT, body=b"another", received_at_ms=NOW_MS + 5, headers={})
    assert again.inbox_key == EVENT.inbox_key
    assert ports.inbox.store(again) == EVENT == ports.inbox.get(EVENT.inbox_key)


def test_a_taken_key_answers_the_event_as_it_is_now(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    finished = done(EVENT, ["trf_1"])
    ports.inbox.save(finished)
    assert ports.inbox.store(EVENT) == finished


def test_a_second_body_stands_beside_the_first(ports: Ports) -> None:
    second = replace(EVENT, body=b"another", conflicts=True)
    for stored in (EVENT, second):
        assert ports.inbox.store(stored) == stored
    assert ports.inbox.get(EVENT.inbox_key) == EVENT
    assert ports.inbox.get(second.inbox_key) == second


@pytest.mark.parametrize("key", ["nowhere", "", "x" * 2049])
def test_an_event_that_does_not_exist_is_none(ports: Ports, key: str) -> None:
    assert ports.inbox.get(key) is None


# Changing


RETRIED: Final = postponed(EVENT, reason="busy", detail="größer 😀", not_before_ms=NOW_MS + 5, due_at_ms=DUE_MS + 5)
DEAD: Final = buried(RETRIED, reason="fault", detail="", now_ms=NOW_MS + 9)
DEAD_AT_ONCE: Final = buried(EVENT, reason="unreadable", detail="no JSON", now_ms=NOW_MS)
REOPENED: Final = reopened(DEAD, accepted=True, now_ms=NOW_MS + 20, due_at_ms=DUE_MS + 20)
LIVES: Final = {
    "done": [done(EVENT, ["trf_1", "trf_2"])],
    "done without a movement": [done(EVENT, ())],
    "retried, then done": [RETRIED, done(RETRIED, ["trf_1"])],
    "dead, redriven, done": [RETRIED, DEAD, REOPENED, done(REOPENED, ["trf_1"])],
    "dead, redriven, dead again": [RETRIED, DEAD, REOPENED, buried(REOPENED, reason="x", detail="y", now_ms=FAR_MS)],
    "dead, resolved": [RETRIED, DEAD, resolved(DEAD, "größer 😀")],
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_every_change_of_an_event_is_stored_with_all_it_says(ports: Ports, life: list[InboxEvent]) -> None:
    ports.inbox.store(EVENT)
    for stage in life:
        assert ports.inbox.save(stage)
        assert ports.inbox.get(EVENT.inbox_key) == stage


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_only_an_open_event_can_be_overdue_and_only_a_dead_one_is_listed(ports: Ports, life: list[InboxEvent]) -> None:
    ports.inbox.store(EVENT)
    for before, stage in zip([EVENT, *life], life, strict=False):
        assert is_overdue(ports, before) is (before.state is EventState.OPEN)
        ports.inbox.save(stage, audit(stage, at_ms=NOW_MS + stage.version))
        assert is_overdue(ports, stage) is (stage.state is EventState.OPEN)
        assert is_listed(ports, stage) is (stage.state is EventState.DEAD)


@pytest.mark.parametrize("record", [None, audit(EVENT)], ids=["alone", "audited"])
@pytest.mark.parametrize("version", [0, 2, -1])
def test_an_event_that_changed_meanwhile_is_not_saved_and_nothing_audited(
    ports: Ports, version: int, record: AuditRecord | None
) -> None:
    ports.inbox.store(EVENT)
    assert not ports.inbox.save(replace(EVENT, state=EventState.DONE, version=version), record)
    assert ports.inbox.get(EVENT.inbox_key) == EVENT
    assert ports.audited() == []
    assert is_overdue(ports, EVENT)


@pytest.mark.parametrize("record", [None, audit(EVENT)], ids=["alone", "audited"])
def test_an_event_that_does_not_exist_is_not_saved_and_nothing_audited(
    ports: Ports, record: AuditRecord | None
) -> None:
    assert not ports.inbox.save(done(EVENT, ()), record)
    assert (ports.inbox.get(EVENT.inbox_key), ports.audited()) == (None, [])


def test_a_change_is_written_once(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    assert ports.inbox.save(DEAD_AT_ONCE, audit(EVENT))
    assert not ports.inbox.save(DEAD_AT_ONCE, audit(EVENT))
    assert len(ports.audited()) == 1


def test_an_audit_keeps_all_it_says(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    ports.inbox.save(DEAD_AT_ONCE)
    fresh = reopened(DEAD_AT_ONCE, accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS)
    ports.inbox.save(fresh, audit(EVENT))
    assert ports.audited() == [audit(EVENT)]


def test_every_act_of_an_admin_is_audited_beside_the_others(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    stage, records = DEAD_AT_ONCE, []
    ports.inbox.save(stage)
    for number in range(3):
        records.append(audit(EVENT, at_ms=NOW_MS + number))
        opened = reopened(stage, accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS)
        assert ports.inbox.save(opened, records[-1])
        stage = buried(opened, reason="x", detail="", now_ms=NOW_MS)
        assert ports.inbox.save(stage)
    assert ports.audited() == records


def test_what_is_in_the_audit_is_never_overwritten(dynamo: Tables) -> None:
    ports = dynamo.ports
    ports.inbox.store(EVENT)
    ports.inbox.save(DEAD_AT_ONCE, audit(EVENT))
    other = replace(audit(EVENT), details={"notes": "another"})
    assert not ports.inbox.save(resolved(DEAD_AT_ONCE, "another"), other)
    assert (ports.audited(), ports.inbox.get(EVENT.inbox_key)) == ([audit(EVENT)], DEAD_AT_ONCE)


# Overdue events


def test_events_are_overdue_once_their_time_has_passed_oldest_first(ports: Ports) -> None:
    for number, due_at_ms in enumerate([30, 10, 20, 40]):
        ports.inbox.store(event(number, due_at_ms=NOW_MS + due_at_ms))
    overdue = ports.inbox.overdue(Provider.STRIPE, NOW_MS + 31, 100)
    assert overdue == [Overdue(event(number).inbox_key, NOW_MS + ms) for number, ms in ((1, 10), (2, 20), (0, 30))]
    assert ports.inbox.overdue(Provider.STRIPE, NOW_MS + 30, 100) == overdue[:2]
    assert ports.inbox.overdue(Provider.STRIPE, NOW_MS + 31, 2) == overdue[:2]


def test_each_provider_has_overdue_events_of_its_own(ports: Ports) -> None:
    for provider in Provider:
        ports.inbox.store(replace(EVENT, provider=provider))
    for provider in Provider:
        (overdue,) = ports.inbox.overdue(provider, FAR_MS, 100)
        assert overdue.key == replace(EVENT, provider=provider).inbox_key


def test_an_overdue_event_is_given_time_and_nothing_else_of_it_changes(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    assert ports.inbox.postpone(Overdue(EVENT.inbox_key, DUE_MS), FAR_MS)
    assert ports.inbox.get(EVENT.inbox_key) == replace(EVENT, due_at_ms=FAR_MS)
    assert ports.inbox.overdue(Provider.STRIPE, FAR_MS, 100) == []
    assert ports.inbox.overdue(Provider.STRIPE, FAR_MS + 1, 100) == [Overdue(EVENT.inbox_key, FAR_MS)]


def test_an_event_is_given_time_once_of_all_who_saw_it_overdue(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    assert ports.inbox.postpone(Overdue(EVENT.inbox_key, DUE_MS), FAR_MS)
    assert not ports.inbox.postpone(Overdue(EVENT.inbox_key, DUE_MS), FAR_MS + 5)


def test_an_event_that_was_given_time_can_still_be_saved_by_whoever_read_it_before(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    ports.inbox.postpone(Overdue(EVENT.inbox_key, DUE_MS), FAR_MS)
    assert ports.inbox.save(done(EVENT, ()))


@pytest.mark.parametrize(
    "stages",
    [[RETRIED], [done(EVENT, ())], [DEAD_AT_ONCE], [DEAD_AT_ONCE, resolved(DEAD_AT_ONCE, "n")]],
    ids=["retried", "done", "dead", "resolved"],
)
def test_an_event_about_which_something_was_done_meanwhile_is_not_given_time(
    ports: Ports, stages: list[InboxEvent]
) -> None:
    ports.inbox.store(EVENT)
    for stage in stages:
        ports.inbox.save(stage)
    assert not ports.inbox.postpone(Overdue(EVENT.inbox_key, DUE_MS), FAR_MS)
    assert ports.inbox.get(EVENT.inbox_key) == stages[-1]


# Dead letters


def buried_events(ports: Ports, times_ms: list[int]) -> list[InboxEvent]:
    """Store events that died at these times, newest first."""
    dead = [buried(event(n), reason="x", detail="y", now_ms=NOW_MS + ms) for n, ms in enumerate(times_ms)]
    for number, stage in enumerate(dead):
        ports.inbox.store(event(number))
        ports.inbox.save(stage)
    return sorted(dead, key=lambda stage: (stage.dead_at_ms, stage.inbox_key), reverse=True)


def pages(ports: Ports, limit: int) -> list[list[InboxEvent]]:
    found, after = [], None
    for _ in range(10):
        page = ports.inbox.dead(limit, after)
        found.append(page.items)
        after = page.next_key
        if after is None:
            return found
    raise AssertionError("the pages never end")


def test_without_dead_letters_the_list_is_empty(ports: Ports) -> None:
    ports.inbox.store(EVENT)
    page = ports.inbox.dead(5, None)
    assert (page.items, page.next_key) == ([], None)


@pytest.mark.parametrize("limit", range(1, 8))
def test_dead_letters_come_newest_first_on_pages_of_any_size(ports: Ports, limit: int) -> None:
    dead = buried_events(ports, [3, 1, 1_000_000_000_000, 2, 50, 4])
    found = pages(ports, limit)
    assert list(chain(*found)) == dead
    assert {len(page) for page in found[:-1]} <= {limit}
    assert found[-1]


@pytest.mark.parametrize("limit", range(1, 5))
def test_dead_letters_of_one_millisecond_are_all_listed_once(ports: Ports, limit: int) -> None:
    dead = buried_events(ports, [7, 7, 7, 7])
    assert sorted(chain(*pages(ports, limit)), key=key_of) == sorted(dead, key=key_of)


def key_of(stored: InboxEvent) -> str:
    return stored.inbox_key


def test_a_page_goes_on_where_the_last_one_ended_though_its_last_letter_is_dead_no_more(ports: Ports) -> None:
    first, second, third = buried_events(ports, [1, 2, 3])
    page = ports.inbox.dead(1, None)
    ports.inbox.save(resolved(first, "n"))
    assert page.items == [first]
    assert ports.inbox.dead(5, page.next_key).items == [second, third]


def test_letters_that_are_dead_no_more_leave_no_gaps(ports: Ports) -> None:
    first, second, third = buried_events(ports, [1, 2, 3])
    opened = reopened(first, accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS)
    for stage in (opened, done(opened, ()), resolved(third, "n")):
        ports.inbox.save(stage)
    page = ports.inbox.dead(1, None)
    assert (page.items, page.next_key) == ([second], None)


def test_a_letter_that_died_again_is_listed_by_its_last_death(ports: Ports) -> None:
    first, second = buried_events(ports, [1, 2])
    opened = reopened(second, accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS)
    again = buried(opened, reason="x", detail="y", now_ms=NOW_MS + 99)
    for stage in (opened, again):
        ports.inbox.save(stage)
    assert ports.inbox.dead(5, None).items == [again, first]


@pytest.mark.parametrize(
    "change", [lambda dead: reopened(dead, accepted=False, now_ms=0, due_at_ms=0), lambda dead: resolved(dead, "n")]
)
def test_what_a_lagging_index_still_lists_is_left_out_and_the_pages_go_on(
    dynamo: Tables, change: Callable[[InboxEvent], InboxEvent]
) -> None:
    inbox = dynamo.ports.inbox
    first, second, third = buried_events(dynamo.ports, [1, 2, 3])
    keys = [
        {"inbox_key": {"S": one.inbox_key}, "dead": {"S": "dead"}, "dead_at_ms": {"N": str(one.dead_at_ms)}}
        for one in (first, second)
    ]
    inbox.save(change(first))
    with dynamo.finding("Query", keys):
        page = inbox.dead(1, None)
    assert page.items == []
    assert inbox.dead(5, page.next_key).items == [second, third]
