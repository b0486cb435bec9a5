"""GET /v1/wallets/{wallet_id}/entries and /balance: what happened in a wallet."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.statements.schema import BalanceView, EntryPage, EntryView
from tallystick import http, paging, wiring
from tallystick.domain.transfers import TransferKind
from tallystick.services import statements
from tallystick.services.ports.statements import StatementQuery

app = http.build_app()


@app.get("/v1/wallets/<wallet_id>/entries", tags=["statements"])
def list_entries(
    wallet_id: str,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
    kind: TransferKind | None = None,
    from_: Annotated[str | None, Query(alias="from", description="From this time on (RFC 3339).")] = None,
    to: Annotated[str | None, Query(description="Before this time (RFC 3339).")] = None,
) -> Response[EntryPage]:
    """List a wallet's ledger entries, newest first. For its owner and ADMIN."""
    page = statements.entries(
        wallets=wiring.wallets(),
        statements=wiring.statements(),
        caller=http.caller(app),
        query=StatementQuery(
            account_id=wallet_id,
            limit=limit,
            kind=kind,
            from_ms=paging.parse_time("from", from_),
            before_ms=paging.before_ms(cursor, to),
        ),
    )
    items = [EntryView.of(entry) for entry in page.items]
    return http.ok(EntryPage(items=items, next_cursor=paging.encode_cursor(page.next_key)))


@app.get("/v1/wallets/<wallet_id>/balance", tags=["statements"])
def get_balance(
    wallet_id: str,
    at: Annotated[str | None, Query(description="As of this time (RFC 3339); now when left out.")] = None,
) -> Response[BalanceView]:
    """State the balance now, or after the last entry not later than a time. For the owner and ADMIN."""
    at_ms = paging.parse_time("at", at)
    balance = statements.balance(
        wallets=wiring.wallets(),
        statements=wiring.statements(),
        caller=http.caller(app),
        wallet_id=wallet_id,
        at_ms=at_ms,
    )
    return http.ok(BalanceView.of(balance, at_ms))


handler = http.lambda_handler(app)
