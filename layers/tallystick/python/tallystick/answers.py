"""Answer over HTTP without a framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer, before the headers that all answers have."""

    status_code: int
    body: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def rendered(answer: Answer) -> dict[str, Any]:
    """Write an answer as API Gateway's payload 2.0 wants it."""
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return {"statusCode": answer.status_code, "headers": headers, "body": answer.body, "isBase64Encoded": False}


def with_common_headers(answer: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Add what every answer says."""
    return {**answer, "headers": {**SECURITY_HEADERS, "x-request-id": request_id, **answer["headers"]}}
