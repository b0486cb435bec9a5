"""Speak with TrueLayer: payments from bank to bank, by its hosted page."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import ProviderHttp, Reply
from tallystick.adapters.providers.reading import Document, Id, Text, Units, confirmed, not_confirmed
from tallystick.adapters.providers.truelayer.events import DECIMALS, Payment, Refund, read_event
from tallystick.domain.deposits import Deposit
from tallystick.domain.money import Asset
from tallystick.domain.webhooks import Fact, Notice, Provider
from tallystick.services.ports.providers import Checkout
from tallystick.settings import ProviderSetting

EMAIL_DOMAIN: Final = "example.com"
"""TrueLayer wants a name and an address of the payer, and an order has neither: this domain receives no mail."""

_PAYMENTS: Final = "/v3/payments"
_EARLY_S: Final = 60
"""A token is renewed so long before it ends."""


class _Token(Document):
    access_token: Text
    expires_in: Units


class _NewPayment(Document):
    id: Id
    resource_token: Text


class TrueLayerGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.TRUELAYER

    def __init__(
        self,
        setting: ProviderSetting,
        secrets: Callable[[], Mapping[str, str]],
        assets: Mapping[str, Asset],
        public_url: str,
    ) -> None:
        """Keep the configuration; tokens come from the host beside the API's (auth.truelayer.com)."""
        super().__init__(setting, secrets, assets, public_url)
        self._auth = ProviderHttp(self.provider, setting.base_url.replace("://api.", "://auth.", 1))
        self._token: tuple[str, float] = "", 0.0

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
        payment = self._post(deposit, json.dumps(self._order(deposit)).encode())
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

    def _post(self, deposit: Deposit, body: bytes) -> _NewPayment:
        # Imported here: a webhook is read without it.
        from tallystick.adapters.providers.truelayer.signing import IDEMPOTENCY_HEADER, sign_post

        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"tallystick:{deposit.flow_id}"))
        headers = {
            **self._headers(),
            "Content-Type": "application/json",
            IDEMPOTENCY_HEADER: key,
            "Tl-Signature": sign_post(
                private_key=self._secret("private_key"),
                key_id=self._secret("key_id"),
                path=_PAYMENTS,
                idempotency_key=key,
                body=body,
            ),
        }
        return self._http.post(_PAYMENTS, headers, body, repeatable=True).read(_NewPayment)

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

    def _get(self, path: str) -> Reply:
        """Ask; once more with another token when this one is not taken any more."""
        reply = self._http.get(path, self._headers())
        if reply.status != HTTPStatus.UNAUTHORIZED:
            return reply
        self._token = "", 0.0
        return self._http.get(path, self._headers())

    def _headers(self) -> dict[str, str]:
        token, ends_at = self._token
        if time.monotonic() >= ends_at:
            token, ends_at = self._token = self._new_token()
        return {"Authorization": f"Bearer {token}"}

    def _new_token(self) -> tuple[str, float]:
        fields = {
            "grant_type": "client_credentials",
            "client_id": self._configured("client_id"),
            "client_secret": self._secret("client_secret"),
            "scope": "payments",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        # Repeatable: a second token takes nothing from the first.
        reply = self._auth.post("/connect/token", headers, urlencode(fields).encode(), repeatable=True)
        token = reply.read(_Token)
        return token.access_token, asked_at + token.expires_in - _EARLY_S
