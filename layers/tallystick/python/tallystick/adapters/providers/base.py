"""Hold what all gateways are made of."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import ClassVar

from tallystick.adapters.providers.http import ProviderHttp
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import InvalidAmount, ProviderRefused
from tallystick.domain.money import Asset, exact_units
from tallystick.domain.webhooks import Provider
from tallystick.settings import ConfigurationError, ProviderSetting


class ProviderGateway:
    """Know the setting and the secrets of one provider; it implements a part of Gateway, each provider the rest."""

    provider: ClassVar[Provider]
    patience_s: ClassVar[int] = 0
    """How long a call may wait when the provider says that it is asked too often."""

    def __init__(
        self,
        setting: ProviderSetting,
        secrets: Callable[[], Mapping[str, str]],
        assets: Mapping[str, Asset],
        public_url: str,
    ) -> None:
        """Keep the configuration; secrets are read and connections opened when they are needed."""
        self._setting = setting
        self._secrets = secrets
        self._assets = assets
        self._public_url = public_url.rstrip("/")
        self._http = ProviderHttp(self.provider, setting.base_url, patience_s=self.patience_s)

    def _configured(self, name: str) -> str:
        value = getattr(self._setting, name)
        if not value:
            raise ConfigurationError(f"{name} of {self.provider} is not configured")
        return str(value)

    def _secret(self, name: str) -> str:
        value = self._secrets().get(name)
        if not value:
            raise ConfigurationError(f"the secret {name} of {self.provider} is missing")
        return value

    def _refused(self, detail: str) -> ProviderRefused:
        return ProviderRefused(detail, provider=self.provider)

    def _their_asset(self, deposit: Deposit) -> str:
        name = self._setting.assets.get(deposit.asset.code)
        if name is None:
            raise self._refused(f"{self.provider} is not configured to deliver {deposit.asset.code}.")
        return name

    def _our_asset(self, *names: str) -> str | None:
        return next((code for code, name in self._setting.assets.items() if name in names), None)

    def _address(self, asset: str) -> str:
        address = self._setting.addresses.get(asset)
        if address is None:
            raise self._refused(f"{self.provider} is not configured to deliver {asset}.")
        return address

    def _is_ours(self, address: str, asset: str) -> bool:
        """Compare with our address for an asset; the case of hexadecimal digits is only a checksum."""
        ours = self._setting.addresses.get(asset, "")
        return address == ours or (ours[:2] == "0x" and address.lower() == ours.lower())

    def _units(self, deposit: Deposit, decimals: int) -> int:
        """Give what was ordered in whole units of so many decimals."""
        try:
            return exact_units(Decimal(deposit.expected), Asset(deposit.currency, decimals))
        except InvalidAmount as fault:
            raise self._refused(fault.detail) from fault
