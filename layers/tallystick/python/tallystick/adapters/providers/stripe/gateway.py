"""Speak with Stripe: payments by its Checkout page, or by a page of the integrator's own with Stripe Elements."""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.reading import D, Document, Id, Text, confirmed, not_confirmed
from tallystick.adapters.providers.stripe.amounts import decimals
from tallystick.adapters.providers.stripe.events import Dispute, PaymentIntent, Refund, read_event
from tallystick.domain.deposits import Deposit
from tallystick.domain.webhooks import EventRejected, Fact, Notice, Provider
from tallystick.services.ports.providers import Checkout

MAX_PAGES: Final = 10
"""Of 100 refunds each."""

_MINUTE_S: Final = 60
_SHORTEST_S: Final = 35 * _MINUTE_S
_LONGEST_S: Final = 24 * 60 * _MINUTE_S - 5 * _MINUTE_S
"""Stripe keeps a page open for 30 minutes to 24 hours by its own clock; five minutes are left for ours."""


class _Session(Document):
    url: Text
    payment_intent: Id | None = None


class _NewIntent(Document):
    id: Id
    client_secret: Text


class _Refunds(Document):
    data: list[Refund]
    has_more: bool


class StripeGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.STRIPE

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (the body says all)
        """Read an event."""
        return read_event(body)

    def confirm(self, notice: Notice) -> Notice:
        """Ask how the payment, its refunds or its dispute stand."""
        if "dispute" in notice.details:
            return confirmed(notice, [self._dispute(notice)])
        if notice.event.startswith("payment_intent."):
            return confirmed(notice, [self._payment(notice)])
        return confirmed(notice, [refund.fact() for refund in self._refunds(notice.details["payment_intent"])])

    def checkout(self, deposit: Deposit) -> Checkout:
        """Open a Checkout page, or prepare a payment for the integrator's own."""
        return self._intent(deposit) if self._setting.checkout_url else self._session(deposit)

    def _payment(self, notice: Notice) -> Fact:
        path = f"/v1/payment_intents/{notice.details['payment_intent']}"
        found = self._http.get(path, self._headers()).find(PaymentIntent)
        if found is None:
            raise not_confirmed(notice)
        return found.fact()

    def _dispute(self, notice: Notice) -> Fact | None:
        found = self._http.get(f"/v1/disputes/{notice.details['dispute']}", self._headers()).find(Dispute)
        if found is None:
            raise not_confirmed(notice)
        return found.fact()

    def _refunds(self, payment: str) -> Iterator[Refund]:
        query = {"payment_intent": payment, "limit": "100"}
        for _ in range(MAX_PAGES):
            page = self._http.get("/v1/refunds", self._headers(), query).read(_Refunds)
            yield from page.data
            if not page.has_more or not page.data:
                return
            query["starting_after"] = page.data[-1].id
        raise EventRejected("too-many-facts", f"Payment {payment} has more than {MAX_PAGES * 100} refunds.")

    def _session(self, deposit: Deposit) -> Checkout:
        back = self._setting.return_url or self._public_url
        fields = {
            "mode": "payment",
            "client_reference_id": deposit.flow_id,
            "metadata[deposit_id]": deposit.flow_id,
            "payment_intent_data[metadata][deposit_id]": deposit.flow_id,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": deposit.currency.lower(),
            "line_items[0][price_data][unit_amount]": str(self._units(deposit, decimals(deposit.currency))),
            "line_items[0][price_data][product_data][name]": "Deposit",
            "success_url": back,
            "cancel_url": back,
            "expires_at": str(_closes_at_s(deposit)),
        }
        session = self._post("/v1/checkout/sessions", deposit, fields, _Session)
        references = (f"stripe:{session.payment_intent}",) if session.payment_intent else ()
        return Checkout(url=session.url, references=references)

    def _intent(self, deposit: Deposit) -> Checkout:
        fields = {
            "amount": str(self._units(deposit, decimals(deposit.currency))),
            "currency": deposit.currency.lower(),
            "metadata[deposit_id]": deposit.flow_id,
        }
        intent = self._post("/v1/payment_intents", deposit, fields, _NewIntent)
        instructions = {"client_secret": intent.client_secret, "payment_intent": intent.id}
        return Checkout(instructions=instructions, references=(f"stripe:{intent.id}",))

    def _post(self, path: str, deposit: Deposit, fields: Mapping[str, str], model: type[D]) -> D:
        headers = {
            **self._headers(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": deposit.flow_id,
        }
        return self._http.post(path, headers, urlencode(fields).encode(), repeatable=True).read(model)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}


def _closes_at_s(deposit: Deposit) -> int:
    """Derive the time from the order alone: under the same key the same request has to be sent again."""
    created_at_s = deposit.created_at_ms // 1000
    open_for_s = deposit.expires_at_ms // 1000 - created_at_s
    return created_at_s + min(max(open_for_s, _SHORTEST_S), _LONGEST_S)
