"""Hand over what the topics send, and see what reaches Slack and PagerDuty, which the sandbox plays."""

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cli.local.sandbox.channels import SLACK_PATH
from tallystick.adapters.channels import posting
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable, StoreUnavailable
from tallystick.services.ports.alerts import Alert
from tallystick.wiring import alerting, notifying
from tests.functions import cloud
from tests.functions.samples import Sample, samples_of
from tests.functions.world import handler_of
from tests.support.moto import REGION
from tests.support.sandbox import RunningSandbox

SECRET = "NotifierKeys"
SAMPLES = {sample.name: sample for sample in samples_of("notifier")}

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture(autouse=True)
def channels(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the sandbox stand in, with keys for both channels."""
    sandbox.reset()
    monkeypatch.setattr(posting, "PAUSES_S", (0, 0))
    monkeypatch.setenv("TALLYSTICK_NOTIFIER_KEYS_SECRET", SECRET)
    monkeypatch.setenv("TALLYSTICK_NOTIFIER", json.dumps({"pagerduty_url": sandbox.url("pagerduty")}))
    write({"slack_webhook_url": sandbox.url(f"slack/{SLACK_PATH}"), "pagerduty_routing_key": "R0UT1NG"})
    yield
    monkeypatch.undo()
    forget()


def write(keys: object) -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    if any(one["Name"] == SECRET for one in secrets.list_secrets()["SecretList"]):
        secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(keys))
    else:
        secrets.create_secret(Name=SECRET, SecretString=json.dumps(keys))
    forget()


def forget() -> None:
    cloud.forget_settings()
    notifying._keys.cache_clear()  # noqa: SLF001
    notifying.priorities.cache_clear()


def hand_over(name: str) -> None:
    handler_of("notifier")(SAMPLES[name].event, LambdaContext())


def incidents(sandbox: RunningSandbox) -> dict[str, Any]:
    return {key: one["status"] for key, one in sandbox.things("pagerduty").items()}


def messages(sandbox: RunningSandbox) -> list[str]:
    return [one["text"] for one in sandbox.things("slack").values()]


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=str)
def test_sample_is_sent_on(
    sample: Sample, sandbox: RunningSandbox, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler_of("notifier")(sample.event, LambdaContext())
    assert len(sandbox.calls("slack")) + len(sandbox.calls("pagerduty")) == sample.number
    assert sum(json.loads(line)["sent"] for line in log.getvalue().splitlines()) == sample.number
    assert json.loads(capsys.readouterr().out)["NoticesSent"] == [sample.number]
    assert "R0UT1NG" not in log.getvalue()
    assert SLACK_PATH not in log.getvalue()


def test_an_alert_opens_an_incident_and_its_end_resolves_the_same(sandbox: RunningSandbox) -> None:
    hand_over("2-critical-raised")
    assert incidents(sandbox) == {"JOB_CRASH:webhook_sweep": "triggered"}
    (incident,) = sandbox.things("pagerduty").values()
    assert (incident["severity"], incident["source"]) == ("critical", "tallystick-local")
    assert incident["summary"] == "P0 JOB_CRASH raised"
    assert incident["custom_details"] == {
        "job": "webhook_sweep",
        "error": "ValueError",
        "subject": "webhook_sweep",
        "alert_id": "alr_0123456789abcdef0123456789abcdef_1",
        "opened_at": "2026-01-31T13:00:00.000Z",
    }
    hand_over("2-critical-raised")
    hand_over("2-critical-ended")
    assert incidents(sandbox) == {"JOB_CRASH:webhook_sweep": "resolved"}


def test_an_alarm_of_cloudwatch_opens_an_incident_and_resolves_it(sandbox: RunningSandbox) -> None:
    name = "alarm:Tallystick-production-ApiServerErrors1A2B3C4D-XyZ"
    hand_over("2-alarm")
    assert incidents(sandbox) == {name: "triggered"}
    assert sandbox.things("pagerduty")[name]["severity"] == "error"
    hand_over("0-alarm-without-data")
    assert incidents(sandbox) == {name: "triggered"}
    hand_over("2-alarm-ok")
    assert incidents(sandbox) == {name: "resolved"}
    assert [text.split()[0] for text in messages(sandbox)] == [":rotating_light:", ":white_check_mark:"]


def test_slack_shows_what_matters_and_takes_nothing_for_a_link(sandbox: RunningSandbox) -> None:
    hand_over("1-medium-raised")
    (text,) = messages(sandbox)
    assert text.splitlines()[0] == ":rotating_light: *P2 PAYOUT_FAILED* raised (medium)"
    assert "• detail: &lt;account_closed&gt; &amp; more" in text.splitlines()
    assert incidents(sandbox) == {}


def test_what_was_resolved_says_why(sandbox: RunningSandbox) -> None:
    hand_over("2-high-resolved")
    assert "• notes: the payer was asked" in messages(sandbox)[0].splitlines()
    assert incidents(sandbox) == {"RECEIVABLE:dep_1:re_1": "resolved"}


@pytest.mark.parametrize("missing", ["slack_webhook_url", "pagerduty_routing_key"])
def test_a_channel_without_a_key_is_off(sandbox: RunningSandbox, missing: str) -> None:
    keys = {"slack_webhook_url": sandbox.url(f"slack/{SLACK_PATH}"), "pagerduty_routing_key": "R0UT1NG"}
    write({name: key for name, key in keys.items() if name != missing})
    hand_over("2-critical-raised")
    sent = {"slack": len(sandbox.calls("slack")), "pagerduty": len(sandbox.calls("pagerduty"))}
    assert sent == {"slack": int(missing != "slack_webhook_url"), "pagerduty": int(missing == "slack_webhook_url")}


def test_without_any_key_nothing_is_sent_and_that_is_no_fault(sandbox: RunningSandbox) -> None:
    write({})
    hand_over("2-critical-raised")
    assert (sandbox.calls("slack"), sandbox.calls("pagerduty")) == ([], [])


def test_a_stage_says_who_is_told_of_what(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"slack": ["P2"], "pagerduty": ["P0"], "pagerduty_url": sandbox.url("pagerduty")}
    monkeypatch.setenv("TALLYSTICK_NOTIFIER", json.dumps(chosen))
    forget()
    for name in ("2-critical-raised", "2-alarm", "1-medium-raised"):
        hand_over(name)
    assert (len(messages(sandbox)), list(incidents(sandbox))) == (1, ["JOB_CRASH:webhook_sweep"])


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize(("broken", "works"), [("slack", "pagerduty"), ("pagerduty", "slack")])
@pytest.mark.parametrize(("status", "calls", "error"), [(503, 3, ProviderUnavailable), (403, 1, ProviderRefused)])
def test_a_channel_that_fails_keeps_nothing_from_the_other_and_the_call_fails(
    sandbox: RunningSandbox, broken: str, works: str, status: int, calls: int, error: type[Exception]
) -> None:
    sandbox.fail(broken, times=3, status=status)
    with pytest.raises(error, match=str(status)) as refused:
        hand_over("2-critical-raised")
    assert "R0UT1NG" not in str(refused.value)
    assert SLACK_PATH not in str(refused.value)
    assert (len(sandbox.calls(broken)), len(sandbox.things(works))) == (calls, 1)


def test_a_channel_that_answers_at_last_is_told_once(sandbox: RunningSandbox) -> None:
    for fault in ({"status": 429}, {"lost": True}):
        sandbox.reset()
        sandbox.fail("pagerduty", times=1, **fault)
        hand_over("2-critical-raised")
        assert incidents(sandbox) == {"JOB_CRASH:webhook_sweep": "triggered"}


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_keys_that_cannot_be_read_fail_the_call() -> None:
    with cloud.watched(before=cloud.refusing("GetSecretValue")), pytest.raises(StoreUnavailable):
        hand_over("2-critical-raised")


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize("text", ["[]", '{"kind": "JOB_CRASH"}', "no json"])
def test_what_is_neither_an_alert_nor_an_alarm_fails_the_call(text: str) -> None:
    event = SAMPLES["2-critical-raised"].event
    event["Records"][0]["Sns"]["Message"] = text
    with pytest.raises(ValueError, match=r"neither|Expecting"):
        handler_of("notifier")(event, LambdaContext())


def test_what_is_published_is_what_is_understood(sandbox: RunningSandbox) -> None:
    alerting.kept_alerts().raise_alert(Alert("LEDGER_OVERWRITTEN", "critical", {"table": "entries"}, "s" * 300))
    event = SAMPLES["2-critical-raised"].event
    (told,) = cloud.told()
    event["Records"][0]["Sns"]["Message"] = json.dumps(told)
    handler_of("notifier")(event, LambdaContext())
    (key,) = incidents(sandbox)
    assert len(key) == 64
