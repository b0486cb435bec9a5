"""GET /health and /ready: is the service up, can it do its work; and for admins, how each part does."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
from pydantic import BaseModel, Field

from tallystick import http, wiring
from tallystick.domain.breaker import Breaker, BreakerState
from tallystick.domain.callers import Role
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.services import breaking
from tallystick.shapes import Time

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


class BreakerView(BaseModel):
    """Show the circuit breaker of a provider: OPEN lets no payout pass, HALF_OPEN waits for the outcome of one."""

    provider: Provider
    state: BreakerState
    failures: Annotated[int, Field(description="Calls in a row that had no answer.")]
    next_try_at: Annotated[Time | None, Field(description="When an open one is tried again.")]

    @classmethod
    def of(cls, breaker: Breaker) -> "BreakerView":
        """Show a breaker."""
        is_closed = breaker.state is BreakerState.CLOSED
        return cls(
            provider=Provider(breaker.name),
            state=breaker.state,
            failures=breaker.failures,
            next_try_at=None if is_closed else to_rfc3339(breaker.until_ms),
        )


class DetailedHealthView(BaseModel):
    """Show how each part does."""

    status: Literal["ok", "degraded"]
    database_ms: Annotated[
        dict[str, float | None], Field(description="What one consistent read of each table took; null: it failed.")
    ]
    circuit_breakers: Annotated[list[BreakerView] | None, Field(description="null: they could not be read.")]


@app.get("/health", tags=["health"])
def health() -> Response[HealthView]:
    """Answer 200 as long as the API answers at all."""
    return http.ok(HealthView())


@app.get("/ready", tags=["health"], responses=READINESS)
def ready() -> Response[ReadinessView]:
    """Answer 200 when every table answers, 503 when one does not."""
    checks = {name: latency is not None for name, latency in wiring.latencies_ms().items()}
    if all(checks.values()):
        return http.ok(ReadinessView(status="ready", checks=checks))
    return http.unavailable(ReadinessView(status="not-ready", checks=checks))


@app.get("/health/detailed", tags=["operations"])
def detailed() -> Response[DetailedHealthView]:
    """Show how fast the tables answer and which providers are left alone. For ADMIN."""
    http.caller(app).require(Role.ADMIN)
    latencies = wiring.latencies_ms()
    breakers = breaking.shown(breakers=wiring.breakers(), names=wiring.settings().providers)
    closed = breakers is not None and all(breaker.state is BreakerState.CLOSED for breaker in breakers)
    status: Literal["ok", "degraded"] = "ok" if closed and None not in latencies.values() else "degraded"
    views = None if breakers is None else [BreakerView.of(breaker) for breaker in breakers]
    return http.ok(DetailedHealthView(status=status, database_ms=latencies, circuit_breakers=views))


handler = http.lambda_handler(app)
