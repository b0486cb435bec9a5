"""Play Paystack: transactions, refunds, disputes, transfers and their recipients."""

import time
from operator import itemgetter
from typing import Any

from cli.local.sandbox.messages import Answer, Request, Thing, iso, state_of_payouts

_UNKNOWN = Answer(400, {"status": False, "message": "Transaction reference not found"})
_DUPLICATE = Answer(400, {"status": False, "message": "Duplicate Transaction Reference", "code": "duplicate_reference"})
_NOTHING = Answer(404, {"status": False, "message": "not found"})
_ABSENT = Answer(404, {"status": False, "message": "Transfer not found"})
UNKNOWN_BANK = "000"


class Paystack:
    """Keep transactions by their reference, others by their path (`refund/1`, `transfer/` and its reference)."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return Answer(401, {"status": False, "message": "Invalid key"})
        return self._create(request) if request.method == "POST" else self._read(request)

    def _create(self, request: Request) -> Answer:
        match request.target[1]:
            case ["transaction", "initialize"]:
                return self._initialize(request.json)
            case ["transferrecipient"]:
                return self._recipient(request.json)
            case ["transfer"]:
                return self._transfer(request.json)
        return _NOTHING

    def _read(self, request: Request) -> Answer:
        match request.target[1]:
            case ["transaction"]:
                return self._list(request, [self._shown(name) for name in self.things if "/" not in name])
            case ["transfer"]:
                return self._list(request, [self._shown(name) for name in self.things if name.startswith("transfer/")])
            case ["transaction", "verify", reference]:
                return _told(self._shown(reference)) if reference in self.things else _UNKNOWN
            case ["transfer", "verify", reference]:
                transfer = self.things.get(f"transfer/{reference}")
                return _told(self._shown(f"transfer/{reference}")) if transfer else _ABSENT
            case ["refund" | "dispute", _] if request.path.strip("/") in self.things:
                return _told(self.things[request.path.strip("/")])
        return _NOTHING

    def _shown(self, name: str) -> Thing:
        """Say when something was made and paid, or changed."""
        thing, changed = self.things[name], self.changed.get(name)
        times = {"createdAt": iso(changed), "updatedAt": iso(changed), "paid_at": iso(changed)} if changed else {}
        return {**times, **thing}

    def _list(self, request: Request, things: list[Thing]) -> Answer:
        """Give the page behind a cursor, newest first, of what was made in a time."""
        since, until = request.query["from"], request.query["to"]
        made = [thing for thing in things if since <= thing.get("createdAt", "") <= until]
        listed = sorted(made, key=itemgetter("createdAt", "id"), reverse=True)
        start, size = int(request.query.get("next", "0")), int(request.query.get("perPage", "50"))
        following = str(start + size) if len(listed) > start + size else None
        page = {"status": True, "message": "done", "data": listed[start : start + size]}
        return Answer(200, {**page, "meta": {"next": following, "perPage": size}})

    def _initialize(self, order: Thing) -> Answer:
        reference = order["reference"]
        if reference in self.things:
            return _DUPLICATE
        self.things[reference] = {
            "id": 4_000_000_000 + len(self.things),
            "domain": "test",
            "status": "abandoned",
            "reference": reference,
            "amount": int(order["amount"]),
            "requested_amount": int(order["amount"]),
            "fees": None,
            "currency": order["currency"],
            "createdAt": iso(time.time()),
        }
        page = {"authorization_url": f"https://checkout.paystack.com/{reference}", "reference": reference}
        return _told(page)

    def _recipient(self, account: Thing) -> Answer:
        """Answer with the recipient that there is for an account, or make one."""
        if account["bank_code"] == UNKNOWN_BANK:
            return _refused("invalid_bank_code", "Bank code is invalid")
        code = f"RCP_{account['bank_code']}{account['account_number']}"
        known = f"recipient/{code}" in self.things
        self.things[f"recipient/{code}"] = {**account, "recipient_code": code}
        return _told({**account, "recipient_code": code}, 200 if known else 201)

    def _transfer(self, order: Thing) -> Answer:
        key = f"transfer/{order['reference']}"
        if key in self.things:
            message = "Please provide a unique reference. Reference already exists on a transfer"
            return _refused("duplicate_transfer_reference", message)
        if f"recipient/{order['recipient']}" not in self.things:
            return _refused("invalid_transfer_recipient", "Recipient specified is invalid")
        if order["amount"] > self.things.get("balance", {}).get(order["currency"], order["amount"]):
            return _refused("insufficient_balance", "Your balance is not enough to fulfil this request")
        number = 5_000_000_000 + len(self.things)
        self.things[key] = {
            **order,
            "id": number,
            "domain": "test",
            "status": state_of_payouts(self.things),
            "transfer_code": f"TRF_{number}",
            "createdAt": iso(time.time()),
        }
        return _told(self.things[key])


def _refused(code: str, message: str) -> Answer:
    return Answer(400, {"status": False, "message": message, "type": "validation_error", "code": code})


def _told(data: Any, status: int = 200) -> Answer:  # noqa: ANN401 (JSON)
    return Answer(status, {"status": True, "message": "done", "data": data})
