"""Sign webhooks as the providers do; `public_key` gives what such a signature is checked with.

A secret is: Stripe's, MoonPay's or Paystack's text; the PEM of a private key on secp256k1 (Ramp) or P-521 (TrueLayer);
an `S…` seed or its 32 bytes (Stellar). The library `cryptography` is imported only for the last three.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.adapters.providers.wire import to_base64url
from tallystick.domain.webhooks import Provider

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TRUELAYER_KID: Final = "tallystick"
TRUELAYER_JKU: Final = "https://webhooks.truelayer-sandbox.com/.well-known/jwks"
_P521_BYTES: Final = 66
_ACCOUNT: Final = b"\x30"

Secret = str | bytes


@dataclass(frozen=True, slots=True)
class _Call:
    """Hold what is signed, and with what."""

    body: bytes
    secret: Secret
    at_s: int
    host: str
    path: str

    @property
    def key(self) -> bytes:
        """Give the secret as bytes."""
        return self.secret.encode() if isinstance(self.secret, str) else self.secret

    def timed(self, *parts: bytes) -> bytes:
        """Join the time and the parts with dots."""
        return b".".join((str(self.at_s).encode(), *parts))


def sign(provider: Provider, body: bytes, secret: Secret, *, at_s: int, host: str, path: str) -> dict[str, str]:
    """Give the headers that the provider would send with a body, as it spells them.

    Raises:
        Forged: Ramp signs JSON only, and the body is none.
    """
    return _SIGNERS[provider](_Call(body, secret, at_s, host, path))


def public_key(provider: Provider, secret: Secret) -> str:
    """Give the key that a signature is checked with; for an HMAC that is the secret itself."""
    find = _PUBLIC_KEYS.get(provider)
    return find(secret) if find else str(secret)


def _stripe(call: _Call) -> dict[str, str]:
    mac = hmac.digest(call.key, call.timed(call.body), "sha256").hex()
    return {"Stripe-Signature": f"t={call.at_s},v1={mac}"}


def _moonpay(call: _Call) -> dict[str, str]:
    mac = hmac.digest(call.key, call.timed(call.body), "sha256").hex()
    return {"Moonpay-Signature-V2": f"t={call.at_s},s={mac}"}


def _paystack(call: _Call) -> dict[str, str]:
    return {"x-paystack-signature": hmac.digest(call.key, call.body, "sha512").hex()}


def _ramp(call: _Call) -> dict[str, str]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = _curve_key(call.secret).sign(canonical(call.body), ec.ECDSA(hashes.SHA256()))
    return {"X-Body-Signature": base64.b64encode(signature).decode()}


def _truelayer(call: _Call) -> dict[str, str]:
    name, time = "X-TL-Webhook-Timestamp", datetime.fromtimestamp(call.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    jose = {"alg": "ES512", "kid": TRUELAYER_KID, "tl_version": "2", "tl_headers": name, "jku": TRUELAYER_JKU}
    protected = to_base64url(json.dumps(jose, separators=(",", ":")).encode())
    payload = f"POST {call.path}\n{name}: {time}\n".encode() + call.body
    signature = _es512(call.secret, protected + b"." + to_base64url(payload))
    return {name: time, "Tl-Signature": f"{protected.decode()}..{to_base64url(signature).decode()}"}


def _es512(secret: Secret, text: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    numbers = decode_dss_signature(_curve_key(secret).sign(text, ec.ECDSA(hashes.SHA512())))
    return b"".join(number.to_bytes(_P521_BYTES) for number in numbers)


def _stellar(call: _Call) -> dict[str, str]:
    signature = _seed_key(call.secret).sign(call.timed(call.host.encode(), call.body))
    return {"Signature": f"t={call.at_s}, s={base64.b64encode(signature).decode()}"}


def _ramp_public(secret: Secret) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = _curve_key(secret).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _truelayer_public(secret: Secret) -> str:
    numbers = _curve_key(secret).public_key().public_numbers()
    x, y = (to_base64url(number.to_bytes(_P521_BYTES)).decode() for number in (numbers.x, numbers.y))
    return json.dumps({"kty": "EC", "alg": "ES512", "kid": TRUELAYER_KID, "crv": "P-521", "x": x, "y": y})


def _stellar_public(secret: Secret) -> str:
    signed = _ACCOUNT + _seed_key(secret).public_key().public_bytes_raw()
    return base64.b32encode(signed + binascii.crc_hqx(signed, 0).to_bytes(2, "little")).decode()


def _curve_key(secret: Secret) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(secret.encode() if isinstance(secret, str) else secret, None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError("not the private key of an elliptic curve")
    return key


def _seed_key(secret: Secret) -> "Ed25519PrivateKey":
    """Read an S… seed: a version byte, 32 bytes and a checksum of two."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(base64.b32decode(secret)[1:-2] if isinstance(secret, str) else secret)


_SIGNERS: Final[dict[Provider, Callable[[_Call], dict[str, str]]]] = {
    Provider.MOONPAY: _moonpay,
    Provider.PAYSTACK: _paystack,
    Provider.RAMP: _ramp,
    Provider.STELLAR: _stellar,
    Provider.STRIPE: _stripe,
    Provider.TRUELAYER: _truelayer,
}
_PUBLIC_KEYS: Final[dict[Provider, Callable[[Secret], str]]] = {
    Provider.RAMP: _ramp_public,
    Provider.STELLAR: _stellar_public,
    Provider.TRUELAYER: _truelayer_public,
}
