"""Turn every refusal into a problem (RFC 9457), in one place; no framework is imported for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tallystick.answers import Answer
from tallystick.domain import errors

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

PROBLEM_TYPE: Final = "urn:tallystick:problem:"
PROBLEM_JSON: Final = "application/problem+json"

STATUS: Final[dict[type[errors.Refusal], HTTPStatus]] = {
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.ServiceLimitExceeded: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MalformedBody: HTTPStatus.BAD_REQUEST,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidAmount: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AssetMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyKeyMissing: HTTPStatus.BAD_REQUEST,
    errors.IdempotencyKeyInvalid: HTTPStatus.BAD_REQUEST,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyKeyVoided: HTTPStatus.CONFLICT,
    errors.IdempotencyKeyCommitted: HTTPStatus.CONFLICT,
    errors.AccountNotActive: HTTPStatus.CONFLICT,
    errors.InsufficientFunds: HTTPStatus.CONFLICT,
    errors.BalanceLimitExceeded: HTTPStatus.CONFLICT,
    errors.WalletNotEmpty: HTTPStatus.CONFLICT,
    errors.NotReversible: HTTPStatus.CONFLICT,
    errors.AlreadyReversed: HTTPStatus.CONFLICT,
    errors.LimitExceeded: HTTPStatus.CONFLICT,
    errors.WebhookRefused: HTTPStatus.UNAUTHORIZED,
    errors.ProviderRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IllegalTransition: HTTPStatus.CONFLICT,
    errors.InvalidCredentials: HTTPStatus.UNAUTHORIZED,
    errors.EmailNotConfirmed: HTTPStatus.FORBIDDEN,
    errors.EmailRegistered: HTTPStatus.CONFLICT,
    errors.LoginStepRequired: HTTPStatus.FORBIDDEN,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooMuchContention: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ProviderUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The one table from refusals to statuses; a test walks every refusal through it."""

_NOT_AN_AMOUNT: Final = 'An amount is a decimal string such as "12.34", not a number.'
_TAG: Final = "type"
"""The member that tells apart what a union is of."""

_UNTAGGED: Final = {"union_tag_not_found", "union_tag_invalid"}
"""Pydantic's names for an object without that member, and for one with another value than those that there are."""

_INTERNAL_ERROR: Final = {
    "code": "internal-error",
    "title": "Something went wrong on our side",
    "detail": "The request may or may not have been carried out; send it again with the same Idempotency-Key.",
}


def problem(refusal: errors.Refusal, request_id: str) -> Answer:
    """Describe a refusal as RFC 9457 asks for."""
    headers = {"Retry-After": str(refusal.retry_after_s)} if isinstance(refusal, errors.Busy) else {}
    facts = {"code": refusal.code, "title": refusal.title, "detail": refusal.detail, **refusal.members}
    return _problem(STATUS[type(refusal)], facts, request_id, headers)


def _problem(status: int, facts: dict[str, Any], request_id: str, headers: Mapping[str, str]) -> Answer:
    code = facts.pop("code")
    instance = f"urn:tallystick:request:{request_id}"
    body = json.dumps({"type": PROBLEM_TYPE + code, "status": status, "instance": instance, **facts})
    return Answer(status, body, PROBLEM_JSON, headers)


def invalid(error: "RequestValidationError", body: object = None) -> errors.Refusal:
    """Translate pydantic's faults in the body that was sent; a fault in an amount is named as such."""
    faults = error.errors()
    if any(fault["loc"] == ("body", "amount") and fault["type"] == "string_type" for fault in faults):
        return errors.InvalidAmount(_NOT_AN_AMOUNT)
    return errors.InvalidRequest([_fault(fault, body) for fault in faults])


def _fault(fault: Mapping[str, Any], body: object) -> dict[str, str]:
    where, *members = fault["loc"]
    if where != "body":
        return {"detail": fault["msg"], "parameter": ".".join(map(str, members))}
    pointer = "".join(map(_token, _without_tags(members, body)))
    if fault["type"] in _UNTAGGED:
        expected = fault["ctx"].get("expected_tags")
        detail = f"Input should be one of {expected}" if expected else "Field required"
        return {"detail": detail, "pointer": pointer + _token(_TAG)}
    return {"detail": fault["msg"], "pointer": pointer}


def _without_tags(location: Sequence[Any], body: object) -> Iterator[str | int]:
    """Leave out the tag that pydantic names after a union's member, whose `type` it is."""
    value: Any = body
    for part in location[:-1]:
        if isinstance(value, dict) and value.get(_TAG) == part:
            continue
        yield part
        with suppress(LookupError, TypeError):  # pydantic has names for other things too, and members can be missing
            value = value[part]
    yield from location[-1:]


def _token(member: str | int) -> str:
    """Write one part of a JSON pointer (RFC 6901)."""
    return "/" + str(member).replace("~", "~0").replace("/", "~1")


def internal_error(request_id: str) -> Answer:
    """Describe a fault of ours without telling anything about it."""
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, dict(_INTERNAL_ERROR), request_id, {})
