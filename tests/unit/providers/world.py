"""Set up gateways as a deployment would, and read the events that the vendors document."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from cli.webhooks.keys import provider_keys
from tallystick.adapters.providers.moonpay.gateway import MoonPayGateway
from tallystick.adapters.providers.paystack.gateway import PaystackGateway
from tallystick.adapters.providers.ramp.gateway import RampGateway
from tallystick.adapters.providers.stellar.gateway import StellarGateway
from tallystick.adapters.providers.stripe.gateway import StripeGateway
from tallystick.adapters.providers.truelayer.gateway import TrueLayerGateway
from tallystick.domain.deposits import Deposit
from tallystick.domain.money import DEFAULT_ASSETS, Amount, Asset
from tallystick.domain.webhooks import EventRejected, Notice, Provider
from tallystick.services.ports.providers import Gateway
from tallystick.settings import ProviderSetting

FIXTURES: Final = Path(__file__).parents[2] / "fixtures" / "providers"
NOW_MS: Final = 1_767_225_600_000
FLOW: Final = "dep_0123456789abcdef0123456789abcdef"
PUBLIC_URL: Final = "https://pay.example.test"
NOWHERE: Final = "http://127.0.0.1:9"
ANCHOR: Final = "GDCZLB6B2LVDWMBOTGBMRWS6ZWB5CZ2QDBH3A5HLJBGEQ3XGSXZ2DTJH"
OUR_ACCOUNT: Final = "GBQELVIV5NWVCDKIEXQUUI7Q4OSCKU7PV6LSSWCJIQF2F2LPDHU2OBUG"

SETTINGS: Final[Mapping[Provider, dict[str, Any]]] = {
    Provider.STRIPE: {"return_url": "https://shop.example.test/back"},
    Provider.PAYSTACK: {"return_url": "https://shop.example.test/back"},
    Provider.MOONPAY: {
        "checkout_url": "https://buy-sandbox.moonpay.com",
        "publishable_key": "pk_test_1",
        "assets": {"ETH": "eth"},
        "addresses": {"ETH": "0xc216eD2D6c295579718dbd4a797845CdA70B3C36"},
    },
    Provider.RAMP: {
        "checkout_url": "https://app.demo.rampnetwork.com",
        "publishable_key": "host_1",
        "assets": {"ETH": "SEPOLIA_ETH"},
        "addresses": {"ETH": "0xa03fa8d1f10f8bde740348996165f037b65c6d28"},
    },
    Provider.TRUELAYER: {
        "checkout_url": "https://payment.truelayer-sandbox.com/payments",
        "return_url": "https://shop.example.test/back?from=bank",
        "client_id": "client-1",
        "merchant_account_id": "e83c4c20-0000-4000-8000-000000000001",
    },
    Provider.STELLAR: {
        "assets": {"XLM": "native", "USDC": f"USDC:{ANCHOR}"},
        "addresses": {"*": OUR_ACCOUNT},
    },
}
TRUELAYER_KEY: Final = ec.derive_private_key(7, ec.SECP521R1())
SECRETS: Final[Mapping[Provider, dict[str, str]]] = {
    Provider.STRIPE: {"api_key": "sk_test_1"},
    Provider.PAYSTACK: {"api_key": "sk_test_1"},
    Provider.MOONPAY: {"api_key": "sk_test_1", "signing_key": "moonpay-test-d67ff6833c861195e12a534d6ae67585"},
    Provider.RAMP: {},
    Provider.TRUELAYER: {
        "client_secret": "secret-1",
        "private_key": TRUELAYER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "key_id": "our-kid",
    },
    Provider.STELLAR: provider_keys()["stellar"],
}
TRUELAYER_PUBLIC_PEM: Final = (
    TRUELAYER_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
_Maker = Callable[[ProviderSetting, Callable[[], Mapping[str, str]], Mapping[str, Asset], str], Gateway]
GATEWAYS: Final[Mapping[Provider, _Maker]] = {
    Provider.MOONPAY: MoonPayGateway,
    Provider.PAYSTACK: PaystackGateway,
    Provider.RAMP: RampGateway,
    Provider.STELLAR: StellarGateway,
    Provider.STRIPE: StripeGateway,
    Provider.TRUELAYER: TrueLayerGateway,
}
FILES: Final = {provider: provider.value for provider in Provider} | {Provider.STELLAR: "stellar_sep24"}

HORIZON_RECORDS: Final[list[dict[str, Any]]] = json.loads((FIXTURES / "stellar_tx.json").read_text())[
    "horizon_payments_page"
]["_embedded"]["records"]
STRIPE_REFUND: Final = {"id": "re_1", "object": "refund", "amount": 1000, "currency": "usd", "payment_intent": "pi_1"}
PAYSTACK_DISPUTE: Final[dict[str, Any]] = {
    "id": 358,
    "domain": "test",
    "resolution": "merchant-accepted",
    "refund_amount": 250_000,
    "currency": "NGN",
    "transaction": {"id": 4_099_260_516, "reference": "dep-0000000000000001", "amount": 985_000},
}


def setting(provider: Provider, base_url: str = NOWHERE, **changes: Any) -> ProviderSetting:  # noqa: ANN401 (any member)
    """Configure a provider."""
    return ProviderSetting.model_validate({"base_url": base_url, **SETTINGS[provider], **changes})


def gateway(provider: Provider, base_url: str = NOWHERE, **changes: Any) -> Gateway:  # noqa: ANN401 (any member)
    """Speak with a provider at an address; without one it must not be needed."""
    chosen = setting(provider, base_url, **changes)
    return GATEWAYS[provider](chosen, lambda: SECRETS[provider], DEFAULT_ASSETS, PUBLIC_URL)


def body(provider: Provider, case: str) -> bytes:
    """Give the body of a vendor's event."""
    cases = json.loads((FIXTURES / f"{FILES[provider]}.json").read_text())["cases"]
    text: str = next(each["body"] for each in cases if each["name"] == case)
    return text.encode()


