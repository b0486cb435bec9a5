"""Everything HTTP that the functions share: the resolver, the caller, the claim, problems and headers."""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Header
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from tallystick.answers import rendered, with_common_headers
from tallystick.body import read_object
from tallystick.domain import errors
from tallystick.domain.callers import Caller, Role
from tallystick.domain.chain import digest
from tallystick.domain.transfers import Claim, client_key
from tallystick.observability import logger
from tallystick.problems import internal_error, invalid, problem
from tallystick.services.admin import Admin

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        description="1 to 255 printable ASCII characters, quoted or bare; the same key never moves money twice.",
    ),
]
_KEY_PATH: Final = "/v1/idempotency/"
_VOID: Final = "/void"

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def build_app() -> APIGatewayHttpResolver:
    """Make a resolver that validates requests and answers every refusal with a problem."""
    app = APIGatewayHttpResolver(enable_validation=True)

    def refused(refusal: errors.Refusal) -> Response[str]:
        told = problem(refusal, app.current_event.request_context.request_id)
        return Response(told.status_code, told.content_type, told.body, dict(told.headers))

    app.exception_handler(errors.Refusal)(refused)
    app.exception_handler(RequestValidationError)(lambda error: refused(invalid(error, app.current_event.json_body)))
    app.not_found(lambda _error: refused(errors.NotFound("page")))
    return app


def lambda_handler(app: APIGatewayHttpResolver) -> Handler:
    """Make a Lambda handler that answers every event itself, in one log line."""

    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        started = time.perf_counter()
        request_id = event["requestContext"]["requestId"]
        answer, fault = _answer(app, event, context)
        write = logger.error if fault else logger.info
        write(
            "request",
            exc_info=fault,
            request_id=request_id,
            route=event.get("routeKey"),
            status=answer["statusCode"],
            caller=_claims(event).get("sub"),
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )
        return with_common_headers(answer, request_id)

    return handler


def caller(app: APIGatewayHttpResolver) -> Caller:
    """Tell who calls by the access token that API Gateway's authorizer has verified.

    Raises:
        Unauthenticated: there is no token, or it is not an access token.
    """
    claims = _claims(app.current_event.raw_event)
    if claims.get("token_use") != "access" or not claims.get("sub"):
        raise errors.Unauthenticated("Send an access token from POST /v1/auth/login as a bearer token.")
    # API Gateway writes a list claim as the text "[ADMIN SERVICE]".
    groups = set(re.findall(r"\w+", str(claims.get("cognito:groups", ""))))
    return Caller(claims["sub"], frozenset({Role.USER, *(role for role in Role if role in groups)}))


def admin(app: APIGatewayHttpResolver, now_ms: int) -> Admin:
    """Say who acts as an admin; whether they are one is for the service to check.

    Raises:
        Unauthenticated: see `caller`.
    """
    return Admin(caller(app), app.current_event.request_context.http.source_ip, now_ms)


def claim(app: APIGatewayHttpResolver, caller: Caller, idempotency_key: str | None) -> Claim:
    """Bind the caller's idempotency key to this call: method, path and the members as they were sent.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyInvalid: no usable key.
    """
    event = app.current_event
    if idempotency_key is None:
        raise errors.IdempotencyKeyMissing
    key = client_key(caller.caller_id, idempotency_key)
    return Claim(key, digest("tallystick/fingerprint/1", event.http_method, event.path, event.body or ""))


def ok(view: Body) -> Response[Body]:
    """Answer 200."""
    return _response(HTTPStatus.OK, view)


def created(view: Body, *, replayed: bool) -> Response[Body]:
    """Answer 201, and say so when it is the answer of an earlier call."""
    return _response(HTTPStatus.CREATED, view, {"Idempotency-Replayed": "true"} if replayed else {})


def unavailable(view: Body) -> Response[Body]:
    """Answer 503 with what was found out."""
    return _response(HTTPStatus.SERVICE_UNAVAILABLE, view)


def document(content_type: str, content: str, headers: dict[str, Any] | None = None) -> Response[str]:
    """Answer 200 with a document."""
    return Response(status_code=HTTPStatus.OK, content_type=content_type, body=content, headers=headers)


def no_content() -> Response[str]:
    """Answer 204."""
    return Response(status_code=HTTPStatus.NO_CONTENT, body="")


def _response(status: HTTPStatus, view: Body, headers: dict[str, str] | None = None) -> Response[Body]:
    return Response(status_code=status, content_type="application/json", body=view, headers=dict(headers or {}))


def _answer(
    app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext
) -> tuple[dict[str, Any], Exception | None]:
    """Answer whatever comes, and give what nobody expected to the log."""
    request_id = event["requestContext"]["requestId"]
    try:
        return app.resolve(_guarded(event), context), None
    except errors.Refusal as refusal:
        return rendered(problem(refusal, request_id)), None
    except Exception as fault:  # noqa: BLE001 (the last resort: API Gateway would show the exception's text)
        return rendered(internal_error(request_id)), fault


def _guarded(event: dict[str, Any]) -> dict[str, Any]:
    """Hand the resolver a body that it cannot stumble over and a path that it can match."""
    posted = event["requestContext"]["http"]["method"] == "POST" and event["routeKey"] != "$default"
    return {
        **event,
        "rawPath": _matchable(event),
        "body": read_object(event) if posted else None,
        "isBase64Encoded": False,
        "headers": {**event.get("headers", {}), "content-type": "application/json"},
    }


def _matchable(event: dict[str, Any]) -> str:
    """Encode an idempotency key in the path, which may hold any printable character, slashes too.

    An HTTP API decodes every escape but that of the percent sign itself.
    """
    path: str = event["rawPath"]
    key = (event.get("pathParameters") or {}).get("key")
    if key is None:
        return path
    key = key.replace("%25", "%")
    ending = _VOID if event["requestContext"]["http"]["method"] == "POST" and key.endswith(_VOID) else ""
    return f"{_KEY_PATH}{quote(key.removesuffix(ending), safe='')}{ending}"


def _claims(event: dict[str, Any]) -> dict[str, Any]:
    authorizer = event["requestContext"].get("authorizer") or {}
    claims: dict[str, Any] = authorizer.get("jwt", {}).get("claims", {})
    return claims
