"""POST /v1/wallets/{wallet_id}/credit: bring money into a wallet."""

from aws_lambda_powertools.event_handler import Response

from tallystick import http, wiring
from tallystick.services import movements
from tallystick.shapes import MovementRequest, TransferView

app = http.build_app()


@app.post("/v1/wallets/<wallet_id>/credit", status_code=201, tags=["movements"])
def credit(
    wallet_id: str, body: MovementRequest, idempotency_key: http.IdempotencyKeyHeader = None
) -> Response[TransferView]:
    """Credit a wallet against a tallied account. For SERVICE."""
    caller = http.caller(app)
    receipt = movements.credit(
        ledger=wiring.ledger(),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        request=body.for_wallet(wallet_id),
        now_ms=wiring.now_ms(),
    )
    return http.created(TransferView.of(receipt.transfer, caller), replayed=receipt.replayed)


handler = http.lambda_handler(app)
