"""/v1/deposits: order money in through a provider, and see what came of it."""

from aws_lambda_powertools.event_handler import Response

from functions.deposits.schema import DepositOrder, DepositView
from tallystick import http, wiring
from tallystick.services import deposits
from tallystick.wiring import webhooks

app = http.build_app()


@app.post("/v1/deposits", status_code=201, tags=["deposits"])
def create_deposit(body: DepositOrder, idempotency_key: http.IdempotencyKeyHeader = None) -> Response[DepositView]:
    """Order money into a wallet of the caller's, and learn where to pay."""
    caller, now_ms = http.caller(app), wiring.now_ms()
    deposit, replayed = deposits.order(
        counter=webhooks.counter(body.provider),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        request=body.to_request(),
        now_ms=now_ms,
        expires_at_ms=now_ms + webhooks.expiry_ms(),
    )
    return http.created(DepositView.of(deposit, now_ms), replayed=replayed)


@app.get("/v1/deposits/<deposit_id>", tags=["deposits"])
def get_deposit(deposit_id: str) -> Response[DepositView]:
    """Show an order. For its owner, SERVICE and ADMIN."""
    deposit = deposits.get(flows=webhooks.flows(), caller=http.caller(app), flow_id=deposit_id)
    return http.ok(DepositView.of(deposit, wiring.now_ms()))


handler = http.lambda_handler(app)
