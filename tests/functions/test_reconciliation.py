"""Replay what the clock and SQS hand to those who reconcile, and ask how every check stands."""

import io
import json
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.reconciler import handler as reconciler
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.adapters.queue import SqsQueue
from tallystick.domain.errors import NotYet, StoreUnavailable
from tallystick.domain.runs import Mode, Part, Verdict
from tallystick.services.reconciling import work as work_in_earnest
from tallystick.wiring import reconciliation
from tests.functions import cloud, providers
from tests.functions.samples import Sample, samples_of
from tests.functions.world import NOW_MS, Clock, answer, document_of, handler_of
from tests.support.moto import Snapshot

QUEUE: Final = providers.RECONCILIATION_QUEUE
TOMORROW_MS: Final = NOW_MS + 86_400_000
MOST_BATCHES: Final = 40
HOUR_MS: Final = 3_600_000
(TICK,) = samples_of("reconciliation_planner")
SAMPLES: Final = {sample.name: sample for sample in samples_of("integrity")}
OUTCOMES: Final = {
    "0-run-is-over": ["over"],
    "0-segment": ["done"],
    "0-twice-in-a-batch": ["done", "done"],
    "0-whole-run": ["done", "done", "done", "concluded"],
    "1-no-key": [None],
}
"""What the log says of each message of a sample."""

pytestmark = pytest.mark.usefixtures("wallets_alone")


