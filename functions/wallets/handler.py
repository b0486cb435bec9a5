"""/v1/wallets: open, list, show, freeze, unfreeze and close wallets."""

import re

from aws_lambda_powertools.event_handler import Response

from functions.wallets.schema import ReasonRequest, WalletPage, WalletRequest, WalletView
from tallystick import http, paging, wiring
from tallystick.services import wallets

CURSOR = re.compile(r"[0-9TZ:.-]{24}#\w{1,64}")

app = http.build_app()


@app.post("/v1/wallets", status_code=201, tags=["wallets"])
def create_wallet(body: WalletRequest, idempotency_key: http.IdempotencyKeyHeader = None) -> Response[WalletView]:
    """Open a wallet of one asset for the caller; with an Idempotency-Key a repeated call opens no second one."""
    caller = http.caller(app)
    claim = None if idempotency_key is None else http.claim(app, caller, idempotency_key)
    account, replayed = wallets.create(
        wallets=wiring.wallets(),
        caller=caller,
        wallet_id=claim.key.wallet_id if claim else wiring.new_wallet_id(),
        assets=wiring.settings().assets,
        asset=body.asset,
        label=body.label,
        now_ms=wiring.now_ms(),
    )
    return http.created(WalletView.of(account), replayed=replayed)


@app.get("/v1/wallets", tags=["wallets"])
def list_wallets(limit: paging.Limit = 50, cursor: paging.Cursor = None) -> Response[WalletPage]:
    """List the caller's own wallets, newest first."""
    page = wallets.list_owned(
        wallets=wiring.wallets(),
        caller=http.caller(app),
        limit=limit,
        after=paging.decode_cursor(cursor, CURSOR),
    )
    items = [WalletView.of(account) for account in page.items]
    return http.ok(WalletPage(items=items, next_cursor=paging.encode_cursor(page.next_key)))


@app.get("/v1/wallets/<wallet_id>", tags=["wallets"])
def get_wallet(wallet_id: str) -> Response[WalletView]:
    """Show a wallet. For its owner, SERVICE and ADMIN."""
    return http.ok(WalletView.of(wallets.get(wallets=wiring.wallets(), caller=http.caller(app), wallet_id=wallet_id)))


@app.post("/v1/wallets/<wallet_id>/freeze", tags=["wallets"])
def freeze_wallet(wallet_id: str, body: ReasonRequest) -> Response[WalletView]:
    """Stop everything but returns from moving a wallet's money. For ADMIN."""
    account = wallets.freeze(wallets=wiring.wallets(), caller=http.caller(app), wallet_id=wallet_id, reason=body.reason)
    return http.ok(WalletView.of(account))


@app.post("/v1/wallets/<wallet_id>/unfreeze", tags=["wallets"])
def unfreeze_wallet(wallet_id: str, body: ReasonRequest) -> Response[WalletView]:
    """Make a frozen wallet active again. For ADMIN."""
    account = wallets.unfreeze(
        wallets=wiring.wallets(), caller=http.caller(app), wallet_id=wallet_id, reason=body.reason
    )
    return http.ok(WalletView.of(account))


@app.post("/v1/wallets/<wallet_id>/close", tags=["wallets"])
def close_wallet(wallet_id: str) -> Response[WalletView]:
    """Close an empty wallet for good. For its owner and ADMIN."""
    account = wallets.close(wallets=wiring.wallets(), caller=http.caller(app), wallet_id=wallet_id)
    return http.ok(WalletView.of(account))


handler = http.lambda_handler(app)
