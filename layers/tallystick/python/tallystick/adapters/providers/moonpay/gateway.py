"""Speak with MoonPay, which sells crypto for fiat in its widget and sends it to our address."""

import base64
import hmac
from collections.abc import Mapping
from decimal import localcontext
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from pydantic.alias_generators import to_camel

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.reading import (
    Currency,
    Document,
    Exact,
    Id,
    Name,
    Text,
    confirmed,
    not_confirmed,
    read,
    understand,
    unreadable,
)
from tallystick.domain.deposits import Deposit
from tallystick.domain.money import MAX_DIGITS, Amount
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, Provider
from tallystick.services.ports.providers import Checkout

_EXACT_DIGITS: Final = 2 * MAX_DIGITS
_EVENTS: Final = frozenset({"transaction_created", "transaction_updated", "transaction_failed"})


class _Fiat(Document):
    code: Currency


class _Crypto(Document):
    code: Id


class Transaction(Document, alias_generator=to_camel):
    """Describe a purchase."""

    id: Id
    status: Name
    failure_reason: Text | None = None
    external_transaction_id: Id | None = None
    wallet_address: Text | None = None
    base_currency: _Fiat
    base_currency_amount: Exact
    currency: _Crypto
    quote_currency_amount: Exact | None = None
    fee_amount: Exact | None = None
    extra_fee_amount: Exact | None = None
    network_fee_amount: Exact | None = None
    are_fees_included: bool = False

    @property
    def references(self) -> tuple[str, ...]:
        """Name the order by its id, which the widget was given and every event tells."""
        return (self.external_transaction_id,) if self.external_transaction_id else ()

    @property
    def charged(self) -> Amount:
        """Give the amount as it was ordered.

        `baseCurrencyAmount` is always without fees: where they were included in what was ordered, it is what is left
        (MoonPay's own example: 295.45 and fees of 4.55 for 300.00).
        """
        fees = (self.fee_amount, self.extra_fee_amount, self.network_fee_amount) if self.are_fees_included else ()
        with localcontext(prec=_EXACT_DIGITS):
            return Amount(sum(filter(None, fees), self.base_currency_amount), self.base_currency.code)


class _Event(Document):
    type: Name
    data: dict[str, object]


class MoonPayGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.MOONPAY

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (the body says all)
        """Read an event; sales (`sell_transaction_…`) pay nothing in."""
        event = read(_Event, body)
        if event.type not in _EVENTS:
            return Notice(event.type)
        transaction = understand(Transaction, event.data)
        return Notice(
            event.type,
            transaction.references,
            (self.fact_of(transaction),),
            details={"transaction": transaction.id},
        )

    def confirm(self, notice: Notice) -> Notice:
        """Ask how the purchase stands."""
        headers = {"Authorization": f"Api-Key {self._secret('api_key')}"}
        found = self._http.get(f"/v1/transactions/{notice.details['transaction']}", headers).find(Transaction)
        if found is None:
            raise not_confirmed(notice)
        return confirmed(notice, [self.fact_of(found)])

    def checkout(self, deposit: Deposit) -> Checkout:
        """Write the address of the widget; MoonPay is not asked, and hears of the order when somebody pays."""
        values = {
            "apiKey": self._configured("publishable_key"),
            "currencyCode": self._their_asset(deposit),
            "walletAddress": self._address(deposit.asset.code),
            "externalTransactionId": deposit.flow_id,
            "externalCustomerId": deposit.owner_id,
            **_amount(deposit),
            "lockAmount": "true",
            **({"redirectURL": self._setting.return_url} if self._setting.return_url else {}),
        }
        page = self._configured("checkout_url").rstrip("/")
        return Checkout(url=signed(f"{page}/?{urlencode(values, quote_via=quote)}", self._secret("signing_key")))

    def fact_of(self, transaction: Transaction) -> Fact:
        """Say how a purchase stands.

        Raises:
            EventRejected: what was bought did not come to us, or is none of our assets.
        """
        if transaction.status == "completed":
            return self._paid(transaction)
        if transaction.status == "failed":
            return Failed(transaction.failure_reason or "failed")
        return Pending()

    def _paid(self, transaction: Transaction) -> Paid:
        asset = self._our_asset(transaction.currency.code)
        if asset is None:
            raise EventRejected("asset-mismatch", f"{transaction.currency.code} is none of our assets at MoonPay.")
        if not self._is_ours(transaction.wallet_address or "", asset):
            raise EventRejected("address-mismatch", f"MoonPay did not send the {asset} to our address.")
        if transaction.quote_currency_amount is None:
            raise unreadable("data.quoteCurrencyAmount: a completed purchase has one")
        return Paid(transaction.id, Amount(transaction.quote_currency_amount, asset), transaction.charged)


def signed(url: str, key: str) -> str:
    """Sign an address of the widget, so that nobody can change it."""
    mac = hmac.digest(key.encode(), f"?{urlsplit(url).query}".encode(), "sha256")
    return f"{url}&signature={quote(base64.b64encode(mac), safe='')}"


def _amount(deposit: Deposit) -> dict[str, str]:
    if deposit.currency == deposit.asset.code:
        return {"quoteCurrencyAmount": deposit.expected}
    return {"baseCurrencyCode": deposit.currency.lower(), "baseCurrencyAmount": deposit.expected}