@pytest.fixture(autouse=True)
def put_off(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[tuple[str, int]]:
    """Catch which messages are hidden, and for how long, and let that time pass."""
    caught: list[tuple[str, int]] = []

    def hide(_queue: SqsQueue, receipt: str, wait_ms: int) -> None:
        caught.append((receipt, wait_ms))
        clock.now_ms += wait_ms

    monkeypatch.setattr(SqsQueue, "put_off", hide)
    return caught


@pytest.fixture(autouse=True)
def time_enough(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let all that is in the world be past, and Lambdas have a minute."""
    clock.now_ms = TOMORROW_MS
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _context: 60_000)


def plan() -> None:
    handler_of("reconciliation_planner")(TICK.event, LambdaContext())


def work_off() -> Verdict:
    """Work until nothing is queued, what has to wait too, and give the newest verdict."""
    for _ in range(MOST_BATCHES):
        bodies = cloud.queued(QUEUE)
        cloud.reset_queue(QUEUE)
        records = [cloud.message(body, number) for number, body in enumerate(bodies)]
        remaining = cloud.process(*records, function="reconciler") if records else []
        reconciliation.queue().send([record["body"] for record in records if record["messageId"] in remaining])
    newest = reconciliation.runs().newest()
    assert newest is not None
    return newest


def ask(name: str) -> dict[str, Any]:
    return document_of(answer("integrity", SAMPLES[name].event))


def standings() -> dict[str, str]:
    checks = ask("200-get")["checks"]
    return {check["name"]: check["status"] for check in checks if not check["name"].startswith("provider-")}


def test_tick_begins_a_run_and_queues_its_segments(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    run = reconciliation.runs().current()
    assert run is not None
    assert (run.mode, run.reason, run.started_at_ms) == (Mode.FULL, "It is due.", TOMORROW_MS)
    assert cloud.queued(QUEUE) == run.keys
    assert len(run.keys) == TICK.number
    assert json.loads(log.getvalue())["run_id"] == run.run_id
    assert json.loads(capsys.readouterr().out)["ReconciliationBegun"] == [1]


def test_another_tick_queues_what_is_left(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    first, *rest = cloud.queued(QUEUE)
    cloud.reset()
    cloud.process(cloud.message(first), function="reconciler")
    capsys.readouterr(), log.truncate(0)
    plan()
    assert cloud.queued(QUEUE) == rest
    assert json.loads(capsys.readouterr().out)["ReconciliationBegun"] == [0]
    assert "a run is under way" in log.getvalue()


@pytest.mark.parametrize("sample", samples_of("reconciler"), ids=str)
def test_batch_is_worked_on(sample: Sample, log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    plan()
    capsys.readouterr(), log.truncate(0), log.seek(0)
    answered = handler_of("reconciler")(sample.event, LambdaContext())
    assert len(answered["batchItemFailures"]) == sample.number
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["segment"] for line in lines] == [record["body"] for record in sample.event["Records"]]
    assert [line.get("outcome") for line in lines] == OUTCOMES[sample.name]
    metrics = json.loads(capsys.readouterr().out)
    told = {name: sum(values) for name, values in metrics.items() if name.startswith("Segment")}
    assert sum(told.values()) == len(lines)


def test_the_world_is_sound_and_what_the_stream_lost_is_added() -> None:
    plan()
    verdict = work_off()
    assert (verdict.is_sound, verdict.is_judged, verdict.run.mode) == (True, True, Mode.FULL)
    assert verdict.sums.counted.late > 0
    assert standings() == {"wallets": "unknown", "wallets-full": "ok", "conservation": "ok", "totals": "ok"}
    assert (ask("200-get")["status"], ask("200-admin-wallet")["balanced"]) == ("unknown", True)
    assert cloud.alerts() == []


def test_what_has_not_changed_is_not_walked_again(clock: Clock) -> None:
    plan()
    first = work_off()
    clock.now_ms += HOUR_MS
    plan()
    second = work_off()
    assert (second.run.mode, second.is_sound, second.sums.counted.checked) == (Mode.CHANGED, True, 0)
    assert second.sums.counted.accounts == first.sums.counted.accounts == first.sums.counted.checked
    assert standings() == {"wallets": "ok", "wallets-full": "ok", "conservation": "ok", "totals": "ok"}


def test_an_altered_balance_is_told_shown_and_over_when_it_is_mended(clock: Clock) -> None:
    plan()
    work_off()
    for units, standing in ((1, "failing"), (100_000, "ok")):
        AccountItem("wal_dora_usd").update(actions=[AccountItem.balance.set(units)])
        clock.now_ms += HOUR_MS
        plan()
        work_off()
        assert standings()["wallets"] == standing
    assert {told["account_id"] for told in cloud.alerts() if "account_id" in told} == {"wal_dora_usd"}


def test_time_up_hands_a_segment_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plan()
    key = cloud.queued(QUEUE)[0]
    cloud.reset()
    monkeypatch.setattr(LambdaContext, "get_remaining_time_in_millis", lambda _context: reconciler.RESERVE_MS - 1)
    assert cloud.process(cloud.message(key), function="reconciler") == []
    assert cloud.queued(QUEUE) == [key]
    run = reconciliation.runs().current()
    assert run is not None
    assert reconciliation.runs().segment(run.run_id, Part.ACCOUNTS, 0).version == 0


def test_sums_that_do_not_fit_are_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, put_off: list[tuple[str, int]]
) -> None:
    def not_yet(**_: object) -> str:
        raise NotYet(10_000)

    monkeypatch.setattr("functions.reconciler.handler.work", not_yet)
    record = cloud.message("run_1/accounts/0")
    assert cloud.process(record, function="reconciler") == [record["messageId"]]
    assert put_off == [(record["receiptHandle"], 10_000)]


def test_trouble_of_one_segment_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], log: io.StringIO
) -> None:
    plan()

    def work(**asked: Any) -> str:  # noqa: ANN401 (as it is called)
        if asked["key"].endswith("/accounts/0"):
            raise StoreUnavailable("not now")
        return work_in_earnest(**asked)

    monkeypatch.setattr("functions.reconciler.handler.work", work)
    capsys.readouterr()
    keys = cloud.queued(QUEUE)[:2]
    remaining = cloud.process(*(cloud.message(key, number) for number, key in enumerate(keys)), function="reconciler")
    assert remaining == [cloud.message(keys[0], 0)["messageId"]]
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["SegmentNotReconciled"], metrics["SegmentDone"]) == ([1], [1])
    assert "segment not reconciled" in log.getvalue()


def test_a_run_that_is_ordered_is_audited_and_nobody_orders_another(clock: Clock) -> None:
    ordered = ask("201-begin-full-run")
    run = reconciliation.runs().current()
    assert run is not None
    assert (run.run_id, run.mode, run.started_at_ms) == (ordered["run_id"], Mode.FULL, TOMORROW_MS)
    assert cloud.queued(QUEUE) == run.keys
    (audited,) = [row for row in cloud.rows("audit") if row["subject"]["S"] == "reconciliation"]
    assert (audited["action"]["S"], audited["actor_id"]["S"]) == ("begin-run", "root")
    before = Snapshot.take()
    refused = answer("integrity", SAMPLES["201-begin-run"].event)
    assert (refused["statusCode"], document_of(refused)["type"]) == (409, "urn:tallystick:problem:illegal-transition")
    assert Snapshot.take().as_json() == before.as_json()
    work_off()
    clock.advance()
    assert answer("integrity", SAMPLES["201-begin-run"].event)["statusCode"] == 201


def test_checks_that_have_not_run_for_long_are_late(clock: Clock) -> None:
    plan()
    work_off()
    clock.now_ms += 3 * reconciliation.every_ms()[Mode.FULL] + 1
    assert standings()["wallets-full"] == "late"
    assert ask("200-get")["status"] == "late"
