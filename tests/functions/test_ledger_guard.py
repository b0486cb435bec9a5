"""Replay stream records: an alert for every overwritten or removed one, none for new ones."""

import io
import json

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.stub import ANY, Stubber

from functions.ledger_guard.handler import handler, metrics
from tallystick import wiring
from tallystick.adapters.alerts import SnsAlerts
from tallystick.services.ports.alerts import Alert
from tests.functions.samples import Sample, samples_of


class FakeAlerts:
    """Keep what would reach people."""

    def __init__(self) -> None:
        self.raised: list[Alert] = []

    def raise_alert(self, alert: Alert) -> None:
        self.raised.append(alert)


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> FakeAlerts:
    fake = FakeAlerts()
    monkeypatch.setattr(wiring, "alerts", lambda: fake)
    monkeypatch.setattr(metrics.provider, "namespace", "Tallystick")
    return fake


@pytest.mark.parametrize("sample", samples_of("ledger_guard"), ids=str)
def test_sample_raises_alerts(
    sample: Sample, alerts: FakeAlerts, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler(sample.event, LambdaContext())
    changed = [record for record in sample.event["Records"] if record["eventName"] != "INSERT"]
    assert len(alerts.raised) == len(changed) == sample.number
    for alert, record in zip(alerts.raised, changed, strict=True):
        assert (alert.kind, alert.severity) == ("LEDGER_OVERWRITTEN", "critical")
        assert alert.facts["event"] == record["eventName"]
        assert alert.facts["event_id"] == record["eventID"]
        assert alert.facts["table"] in record["eventSourceARN"].split("/")
        assert {name: value["S"] for name, value in record["dynamodb"]["Keys"].items()}.items() <= alert.facts.items()
    _check_output(sample, log.getvalue(), capsys.readouterr().out)


def test_alert_is_published_as_json() -> None:
    alerts = SnsAlerts("arn:aws:sns:eu-west-1:000000000000:alerts", "eu-west-1")
    stubber = Stubber(alerts._client)  # noqa: SLF001 (nothing is sent)
    published = {"TopicArn": "arn:aws:sns:eu-west-1:000000000000:alerts", "Subject": "critical: TEST", "Message": ANY}
    stubber.add_response("publish", {"MessageId": "1"}, published)
    with stubber:
        alerts.raise_alert(Alert("TEST", "critical", {"table": "entries"}))
    stubber.assert_no_pending_responses()


def _check_output(sample: Sample, logged: str, printed: str) -> None:
    """Expect one log line and one metric, without the amounts that the images hold."""
    (line,) = map(json.loads, logged.splitlines())
    assert (line["records"], line["overwritten"]) == (len(sample.event["Records"]), sample.number)
    assert line["level"] == ("ERROR" if sample.number else "INFO")
    assert "balance_after" not in logged
    assert json.loads(printed)["LedgerOverwritten"] == [sample.number]
