"""Speak with Paystack: payments by its page."""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import Reply
from tallystick.adapters.providers.paystack.amounts import DECIMALS
from tallystick.adapters.providers.paystack.events import (
    Charge,
    Dispute,
    RefundNow,
    read_event,
    reference_of,
)
from tallystick.adapters.providers.reading import Document, Text, confirmed, not_confirmed
from tallystick.domain.deposits import Deposit
from tallystick.domain.webhooks import Fact, Notice, Provider, TakenBack
from tallystick.services.ports.providers import Checkout

EMAIL_DOMAIN: Final = "example.com"
"""Paystack wants an address for its receipt, and an order has none: this domain receives no mail (RFC 2606)."""


class _Charged(Document):
    data: Charge


class _Refunded(Document):
    data: RefundNow


class _Disputed(Document):
    data: Dispute


class _Page(Document):
    authorization_url: Text


class _Initialized(Document):
    data: _Page


class PaystackGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.PAYSTACK

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (the body says all)
        """Read an event."""
        return read_event(body)

    def confirm(self, notice: Notice) -> Notice:
        """Ask how the payment, refund or dispute stands; a refund without its id cannot be asked for."""
        match notice.details:
            case {"reference": reference}:
                return confirmed(notice, [self._charge(notice, reference)])
            case {"refund": refund_id}:
                return confirmed(notice, [self._refund(notice, refund_id)])
            case {"dispute": dispute_id}:
                return confirmed(notice, [self._dispute(notice, dispute_id)])
        return replace(notice, confirm=False)

    def checkout(self, deposit: Deposit) -> Checkout:
        """Open a page; its reference is our id, so that there is one payment for an order at most."""
        reference = reference_of(deposit.flow_id)
        order = {
            "email": f"{deposit.owner_id}@{EMAIL_DOMAIN}",
            "amount": str(self._units(deposit, DECIMALS)),
            "currency": deposit.currency,
            "reference": reference,
            "callback_url": self._setting.return_url or self._public_url,
            "metadata": json.dumps({"deposit_id": deposit.flow_id}),
        }
        headers = {**self._headers(), "Content-Type": "application/json"}
        # Not repeated: a second request with a reference is refused, though the first one may have been carried out.
        reply = self._http.post("/transaction/initialize", headers, json.dumps(order).encode(), repeatable=False)
        if _is_duplicate(reply):
            raise self._refused("Paystack has this order already, and tells only once where to pay; order again.")
        return Checkout(url=reply.read(_Initialized).data.authorization_url, references=(f"paystack:{reference}",))

    def _charge(self, notice: Notice, reference: str) -> Fact:
        reply = self._http.get(f"/transaction/verify/{reference}", self._headers())
        # So it answers for a reference that it does not know.
        found = None if reply.status == HTTPStatus.BAD_REQUEST else reply.find(_Charged)
        if found is None:
            raise not_confirmed(notice)
        return found.data.fact()

    def _refund(self, notice: Notice, refund_id: str) -> Fact | None:
        found = self._http.get(f"/refund/{refund_id}", self._headers()).find(_Refunded)
        told = next((fact for fact in notice.facts if isinstance(fact, TakenBack)), None)
        if found is None or told is None:
            raise not_confirmed(notice)
        return found.data.fact(told.claim_id)

    def _dispute(self, notice: Notice, dispute_id: str) -> Fact | None:
        found = self._http.get(f"/dispute/{dispute_id}", self._headers()).find(_Disputed)
        if found is None:
            raise not_confirmed(notice)
        return found.data.fact()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}


def _is_duplicate(reply: Reply) -> bool:
    code, message = reply.body.get("code"), str(reply.body.get("message", ""))
    return reply.status == HTTPStatus.BAD_REQUEST and (code == "duplicate_reference" or "duplicate" in message.lower())
