"""Sign deliveries for tests; the keys are derived from numbers, so that no private key lies in the repository."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli.webhooks import signers
from tallystick.adapters.providers.moonpay.seal import MoonPaySeal
from tallystick.adapters.providers.paystack.seal import PaystackSeal
from tallystick.adapters.providers.ramp.seal import RampSeal
from tallystick.adapters.providers.stellar.seal import StellarSeal
from tallystick.adapters.providers.stripe.seal import StripeSeal
from tallystick.adapters.providers.truelayer.seal import TrueLayerSeal
from tallystick.domain.webhooks import Delivery, Forged, Provider
from tallystick.services.ports.providers import Seal

NOW_S: Final = 1_767_225_600
HOST: Final = "pay.example.test"
PATH: Final = "/webhooks/here"
SEALS: Final[Mapping[Provider, Seal]] = {
    Provider.MOONPAY: MoonPaySeal(),
    Provider.PAYSTACK: PaystackSeal(),
    Provider.RAMP: RampSeal(),
    Provider.STELLAR: StellarSeal(),
    Provider.STRIPE: StripeSeal(),
    Provider.TRUELAYER: TrueLayerSeal([signers.TRUELAYER_JKU]),
}
TIMELESS: Final = {Provider.PAYSTACK, Provider.RAMP}


def curve_pem(curve: ec.EllipticCurve, number: int = 7) -> str:
    """Give the private key that is this number."""
    key = ec.derive_private_key(number, curve)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def secret_of(provider: Provider, number: int = 7) -> str | bytes:
    """Give a secret to sign with."""
    curves: dict[Provider, Callable[[], str | bytes]] = {
        Provider.RAMP: lambda: curve_pem(ec.SECP256K1(), number),
        Provider.TRUELAYER: lambda: curve_pem(ec.SECP521R1(), number),
        Provider.STELLAR: lambda: number.to_bytes(32),
    }
    return curves.get(provider, lambda: f"test_{number}")()


@cache
def key_of(provider: Provider, number: int = 7) -> str:
    """Give the key that belongs to a secret."""
    return signers.public_key(provider, secret_of(provider, number))


def delivery(
    provider: Provider,
    body: bytes,
    headers: Mapping[str, str],
    *,
    host: str = HOST,
    path: str = PATH,
    query: Mapping[str, str] | None = None,
) -> Delivery:
    """Deliver a body, with the names of its headers in lower case."""
    lowered = {name.lower(): value for name, value in headers.items()}
    return Delivery(provider, host, path, lowered, query or {}, body, "203.0.113.7", NOW_S * 1000)


def signed(provider: Provider, body: bytes, *, path: str = PATH, number: int = 7) -> Delivery:
    """Deliver what the provider signed."""
    headers = signers.sign(provider, body, secret_of(provider, number), at_s=NOW_S, host=HOST, path=path)
    return delivery(provider, body, headers, path=path)


def verdict(call: Delivery, *keys: str) -> str:
    """Say `genuine`, or why not; without keys the one that tests sign with is used."""
    try:
        SEALS[call.provider].verify(call, keys or [key_of(call.provider)])
    except Forged as forged:
        return forged.reason
    return "genuine"


def short(value: object) -> str:
    """Name a test's value, however long it is."""
    return ascii(value)[:40]
