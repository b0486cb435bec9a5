"""Replay what SQS and the clock hand to those who pay out; batches in which some cannot be; and the circuit breaker."""

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.client import BaseClient
from botocore.exceptions import ReadTimeoutError

from functions.payout_worker import handler as worker
from tallystick import wiring
from tallystick.adapters.dynamo.tables import TABLES
from tallystick.adapters.providers.stripe.payouts import StripePayouts
from tallystick.domain.breaker import COOL_MS, PROBE_MS, THRESHOLD, Breaker, BreakerState
from tallystick.domain.payouts import Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tests.functions import cloud, payouts, providers
from tests.functions.paying import command, forget, later, made, pay_out
from tests.functions.payouts import asked, id_of, money, shown, stored
from tests.functions.samples import Sample, samples_of
from tests.functions.world import NOW_MS, Clock, handler_of
from tests.support.moto import Snapshot
from tests.support.sandbox import RunningSandbox

(TICK,) = samples_of("withdrawal_sweep")
OVERDUE: Final = ("approved", "granted", "pending", "unanswered")
STATES: Final[dict[str, list[str | None]]] = {
    "0-approved": ["SUBMITTED"],
    "0-approved-by-a-person": ["SUBMITTED"],
    "0-pending": ["SUBMITTED"],
    "0-unanswered": ["SUBMITTED"],
    "0-too-early": ["REQUESTED"],
    "0-in-review": ["IN_REVIEW"],
    "0-cancelled": ["CANCELLED"],
    "0-completed": ["COMPLETED"],
    "1-twice-in-a-batch": ["SUBMITTED", None],
    "1-no-such-withdrawal": [None],
    "1-no-key": [None],
    "1-a-deposit": [None],
    "2-among-others": ["SUBMITTED", None, "SUBMITTED", None, "SUBMITTED"],
}
"""What the log says of each message of a sample."""

PRIVATE: Final = ("ba_1", "Dora Maar", "GB29NWBK", payouts.CUSTOMER, "sk_test")

pytestmark = pytest.mark.usefixtures("small_world", "pending_at_stripe")


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def pending_at_stripe(sandbox: RunningSandbox, clock: Clock) -> None:
    """Let Stripe know the one payout that the world says is under way."""
    forget(sandbox, clock)
    tag = {"withdrawal_id": id_of("pending")}
    sandbox.put("stripe", "po_4", amount=3000, currency="usd", status="pending", metadata=tag, created=0)


@pytest.mark.parametrize("sample", samples_of("payout_worker"), ids=str)
def test_batch_leaves_what_is_not_finished_in_the_queue(
    sample: Sample, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    records = sample.event["Records"]
    answered = handler_of(sample.function)(sample.event, LambdaContext())
    remaining = [failure["itemIdentifier"] for failure in answered["batchItemFailures"]]
    assert len(remaining) == sample.number
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["withdrawal_id"] for line in lines] == [record["body"] for record in records]
    assert [line.get("state") for line in lines] == STATES[sample.name]
    handled = zip(records, STATES[sample.name], strict=True)
    assert remaining == [record["messageId"] for record, state in handled if state is None]
    assert not any(private in log.getvalue() for private in PRIVATE)
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(len(metrics.get(name, ())) for name in metrics if name.startswith("Withdrawal")) == len(records)


def test_every_sample_is_expected_to_do_something() -> None:
    assert {sample.name for sample in samples_of("payout_worker")} == set(STATES)


def test_a_withdrawal_whose_time_has_not_come_or_that_is_at_its_end_is_left_alone(sandbox: RunningSandbox) -> None:
    before = Snapshot.take()
    keys = ("fresh", "wanted", "cancelled", "rejected", "completed")
    assert cloud.pay(*map(id_of, keys)) == []
    assert Snapshot.take().as_json() == before.as_json()
    for _ in range(2):
        assert cloud.pay(*map(id_of, ("failed", "returned"))) == []
    after = Snapshot.take().as_json()
    assert {table for table in after if after[table] != before.as_json()[table]} <= {"operations"}
    assert sorted(alert["kind"] for alert in cloud.alerts()) == ["PAYOUT_FAILED", "PAYOUT_RETURNED"]
    assert not any(sandbox.calls(provider) for provider in ("stripe", "truelayer", "stellar"))


