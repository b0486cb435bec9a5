"""/v1/transfers and /v1/idempotency: move money between wallets, undo it, and ask what became of a key."""

from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response

from functions.transfers.schema import IdempotencyView, ReversalRequest, TransferRequest
from tallystick import http, wiring
from tallystick.domain.transfers import client_key
from tallystick.services import idempotency, movements
from tallystick.shapes import TransferView

app = http.build_app()


@app.post("/v1/transfers", status_code=201, tags=["movements"])
def create_transfer(body: TransferRequest, idempotency_key: http.IdempotencyKeyHeader = None) -> Response[TransferView]:
    """Move an amount from one wallet to another. For the owner of the source and for SERVICE."""
    caller = http.caller(app)
    receipt = movements.transfer(
        ledger=wiring.ledger(),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        request=body.to_transfer(),
        now_ms=wiring.now_ms(),
    )
    return http.created(TransferView.of(receipt.transfer, caller), replayed=receipt.replayed)


@app.get("/v1/transfers/<transfer_id>", tags=["movements"])
def get_transfer(transfer_id: str) -> Response[TransferView]:
    """Show a transfer. For its parties, SERVICE and ADMIN."""
    caller = http.caller(app)
    transfer, reversed_by = movements.get_transfer(book=wiring.ledger().book, caller=caller, transfer_id=transfer_id)
    return http.ok(TransferView.of(transfer, caller, reversed_by))


@app.post("/v1/transfers/<transfer_id>/reverse", status_code=201, tags=["movements"])
def reverse_transfer(
    transfer_id: str, body: ReversalRequest, idempotency_key: http.IdempotencyKeyHeader = None
) -> Response[TransferView]:
    """Undo a credit, debit or transfer as a new movement, once. For SERVICE and ADMIN."""
    caller = http.caller(app)
    receipt = movements.reverse(
        ledger=wiring.ledger(),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        transfer_id=transfer_id,
        metadata=body.metadata,
        now_ms=wiring.now_ms(),
    )
    return http.created(TransferView.of(receipt.transfer, caller), replayed=receipt.replayed)


@app.get("/v1/idempotency/<key>", tags=["idempotency"])
def get_key(key: str) -> Response[IdempotencyView]:
    """Tell whether a key of the caller's committed, with its transfer."""
    caller = http.caller(app)
    own_key = client_key(caller.caller_id, unquote(key))
    record = idempotency.find(book=wiring.ledger().book, key=own_key)
    return http.ok(IdempotencyView.of(own_key, record, caller))


@app.post("/v1/idempotency/<key>/void", tags=["idempotency"])
def void_key(key: str) -> Response[IdempotencyView]:
    """Make an unused key of the caller's final: it will never move money."""
    caller = http.caller(app)
    own_key = client_key(caller.caller_id, unquote(key))
    tombstone = idempotency.void(ledger=wiring.ledger(), key=own_key, now_ms=wiring.now_ms())
    return http.ok(IdempotencyView.of(own_key, tombstone, caller))


handler = http.lambda_handler(app)
