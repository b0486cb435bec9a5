"""/v1/admin/reconciliation/differences: where a provider's books and ours differ."""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.differences.schema import DifferenceList, FetchedView
from tallystick import http, wiring
from tallystick.domain.provider_matching import Match
from tallystick.domain.webhooks import Provider
from tallystick.paging import Cursor, Limit, decode_cursor
from tallystick.services import differences
from tallystick.wiring import provider_reconciliation

app = http.build_app()

_POSITION = re.compile(r"[0-9]{1,15}#difference#[!-~]{1,220}")


@app.get("/v1/admin/reconciliation/differences", tags=["reconciliation"])
def list_differences(
    limit: Limit = 50,
    cursor: Cursor = None,
    provider: Annotated[Provider | None, Query(description="Those of one provider.")] = None,
    match: Annotated[Match | None, Query(alias="class", description="Those of one class.")] = None,
) -> Response[DifferenceList]:
    """List differences, the oldest first; a page of one provider or class may hold fewer than asked for. For ADMIN."""
    page = differences.list_open(
        differences=provider_reconciliation.differences(),
        caller=http.caller(app),
        limit=limit,
        after=decode_cursor(cursor, _POSITION),
        provider=provider,
        match=match,
    )
    return http.ok(DifferenceList.of(page))


@app.post("/v1/admin/reconciliation/differences/<difference_id>/fetch", tags=["reconciliation"])
def fetch_missing_event(difference_id: str) -> Response[FetchedView]:
    """Fetch what an event should have told, and process it as that event; once, however often asked. For ADMIN."""
    admin = http.admin(app, wiring.now_ms())
    event = differences.fetch(fetching=provider_reconciliation.fetching(), admin=admin, difference_id=difference_id)
    return http.ok(FetchedView.of(difference_id, event))


handler = http.lambda_handler(app)