def stripe_refund(kind: str = "refund.created", **members: object) -> bytes:
    """Make an event about a refund."""
    event = {"type": kind, "created": 1, "livemode": True, "data": {"object": {**STRIPE_REFUND, **members}}}
    return json.dumps(event).encode()


def paystack_dispute(kind: str = "charge.dispute.resolve", **members: object) -> bytes:
    """Make an event about a dispute."""
    return json.dumps({"event": kind, "data": {**PAYSTACK_DISPUTE, **members}}).encode()


def horizon_record(**members: object) -> bytes:
    """Change a payment that Horizon lists; `...` takes a member out."""
    record = {**HORIZON_RECORDS[0], **members}
    return json.dumps({name: value for name, value in record.items() if value is not ...}).encode()


def changed(original: bytes, path: str, value: object) -> bytes:
    """Put another value at a path such as `data.object.status`; `...` takes the member out."""
    whole = json.loads(original)
    *parents, name = path.split(".")
    part = whole
    for parent in parents:
        part = part[parent]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return json.dumps(whole).encode()


def read(provider: Provider, text: bytes, query: Mapping[str, str] | None = None, **changes: Any) -> Notice:  # noqa: ANN401
    """Read an event without any network."""
    return gateway(provider, **changes).read(text, query or {})


def rejection(provider: Provider, text: bytes, **changes: Any) -> str:  # noqa: ANN401 (any member)
    """Say why an event is rejected."""
    with pytest.raises(EventRejected) as caught:
        read(provider, text, **changes)
    return caught.value.reason


def deposit(provider: Provider, asset: str, expected: str, currency: str | None = None, **changes: Any) -> Deposit:  # noqa: ANN401
    """Order something."""
    order = Deposit(
        flow_id=FLOW,
        owner_id="usr_1",
        wallet_id="wal_1",
        provider=provider,
        environment="test",
        asset=DEFAULT_ASSETS[asset],
        expected=expected,
        currency=currency or asset,
        fingerprint="f",
        created_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + 86_400_000,
    )
    return replace(order, **changes)


def amount(value: str, asset: str) -> Amount:
    """Give an exact amount."""
    return Amount(Decimal(value), asset)
