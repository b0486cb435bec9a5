"""Play those who sell crypto: MoonPay and Ramp."""

from cli.local.sandbox.messages import Answer, Request, Thing, found


class MoonPay:
    """Keep purchases by their ids."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        if not request.headers.get("authorization", "").startswith("Api-Key "):
            return Answer(401, {"message": "Unauthorized"})
        match request.target:
            case "GET", ["v1", "transactions", thing_id]:
                return found(self.things.get(thing_id))
        return found(None)


class Ramp:
    """Keep purchases by their ids."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out; who does not know a purchase's token does not see it."""
        match request.target:
            case "GET", ["host-api", "purchase", thing_id]:
                purchase = self.things.get(thing_id, {})
                return found(purchase if purchase.get("purchaseViewToken") == request.query.get("secret") else None)
        return found(None)
