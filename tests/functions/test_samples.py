"""Replay every sample event on moto: status, problem, headers, log line, and the whole answer as it was approved.

`UPDATE_ANSWERS=1 pytest tests/functions` approves the answers as they are now; the diff shows what changed.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.routes import API_FUNCTIONS, FUNCTIONS, ROUTES
from tallystick.answers import SECURITY_HEADERS
from tests.functions.identity import SECRETS
from tests.functions.samples import Sample, functions, samples_of
from tests.functions.world import Answer, Clock, answer

ANSWERS = Path(__file__).parent / "answers"
DOCUMENTS = {"docs/200-openapi", "docs/200-docs", "docs/200-docs-as-json"}

pytestmark = pytest.mark.usefixtures("small_world")


@pytest.mark.parametrize("sample", samples_of(*API_FUNCTIONS), ids=str)
def test_sample_is_answered(sample: Sample, log: io.StringIO, clock: Clock) -> None:
    event = sample.event
    clock.now_ms = event["requestContext"]["timeEpoch"]
    answered = answer(sample.function, event)
    assert answered["statusCode"] == sample.number, answered["body"]
    _check_headers(answered, event["requestContext"]["requestId"])
    if sample.number >= 400:
        _check_problem(answered, sample)
    _check_log(log.getvalue(), event)
    _check_approved(sample, answered)


def test_every_function_has_samples() -> None:
    assert functions() == sorted(FUNCTIONS)


def test_every_route_has_a_sample_that_succeeds() -> None:
    taken = {sample.event["routeKey"] for sample in samples_of(*API_FUNCTIONS) if sample.number < 300}
    assert taken == {route.key for route in ROUTES}


def test_every_route_with_a_token_has_a_sample_with_an_id_token() -> None:
    refused = {sample.event["routeKey"] for sample in samples_of(*API_FUNCTIONS) if "id-token" in sample.name}
    assert refused == {route.key for route in ROUTES if not route.public}


def _check_headers(answered: Answer, request_id: str) -> None:
    headers = answered["headers"]
    assert headers["x-request-id"] == request_id
    for name, value in SECURITY_HEADERS.items():
        if name not in {"Cache-Control", "Content-Security-Policy"}:  # documents have their own
            assert headers[name] == value
        assert headers[name]
    assert answered["isBase64Encoded"] is False


def _check_problem(answered: Answer, sample: Sample) -> None:
    document = json.loads(answered["body"])
    assert answered["headers"]["Content-Type"] == "application/problem+json"
    assert document["type"] == f"urn:tallystick:problem:{sample.problem_type}"
    assert document["status"] == sample.number
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == f"urn:tallystick:request:{answered['headers']['x-request-id']}"
    assert ("Retry-After" in answered["headers"]) == (sample.number in {429, 503})


def _check_log(logged: str, event: dict[str, Any]) -> None:
    (line,) = logged.splitlines()
    assert json.loads(line)["request_id"] == event["requestContext"]["requestId"]
    for secret in (*SECRETS, *([event["body"]] if event.get("body") else [])):
        assert secret not in line


def _check_approved(sample: Sample, answered: Answer) -> None:
    shown = _shown(sample, answered)
    path = ANSWERS / f"{sample.function}.json"
    approved = json.loads(path.read_text()) if path.exists() else {}
    if os.environ.get("UPDATE_ANSWERS"):
        path.parent.mkdir(exist_ok=True)
        names = {other.name for other in samples_of(sample.function)}
        kept = {name: answer for name, answer in (approved | {sample.name: shown}).items() if name in names}
        path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
    else:
        assert shown == approved.get(sample.name)


def _shown(sample: Sample, answered: Answer) -> dict[str, Any]:
    """Keep what is particular to an answer; documents are compared elsewhere."""
    replayed = {} if "Idempotency-Replayed" not in answered["headers"] else {"replayed": True}
    if str(sample) in DOCUMENTS or not answered["body"]:
        return {"content_type": answered["headers"].get("Content-Type")}
    return {**replayed, "body": json.loads(answered["body"])}
