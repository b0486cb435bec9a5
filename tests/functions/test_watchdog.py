"""Let the clock call the watchdog, and see what it tells; and what the jobs that it watches leave behind."""

import io
import json

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from infra.routes import JOBS, WATCHDOG
from tallystick.services.ports.alerts import Alert
from tallystick.wiring import alerting
from tests.functions import cloud
from tests.functions.deliveries import stored_as
from tests.functions.payouts import id_of
from tests.functions.samples import Sample, samples_of
from tests.functions.world import NOW_MS, Clock, handler_of

(TICK,) = samples_of("watchdog")
WATCHED = {name: every_s for name, every_s in JOBS.items() if name != WATCHDOG}
WITH_PROVIDERS = {"stellar_poller", "provider_reconciler"}
MINUTE_MS = 60_000

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_JOBS", json.dumps(WATCHED))
    cloud.forget_settings()


def tick(clock: Clock, *running: str) -> None:
    """Let a minute pass in which these jobs run, then the watchdog."""
    clock.now_ms += MINUTE_MS
    for name in running:
        (sample,) = samples_of(name)
        handler_of(name)(sample.event, LambdaContext())
    handler_of("watchdog")(TICK.event, LambdaContext())


def test_the_watchdog_says_how_many_jobs_are_late(
    clock: Clock, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    tick(clock)
    line = json.loads(log.getvalue().splitlines()[-1])
    assert (len(line["late"]), line["told"], line["level"]) == (TICK.number, 0, "INFO")
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["JobsLate"], metrics["AlertsToldLate"]) == ([0], [0])


@pytest.mark.parametrize("sample", samples_of(*(name for name in WATCHED if name not in WITH_PROVIDERS)), ids=str)
def test_a_job_leaves_when_it_ran(sample: Sample) -> None:
    handler_of(sample.function)(sample.event, LambdaContext())
    record = alerting.jobs().get(sample.function)
    assert record
    assert (record.started_at_ms, record.finished_at_ms, record.failed_at_ms) == (NOW_MS, NOW_MS, None)
    assert record.every_s == WATCHED[sample.function]
    assert cloud.told() == []


def test_a_job_that_stops_is_told_of_once_and_so_is_that_it_runs_again(clock: Clock, log: io.StringIO) -> None:
    for _ in range(6):
        tick(clock, "withdrawal_sweep")
    late = {name for name, every_s in WATCHED.items() if every_s == 60} - {"withdrawal_sweep"}
    assert {(told["kind"], told["subject"], told["event"]) for told in cloud.told()} == {
        ("JOB_CRASH", name, "raised") for name in late
    }
    assert len(cloud.told()) == len(late)
    assert {told["severity"] for told in cloud.told()} == {"critical"}
    assert json.loads(log.getvalue().splitlines()[-1])["level"] == "ERROR"
    tick(clock, "withdrawal_sweep", "webhook_sweep")
    assert [told["subject"] for told in cloud.told() if told["event"] == "ended"] == ["webhook_sweep"]


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_job_that_crashes_is_told_of_at_once_without_what_its_error_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**_: object) -> int:
        raise ZeroDivisionError("sk_live_secret")

    monkeypatch.setattr("functions.webhook_sweep.handler.sweep", crash)
    (sample,) = samples_of("webhook_sweep")
    with pytest.raises(ZeroDivisionError):
        handler_of("webhook_sweep")(sample.event, LambdaContext())
    (alert,) = cloud.alerts()
    assert alert == {"kind": "JOB_CRASH", "severity": "critical", "job": "webhook_sweep", "error": "ZeroDivisionError"}
    assert "sk_live_secret" not in json.dumps(cloud.rows("operations"), default=str)


def test_what_somebody_stored_and_did_not_tell_is_told_a_minute_later(clock: Clock) -> None:
    def unreachable(operation: str) -> None:
        if operation == "Publish":
            raise cloud.Killed

    with pytest.raises(cloud.Killed), cloud.watched(before=unreachable):
        alerting.kept_alerts().raise_alert(Alert("RECEIVABLE", "high", {"owed": "5.00"}, "dep_1"))
    handler_of("watchdog")(TICK.event, LambdaContext())
    assert cloud.told() == []
    clock.now_ms += 1
    tick(clock)
    (told,) = cloud.told()
    assert (told["event"], told["kind"], told["facts"]) == ("raised", "RECEIVABLE", {"owed": "5.00"})
    tick(clock)
    assert len(cloud.told()) == 1


def test_what_is_over_is_told_of_no_longer_although_somebody_raised_it_too_late(
    clock: Clock, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    (processed,) = stored_as("evt_more")
    over = {("WEBHOOK_FAILURE", processed.dead_letter_id), ("PAYOUT_UNCLEAR", id_of("completed"))}
    for kind, subject in (*over, ("WEBHOOK_FAILURE", "stripe:pi_1")):
        alerting.kept_alerts().raise_alert(Alert(kind, "high", {}, subject))
    tick(clock)
    assert {(told["kind"], told["subject"]) for told in cloud.told() if told["event"] == "ended"} == over
    assert json.loads(log.getvalue().splitlines()[-1])["outlived"] == len(over)
    assert json.loads(capsys.readouterr().out)["AlertsOutlived"] == [len(over)]
