"""Let things go wrong under every route: our own problem, no internals, one log line."""

import io
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.ledger_guard.handler import handler as guard
from functions.ledger_guard.handler import metrics
from infra.routes import API_FUNCTIONS, ROUTES
from tallystick import wiring
from tallystick.adapters.dynamo.tables import TABLES
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.ledger import CommitConflict
from tallystick.wiring import webhooks
from tests.functions import providers
from tests.functions.samples import Sample, samples_of
from tests.functions.world import Answer, Clock, answer

INTERNALS = "arn:aws:dynamodb:eu-west-1:000000000000:table/accounts"
STORED = (
    "credit",
    "dead_letters",
    "debit",
    "deposits",
    "differences",
    "integrity",
    "statements",
    "transfers",
    "wallets",
    "webhooks",
    "withdrawals",
)
WITHOUT_RESOLVER = {"webhooks": "functions.webhooks.handler.receive"}
"""Functions that no resolver serves, and what to break in them instead."""
MOVEMENTS = (
    *("credit/201-credited", "debit/201-debited", "transfers/201-transfer", "transfers/201-reverse-transfer"),
    *("withdrawals/201-stripe", "withdrawals/200-cancel-approved", "withdrawals/200-reject"),
)
BUSY = (
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
)

SUCCESSES = [sample for sample in samples_of(*API_FUNCTIONS) if sample.number < 300]
ONE_PER_ROUTE = list({sample.event["routeKey"]: sample for sample in reversed(SUCCESSES)}.values())
OF_STORED = [sample for sample in ONE_PER_ROUTE if sample.function in STORED]
OF_MOVEMENTS = [sample for sample in SUCCESSES if str(sample) in MOVEMENTS]

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.fixture(autouse=True)
def keys_at_hand(clock: Clock) -> None:
    """Go by the time of the genuine cases, and let the keys of webhooks be known: they are another store's."""
    clock.now_ms = providers.SIGNED_AT_MS
    webhooks.gate(Provider.STRIPE).keys.keys(Provider.STRIPE)


@pytest.mark.parametrize("sample", ONE_PER_ROUTE, ids=str)
def test_unexpected_exception_is_answered_without_internals(
    sample: Sample, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = WITHOUT_RESOLVER.get(sample.function, f"functions.{sample.function}.handler.app.resolve")
    monkeypatch.setattr(broken, _fail)
    answered = answer(sample.function, sample.event)
    _check_problem(answered, 500, "internal-error")
    assert INTERNALS not in json.dumps(answered)
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert (line["level"], line["request_id"]) == ("ERROR", answered["headers"]["x-request-id"])
    assert INTERNALS in line["exception"]


@pytest.mark.parametrize("sample", OF_STORED, ids=str)
def test_surprise_of_the_store_is_an_internal_error(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    _let_aws_answer(monkeypatch, _client_error("AccessDeniedException"))
    answered = answer(sample.function, sample.event)
    _check_problem(answered, 500, "internal-error")
    assert INTERNALS not in json.dumps(answered)


@pytest.mark.parametrize("sample", OF_STORED, ids=str)
@pytest.mark.parametrize("trouble", [*BUSY, "silence"])
def test_trouble_of_the_store_is_answered_503(trouble: str, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = ReadTimeoutError(endpoint_url=INTERNALS)
    _let_aws_answer(monkeypatch, silence if trouble == "silence" else _client_error(trouble))
    answered = answer(sample.function, sample.event)
    _check_problem(answered, 503, "store-unavailable")
    assert answered["headers"]["Retry-After"] == "1"
    assert INTERNALS not in json.dumps(answered)


@pytest.mark.parametrize("sample", OF_MOVEMENTS, ids=str)
def test_endless_contention_is_answered_503(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(_plan: object) -> None:
        raise CommitConflict

    monkeypatch.setattr(wiring.ledger().book, "commit", conflict)
    monkeypatch.setattr("tallystick.adapters.clock.time.sleep", lambda _seconds: None)
    answered = answer(sample.function, sample.event)
    _check_problem(answered, 503, "too-much-contention")
    assert answered["headers"]["Retry-After"] == "1"


def test_not_ready_when_a_table_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    _let_aws_answer(monkeypatch, _client_error("ResourceNotFoundException"))
    (ready,) = [sample for sample in ONE_PER_ROUTE if sample.name == "200-ready"]
    answered = answer("health", ready.event)
    assert answered["statusCode"] == 503
    assert json.loads(answered["body"]) == {
        "status": "not-ready",
        "checks": dict.fromkeys(TABLES, False),
    }


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_failed_alert_fails_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    class BrokenAlerts:
        def raise_alert(self, alert: Alert) -> None:
            raise ConnectionError(alert.kind)

        def end_alert(self, kind: str, subject: str) -> None:
            raise AssertionError(kind, subject)

    monkeypatch.setattr(wiring, "alerts", BrokenAlerts)
    monkeypatch.setattr(metrics.provider, "namespace", "Tallystick")
    (sample,) = [sample for sample in samples_of("ledger_guard") if sample.name == "1-overwritten-entry"]
    with pytest.raises(ConnectionError):
        guard(sample.event, LambdaContext())


def test_every_route_is_made_to_fail() -> None:
    assert {sample.event["routeKey"] for sample in ONE_PER_ROUTE} == {route.key for route in ROUTES}


def _fail(*_: object, **__: object) -> None:
    raise RuntimeError(INTERNALS)


def _let_aws_answer(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def make_api_call(_client: BaseClient, _operation: str, _parameters: dict[str, Any]) -> None:
        raise error

    monkeypatch.setattr(BaseClient, "_make_api_call", make_api_call)


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": INTERNALS}, "ResponseMetadata": {}}, "AnyOperation")  # type: ignore[typeddict-item]


def _check_problem(answered: Answer, status: int, code: str) -> None:
    document = json.loads(answered["body"])
    assert (answered["statusCode"], document["type"]) == (status, f"urn:tallystick:problem:{code}")
    assert document["status"] == status
    assert answered["headers"]["Content-Type"] == "application/problem+json"
    assert answered["headers"]["x-request-id"]
