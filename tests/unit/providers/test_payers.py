import pytest

from tallystick.adapters.providers.paystack.payouts import PaystackPayouts
from tallystick.adapters.providers.stellar.payouts import StellarPayouts
from tallystick.adapters.providers.stripe.payouts import StripePayouts
from tallystick.adapters.providers.truelayer.payouts import TrueLayerPayouts
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.webhooks import Provider
from tests.unit.providers.payers import payer

PAYERS = {
    Provider.PAYSTACK: PaystackPayouts,
    Provider.STELLAR: StellarPayouts,
    Provider.STRIPE: StripePayouts,
    Provider.TRUELAYER: TrueLayerPayouts,
}


@pytest.mark.parametrize(("provider", "expected"), PAYERS.items())
def test_a_provider_pays_out_by_its_own_means(provider: Provider, expected: type) -> None:
    assert type(payer(provider)) is expected


@pytest.mark.parametrize("provider", [Provider.MOONPAY, Provider.RAMP])
def test_who_only_sells_crypto_pays_nobody_out(provider: Provider) -> None:
    with pytest.raises(ProviderRefused, match="its own widget") as caught:
        payer(provider)
    assert caught.value.members == {"provider": provider}
