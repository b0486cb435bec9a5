"""The code, the published contract and the deployed routes say the same."""

import json
from typing import Any

import pytest

from cli import openapi
from infra.routes import API_FUNCTIONS, ROUTES
from tests.functions.samples import samples_of
from tests.functions.world import answer

UNDESCRIBED = {"GET /openapi.json", "GET /docs"}
KEY_ROUTES = {
    "GET /v1/idempotency/{key}": "GET /v1/idempotency/{key+}",
    "POST /v1/idempotency/{key}/void": "POST /v1/idempotency/{key+}",
}
"""A key may hold slashes, which OpenAPI cannot say; the function itself looks for the ending."""


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi.CONTRACT.read_text())
    return document


def test_published_contract_is_that_of_the_code() -> None:
    assert openapi.build() == openapi.CONTRACT.read_text(), "run `python -m cli.main openapi` or its like"


def test_routes_are_those_of_the_contract(contract: dict[str, Any]) -> None:
    assert {route.key for route in ROUTES} == {*_operations(contract), *UNDESCRIBED}


def test_public_routes_are_those_without_security(contract: dict[str, Any]) -> None:
    public = {key for key, operation in _operations(contract).items() if operation["security"] == []}
    assert {route.key for route in ROUTES if route.public} == {*public, *UNDESCRIBED}


def test_every_route_is_answered_by_its_function() -> None:
    asked = {(sample.event["routeKey"], sample.function) for sample in samples_of(*API_FUNCTIONS)}
    assert {(route.key, route.function) for route in ROUTES} == {
        (key, name) for key, name in asked if key != "$default"
    }


@pytest.mark.usefixtures("small_world")
def test_contract_is_served_as_it_is(contract: dict[str, Any]) -> None:
    (sample,) = [sample for sample in samples_of("docs") if sample.name == "200-openapi"]
    assert json.loads(answer("docs", sample.event)["body"]) == contract


@pytest.mark.usefixtures("small_world")
def test_docs_show_the_contract_and_load_nothing_from_elsewhere() -> None:
    (sample,) = [sample for sample in samples_of("docs") if sample.name == "200-docs"]
    page = answer("docs", sample.event)
    assert page["headers"]["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page["headers"]["Content-Security-Policy"]
    assert "/v1/wallets/{wallet_id}/credit" in page["body"]
    assert '<script src="http' not in page["body"]
    assert '<link rel="stylesheet" href="http' not in page["body"]


def _operations(contract: dict[str, Any]) -> dict[str, Any]:
    return {
        KEY_ROUTES.get(key, key): operation
        for path, operations in contract["paths"].items()
        for key, operation in ((f"{method.upper()} {path}", described) for method, described in operations.items())
    }
