"""/v1/admin/dlq: see what could not be processed, try it again, or close it."""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.dead_letters.schema import (
    DeadLetterDetail,
    DeadLetterList,
    DeadLetterView,
    PreviewView,
    RedriveRequest,
    ResolveRequest,
)
from tallystick import http, wiring
from tallystick.paging import Cursor, Limit, decode_cursor
from tallystick.services import dead_letters
from tallystick.wiring import webhooks

app = http.build_app()

_POSITION = re.compile(r"[0-9]{1,15}#[0-9a-f]{64}")


@app.get("/v1/admin/dlq", tags=["dead letters"])
def list_dead_letters(limit: Limit = 50, cursor: Cursor = None) -> Response[DeadLetterList]:
    """List dead letters, newest first. For ADMIN."""
    after = decode_cursor(cursor, _POSITION)
    page = dead_letters.list_dead(inbox=webhooks.inbox(), caller=http.caller(app), limit=limit, after=after)
    return http.ok(DeadLetterList.of(page))


@app.get("/v1/admin/dlq/<dead_letter_id>", tags=["dead letters"])
def get_dead_letter(dead_letter_id: str) -> Response[DeadLetterDetail]:
    """Show a dead letter with its payload. For ADMIN."""
    event = dead_letters.get(inbox=webhooks.inbox(), caller=http.caller(app), dead_letter_id=dead_letter_id)
    return http.ok(DeadLetterDetail.of(event))


@app.get("/v1/admin/dlq/<dead_letter_id>/preview", tags=["dead letters"])
def preview_redrive(
    dead_letter_id: str,
    accept_amount: Annotated[bool, Query(description="As for the redrive.")] = False,  # noqa: FBT002 (a query)
) -> Response[PreviewView]:
    """Show what a redrive would move, worked out by the code that would move it. For ADMIN."""
    admin = http.admin(app, wiring.now_ms())
    preview = dead_letters.preview(
        inbox=webhooks.inbox(),
        book=wiring.ledger().book,
        flows=webhooks.flows(),
        providers=webhooks.providers(),
        admin=admin,
        dead_letter_id=dead_letter_id,
        accept_amount=accept_amount,
    )
    return http.ok(PreviewView.of(preview, admin.caller))


@app.post("/v1/admin/dlq/<dead_letter_id>/redrive", tags=["dead letters"])
def redrive(dead_letter_id: str, body: RedriveRequest) -> Response[DeadLetterView]:
    """Process a dead letter anew; it is done once, however often this is asked. For ADMIN."""
    event = dead_letters.redrive(
        inbox=webhooks.inbox(),
        queue=webhooks.queue(),
        admin=http.admin(app, wiring.now_ms()),
        dead_letter_id=dead_letter_id,
        accept_amount=body.accept_amount,
        grace_ms=webhooks.grace_ms(),
    )
    return http.ok(DeadLetterView.of(event))


@app.post("/v1/admin/dlq/<dead_letter_id>/resolve", tags=["dead letters"])
def resolve(dead_letter_id: str, body: ResolveRequest) -> Response[DeadLetterView]:
    """Close a dead letter that shall not be processed. For ADMIN."""
    event = dead_letters.resolve(
        inbox=webhooks.inbox(),
        alerts=wiring.alerts(),
        admin=http.admin(app, wiring.now_ms()),
        dead_letter_id=dead_letter_id,
        notes=body.notes,
    )
    return http.ok(DeadLetterView.of(event))


handler = http.lambda_handler(app)
