"""GET /health and /ready: is the service up, and can it do its work."""

from typing import Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic import BaseModel

from tallystick import http, wiring

app = http.build_app()


class HealthView(BaseModel):
    """Say that the API answers."""

    status: Literal["ok"] = "ok"


class ReadinessView(BaseModel):
    """Show what was checked."""

    status: Literal["ready", "not-ready"]
    checks: dict[str, bool]


READINESS: dict[int, OpenAPIResponse] = {
    status: {"description": description, "content": {"application/json": {"model": ReadinessView}}}
    for status, description in ((200, "Every check passed."), (503, "A check failed."))
}


@app.get("/health", tags=["health"])
def health() -> Response[HealthView]:
    """Answer 200 as long as the API answers at all."""
    return http.ok(HealthView())


@app.get("/ready", tags=["health"], responses=READINESS)
def ready() -> Response[ReadinessView]:
    """Answer 200 when every table answers, 503 when one does not."""
    checks = wiring.ready()
    if all(checks.values()):
        return http.ok(ReadinessView(status="ready", checks=checks))
    return http.unavailable(ReadinessView(status="not-ready", checks=checks))


handler = http.lambda_handler(app)
