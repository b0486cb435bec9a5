"""Let Schemathesis call every operation of the contract on the deployed API, within a bound."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cli.local.deployment import Deployment
from cli.openapi import CONTRACT
from tests.local.callers import Caller, Cast, cast, new_key

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
# Without a token API Gateway answers before us, and nobody needs hundreds of new users.
CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
SCHEMA = schemathesis.openapi.from_path(str(CONTRACT), config=CONFIG).exclude(path="/v1/auth/register")
BOUNDED = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture(scope="module")
def known(people: Cast) -> dict[str, str]:
    """Make things that exist, so that calls get beyond "not found"."""
    wallet_id = people.ada.open_wallet()
    credited = people.service.post(f"/v1/wallets/{wallet_id}/credit", {"amount": "1000.00"})
    return {"wallet_id": wallet_id, "transfer_id": credited.json()["transfer_id"]}


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@SCHEMA.parametrize()
@BOUNDED
def test_user_gets_what_the_contract_says(
    case: schemathesis.Case[Any], deployment: Deployment, people: Cast, known: dict[str, str], session: requests.Session
) -> None:
    _call(case, deployment, people.ada, known, session)


@SCHEMA.parametrize()
@BOUNDED
def test_service_gets_what_the_contract_says(
    case: schemathesis.Case[Any], deployment: Deployment, people: Cast, known: dict[str, str], session: requests.Session
) -> None:
    _call(case, deployment, people.service, known, session)


def _call(
    case: schemathesis.Case[Any],
    deployment: Deployment,
    caller: Caller,
    known: dict[str, str],
    session: requests.Session,
) -> None:
    case.path_parameters |= {name: known[name] for name in case.path_parameters if name in known}
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = new_key()
    case.headers["Authorization"] = f"Bearer {caller.token}"
    case.call_and_validate(base_url=deployment.base_url, session=session, checks=CHECKS, timeout=30)
