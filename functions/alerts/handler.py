"""/v1/admin/alerts: see what people were told of, and leave it to rest."""

import re
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.alerts.schema import AlertList, AlertNotes, AlertView
from tallystick import http, wiring
from tallystick.paging import Cursor, Limit, decode_cursor
from tallystick.services import alerting
from tallystick.wiring import alerting as wired

app = http.build_app()

_POSITION = re.compile(r"(untold-)?alert#[0-9]{1,15}#[0-9a-f]{32}")
Kind = Annotated[
    str | None, Query(pattern=r"^[A-Z][A-Z0-9_]{0,63}$", description="Only alerts of this type, such as JOB_CRASH.")
]


@app.get("/v1/admin/alerts/unresolved", tags=["alerts"])
def list_unresolved_alerts(alert_type: Kind = None, limit: Limit = 50, cursor: Cursor = None) -> Response[AlertList]:
    """List open alerts: first those that nobody could be told of yet, then the others, newest first. For ADMIN."""
    after = decode_cursor(cursor, _POSITION)
    page = alerting.list_unresolved(
        store=wired.store(), caller=http.caller(app), kind=alert_type, limit=limit, after=after
    )
    return http.ok(AlertList.of(page))


@app.get("/v1/admin/alerts/<alert_id>", tags=["alerts"])
def get_alert(alert_id: str) -> Response[AlertView]:
    """Show an alert, whatever has become of it. For ADMIN."""
    return http.ok(AlertView.of(alerting.get(store=wired.store(), caller=http.caller(app), alert_id=alert_id)))


@app.post("/v1/admin/alerts/<alert_id>/resolve", tags=["alerts"])
def resolve_alert(alert_id: str, body: AlertNotes) -> Response[AlertView]:
    """Leave an open alert to rest: people hear of it again only when it has ended and come back. For ADMIN."""
    admin = http.admin(app, wiring.now_ms())
    alert = alerting.resolve(alerts=wired.kept_alerts(), admin=admin, alert_id=alert_id, notes=body.notes)
    return http.ok(AlertView.of(alert))


handler = http.lambda_handler(app)
