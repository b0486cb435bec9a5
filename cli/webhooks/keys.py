"""Make the keys of the local cloud: what its sandbox signs with, and what the functions check that with.

They are derived when they are asked for, always the same, so that no key has to lie in the repository; what everybody
can derive is worth nothing anywhere else.
"""

import base64
import binascii
import hashlib
import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli.webhooks import signers
from tallystick.domain.webhooks import Provider

_LABEL: Final = "tallystick local cloud"
_SEED: Final = b"\x90"
"""The version byte of a seed: it makes the text begin with S (SEP-23)."""

# What a signer holds that has no key pair; Paystack's is the one key that its API is called with, too.
_PREFIXES: Final = {Provider.STRIPE: "whsec_", Provider.MOONPAY: "wk_test_", Provider.PAYSTACK: "sk_test_"}


def signing_key(provider: str) -> str:
    """Give what a provider's signer needs: the text of an HMAC's key, the PEM of a private key, or a seed (`S…`)."""
    match Provider(provider):
        case Provider.RAMP:
            # All but 2^-128 of these digests are below the order of the curve; this one is.
            return _pem(_digest("ramp", "sha256"), ec.SECP256K1())
        case Provider.TRUELAYER:
            return _pem(_digest("truelayer", "sha512"), ec.SECP521R1())
        case Provider.STELLAR:
            return _seed(_digest("stellar", "sha256"))
        case hashed:
            return _secret(hashed, _PREFIXES[hashed])


def webhook_keys() -> dict[str, list[str]]:
    """Give what webhooks are checked with, by provider; TrueLayer publishes its keys, so they are in no secret."""
    providers = [provider for provider in Provider if provider is not Provider.TRUELAYER]
    return {str(provider): [signers.public_key(provider, signing_key(provider))] for provider in providers}


def provider_keys() -> dict[str, dict[str, str]]:
    """Give what the providers' APIs are called with, by provider and name; Ramp's takes no secret."""
    return {
        "stripe": {"api_key": _secret("stripe api", "sk_test_")},
        "moonpay": {
            "api_key": _secret("moonpay api", "sk_test_"),
            "signing_key": _secret("moonpay widget", "sk_test_"),
        },
        "paystack": {"api_key": signing_key(Provider.PAYSTACK)},
        "truelayer": {
            "client_secret": _secret("truelayer api", ""),
            "private_key": _pem(_digest("truelayer api", "sha512"), ec.SECP521R1()),
            "key_id": "local",
        },
        "stellar": {"payout_seed": _seed(_digest("stellar payouts", "sha256"))},
    }


def stellar_account(name: str) -> str:
    """Give an account on Stellar (`G…`): the one that pays (`payouts`), or another of the local cloud's."""
    return signers.public_key(Provider.STELLAR, _seed(_digest(f"stellar {name}", "sha256")))


def truelayer_jwks() -> dict[str, Any]:
    """Give the set of public keys that TrueLayer's sandbox serves."""
    return {"keys": [json.loads(signers.public_key(Provider.TRUELAYER, signing_key(Provider.TRUELAYER)))]}


def _digest(name: str, algorithm: str) -> bytes:
    return hashlib.new(algorithm, f"{_LABEL}: {name}".encode()).digest()


def _secret(name: str, prefix: str) -> str:
    return prefix + _digest(name, "sha256").hex()


def _pem(number: bytes, curve: ec.EllipticCurve) -> str:
    key = ec.derive_private_key(int.from_bytes(number), curve)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _seed(number: bytes) -> str:
    """Write a strkey: a version byte, the 32 bytes of the seed, and a checksum over both."""
    signed = _SEED + number
    return base64.b32encode(signed + binascii.crc_hqx(signed, 0).to_bytes(2, "little")).decode()