# The sweep


def test_sweep_queues_what_is_overdue(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    handler_of("withdrawal_sweep")(TICK.event, LambdaContext())
    assert sorted(cloud.queued(providers.PAYOUT_QUEUE)) == sorted(map(id_of, OVERDUE))
    assert (len(OVERDUE), cloud.queued()) == (TICK.number, [])
    assert json.loads(log.getvalue())["withdrawals"] == TICK.number
    assert json.loads(capsys.readouterr().out)["WithdrawalSwept"] == [TICK.number]


def test_sweep_gives_whoever_gets_a_message_two_minutes(clock: Clock) -> None:
    handler_of("withdrawal_sweep")(TICK.event, LambdaContext())
    for passed_ms, count in ((120_000, 1), (1, len(OVERDUE))):
        cloud.reset()
        clock.now_ms += passed_ms
        handler_of("withdrawal_sweep")(TICK.event, LambdaContext())
        assert len(cloud.queued(providers.PAYOUT_QUEUE)) == count, "fresh, whose time has come, and the others"


def test_what_is_swept_while_its_message_is_there_is_paid_once(sandbox: RunningSandbox) -> None:
    asked()
    for _ in range(2):
        cloud.sweep("withdrawal_sweep")
    pay_out()
    assert len(made(sandbox, "stripe")) == 1


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_sweep_that_cannot_queue_says_so_and_the_next_one_does_it() -> None:
    with cloud.watched(before=cloud.refusing("SendMessageBatch")), pytest.raises(Exception, match="queue"):
        cloud.sweep("withdrawal_sweep")
    cloud.sweep("withdrawal_sweep")
    assert len(cloud.queued(providers.PAYOUT_QUEUE)) == len(OVERDUE)


# Batches


GOOD: Final = ("good1", "good2", "good3", "good4")


@pytest.fixture
def good() -> list[str]:
    """Ask for four withdrawals, and give their ids."""
    return [asked(key, amount="10.00")["withdrawal_id"] for key in GOOD]


class Poison:
    """Make a withdrawal that the worker cannot handle."""

    def not_there(self, _patch: pytest.MonkeyPatch) -> str:
        return "wdr_" + "0" * 32

    def a_deposit(self, _patch: pytest.MonkeyPatch) -> str:
        return "dep_paid"

    def no_key(self, _patch: pytest.MonkeyPatch) -> str:
        return "w" * 3000

    def a_fault_of_ours(self, patch: pytest.MonkeyPatch) -> str:
        poison, send = asked("poison")["withdrawal_id"], StripePayouts.send

        def fail(payer: StripePayouts, withdrawal: Withdrawal) -> Report:
            if withdrawal.flow_id == poison:
                raise ZeroDivisionError
            return send(payer, withdrawal)

        patch.setattr(StripePayouts, "send", fail)
        return str(poison)


POISONS: Final = [name for name in vars(Poison) if not name.startswith("_")]


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("position", [0, 2, 4])
def test_one_withdrawal_neither_holds_up_nor_doubles_the_others(
    name: str, position: int, good: list[str], monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    poison = getattr(Poison(), name)(monkeypatch)
    batch = [*good[:position], poison, *good[position:]]
    assert cloud.pay(*batch) == [poison]
    assert cloud.pay(*batch) == batch  # whoever is at the others may die before telling how they ended
    assert [(shown(key)["state"], len(made(sandbox, "stripe", key))) for key in GOOD] == [("SUBMITTED", 1)] * 4


def test_a_withdrawal_of_a_provider_that_is_not_configured_stays_in_the_queue(
    good: list[str], configure: Callable[..., None]
) -> None:
    configure({Provider.TRUELAYER: None})
    assert cloud.pay(good[0], id_of("granted"), good[1]) == [id_of("granted")]
    configure()
    assert cloud.pay(id_of("granted")) == []
    assert shown("granted")["state"] == "SUBMITTED"


def test_what_a_fault_of_ours_left_behind_is_paid_once_when_it_is_gone(
    good: list[str], monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, clock: Clock
) -> None:
    with monkeypatch.context() as patch:
        poison = Poison().a_fault_of_ours(patch)
        assert cloud.pay(*good, poison) == [poison]
    assert stored("poison").sending is not None
    later(sandbox, clock, 61)
    assert (shown("poison")["payout_id"] is not None, len(made(sandbox, "stripe", "poison"))) == (True, 1)


def test_a_batch_that_takes_too_long_leaves_its_rest_to_the_next(
    good: list[str], monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    seconds = iter([0.0, 1.0, *(worker.BUDGET_S + tenth / 10 for tenth in (1, 2, 3))])
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: next(seconds), perf_counter=lambda: 0.0))
    assert cloud.pay(*good) == good[1:]
    assert [len(made(sandbox, "stripe", key)) for key in GOOD] == [1, 0, 0, 0]


def test_a_message_that_comes_too_early_is_no_try(sandbox: RunningSandbox) -> None:
    asked()
    assert cloud.pay(id_of("key-1")) == []
    for _ in range(5):
        assert cloud.pay(id_of("key-1")) == [id_of("key-1")]
    assert (stored().checks, len(sandbox.calls("stripe"))) == (1, 1)


def test_a_payout_under_way_is_looked_at_again_and_again_after_longer_times(
    sandbox: RunningSandbox, clock: Clock
) -> None:
    asked()
    pay_out()
    for seconds in (60, 120, 300, 300, 300):
        calls = len(sandbox.calls("stripe"))
        due_ms = clock.now_ms + seconds * 1000
        assert stored().not_before_ms == due_ms
        for now_ms, more in ((due_ms - 1, 0), (due_ms, 0), (due_ms + 1, 1)):
            clock.now_ms = now_ms
            cloud.sweep("withdrawal_sweep")
            assert cloud.queued(providers.PAYOUT_QUEUE).count(id_of("key-1")) == more
            cloud.reset()
        assert cloud.pay(id_of("key-1")) == []
        assert len(sandbox.calls("stripe")) == calls + 1
    assert (shown()["state"], len(made(sandbox, "stripe"))) == ("SUBMITTED", 1)


# The circuit breaker


def let_fail(sandbox: RunningSandbox, clock: Clock, times: int = THRESHOLD) -> None:
    """Let calls to Paystack find nobody, each when its time has come."""
    command(sandbox, "away", provider="paystack", away=True)
    asked(provider="paystack")
    for _ in range(times):
        clock.now_ms = max(clock.now_ms, stored().not_before_ms)
        assert cloud.pay(id_of("key-1")) == []


def health() -> dict[str, Any]:
    answered = payouts.call("GET", "/health/detailed", caller="root", function="health")
    assert answered["statusCode"] == 200
    document: dict[str, Any] = json.loads(answered["body"])
    return document


def shown_breaker(provider: str = "paystack") -> tuple[str, int, bool]:
    (breaker,) = [one for one in health()["circuit_breakers"] if one["provider"] == provider]
    return breaker["state"], breaker["failures"], breaker["next_try_at"] is not None


def test_a_provider_that_does_not_answer_is_left_alone_and_told_of_once(sandbox: RunningSandbox, clock: Clock) -> None:
    let_fail(sandbox, clock, THRESHOLD - 1)
    assert (shown_breaker(), health()["status"], cloud.alerts()) == (("CLOSED", THRESHOLD - 1, False), "ok", [])
    clock.now_ms = stored().not_before_ms
    cloud.pay(id_of("key-1"))
    assert (shown_breaker(), health()["status"]) == (("OPEN", THRESHOLD, True), "degraded")
    (alert,) = cloud.alerts()
    assert (alert["kind"], alert["severity"], alert["provider"]) == ("CIRCUIT_BREAKER_OPEN", "high", "paystack")
    assert shown_breaker("stripe")[0] == "CLOSED"


def test_while_a_breaker_is_open_withdrawals_wait_and_do_not_fail(sandbox: RunningSandbox, clock: Clock) -> None:
    let_fail(sandbox, clock)
    until_ms, calls = wiring.breakers().get("paystack").until_ms, len(sandbox.calls("paystack"))
    assert until_ms == clock.now_ms + COOL_MS
    assert asked("k2", provider="paystack")["state"] == "APPROVED"
    assert cloud.pay(id_of("k2"), id_of("approved")) == []
    assert (stored("k2").state, stored("k2").not_before_ms, len(sandbox.calls("paystack"))) == (
        "APPROVED",
        until_ms,
        calls,
    )
    assert shown("approved")["state"] == "SUBMITTED"  # another provider's
    assert payouts.cancel("k2")["statusCode"] == 200


def test_a_probe_closes_a_breaker_when_the_provider_answers_again(sandbox: RunningSandbox, clock: Clock) -> None:
    let_fail(sandbox, clock)
    asked("k2", provider="paystack")
    command(sandbox, "away", provider="paystack", away=False)
    clock.now_ms = wiring.breakers().get("paystack").until_ms
    cloud.pay(id_of("k2"))
    assert (shown_breaker(), shown("k2")["state"]) == (("CLOSED", 0, False), "SUBMITTED")
    clock.now_ms = stored().not_before_ms
    cloud.pay(id_of("key-1"))
    assert [len(made(sandbox, "paystack", key)) for key in ("key-1", "k2")] == [1, 1]


def test_a_probe_that_fails_opens_a_breaker_for_twice_as_long_and_tells_nobody_again(
    sandbox: RunningSandbox, clock: Clock
) -> None:
    let_fail(sandbox, clock)
    asked("k2", provider="paystack")
    clock.now_ms = wiring.breakers().get("paystack").until_ms
    cloud.pay(id_of("k2"))
    breaker = wiring.breakers().get("paystack")
    assert (breaker.state, breaker.until_ms) == (BreakerState.OPEN, clock.now_ms + 2 * COOL_MS)
    assert len(cloud.alerts()) == 1


def test_one_probe_is_made_at_a_time(sandbox: RunningSandbox, clock: Clock) -> None:
    probing = Breaker("paystack", BreakerState.OPEN, THRESHOLD, NOW_MS).probing(NOW_MS)
    assert wiring.breakers().save(probing)
    asked(provider="paystack")
    cloud.pay(id_of("key-1"))
    assert (sandbox.calls("paystack"), stored().not_before_ms) == ([], NOW_MS + PROBE_MS)
    clock.now_ms += PROBE_MS
    cloud.pay(id_of("key-1"))
    assert (shown_breaker()[0], shown()["state"]) == ("CLOSED", "SUBMITTED")


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_refusal_is_an_answer_and_everything_else_is_none(status: int, sandbox: RunningSandbox) -> None:
    sandbox.fail("truelayer")  # the token is given
    document = {"type": "https://docs.truelayer.com/docs/error-types#invalid-parameters"} if status == 400 else {}
    sandbox.fail("truelayer", status=status, body=document, times=3)
    asked(provider="truelayer")
    pay_out()
    failures = shown_breaker(Provider.TRUELAYER)[1]
    assert (shown()["state"], failures) == (("FAILED", 0) if status == 400 else ("SUBMITTED", 1))
    assert money("wal_dora_gbp")[1] == (0 if status == 400 else 1234)


@pytest.mark.parametrize("table", TABLES)
def test_what_each_table_does_is_shown_though_one_does_not_answer(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = BaseClient._make_api_call  # type: ignore[attr-defined] # noqa: SLF001 (of every client, PynamoDB's too)

    def make_api_call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
        if parameters.get("TableName") == table:
            raise ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
        return original(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)
    detailed = health()
    assert detailed["status"] == "degraded"
    assert [name for name, latency in detailed["database_ms"].items() if latency is None] == [table]
