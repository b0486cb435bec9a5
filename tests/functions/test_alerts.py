"""/v1/admin/alerts: what becomes of an alert, from a provider's event that dies to an admin's notes."""

import json
from typing import Any

import pytest

from tallystick import wiring
from tallystick.domain.errors import StoreUnavailable
from tallystick.services.ports.alerts import Alert
from tests.functions import cloud
from tests.functions.world import GROUPS, Clock, answer
from tests.support.events import http_event

pytestmark = pytest.mark.usefixtures("small_world")

CRASH = Alert("JOB_CRASH", "critical", {"job": "sweep"}, "sweep")


def call(method: str, path: str, body: object = None, **query: str) -> tuple[int, dict[str, Any]]:
    event = http_event(method, f"/v1/admin/alerts/{path}", body, caller="root", groups=GROUPS["root"], query=query)
    answered = answer("alerts", event)
    return answered["statusCode"], json.loads(answered["body"])


def listed(**query: str) -> list[str]:
    _, page = call("GET", "unresolved", **query)
    return [alert["subject"] for alert in page["items"]]


def raised() -> str:
    """Raise an alert and give its id."""
    wiring.alerts().raise_alert(CRASH)
    _, page = call("GET", "unresolved", alert_type="JOB_CRASH")
    alert_id: str = page["items"][0]["alert_id"]
    return alert_id


def test_an_alert_is_listed_until_it_ends(clock: Clock) -> None:
    raised()
    assert listed()[0] == "sweep"
    clock.now_ms += 5
    wiring.alerts().end_alert("JOB_CRASH", "sweep")
    assert "sweep" not in listed()


def test_a_resolved_alert_is_shown_with_who_when_and_why_and_people_are_told(clock: Clock) -> None:
    alert_id = raised()
    clock.now_ms += 5
    status, shown = call("POST", f"{alert_id}/resolve", {"notes": "a deployment"})
    assert status == 200
    assert (shown["state"], shown["resolved_by"], shown["notes"], shown["resolved_at"], shown["ended_at"]) == (
        "RESOLVED",
        "root",
        "a deployment",
        "2026-01-31T13:00:00.005Z",
        None,
    )
    assert call("GET", alert_id) == (200, shown)
    assert "sweep" not in listed()
    told = [(one["event"], one.get("notes")) for one in cloud.told() if one["alert_id"] == alert_id]
    assert told == [("raised", None), ("resolved", "a deployment")]


def test_resolving_twice_is_answered_the_same_and_audited_once() -> None:
    alert_id = raised()
    first = call("POST", f"{alert_id}/resolve", {"notes": "a deployment"})
    assert call("POST", f"{alert_id}/resolve", {"notes": "another"}) == first
    records = [row for row in cloud.rows("audit") if row["subject"]["S"] == alert_id]
    assert [(row["action"]["S"], row["actor_id"]["S"]) for row in records] == [("alert-resolved", "root")]
    assert json.loads(records[0]["details"]["S"]) == {"kind": "JOB_CRASH", "about": "sweep", "notes": "a deployment"}


def test_what_was_resolved_is_silent_until_it_has_ended_and_comes_back() -> None:
    alert_id = raised()
    call("POST", f"{alert_id}/resolve", {"notes": "known"})
    cloud.reset()
    wiring.alerts().raise_alert(CRASH)
    assert (cloud.told(), call("GET", alert_id)[1]["count"]) == ([], 2)
    wiring.alerts().end_alert("JOB_CRASH", "sweep")
    again = raised()
    assert (again != alert_id, [one["alert_id"] for one in cloud.told()]) == (True, [again])
    assert call("GET", alert_id)[1]["notes"] == "known"


def test_what_people_could_not_be_told_of_is_listed_first_and_can_be_resolved() -> None:
    with cloud.watched(before=cloud.refusing("Publish")), pytest.raises(StoreUnavailable):
        wiring.alerts().raise_alert(CRASH)
    assert listed()[0] == "sweep"
    _, page = call("GET", "unresolved", limit="1")
    rest = listed(limit="100", cursor=page["next_cursor"])
    assert ("sweep" not in rest, len(rest)) == (True, 4)
    assert call("POST", f"{page['items'][0]['alert_id']}/resolve", {"notes": "seen"})[0] == 200


def test_who_cannot_tell_people_that_it_was_resolved_says_so_and_it_is_resolved() -> None:
    alert_id = raised()
    with cloud.watched(before=cloud.refusing("Publish")):
        status, _ = call("POST", f"{alert_id}/resolve", {"notes": "seen"})
    assert (status, call("GET", alert_id)[1]["state"]) == (503, "RESOLVED")
    assert call("POST", f"{alert_id}/resolve", {"notes": "seen"})[0] == 200
