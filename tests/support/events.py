"""Events as API Gateway's HTTP API sends them (payload 2.0)."""

import json
from typing import Any
from urllib.parse import urlencode


def http_event(
    method: str,
    path: str,
    body: object = None,
    *,
    caller: str | None = "ada",
    groups: str = "",
    key: str | None = None,
    query: dict[str, str] | None = None,
    path_parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Make an event; groups are written as API Gateway writes a list claim: "[ADMIN SERVICE]"."""
    headers = {"content-type": "application/json", **({} if key is None else {"idempotency-key": key})}
    claims = {"sub": caller, "token_use": "access", **({"cognito:groups": groups} if groups else {})}
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": urlencode(query or {}),
        "headers": headers,
        **({"queryStringParameters": query} if query else {}),
        **({"pathParameters": path_parameters} if path_parameters else {}),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "stage": "$default",
            "requestId": "request-1",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"},
            **({"authorizer": {"jwt": {"claims": claims, "scopes": None}}} if caller else {}),
        },
        **({} if body is None else {"body": body if isinstance(body, str) else json.dumps(body)}),
        "isBase64Encoded": False,
    }
