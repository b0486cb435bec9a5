"""POST /webhooks/{provider}: keep a provider's event if it is genuine, queue it, and say no more than that.

No router and no validation: what a body means is the processor's business, and a cold start is paid by the provider's
patience of a few seconds.
"""

import base64
import json
import time
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.answers import Answer, rendered, with_common_headers
from tallystick.domain.errors import BodyTooLarge, NotFound, Refusal, WebhookRefused
from tallystick.domain.webhooks import Delivery, Forged, Provider
from tallystick.observability import logger
from tallystick.problems import internal_error, problem
from tallystick.services.receiving import receive
from tallystick.wiring import now_ms, settings, webhooks

MAX_BODY_BYTES: Final = 256 * 1024
"""Far above any event of these providers; it has to fit an item of DynamoDB, even if it cannot be compressed."""

RECEIVED: Final = Answer(HTTPStatus.OK, json.dumps({"received": True}))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 (Lambda's signature)
    """Answer 200 when the event is kept and queued, 401 for what is not genuine, 503 to have it sent again."""
    started = time.perf_counter()
    request_id = event["requestContext"]["requestId"]
    provider = (event.get("pathParameters") or {}).get("provider", "")
    answer, facts, fault = _answer(event, provider, request_id)
    write = logger.error if fault else logger.info
    duration_ms = round((time.perf_counter() - started) * 1000, 1)
    write("webhook", exc_info=fault, request_id=request_id, provider=provider, duration_ms=duration_ms, **facts)
    return with_common_headers(rendered(answer), request_id)


def _answer(event: dict[str, Any], name: str, request_id: str) -> tuple[Answer, dict[str, Any], Exception | None]:
    try:
        return RECEIVED, _receive(event, name), None
    except Forged as forged:
        _count("WebhookRefused", provider=name, reason=forged.reason)
        return problem(WebhookRefused(), request_id), {"refused": forged.reason}, None
    except Refusal as refusal:
        return problem(refusal, request_id), {"refused": refusal.code}, None
    except Exception as fault:  # noqa: BLE001 (the last resort: API Gateway would show the exception's text)
        return internal_error(request_id), {}, fault


def _receive(event: dict[str, Any], name: str) -> dict[str, Any]:
    provider = _provider(name)
    received = receive(
        gate=webhooks.gate(provider),
        inbox=webhooks.inbox(),
        queue=webhooks.queue(),
        delivery=_delivery(event, provider),
        grace_ms=webhooks.grace_ms(),
    )
    _count("WebhookReceived" if received.new else "WebhookDuplicate", provider=name)
    return {"external_id": received.event.external_id, "inbox_key": received.event.inbox_key, "new": received.new}


def _provider(name: str) -> Provider:
    try:
        return Provider(name)
    except ValueError:
        raise NotFound("provider") from None


def _delivery(event: dict[str, Any], provider: Provider) -> Delivery:
    """Read the call as its provider sent it: a custom domain's own path is configuration, API Gateway leaves it out."""
    context = event["requestContext"]
    public = urlsplit(settings().public_url or f"https://{context['domainName']}")
    return Delivery(
        provider=provider,
        host=public.netloc,
        path=public.path.rstrip("/") + event["rawPath"],
        headers={name.lower(): text for name, text in event.get("headers", {}).items()},
        query=dict(parse_qsl(event.get("rawQueryString", ""))),
        body=_body(event),
        source_ip=context["http"]["sourceIp"],
        received_at_ms=now_ms(),
    )


def _body(event: dict[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except ValueError:
        raise Forged("bad-encoding") from None
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"An event has at most {MAX_BODY_BYTES} bytes.")
    return body


def _count(name: str, **dimensions: str) -> None:
    with single_metric(name=name, unit=MetricUnit.Count, value=1) as metric:
        for dimension, value in dimensions.items():
            metric.add_dimension(dimension, value)
