"""/v1/integrity: is every cent accounted for, and when was that last looked at."""

from aws_lambda_powertools.event_handler import Response

from functions.integrity.schema import HouseView, IntegrityView, RunRequest, RunView
from tallystick import http, wiring
from tallystick.services import integrity
from tallystick.wiring import provider_reconciliation, reconciliation, tallies

app = http.build_app()


@app.get("/v1/integrity", tags=["integrity"])
def get_integrity() -> Response[IntegrityView]:
    """Show how every check stands, when it ran last and what it found. For ADMIN."""
    now_ms, caller = wiring.now_ms(), http.caller(app)
    ours = integrity.checks(
        runs=reconciliation.runs(), caller=caller, now_ms=now_ms, every_ms=reconciliation.every_ms()
    )
    theirs = integrity.provider_checks(
        runs=provider_reconciliation.runs(),
        providers=wiring.settings().providers,
        caller=caller,
        now_ms=now_ms,
        every_ms=provider_reconciliation.every_ms(),
    )
    return http.ok(IntegrityView.of([*ours, *theirs], now_ms))


@app.get("/v1/integrity/admin-wallet", tags=["integrity"])
def get_admin_wallet() -> Response[HouseView]:
    """Show what the house holds of each asset, and whether all accounts sum to zero. For ADMIN."""
    houses = integrity.house(
        book=wiring.ledger().book,
        tallies=tallies.tallies(),
        runs=reconciliation.runs(),
        assets=wiring.settings().assets,
        caller=http.caller(app),
    )
    return http.ok(HouseView.of(houses))


@app.post("/v1/admin/reconciliation/runs", status_code=201, tags=["integrity"])
def begin_run(body: RunRequest) -> Response[RunView]:
    """Begin a run of reconciliation now, unless one is under way. For ADMIN."""
    admin = http.admin(app, wiring.now_ms())
    run = integrity.order_run(bureau=reconciliation.bureau(), admin=admin, full=body.full)
    return http.created(RunView.of(run), replayed=False)


handler = http.lambda_handler(app)
