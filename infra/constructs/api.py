"""Create the HTTP API: routes, the authorizer in front of them, throttling and access logs."""

import json

from aws_cdk import Duration
from aws_cdk.aws_apigatewayv2 import (
    CfnStage,
    CorsHttpMethod,
    CorsPreflightOptions,
    HttpApi,
    HttpMethod,
    HttpRoute,
    HttpRouteKey,
    HttpStage,
    ThrottleSettings,
)
from aws_cdk.aws_apigatewayv2_authorizers import HttpUserPoolAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts
from infra.constructs.functions import Functions
from infra.constructs.identity import Identity
from infra.constructs.logs import log_group
from infra.routes import FALLBACK_FUNCTION, ROUTES, Route
from infra.stage import Stage

# Cognito puts it in the access tokens it issues for a password, and in no id token: those are refused.
ACCESS_TOKEN_SCOPE = "aws.cognito.signin.user.admin"  # noqa: S105 - the name of a scope

ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "user": "$context.authorizer.claims.sub",
    "route": "$context.routeKey",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "authorizer_error": "$context.authorizer.error",
}


class Api(Construct):
    """Put the functions behind one API; everything but the public routes needs an access token."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        functions: Functions,
        identity: Identity,
        alerts: Alerts,
    ) -> None:
        super().__init__(scope, construct_id)
        self.http_api = HttpApi(
            self,
            "Http",
            api_name=f"tallystick-{stage.name}",
            create_default_stage=False,
            cors_preflight=_cors(stage),
        )
        self._authorizer = HttpUserPoolAuthorizer("Users", identity.user_pool, user_pool_clients=[identity.client])
        self._integrations = {
            name: HttpLambdaIntegration(name, function.function) for name, function in functions.by_name.items()
        }
        for route in ROUTES:
            self._add(route)
        self._add_fallback()
        self._add_stage(stage)
        alerts.alarm(
            self,
            "ServerErrors",
            metric=self.http_api.metric_server_error(period=ALARM_PERIOD, statistic="Sum"),
            description="The API answered with a 5xx.",
        )

    def _add(self, route: Route) -> None:
        self.http_api.add_routes(
            path=route.path,
            methods=[HttpMethod[route.method]],
            integration=self._integrations[route.function],
            authorizer=None if route.public else self._authorizer,
            authorization_scopes=None if route.public else [ACCESS_TOKEN_SCOPE],
        )

    def _add_fallback(self) -> None:
        HttpRoute(
            self,
            "Fallback",
            http_api=self.http_api,
            route_key=HttpRouteKey.DEFAULT,
            integration=self._integrations[FALLBACK_FUNCTION],
        )

    def _add_stage(self, stage: Stage) -> None:
        http_stage = HttpStage(
            self,
            "Stage",
            http_api=self.http_api,
            stage_name="$default",
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=ThrottleSettings(rate_limit=stage.throttle.rate_per_s, burst_limit=stage.throttle.burst),
        )
        resource = http_stage.node.default_child
        if not isinstance(resource, CfnStage):
            raise TypeError("An HTTP stage is no longer made of one CfnStage.")
        resource.access_log_settings = CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group(self, stage=stage).log_group_arn, format=json.dumps(ACCESS_LOG)
        )


def _cors(stage: Stage) -> CorsPreflightOptions | None:
    if not stage.cors_origins:
        return None
    return CorsPreflightOptions(
        allow_origins=stage.cors_origins,
        allow_methods=[CorsHttpMethod.GET, CorsHttpMethod.POST],
        allow_headers=["authorization", "content-type", "idempotency-key"],
        expose_headers=["idempotency-replayed", "retry-after", "x-request-id"],
        max_age=Duration.hours(1),
    )
