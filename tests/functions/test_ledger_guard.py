"""Replay stream records: an alert for every overwritten or removed one, none for new ones."""

import io
import json

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.ledger_guard.handler import handler, metrics
from tallystick import wiring
from tallystick.services.ports.alerts import Alert
from tests.functions.samples import Sample, samples_of


class FakeAlerts:
    """Keep what would reach people."""

    def __init__(self) -> None:
        self.raised: list[Alert] = []

    def raise_alert(self, alert: Alert) -> None:
        self.raised.append(alert)

    def end_alert(self, kind: str, subject: str) -> None:
        raise AssertionError(kind, subject)


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
        assert alert.subject.endswith(record["eventID"])
        assert alert.facts["table"] in record["eventSourceARN"].split("/")
        assert {name: value["S"] for name, value in record["dynamodb"]["Keys"].items()}.items() <= alert.facts.items()
    _check_output(sample, log.getvalue(), capsys.readouterr().out)


def _check_output(sample: Sample, logged: str, printed: str) -> None:
    """Expect one log line and one metric, without the amounts that the images hold."""
    (line,) = map(json.loads, logged.splitlines())
    assert (line["records"], line["overwritten"]) == (len(sample.event["Records"]), sample.number)
    assert line["level"] == ("ERROR" if sample.number else "INFO")
    assert "balance_after" not in logged
    assert json.loads(printed)["LedgerOverwritten"] == [sample.number]
