"""The HTTP API: routes, who may call them, how often, and what is written down about it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.routes import FALLBACK_FUNCTION, ROUTES
from tests.infra.synthesis import Synthesis, readable, render, stage_of

ACCESS_TOKEN_SCOPE = "aws.cognito.signin.user.admin"
PUBLIC = {
    "POST /v1/auth/register",
    "POST /v1/auth/confirm",
    "POST /v1/auth/login",
    "POST /v1/auth/refresh",
    "POST /v1/auth/logout",
    "POST /webhooks/{provider}",
    "GET /health",
    "GET /ready",
    "GET /openapi.json",
    "GET /docs",
    "GET /v1/assets",
    "$default",
}


def test_each_route_goes_to_its_function(synthesis: Synthesis) -> None:
    """And what matches none goes to the function that answers with a problem of ours."""
    expected = {route.key: route.function for route in ROUTES} | {"$default": FALLBACK_FUNCTION}

    assert {key: target(synthesis, route) for key, route in routes(synthesis).items()} == expected


def test_everything_but_the_public_routes_needs_an_access_token(synthesis: Synthesis) -> None:
    """The scope is in access tokens only: an id token, which names the same client, is refused."""
    for key, route in routes(synthesis).items():
        if key in PUBLIC:
            assert route["AuthorizationType"] == "NONE"
        else:
            assert route["AuthorizationType"] == "JWT"
            assert render(route["AuthorizerId"]) == "ApiHttpUsers"
            assert route["AuthorizationScopes"] == [ACCESS_TOKEN_SCOPE]


def test_tokens_are_checked_against_our_user_pool(synthesis: Synthesis) -> None:
    """Its issuer, and the one client that we hand tokens to."""
    (authorizer,) = synthesis.properties("AWS::ApiGatewayV2::Authorizer").values()

    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    audience = [render(client) for client in authorizer["JwtConfiguration"]["Audience"]]
    assert audience == ["IdentityUsersClient"]
    issuer = render(authorizer["JwtConfiguration"]["Issuer"])
    assert issuer == "https://cognito-idp.AWS::Region.amazonaws.com/IdentityUsers"


def test_only_our_api_may_invoke_the_functions(synthesis: Synthesis) -> None:
    """One permission for each route, none for what a stream, a queue or the clock starts."""
    permissions = [
        permission
        for permission in synthesis.properties("AWS::Lambda::Permission").values()
        if permission["Principal"] == "apigateway.amazonaws.com"
    ]

    assert len(permissions) == len(ROUTES) + 1
    for permission in permissions:
        assert ":ApiHttp/" in render(permission["SourceArn"])
        assert render(permission["FunctionName"]).startswith("Functions")


def test_nothing_but_our_api_our_rules_and_our_topics_may_invoke_a_function(synthesis: Synthesis) -> None:
    """No other account, no other service."""
    principals = {permission["Principal"] for permission in synthesis.properties("AWS::Lambda::Permission").values()}

    assert principals == {"apigateway.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"}


@pytest.mark.parametrize("stage", ["local", "staging", "production"])
def test_the_stage_throttles(synthesis_of: Callable[[str], Synthesis], stage: str) -> None:
    """The limits are those of the stage's configuration."""
    (http_stage,) = synthesis_of(stage).properties("AWS::ApiGatewayV2::Stage").values()
    limits = http_stage["DefaultRouteSettings"]

    assert http_stage["StageName"] == "$default"
    assert http_stage["AutoDeploy"] is True
    assert limits["ThrottlingRateLimit"] == stage_of(stage).throttle.rate_per_s
    assert limits["ThrottlingBurstLimit"] == stage_of(stage).throttle.burst


def test_access_is_logged_as_json(synthesis: Synthesis) -> None:
    """Every field is one of API Gateway's variables; no header and no body is among them."""
    (http_stage,) = synthesis.properties("AWS::ApiGatewayV2::Stage").values()
    settings = http_stage["AccessLogSettings"]

    assert render(settings["DestinationArn"]) == "ApiLogs.Arn"
    fields = json.loads(settings["Format"])
    assert {"request_id", "route", "status", "latency_ms"} <= set(fields)
    assert all(value.startswith("$context.") for value in fields.values())


def test_browsers_are_let_in_from_the_stage_s_origins(local: Synthesis, production: Synthesis) -> None:
    """With no origin configured there is no CORS at all."""
    (api,) = local.properties("AWS::ApiGatewayV2::Api").values()
    cors = api["CorsConfiguration"]

    assert cors["AllowOrigins"] == stage_of("local").cors_origins
    assert cors["AllowHeaders"] == ["authorization", "content-type", "idempotency-key"]
    assert cors["AllowMethods"] == ["GET", "POST"]
    (api,) = production.properties("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


def routes(synthesis: Synthesis) -> dict[str, dict[str, Any]]:
    """Find the routes by their keys."""
    return {route["RouteKey"]: route for route in synthesis.properties("AWS::ApiGatewayV2::Route").values()}


def target(synthesis: Synthesis, route: dict[str, Any]) -> str:
    """Follow a route through its integration to the name of the function."""
    integration = synthesis.properties("AWS::ApiGatewayV2::Integration")[
        render(route["Target"]).removeprefix("integrations/")
    ]
    assert integration["PayloadFormatVersion"] == "2.0"
    arn: list[str] = integration["IntegrationUri"]["Fn::GetAtt"]
    function: str = synthesis.resources("AWS::Lambda::Function")[readable(arn[0])]["Properties"]["Handler"]
    return function.split(".")[1]
