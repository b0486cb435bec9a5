"""Play those who sell crypto (MoonPay, Ramp), and the Stellar chain (Horizon)."""

from collections.abc import Iterable

from cli.local.sandbox.messages import Answer, Request, Thing, found

_PARTIES = ("to", "from", "account", "funder", "into")


class MoonPay:
    """Keep purchases by their ids."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}

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

    def answer(self, request: Request) -> Answer:
        """Carry a call out; who does not know a purchase's token does not see it."""
        match request.target:
            case "GET", ["host-api", "purchase", thing_id]:
                purchase = self.things.get(thing_id, {})
                return found(purchase if purchase.get("purchaseViewToken") == request.query.get("secret") else None)
        return found(None)


class Stellar:
    """Keep payment operations by their ids, each with its transaction."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        match request.target:
            case "GET", ["accounts", address, "payments"]:
                of_account = [thing for thing in self._records() if address in {thing.get(name) for name in _PARTIES}]
                return Answer(200, _page(of_account, request)) if of_account else found(None)
            case "GET", ["transactions", digest, "payments"]:
                return Answer(200, _page(self._of_transaction(digest), request))
            case "GET", ["transactions", digest]:
                return found(next((thing["transaction"] for thing in self._of_transaction(digest)), None))
        return found(None)

    def _records(self) -> list[Thing]:
        return sorted(self.things.values(), key=lambda thing: int(thing["paging_token"]))

    def _of_transaction(self, digest: str) -> list[Thing]:
        return [thing for thing in self._records() if thing["transaction_hash"] == digest]


def _page(records: Iterable[Thing], request: Request) -> Thing:
    after, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "10"))
    behind = [thing for thing in records if int(thing["paging_token"]) > after][:limit]
    hidden = set() if request.query.get("join") == "transactions" else {"transaction"}
    shown = [{name: value for name, value in thing.items() if name not in hidden} for thing in behind]
    return {"_embedded": {"records": shown}}
