"""Play Paystack: transactions, refunds, disputes."""

from typing import Any

from cli.local.sandbox.messages import Answer, Request, Thing

_UNKNOWN = Answer(400, {"status": False, "message": "Transaction reference not found"})
_DUPLICATE = Answer(400, {"status": False, "message": "Duplicate Transaction Reference", "code": "duplicate_reference"})


class Paystack:
    """Keep transactions by their reference, others by their path (`refund/1`)."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        if not request.headers.get("authorization", "").startswith("Bearer sk_"):
            return Answer(401, {"status": False, "message": "Invalid key"})
        match request.target:
            case "POST", ["transaction", "initialize"]:
                return self._initialize(request.json)
            case "GET", ["transaction", "verify", reference]:
                return _told(self.things[reference]) if reference in self.things else _UNKNOWN
            case "GET", ["refund" | "dispute", _] if request.path.strip("/") in self.things:
                return _told(self.things[request.path.strip("/")])
        return Answer(404, {"status": False, "message": "not found"})

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
        }
        page = {"authorization_url": f"https://checkout.paystack.com/{reference}", "reference": reference}
        return _told(page)


def _told(data: Any) -> Answer:  # noqa: ANN401 (JSON)
    return Answer(200, {"status": True, "message": "done", "data": data})
