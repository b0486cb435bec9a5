"""Sign requests to TrueLayer: `Tl-Signature`, a JWS with ES512 that leaves the signed text out.

https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md
"""

import json
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tallystick.adapters.providers.truelayer.jwk import COORDINATE_BYTES
from tallystick.adapters.providers.wire import to_base64url
from tallystick.settings import ConfigurationError

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"


def sign_post(*, private_key: str, key_id: str, path: str, idempotency_key: str, body: bytes) -> str:
    """Give the signature of a POST to a path, with its idempotency key and body.

    Raises:
        ConfigurationError: the key is no PEM of a private key on P-521.
    """
    jose = {"alg": "ES512", "kid": key_id, "tl_version": "2", "tl_headers": IDEMPOTENCY_HEADER}
    protected = to_base64url(json.dumps(jose, separators=(",", ":")).encode())
    text = f"POST {path}\n{IDEMPOTENCY_HEADER}: {idempotency_key}\n".encode() + body
    der = _key(private_key).sign(protected + b"." + to_base64url(text), ec.ECDSA(hashes.SHA512()))
    raw = b"".join(number.to_bytes(COORDINATE_BYTES) for number in decode_dss_signature(der))
    return f"{protected.decode()}..{to_base64url(raw).decode()}"


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP521R1):
        # Not chained: what cannot be read must not get into a message.
        raise ConfigurationError("TrueLayer's private_key is no PEM of a private key on P-521")
    return key
