from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.alerts import (
    PRIORITIES,
    AlertState,
    KeptAlert,
    Priority,
    Severity,
    condition_of,
    ended,
    noticed,
    parse_alert_id,
    resolved,
    told,
)
from tests.support.scene import NOW_MS

OPEN: Final = KeptAlert("JOB_CRASH", "sweep", Severity.CRITICAL, {"a": "1"}, NOW_MS, NOW_MS)


def again(known: KeptAlert | None, now_ms: int = NOW_MS + 1) -> KeptAlert:
    return noticed(known, kind="JOB_CRASH", subject="sweep", severity=Severity.HIGH, facts={"a": "2"}, now_ms=now_ms)


def test_what_is_noticed_for_the_first_time_is_open_and_untold() -> None:
    first = again(None)
    assert first == KeptAlert("JOB_CRASH", "sweep", Severity.HIGH, {"a": "2"}, NOW_MS + 1, NOW_MS + 1)
    assert (first.occurrence, first.count, first.state, first.told, first.version) == (1, 1, AlertState.OPEN, False, 1)


@pytest.mark.parametrize("was_told", [False, True])
def test_what_is_noticed_again_is_the_same_occurrence_and_is_told_no_other_way(*, was_told: bool) -> None:
    known = replace(OPEN, told=was_told, version=4)
    expected = replace(known, facts={"a": "2"}, last_seen_at_ms=NOW_MS + 1, count=2, version=5)
    assert again(known) == expected


def test_a_clock_behind_does_not_take_back_when_it_was_last_seen() -> None:
    assert again(OPEN, NOW_MS - 5).last_seen_at_ms == NOW_MS


def test_what_has_ended_and_is_noticed_is_a_new_occurrence() -> None:
    over = ended(told(OPEN), NOW_MS + 5)
    assert (over.state, over.ended_at_ms, over.told, over.version) == (AlertState.CLOSED, NOW_MS + 5, False, 3)
    new = again(over, NOW_MS + 9)
    assert (new.occurrence, new.version, new.opened_at_ms, new.ended_at_ms, new.count) == (2, 4, NOW_MS + 9, None, 1)
    assert (new.severity, new.told, new.condition) == (Severity.HIGH, False, OPEN.condition)
    assert new.alert_id != OPEN.alert_id


def test_what_was_resolved_stays_so_while_it_lasts_and_silently_ends() -> None:
    rested = told(resolved(told(OPEN), by="root", notes="known", now_ms=NOW_MS + 2))
    assert (rested.state, rested.resolved_by, rested.notes, rested.resolved_at_ms) == (
        AlertState.RESOLVED,
        "root",
        "known",
        NOW_MS + 2,
    )
    lasting = again(rested)
    assert (lasting.state, lasting.told, lasting.occurrence, lasting.count) == (AlertState.RESOLVED, True, 1, 2)
    over = ended(lasting, NOW_MS + 7)
    assert (over.state, over.ended_at_ms, over.told) == (AlertState.RESOLVED, NOW_MS + 7, True)
    assert again(over).occurrence == 2


def test_that_it_was_resolved_is_to_be_told() -> None:
    rested = resolved(told(OPEN), by="root", notes="known", now_ms=NOW_MS + 2)
    assert (rested.told, rested.version) == (False, 3)
    assert ended(rested, NOW_MS + 3).told is False


@pytest.mark.parametrize(
    ("alert", "since_ms"),
    [
        (OPEN, NOW_MS),
        (again(OPEN), NOW_MS),
        (ended(OPEN, NOW_MS + 5), NOW_MS + 5),
        (resolved(OPEN, by="root", notes="n", now_ms=NOW_MS + 6), NOW_MS + 6),
    ],
)
def test_an_alert_knows_since_when_there_is_something_new(alert: KeptAlert, since_ms: int) -> None:
    assert alert.changed_at_ms == since_ms


def test_conditions_are_told_apart_by_kind_and_subject_whatever_they_are_made_of() -> None:
    pairs = [("A", "b"), ("Ab", ""), ("", "Ab"), ("b", "A"), ("A", "b "), ("A", "B")]
    assert len({condition_of(*pair) for pair in pairs}) == len(pairs)


def test_an_id_leads_to_its_occurrence() -> None:
    assert OPEN.alert_id == f"alr_{OPEN.condition}_1"
    assert parse_alert_id(OPEN.alert_id) == (condition_of("JOB_CRASH", "sweep"), 1)
    assert parse_alert_id(replace(OPEN, occurrence=120).alert_id) == (OPEN.condition, 120)


@pytest.mark.parametrize(
    "text",
    ["", "alr_", "alr_x_1", OPEN.condition, f"{OPEN.alert_id}0\n", f"{OPEN.alert_id[:-1]}0", f"x{OPEN.alert_id}"],
)
def test_what_is_no_id_leads_nowhere(text: str) -> None:
    assert parse_alert_id(text) is None


def test_every_severity_has_a_priority() -> None:
    assert [PRIORITIES[severity] for severity in Severity] == [Priority.P0, Priority.P1, Priority.P2, Priority.P2]
