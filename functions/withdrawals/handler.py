"""/v1/withdrawals: send money out, see what came of it, take it back; and for admins, decide about it."""

import re
from enum import StrEnum
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.withdrawals.schema import DecisionRequest, QuoteView, WithdrawalOrder, WithdrawalPage, WithdrawalView
from tallystick import http, wiring
from tallystick.domain.withdrawals import WithdrawalState
from tallystick.paging import Cursor, Limit, decode_cursor
from tallystick.services import reviews, withdrawals
from tallystick.wiring import webhooks
from tallystick.wiring import withdrawals as wired

app = http.build_app()

_BY_AGE = re.compile(r"[0-9TZ:.-]{24}#\w{1,64}")
_BY_TURN = re.compile(r"[0-9]{1,15}#\w{1,64}")


class OpenState(StrEnum):
    """Name the states of withdrawals whose money is on hold."""

    REQUESTED = "REQUESTED"
    IN_REVIEW = "IN_REVIEW"
    APPROVED = "APPROVED"
    SUBMITTED = "SUBMITTED"


@app.post("/v1/withdrawals", status_code=201, tags=["withdrawals"])
def create_withdrawal(
    body: WithdrawalOrder, idempotency_key: http.IdempotencyKeyHeader = None
) -> Response[WithdrawalView]:
    """Put money of a wallet of the caller's on hold, to be sent out by a provider."""
    caller = http.caller(app)
    withdrawal, replayed = withdrawals.request(
        window=wired.window(body.provider),
        caller=caller,
        claim=http.claim(app, caller, idempotency_key),
        request=body.to_request(),
        now_ms=wiring.now_ms(),
    )
    return http.created(WithdrawalView.of(withdrawal, caller), replayed=replayed)


@app.post("/v1/withdrawals/quote", tags=["withdrawals"])
def quote_withdrawal(body: WithdrawalOrder) -> Response[QuoteView]:
    """Show what a withdrawal would cost and what would become of it; nothing is moved."""
    quote = withdrawals.quote(
        window=wired.window(body.provider),
        wallets=wiring.wallets(),
        caller=http.caller(app),
        request=body.to_request(),
        now_ms=wiring.now_ms(),
    )
    return http.ok(QuoteView.of(quote))


@app.get("/v1/withdrawals", tags=["withdrawals"])
def list_withdrawals(limit: Limit = 50, cursor: Cursor = None) -> Response[WithdrawalPage]:
    """List the caller's own withdrawals, newest first."""
    caller = http.caller(app)
    after = decode_cursor(cursor, _BY_AGE)
    page = withdrawals.list_owned(flows=wired.flows(), caller=caller, limit=limit, after=after)
    return http.ok(WithdrawalPage.of(page, caller))


@app.get("/v1/withdrawals/<withdrawal_id>", tags=["withdrawals"])
def get_withdrawal(withdrawal_id: str) -> Response[WithdrawalView]:
    """Show a withdrawal. For its owner, SERVICE and ADMIN."""
    caller = http.caller(app)
    withdrawal = withdrawals.get(flows=wired.flows(), caller=caller, flow_id=withdrawal_id)
    return http.ok(WithdrawalView.of(withdrawal, caller))


@app.post("/v1/withdrawals/<withdrawal_id>/cancel", tags=["withdrawals"])
def cancel_withdrawal(withdrawal_id: str) -> Response[WithdrawalView]:
    """Take a withdrawal back while nothing was sent; its money is back at once. For its owner."""
    caller = http.caller(app)
    withdrawal = withdrawals.cancel(
        books=webhooks.books(), caller=caller, flow_id=withdrawal_id, now_ms=wiring.now_ms()
    )
    return http.ok(WithdrawalView.of(withdrawal, caller))


@app.get("/v1/admin/withdrawals", tags=["withdrawals"])
def list_open_withdrawals(
    state: Annotated[OpenState, Query(description="Those of one state.")] = OpenState.IN_REVIEW,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response[WithdrawalPage]:
    """List withdrawals whose money is on hold, those first that wait for longest. For ADMIN."""
    admin = http.admin(app, wiring.now_ms())
    after = decode_cursor(cursor, _BY_TURN)
    page = reviews.list_open(flows=wired.flows(), admin=admin, state=WithdrawalState(state), limit=limit, after=after)
    return http.ok(WithdrawalPage.of(page, admin.caller))


@app.post("/v1/admin/withdrawals/<withdrawal_id>/approve", tags=["withdrawals"])
def approve_withdrawal(withdrawal_id: str, body: DecisionRequest) -> Response[WithdrawalView]:
    """Let a withdrawal that is in review go out. For ADMIN, not for one's own."""
    admin = http.admin(app, wiring.now_ms())
    withdrawal = reviews.approve(
        books=webhooks.books(), queue=wired.queue(), admin=admin, flow_id=withdrawal_id, notes=body.notes
    )
    return http.ok(WithdrawalView.of(withdrawal, admin.caller))


@app.post("/v1/admin/withdrawals/<withdrawal_id>/reject", tags=["withdrawals"])
def reject_withdrawal(withdrawal_id: str, body: DecisionRequest) -> Response[WithdrawalView]:
    """Refuse a withdrawal that was not sent; its money is back at once. For ADMIN, not for one's own."""
    admin = http.admin(app, wiring.now_ms())
    withdrawal = reviews.reject(books=webhooks.books(), admin=admin, flow_id=withdrawal_id, notes=body.notes)
    return http.ok(WithdrawalView.of(withdrawal, admin.caller))


handler = http.lambda_handler(app)
