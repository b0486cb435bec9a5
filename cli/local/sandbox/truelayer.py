"""Play TrueLayer: tokens, payments, refunds, payouts, and the keys that its webhooks are signed with."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from cli.local.sandbox.messages import Answer, Once, Request, Thing, found, iso, state_of_payouts
from cli.webhooks.keys import truelayer_jwks

_ERRORS: Final = "https://docs.truelayer.com/docs/error-types"
_MAX_NAME: Final = 140
_MAX_RANGE: Final = timedelta(days=31)


class TrueLayer:
    """Keep payments, refunds and payouts by their ids.

    The published keys are the thing `jwks`, the life of a token is `token`; `page` says how many transactions one page
    has, and `balance` how much of a currency there is, for each payout.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {
            "jwks": truelayer_jwks(),
            "token": {"expires_in": 3600},
            "page": {"size": 1000},
        }
        self.changed: dict[str, float] = {}
        self._once = Once(_problem(422, "idempotency-key-reuse"))
        self._tokens: set[str] = set()

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        match request.target:
            case "POST", ["connect", "token"]:
                return self._token(request.form)
            case "GET", [".well-known", "jwks"]:
                return found(self.things["jwks"])
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _problem(401, "unauthenticated")
        return self._create_once(request) if request.method == "POST" else self._read(request)

    def _token(self, form: dict[str, str]) -> Answer:
        if form["grant_type"] != "client_credentials" or not form["client_id"] or not form["client_secret"]:
            return Answer(400, {"error": "invalid_client"})
        token = f"token-{len(self._tokens) + 1}"
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "token_type": "Bearer", **self.things["token"]})

    def _read(self, request: Request) -> Answer:
        match request.target[1]:
            case ["v3", "payments" | "payouts", thing_id]:
                return found(self.things.get(thing_id))
            case ["v3", "payments", payment_id, "refunds", refund_id]:
                refund = self.things.get(refund_id, {})
                return found(refund if refund.get("payment_id") == payment_id else None)
            case ["v3", "merchant-accounts", account_id, "transactions"]:
                return self._transactions(account_id, request)
        return found(None)

    def _create_once(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key")
        if key is None:
            return _problem(400, "invalid-parameters")
        if not _is_signature(request.headers.get("tl-signature", "")):
            return _problem(401, "unauthenticated")
        return self._once.carry_out(key, request, self._create)

    def _create(self, request: Request) -> Answer:
        match request.target[1]:
            case ["v3", "payments"]:
                return self._payment(request.json)
            case ["v3", "payouts"]:
                return self._payout(request.json)
        return found(None)

    def _payment(self, order: Thing) -> Answer:
        payment_id = f"60c0a60e-0000-4000-8000-{len(self.things):012d}"
        self.things[payment_id] = {**order, "id": payment_id, "status": "authorization_required"}
        token = {"id": payment_id, "resource_token": f"resource-{payment_id}", "status": "authorization_required"}
        return Answer(201, token)

    def _payout(self, order: Thing) -> Answer:
        if not 0 < len(order["beneficiary"]["account_holder_name"]) <= _MAX_NAME or order["amount_in_minor"] < 1:
            return _problem(400, "invalid-parameters")
        payout_id = f"0cd1b0f7-0000-4000-8000-{len(self.things):012d}"
        enough = order["amount_in_minor"] <= self.things.get("balance", {}).get(order["currency"], 10**18)
        short = {"status": "failed", "failure_reason": "insufficient_funds"}
        state = {"status": state_of_payouts(self.things)} if enough else short
        created_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self.things[payout_id] = {**order, "id": payout_id, "created_at": created_at, **state}
        return Answer(202, {"id": payout_id})

    def _listed(self, account_id: str) -> Iterator[Thing]:
        """List what came into the merchant account and went out of it."""
        for thing_id, thing in self.things.items():
            at = iso(self.changed.get(thing_id, 0))
            if thing.get("merchant_account_id") == account_id and thing["status"] != "failed":
                yield _transaction(thing)
            elif thing.get("status") == "settled":
                yield {
                    **_money(thing),
                    "type": "merchant_account_payment",
                    "payment_id": thing_id,
                    "settled_at": thing.get("settled_at", at),
                }
            elif "payment_id" in thing and thing.get("status") in {"executed", "failed"}:
                yield {
                    **_money(thing),
                    "type": "refund",
                    "refund_id": thing_id,
                    "executed_at": thing.get("executed_at", at),
                }

    def _transactions(self, account_id: str, request: Request) -> Answer:
        since, until = (datetime.fromisoformat(request.query[name]) for name in ("from", "to"))
        if until - since > _MAX_RANGE:
            return _problem(400, "invalid-parameters")
        kind = request.query.get("type")
        listed = [
            one
            for one in self._listed(account_id)
            if kind in {None, one["type"]} and since <= datetime.fromisoformat(_time_of(one)) <= until
        ]
        if request.headers.get("tl-enable-pagination") != "true":
            return Answer(200, {"items": listed})
        start, size = int(request.query.get("cursor", "0")), self.things["page"]["size"]
        following = {"next_cursor": str(start + size)} if len(listed) > start + size else {}
        return Answer(200, {"items": list(islice(listed, start, start + size)), "pagination": following})


def _money(thing: Thing) -> Thing:
    names = ("id", "status", "currency", "amount_in_minor", "payment_id", "settled_at", "executed_at")
    return {name: thing[name] for name in names if name in thing}


def _time_of(transaction: Thing) -> str:
    time: str = next(transaction[name] for name in ("settled_at", "executed_at", "created_at") if name in transaction)
    return time


def _transaction(payout: Thing) -> Thing:
    beneficiary = {name: value for name, value in payout["beneficiary"].items() if name != "account_identifier"}
    return {
        "type": "payout",
        "id": payout["id"],
        "payout_id": payout["id"],
        "currency": payout["currency"],
        "amount_in_minor": payout["amount_in_minor"],
        "status": payout["status"],
        "created_at": payout["created_at"],
        "beneficiary": {**beneficiary, "account_identifiers": [payout["beneficiary"]["account_identifier"]]},
        "context_code": "withdrawal",
    }


def _is_signature(text: str) -> bool:
    """Tell whether it looks like one; only TrueLayer's own library, which tests have, can tell whether it is one."""
    protected, _, signature = text.partition("..")
    try:
        jose = json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))
    except ValueError:
        return False
    known = {"alg": "ES512", "tl_version": "2", "tl_headers": "Idempotency-Key"}
    return len(signature) == 176 and known.items() <= jose.items() and bool(jose.get("kid"))  # noqa: PLR2004


def _problem(status: int, name: str) -> Answer:
    title = name.replace("-", " ").title()
    return Answer(status, {"type": f"{_ERRORS}#{name}", "title": title, "status": status, "trace_id": "sandbox"})
