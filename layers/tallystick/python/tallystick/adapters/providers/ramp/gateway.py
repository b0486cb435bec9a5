"""Speak with Ramp Network, which sells crypto for fiat on its page and sends it to our address."""

from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from pydantic import Field
from pydantic.alias_generators import to_camel

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.reading import (
    MAX_DECIMALS,
    Currency,
    Digits,
    Document,
    Exact,
    Id,
    Instant,
    Name,
    Text,
    confirmed,
    is_id,
    not_confirmed,
    read,
    understand,
)
from tallystick.domain.deposits import Deposit
from tallystick.domain.money import Amount, from_minor
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, Provider
from tallystick.services.ports.providers import Checkout

_ENDED: Final = frozenset({"CANCELLED", "EXPIRED", "RETURNED", "REVIEW_REJECTED"})


class _Asset(Document, alias_generator=to_camel):
    symbol: Text
    api_v3_symbol: Annotated[Text | None, Field(alias="apiV3Symbol")] = None
    chain: Text | None = None
    decimals: Annotated[int, Field(ge=0, le=MAX_DECIMALS)]

    @property
    def names(self) -> tuple[str, str]:
        """Give the name, and the one that the newer interface uses, with its chain."""
        return self.symbol, f"{self.chain}_{self.api_v3_symbol}"


class _Purchase(Document, alias_generator=to_camel):
    id: Id
    status: Name
    updated_at: Instant
    asset: _Asset
    crypto_amount: Digits
    fiat_currency: Currency
    fiat_value: Exact
    receiver_address: Text
    purchase_view_token: Id | None = None


class _Event(Document):
    type: Name
    mode: Name | None = None
    purchase: dict[str, object] | None = None


class RampGateway(ProviderGateway):
    """Implement `tallystick.services.ports.Gateway`."""

    provider = Provider.RAMP

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:
        """Read an event; the order's id is in the address that it was sent to. Sales pay nothing in."""
        event = read(_Event, body)
        if event.mode is not None or event.purchase is None:
            return Notice(" ".join(filter(None, [event.mode, event.type])))
        purchase = understand(_Purchase, event.purchase)
        return Notice(
            event.type,
            _order_in(query),
            (self._fact(purchase, event.type),),
            occurred_at_ms=purchase.updated_at,
            details={"purchase": purchase.id, "token": purchase.purchase_view_token or ""},
        )

    def confirm(self, notice: Notice) -> Notice:
        """Ask how the purchase stands."""
        path = f"/host-api/purchase/{notice.details['purchase']}"
        found = self._http.get(path, {}, {"secret": notice.details["token"]}).find(_Purchase)
        if found is None:
            raise not_confirmed(notice)
        return confirmed(notice, [self._fact(found, found.status)])

    def checkout(self, deposit: Deposit) -> Checkout:
        """Write the address of the page; Ramp is not asked, and hears of the order when somebody pays."""
        back = f"{self._public_url}/webhooks/ramp?{urlencode({'deposit': deposit.flow_id})}"
        values = {
            "hostApiKey": self._configured("publishable_key"),
            "swapAsset": self._their_asset(deposit),
            "userAddress": self._address(deposit.asset.code),
            **self._amount(deposit),
            "webhookStatusUrl": back,
            **({"finalUrl": self._setting.return_url} if self._setting.return_url else {}),
        }
        return Checkout(url=f"{self._configured('checkout_url').rstrip('/')}/?{urlencode(values, quote_via=quote)}")

    def _amount(self, deposit: Deposit) -> dict[str, str]:
        """Say how much; the smallest unit of our asset has to be the chain's."""
        if deposit.currency == deposit.asset.code:
            return {"swapAmount": str(self._units(deposit, deposit.asset.scale))}
        return {"fiatCurrency": deposit.currency, "fiatValue": deposit.expected}

    def _fact(self, purchase: _Purchase, status: str) -> Fact:
        if status == "RELEASED":
            return self._paid(purchase)
        return Failed(status.lower()) if status in _ENDED else Pending()

    def _paid(self, purchase: _Purchase) -> Paid:
        asset = self._our_asset(*purchase.asset.names)
        if asset is None:
            raise EventRejected("asset-mismatch", f"{purchase.asset.symbol} is none of our assets at Ramp.")
        if not self._is_ours(purchase.receiver_address, asset):
            raise EventRejected("address-mismatch", f"Ramp did not send the {asset} to our address.")
        delivered = Amount(from_minor(purchase.crypto_amount, purchase.asset.decimals), asset)
        return Paid(purchase.id, delivered, Amount(purchase.fiat_value, purchase.fiat_currency))


def _order_in(query: Mapping[str, str]) -> tuple[str, ...]:
    order = query.get("deposit", "")
    return (order,) if is_id(order) else ()
