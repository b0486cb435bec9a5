"""Replay what SQS and the clock hand to the functions that nobody calls."""

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.adapters.queue import SqsQueue
from tallystick.domain.errors import ProviderUnavailable
from tallystick.services.deposits import find_deposit
from tallystick.wiring import webhooks
from tests.functions import cloud, providers
from tests.functions.samples import Sample, samples_of
from tests.functions.world import NOW_MS, Clock, handler_of
from tests.support.moto import Snapshot
from tests.support.sandbox import RunningSandbox

OVERDUE = {"evt_icy", "evt_less_too", "evt_open"}
(TICK,) = samples_of("webhook_sweep")
(POLL,) = samples_of("stellar_poller")

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture(autouse=True)
def nothing_at_providers(sandbox: RunningSandbox) -> None:
    sandbox.reset()


@pytest.fixture
def put_off(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Catch which messages are hidden, and for how long."""
    caught: list[tuple[str, int]] = []
    monkeypatch.setattr(SqsQueue, "put_off", lambda _queue, receipt, wait_ms: caught.append((receipt, wait_ms)))
    return caught


@pytest.mark.parametrize("sample", samples_of("webhook_processor"), ids=str)
def test_batch_leaves_what_is_not_finished_in_the_queue(
    sample: Sample, put_off: list[tuple[str, int]], log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    records = sample.event["Records"]
    answered = handler_of(sample.function)(sample.event, LambdaContext())
    remaining = [failure["itemIdentifier"] for failure in answered["batchItemFailures"]]
    assert len(remaining) == sample.number
    waiting = {record["receiptHandle"] for record in records if record["messageId"] in remaining}
    assert {receipt for receipt, _ in put_off} <= waiting
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["inbox_key"] for line in lines] == [record["body"] for record in records]
    assert "deposit_id" not in log.getvalue()  # no payload
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(len(metrics.get(name, ())) for name in metrics if name.startswith("Webhook")) == len(records)


def test_an_event_that_has_to_wait_is_hidden_until_its_time(put_off: list[tuple[str, int]], clock: Clock) -> None:
    (sample,) = [sample for sample in samples_of("webhook_processor") if sample.name == "1-to-be-tried-again"]
    event = webhooks.inbox().get(sample.event["Records"][0]["body"])
    assert event is not None
    clock.now_ms = event.not_before_ms - 12_345
    before = Snapshot.take()
    handler_of("webhook_processor")(sample.event, LambdaContext())
    assert put_off == [("receipt-1", 12_345)]
    assert Snapshot.take().as_json() == before.as_json()


def test_a_try_that_failed_is_hidden_for_the_next_pause(put_off: list[tuple[str, int]]) -> None:
    (sample,) = [sample for sample in samples_of("webhook_processor") if sample.name == "1-to-be-tried-again"]
    handler_of("webhook_processor")(sample.event, LambdaContext())
    assert put_off == [("receipt-1", 300_000)]  # its second try


def test_sweep_queues_what_is_overdue(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    handler_of("webhook_sweep")(TICK.event, LambdaContext())
    found = [webhooks.inbox().get(inbox_key) for inbox_key in cloud.queued()]
    assert {event.external_id for event in found if event} == OVERDUE
    assert {event.due_at_ms for event in found if event} == {NOW_MS + 120_000}
    assert len(found) == TICK.number
    assert json.loads(log.getvalue())["events"] == TICK.number
    assert json.loads(capsys.readouterr().out)["WebhookSwept"] == [TICK.number]


def test_sweep_leaves_alone_what_has_time(clock: Clock) -> None:
    handler_of("webhook_sweep")(TICK.event, LambdaContext())
    cloud.reset()
    clock.now_ms += 119_999
    handler_of("webhook_sweep")(TICK.event, LambdaContext())
    assert cloud.queued() == []
    clock.now_ms += 2
    handler_of("webhook_sweep")(TICK.event, LambdaContext())
    assert len(cloud.queued()) == TICK.number


def test_what_is_swept_while_its_message_is_there_is_processed_once() -> None:
    for _ in range(2):
        cloud.reset()
        handler_of("webhook_sweep")(TICK.event, LambdaContext())
        cloud.consume_all()
    deposit = find_deposit(webhooks.flows(), "dep_open")
    assert deposit is not None
    assert (deposit.credited_units, len(deposit.steps)) == (1200, 1)


def operation(number: int, to: str, memo: str = "186384") -> dict[str, Any]:
    """Describe a payment as Horizon does."""
    digest = f"{number:064x}"
    return {
        "id": str(113928152169844736 + number),
        "paging_token": str(113928152169844736 + number),
        "transaction_successful": True,
        "type": "payment",
        "created_at": "2026-01-31T12:59:00Z",
        "transaction_hash": digest,
        "asset_type": "credit_alphanum4",
        "asset_code": "USDC",
        "asset_issuer": providers.STELLAR_ISSUER,
        "from": providers.STELLAR_ADDRESS if to != providers.STELLAR_ADDRESS else providers.STELLAR_ISSUER,
        "to": to,
        "amount": "490.0000000",
        "transaction": {"hash": digest, "memo_type": "id", "memo": memo, "successful": True},
    }


def arrive(sandbox: RunningSandbox, *operations: dict[str, Any]) -> None:
    for one in operations:
        sandbox.put("stellar", one["id"], **{name: value for name, value in one.items() if name != "id"})


def test_poll_keeps_and_queues_payments_to_us(
    sandbox: RunningSandbox, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = providers.STELLAR_ADDRESS, providers.STELLAR_ISSUER
    arrive(sandbox, operation(2, ours), operation(3, theirs), operation(4, ours, memo="1"))
    handler_of("stellar_poller")(POLL.event, LambdaContext())
    assert len(cloud.queued()) == POLL.number
    assert json.loads(log.getvalue())["payments"] == POLL.number
    assert json.loads(capsys.readouterr().out)["StellarPayments"] == [POLL.number]
    handler_of("stellar_poller")(POLL.event, LambdaContext())
    assert len(cloud.queued()) == POLL.number


def test_a_payment_on_the_chain_is_credited(sandbox: RunningSandbox) -> None:
    arrive(sandbox, operation(2, providers.STELLAR_ADDRESS))
    handler_of("stellar_poller")(POLL.event, LambdaContext())
    cloud.consume_all()
    deposit = find_deposit(webhooks.flows(), "dep_stellar")
    assert deposit is not None
    assert (deposit.credited_units, cloud.alerts()) == (490_000_000, [])


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_poll_says_so_when_horizon_does_not_answer(sandbox: RunningSandbox) -> None:
    sandbox.fail("stellar", times=3, status=503)
    with pytest.raises(ProviderUnavailable, match="stellar answered 503"):
        handler_of("stellar_poller")(POLL.event, LambdaContext())
    assert cloud.queued() == []


def test_poll_does_nothing_without_stellar(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setattr(webhooks, "stellar_poll", lambda: None)
    handler_of("stellar_poller")(POLL.event, LambdaContext())
    assert json.loads(log.getvalue())["payments"] == 0
