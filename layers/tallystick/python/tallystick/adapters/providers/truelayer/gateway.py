"""Speak with TrueLayer: payments from bank to bank, by its hosted page."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

from tallystick.adapters.providers.reading import Document, Id, Text, confirmed, not_confirmed
from tallystick.adapters.providers.truelayer.client import TrueLayerClient
from tallystick.adapters.providers.truelayer.events import DECIMALS, Payment, Refund, read_event
from tallystick.domain.deposits import Deposit
from tallystick.domain.webhooks import Fact, Notice
from tallystick.services.ports.providers import Checkout

EMAIL_DOMAIN: Final = "example.com"
"""TrueLayer wants a name and an address of the payer, and an order has neither: this domain receives no mail."""

_PAYMENTS: Final = "/v3/payments"


class _NewPayment(Document):
    id: Id
    resource_token: Text


class TrueLayerGateway(TrueLayerClient):
    """Implement `tallystick.services.ports.Gateway`."""

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (the body says all)
        """Read an event."""
        return read_event(body)

    def confirm(self, notice: Notice) -> Notice:
        """Ask how the payment or its refund stands."""
        path = f"{_PAYMENTS}/{notice.details['payment']}"
        if "refund" in notice.details:
            return confirmed(notice, [self._refund(notice, f"{path}/refunds/{notice.details['refund']}")])
        return confirmed(notice, [self._payment(notice, path)])

    def checkout(self, deposit: Deposit) -> Checkout:
        """Prepare a payment and write the address of its page."""
        page = self._configured("checkout_url")
        body = json.dumps(self._order(deposit)).encode()
        payment = self._post(_PAYMENTS, deposit.flow_id, body, repeatable=True).read(_NewPayment)
        values = {
            "payment_id": payment.id,
            "resource_token": payment.resource_token,
            "return_uri": self._setting.return_url or self._public_url,
        }
        url = f"{page}#{urlencode(values, quote_via=quote, safe='')}"
        return Checkout(url=url, references=(f"truelayer:{payment.id}",))

    def _order(self, deposit: Deposit) -> dict[str, object]:
        return {
            "amount_in_minor": self._units(deposit, DECIMALS),
            "currency": deposit.currency,
            "payment_method": {
                "type": "bank_transfer",
                "provider_selection": {"type": "user_selected"},
                "beneficiary": {
                    "type": "merchant_account",
                    "merchant_account_id": self._configured("merchant_account_id"),
                },
            },
            "user": {"name": deposit.owner_id, "email": f"{deposit.owner_id}@{EMAIL_DOMAIN}"},
            "metadata": {"deposit_id": deposit.flow_id},
        }

    def _payment(self, notice: Notice, path: str) -> Fact:
        found = self._get(path).find(Payment)
        if found is None:
            raise not_confirmed(notice)
        return found.fact()

    def _refund(self, notice: Notice, path: str) -> Fact | None:
        found = self._get(path).find(Refund)
        if found is None:
            raise not_confirmed(notice)
        return found.fact_of(notice.details["payment"])
