"""Genuine calls of the providers, and spoilt ones, through the deployed API at the moment they were recorded."""

import base64
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from cli.local.deployment import Deployment
from cli.webhooks.keys import truelayer_jwks
from tallystick.domain.webhooks import Provider
from tests.local.callers import outcome
from tests.local.changes import with_environment, with_keys
from tests.support.sandbox import RunningSandbox

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient

FIXTURES: Final = Path(__file__).parents[1] / "fixtures" / "providers"
RECORDED: Final = {
    "moonpay": Provider.MOONPAY,
    "paystack": Provider.PAYSTACK,
    "ramp": Provider.RAMP,
    "stellar_sep24": Provider.STELLAR,
    "stripe": Provider.STRIPE,
    "truelayer": Provider.TRUELAYER,
}
CLOCK: Final = Path(__file__).parent / "clock"


@pytest.fixture(scope="module")
def at_that_time(deployment: Deployment, sandbox: RunningSandbox) -> Iterator[None]:
    recorded = {name: json.loads((FIXTURES / f"{name}.json").read_text()) for name in RECORDED}
    keys = recorded["truelayer"]["keys"]["jwks"]["keys"]
    sandbox.put("truelayer", "jwks", keys=[*keys, *truelayer_jwks()["keys"]])
    offset_ns = recorded["stripe"]["now"] * 1_000_000_000 - time.time_ns()
    moved = {"PYTHONPATH": str(CLOCK), "TEST_CLOCK_OFFSET_NS": str(offset_ns)}
    also_valid = {RECORDED[name]: keys_of(recorded[name]) for name in RECORDED}
    with with_keys(deployment, also_valid), with_environment(deployment, "webhooks", **moved):
        yield
    sandbox.put("truelayer", "jwks", **truelayer_jwks())


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.usefixtures("at_that_time")
def test_get_their_verdict(deployment: Deployment, name: str) -> None:
    recorded = json.loads((FIXTURES / f"{name}.json").read_text())
    found = {case["name"]: send(deployment, RECORDED[name], case) for case in recorded["cases"]}
    expected = {
        case["name"]: "200" if case["expected"] == "valid" else "401 webhook-refused" for case in recorded["cases"]
    }
    # The local API has no path before its routes, so a call that was signed for another path is right here.
    expected.pop("other_path", None)
    found.pop("other_path", None)
    assert found == expected


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.usefixtures("at_that_time")
def test_arrive_in_base64_and_under_odd_names_too(deployment: Deployment, name: str) -> None:
    recorded = json.loads((FIXTURES / f"{name}.json").read_text())
    genuine = [case for case in recorded["cases"] if case["expected"] == "valid"]
    for case in genuine:
        odd = {**case, "headers": {key.swapcase(): text for key, text in case["headers"].items()}}
        assert send(deployment, RECORDED[name], odd) == "200"
        assert invoke(deployment, RECORDED[name], case) == 200


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.usefixtures("at_that_time")
def test_are_refused_with_one_bit_flipped_in_the_body(deployment: Deployment, name: str) -> None:
    """More of this, in signatures and times too, is in tests/property/webhooks."""
    recorded = json.loads((FIXTURES / f"{name}.json").read_text())
    case = next(case for case in recorded["cases"] if case["expected"] == "valid")
    body = case["body"].encode()
    for position in range(0, len(body), len(body) // 12):
        flipped = bytes([*body[:position], body[position] ^ 0x10, *body[position + 1 :]])
        assert send(deployment, RECORDED[name], case, flipped) == "401 webhook-refused"


def send(deployment: Deployment, provider: Provider, case: Mapping[str, Any], body: bytes | None = None) -> str:
    """Send a recorded call over HTTP, its own body or another."""
    url = f"{deployment.base_url}/webhooks/{provider}"
    content = body or case["body"].encode()
    return outcome(httpx.post(url, content=content, headers=case["headers"], timeout=60, trust_env=False))


def invoke(deployment: Deployment, provider: Provider, case: Mapping[str, Any]) -> int:
    """Hand a recorded call to the function as API Gateway hands over what it takes for binary."""
    client: LambdaClient = deployment.client("lambda")
    path = f"/webhooks/{provider}"
    event = {
        "version": "2.0",
        "routeKey": "POST /webhooks/{provider}",
        "rawPath": path,
        "rawQueryString": "",
        "pathParameters": {"provider": provider},
        "headers": {name.lower(): text for name, text in case["headers"].items()},
        "requestContext": {
            "requestId": "recorded",
            "domainName": "localhost",
            "http": {"method": "POST", "path": path, "sourceIp": "127.0.0.1"},
        },
        "body": base64.b64encode(case["body"].encode()).decode(),
        "isBase64Encoded": True,
    }
    answer = client.invoke(FunctionName=deployment.function_name("webhooks"), Payload=json.dumps(event).encode())
    status: int = json.loads(answer["Payload"].read())["statusCode"]
    return status


def keys_of(recorded: Mapping[str, Any]) -> list[str]:
    keys = recorded["keys"]
    return [*keys.get("secrets", []), *keys.get("public_keys_pem", []), *filter(None, [keys.get("signing_key")])]
