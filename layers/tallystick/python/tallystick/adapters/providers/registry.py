"""Find what speaks a provider's language; only the modules of the provider that is asked for are imported."""

from collections.abc import Callable, Mapping

from tallystick.domain.errors import ProviderRefused
from tallystick.domain.money import Asset
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.provider_records import ProviderRecords
from tallystick.services.ports.providers import Gateway, Seal
from tallystick.settings import ProviderSetting

Secrets = Callable[[], Mapping[str, str]]


def seal(provider: Provider, setting: ProviderSetting) -> Seal:
    """Make what checks a provider's signatures."""
    match provider:
        case Provider.MOONPAY:
            from tallystick.adapters.providers.moonpay.seal import MoonPaySeal

            return MoonPaySeal()
        case Provider.PAYSTACK:
            from tallystick.adapters.providers.paystack.seal import PaystackSeal

            return PaystackSeal()
        case Provider.RAMP:
            from tallystick.adapters.providers.ramp.seal import RampSeal

            return RampSeal()
        case Provider.STELLAR:
            from tallystick.adapters.providers.stellar.seal import StellarSeal

            return StellarSeal()
        case Provider.STRIPE:
            from tallystick.adapters.providers.stripe.seal import StripeSeal

            return StripeSeal()
        case Provider.TRUELAYER:
            from tallystick.adapters.providers.truelayer.seal import TrueLayerSeal

            return TrueLayerSeal(setting.trusted_jku)


def gateway(
    provider: Provider, setting: ProviderSetting, secrets: Secrets, assets: Mapping[str, Asset], public_url: str
) -> Gateway:
    """Make what speaks with a provider."""
    return _gateway_class(provider)(setting, secrets, assets, public_url)


def _gateway_class(
    provider: Provider,
) -> Callable[[ProviderSetting, Secrets, Mapping[str, Asset], str], Gateway]:
    match provider:
        case Provider.MOONPAY:
            from tallystick.adapters.providers.moonpay.gateway import MoonPayGateway

            return MoonPayGateway
        case Provider.PAYSTACK:
            from tallystick.adapters.providers.paystack.gateway import PaystackGateway

            return PaystackGateway
        case Provider.RAMP:
            from tallystick.adapters.providers.ramp.gateway import RampGateway

            return RampGateway
        case Provider.STELLAR:
            from tallystick.adapters.providers.stellar.gateway import StellarGateway

            return StellarGateway
        case Provider.STRIPE:
            from tallystick.adapters.providers.stripe.gateway import StripeGateway

            return StripeGateway
        case Provider.TRUELAYER:
            from tallystick.adapters.providers.truelayer.gateway import TrueLayerGateway

            return TrueLayerGateway


def payer(
    provider: Provider, setting: ProviderSetting, secrets: Secrets, assets: Mapping[str, Asset], public_url: str
) -> Payer:
    """Make what pays out through a provider.

    Raises:
        ProviderRefused: it pays nobody out for us.
    """
    return _payer_class(provider)(setting, secrets, assets, public_url)


def _payer_class(
    provider: Provider,
) -> Callable[[ProviderSetting, Secrets, Mapping[str, Asset], str], Payer]:
    match provider:
        case Provider.MOONPAY | Provider.RAMP:
            detail = f"{provider} pays nobody out for us: who sells crypto does so in its own widget."
            raise ProviderRefused(detail, provider=provider)
        case Provider.PAYSTACK:
            from tallystick.adapters.providers.paystack.payouts import PaystackPayouts

            return PaystackPayouts
        case Provider.STELLAR:
            from tallystick.adapters.providers.stellar.payouts import StellarPayouts

            return StellarPayouts
        case Provider.STRIPE:
            from tallystick.adapters.providers.stripe.payouts import StripePayouts

            return StripePayouts
        case Provider.TRUELAYER:
            from tallystick.adapters.providers.truelayer.payouts import TrueLayerPayouts

            return TrueLayerPayouts


def records(
    provider: Provider, setting: ProviderSetting, secrets: Secrets, assets: Mapping[str, Asset], public_url: str
) -> ProviderRecords | None:
    """Make what reads a provider's books, if it has any to be read."""
    made = _records_class(provider)
    return None if made is None else made(setting, secrets, assets, public_url)


def _records_class(
    provider: Provider,
) -> Callable[[ProviderSetting, Secrets, Mapping[str, Asset], str], ProviderRecords] | None:
    match provider:
        case Provider.MOONPAY:
            from tallystick.adapters.providers.moonpay.records import MoonPayRecords

            return MoonPayRecords
        case Provider.PAYSTACK:
            from tallystick.adapters.providers.paystack.records import PaystackRecords

            return PaystackRecords
        case Provider.STELLAR:
            from tallystick.adapters.providers.stellar.records import StellarRecords

            return StellarRecords
        case Provider.STRIPE:
            from tallystick.adapters.providers.stripe.records import StripeRecords

            return StripeRecords
        case Provider.TRUELAYER:
            from tallystick.adapters.providers.truelayer.records import TrueLayerRecords

            return TrueLayerRecords
    return None
