"""Play those who sell crypto: MoonPay and Ramp."""

from operator import itemgetter

from cli.local.sandbox.messages import Answer, Request, Thing, found, iso


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
            case "GET", ["v1", "transactions"]:
                return self._newest(int(request.query.get("limit", "10")))
            case "GET", ["v1", "transactions", thing_id]:
                return found(self._shown(self.things[thing_id]) if thing_id in self.things else None)
        return found(None)

    def _shown(self, purchase: Thing) -> Thing:
        changed = iso(self.changed.get(purchase["id"], 0))
        return {"createdAt": changed, "updatedAt": changed, **purchase}

    def _newest(self, limit: int) -> Answer:
        """List what was completed, the newest first."""
        done = [self._shown(purchase) for purchase in self.things.values() if purchase.get("status") == "completed"]
        return Answer(200, sorted(done, key=itemgetter("createdAt", "id"), reverse=True)[:limit])


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
