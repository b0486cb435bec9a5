"""Play TrueLayer: tokens, payments, refunds, and the keys that its webhooks are signed with."""

from cli.local.sandbox.messages import Answer, Once, Request, Thing, found
from cli.webhooks.keys import truelayer_jwks

_REUSED = Answer(422, {"title": "Idempotency-Key Reuse"})
_UNAUTHENTICATED = Answer(401, {"title": "Unauthenticated"})


class TrueLayer:
    """Keep payments and refunds by their ids, the published keys as `jwks` and the life of a token as `token`."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {"jwks": truelayer_jwks(), "token": {"expires_in": 3600}}
        self._once = Once(_REUSED)
        self._tokens: set[str] = set()

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        match request.target:
            case "POST", ["connect", "token"]:
                return self._token(request.form)
            case "GET", [".well-known", "jwks"]:
                return found(self.things["jwks"])
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
            return _UNAUTHENTICATED
        return self._payments(request)

    def _token(self, form: dict[str, str]) -> Answer:
        if form["grant_type"] != "client_credentials" or not form["client_id"] or not form["client_secret"]:
            return Answer(400, {"error": "invalid_client"})
        token = f"token-{len(self._tokens) + 1}"
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "token_type": "Bearer", **self.things["token"]})

    def _payments(self, request: Request) -> Answer:
        match request.target:
            case "POST", ["v3", "payments"]:
                return self._create_once(request)
            case "GET", ["v3", "payments", payment_id]:
                return found(self.things.get(payment_id))
            case "GET", ["v3", "payments", payment_id, "refunds", refund_id]:
                refund = self.things.get(refund_id, {})
                return found(refund if refund.get("payment_id") == payment_id else None)
        return found(None)

    def _create_once(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key")
        if key is None:
            return Answer(400, {"title": "Invalid Parameters"})
        if "tl-signature" not in request.headers:
            return _UNAUTHENTICATED
        return self._once.carry_out(key, request, self._create)

    def _create(self, request: Request) -> Answer:
        payment_id = f"60c0a60e-0000-4000-8000-{len(self.things):012d}"
        self.things[payment_id] = {**request.json, "id": payment_id, "status": "authorization_required"}
        token = {"id": payment_id, "resource_token": f"resource-{payment_id}", "status": "authorization_required"}
        return Answer(201, token)
