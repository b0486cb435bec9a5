"""POST /v1/wallets/{wallet_id}/debit: take money out of a wallet."""

from aws_lambda_powertools.event_handler import Response

from tallystick import http, wiring
from tallystick.services import movements
from tallystick.shapes import MovementRequest, TransferView

app = http.build_app()


@app.post("/v1/wallets/<wallet_id>/debit", status_code=201, tags=["movements"])
def debit(
    wallet_id: str, body: MovementRequest, idempotency_key: http.IdempotencyKeyHeader = None
) -> Response[TransferView]:
    """Debit a wallet against a tallied account. For SERVICE."""
    caller = http.caller(app)
    receipt = movements.debit(
        ledger=wiring.ledger(),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        request=body.for_wallet(wallet_id),
        now_ms=wiring.now_ms(),
    )
    return http.created(TransferView.of(receipt.transfer, caller), replayed=receipt.replayed)


handler = http.lambda_handler(app)
