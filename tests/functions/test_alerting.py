"""What is published of an alert, on SNS."""

import json
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

from tallystick import wiring
from tallystick.domain.alerts import Severity
from tallystick.domain.errors import StoreUnavailable
from tallystick.services.ports.alerts import Alert
from tallystick.wiring import alerting
from tests.functions import cloud, providers
from tests.functions.world import Clock
from tests.support.moto import REGION

pytestmark = pytest.mark.usefixtures("small_world")

TOPICS = {Severity.CRITICAL: "P0", Severity.HIGH: "P1", Severity.MEDIUM: "P2", Severity.LOW: "P2"}


def published(priority: str) -> list[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """Give the id, the message, its subject and its attributes of what a topic was sent."""
    topics = get_backend("sns")[DEFAULT_ACCOUNT_ID][REGION].topics
    sent = topics[f"arn:aws:sns:us-east-1:123456789012:alerts-{priority.lower()}"].sent_notifications
    return [(one[0], json.loads(one[1]), one[2] or "", one[3] or {}) for one in sent]


def alert(severity: str = "high", kind: str = "RECEIVABLE") -> Alert:
    return Alert(kind, severity, {"owed": "5.00"}, "dep_1:re_1")


@pytest.mark.parametrize("severity", Severity)
def test_an_alert_goes_to_the_topic_of_its_severity(severity: Severity) -> None:
    wiring.alerts().raise_alert(alert(severity))
    assert [len(published(priority)) for priority in ("P0", "P1", "P2")] == [
        int(TOPICS[severity] == priority) for priority in ("P0", "P1", "P2")
    ]


def test_an_alert_is_published_as_json_with_attributes_to_filter_by(clock: Clock) -> None:
    wiring.alerts().raise_alert(alert())
    ((_, message, subject, attributes),) = published("P1")
    assert message == {
        "alert_id": alerting.store().unresolved(None, 5, None).items[0].alert_id,
        "event": "raised",
        "kind": "RECEIVABLE",
        "severity": "high",
        "subject": "dep_1:re_1",
        "facts": {"owed": "5.00"},
        "opened_at": "2026-01-31T13:00:00.000Z",
    }
    assert subject == "high: RECEIVABLE raised"
    assert {name: one["Value"] for name, one in attributes.items()} == {
        "kind": "RECEIVABLE",
        "severity": "high",
        "priority": "P1",
        "event": "raised",
    }
    clock.now_ms += 1
    wiring.alerts().end_alert("RECEIVABLE", "dep_1:re_1")
    assert [(told["event"], told["alert_id"]) for told in cloud.told()] == [
        ("raised", message["alert_id"]),
        ("ended", message["alert_id"]),
    ]


def test_a_long_name_does_not_cost_the_alert() -> None:
    wiring.alerts().raise_alert(alert(kind="K" * 200))
    ((_, message, subject, _),) = published("P1")
    assert (message["kind"], len(subject)) == ("K" * 200, 100)


def test_a_stage_says_how_bad_a_kind_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_ALERTS", '{"RECEIVABLE": {"severity": "low"}}')
    cloud.forget_settings()
    wiring.alerts().raise_alert(alert("critical"))
    (told,) = cloud.told()
    assert (told["severity"], len(published("P2"))) == ("low", 1)
    monkeypatch.undo()
    cloud.forget_settings()


@pytest.mark.parametrize("code", ["ThrottlingException", "NotFound", "AuthorizationError"])
def test_who_cannot_publish_says_so(code: str) -> None:
    with cloud.watched(before=cloud.refusing("Publish", code=code)), pytest.raises(StoreUnavailable):
        wiring.alerts().raise_alert(alert())
    wiring.alerts().raise_alert(alert())
    assert len(cloud.told()) == 1


def test_silence_of_the_topic_is_told_apart_from_a_fault_of_ours() -> None:
    def silent(call: str) -> None:
        if call == "Publish":
            raise EndpointConnectionError(endpoint_url="sns")

    with cloud.watched(before=silent), pytest.raises(StoreUnavailable):
        wiring.alerts().raise_alert(alert())


def test_the_topics_are_three() -> None:
    assert sorted(providers.TOPIC_ARNS) == ["P0", "P1", "P2"]
