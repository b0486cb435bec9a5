"""Play Stripe: Checkout sessions, payment intents, refunds, disputes, payouts."""

import time
from collections.abc import Iterator
from operator import itemgetter

from cli.local.sandbox.messages import Answer, Once, Request, Thing, found, state_of_payouts

_REUSED = Answer(400, {"error": {"type": "idempotency_error", "message": "The key came with another request"}})
UNKNOWN_ACCOUNT = "ba_unknown"
"""Every other one is known, `ba_closed` too: its bank refuses later, when the control API says so."""


class Stripe:
    """Keep things by their ids; a session's payment intent is made with it, and told only when it is paid."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}
        self._once = Once(_REUSED)

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return Answer(401, {"error": {"type": "invalid_request_error"}})
        if request.method == "POST":
            key = request.headers.get("idempotency-key", f"none-{len(self.things)}")
            return self._once.carry_out(key, request, self._create)
        return self._read(request)

    def _create(self, request: Request) -> Answer:
        form = request.form
        match request.target[1]:
            case ["v1", "payment_intents"]:
                return Answer(200, self._intent(form["amount"], form["currency"], form["metadata[deposit_id]"]))
            case ["v1", "checkout", "sessions"]:
                price = "line_items[0][price_data]"
                order = form["payment_intent_data[metadata][deposit_id]"]
                intent = self._intent(form[f"{price}[unit_amount]"], form[f"{price}[currency]"], order)
                return Answer(200, {**self._session(form, intent), "payment_intent": None})
            case ["v1", "payouts"]:
                return self._payout(form)
        return found(None)

    def _read(self, request: Request) -> Answer:
        match request.target[1]:
            case ["v1", "balance_transactions"]:
                return Answer(200, self._transactions(request))
            case ["v1", "payment_intents", thing_id] if request.query.get("expand[]") == "latest_charge":
                intent = self.things.get(thing_id)
                return found(intent and {**intent, "latest_charge": self._charge(intent)})
            case ["v1", "refunds"]:
                return Answer(200, self._refunds(request))
            case ["v1", "payouts"]:
                return Answer(200, self._payouts(request))
            case ["v1", "payment_intents" | "refunds" | "disputes" | "payouts", thing_id]:
                return found(self.things.get(thing_id))
        return found(None)

    def _intent(self, amount: str, currency: str, order: str) -> Thing:
        thing_id = f"pi_sandbox_{len(self.things) + 1}"
        self.things[thing_id] = {
            "id": thing_id,
            "object": "payment_intent",
            "amount": int(amount),
            "amount_received": 0,
            "currency": currency,
            "status": "requires_payment_method",
            "client_secret": f"{thing_id}_secret_1",
            "livemode": False,
            "metadata": {"deposit_id": order},
        }
        return self.things[thing_id]

    def _session(self, form: dict[str, str], intent: Thing) -> Thing:
        thing_id = f"cs_sandbox_{len(self.things) + 1}"
        self.things[thing_id] = {
            "id": thing_id,
            "object": "checkout.session",
            "url": f"https://checkout.stripe.com/c/pay/{thing_id}",
            "client_reference_id": form["client_reference_id"],
            "expires_at": int(form["expires_at"]),
            "payment_intent": intent["id"],
        }
        return self.things[thing_id]

    def _refunds(self, request: Request) -> Thing:
        wanted = request.query.get("payment_intent")
        return _page([refund for refund in self._all("re_") if refund["payment_intent"] == wanted], request)

    def _payout(self, form: dict[str, str]) -> Answer:
        amount, currency = int(form["amount"]), form["currency"]
        if form["destination"] == UNKNOWN_ACCOUNT:
            return _refused("resource_missing", f"No such external account: '{UNKNOWN_ACCOUNT}'")
        if amount > self.things.get("balance", {}).get(currency, amount):
            return _refused("balance_insufficient", "You have insufficient funds in your Stripe account.")
        thing_id = f"po_sandbox_{len(self.things) + 1}"
        self.things[thing_id] = {
            "id": thing_id,
            "object": "payout",
            "amount": amount,
            "automatic": False,
            "created": int(time.time()),
            "currency": currency,
            "destination": form["destination"],
            "failure_code": None,
            "livemode": False,
            "metadata": {"withdrawal_id": form["metadata[withdrawal_id]"]},
            "status": state_of_payouts(self.things),
        }
        return Answer(200, self.things[thing_id])

    def _payouts(self, request: Request) -> Thing:
        since = int(request.query.get("created[gte]", "0"))
        made = [payout for payout in reversed(self._all("po_")) if payout["created"] >= since]
        return _page(sorted(made, key=itemgetter("created"), reverse=True), request)

    def _transactions(self, request: Request) -> Thing:
        """List what has moved money, newest first, each with what it is of."""
        since, until = int(request.query["created[gte]"]), int(request.query["created[lt]"])
        moved = [one for one in self._moved() if since <= one["created"] < until]
        return _page(sorted(moved, key=itemgetter("created", "id"), reverse=True), request)

    def _moved(self) -> Iterator[Thing]:
        for intent in self._all("pi_"):
            if intent.get("status") == "succeeded":
                yield self._transaction("charge", intent, {**self._charge(intent), "object": "charge"})
        for kind, prefix in (("refund", "re_"), ("adjustment", "dp_")):
            for thing in self._all(prefix):
                name = {"refund": "refund", "adjustment": "dispute"}[kind]
                yield self._transaction(kind, thing, {**thing, "object": name})
        for payout in self._all("po_"):
            yield {"id": f"txn_{payout['id']}", "type": "payout", "created": payout["created"], "source": payout}
            if payout["status"] in {"failed", "canceled"}:
                yield self._transaction("payout_failure", payout, payout)

    def _transaction(self, kind: str, thing: Thing, source: Thing) -> Thing:
        at_s = int(thing.get("paid_at") or self.changed.get(thing["id"], 0))
        return {"id": f"txn_{kind}_{thing['id']}", "type": kind, "created": at_s, "source": source}

    def _charge(self, intent: Thing) -> Thing:
        """Describe the charge of a payment that was made."""
        given_back = sum(
            refund["amount"]
            for refund in self._all("re_")
            if refund["payment_intent"] == intent["id"] and refund.get("status", "succeeded") == "succeeded"
        )
        amount = intent.get("amount_received") or intent["amount"]
        return {
            "id": f"ch_{intent['id']}",
            "status": "succeeded",
            "currency": intent["currency"],
            "amount": intent["amount"],
            "amount_captured": amount,
            "amount_refunded": given_back,
            "refunded": given_back >= amount,
            "payment_intent": intent["id"],
            "metadata": intent.get("metadata", {}),
        }

    def _all(self, prefix: str) -> list[Thing]:
        return [thing for key, thing in self.things.items() if key.startswith(prefix)]


def _refused(code: str, message: str) -> Answer:
    return Answer(400, {"error": {"type": "invalid_request_error", "code": code, "message": message}})


def _page(all_of_it: list[Thing], request: Request) -> Thing:
    after = request.query.get("starting_after")
    start = 1 + [thing["id"] for thing in all_of_it].index(after) if after else 0
    end = start + min(int(request.query.get("limit", "10")), 100)
    return {"object": "list", "url": request.path, "data": all_of_it[start:end], "has_more": len(all_of_it) > end}
