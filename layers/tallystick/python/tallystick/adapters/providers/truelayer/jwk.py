"""Read TrueLayer's public keys: each is the JSON of one JWK for ES512."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.adapters.providers import wire
from tallystick.domain.webhooks import Forged

COORDINATE_BYTES: Final = 66


@lru_cache(maxsize=32)
def read(text: str) -> tuple[str, ec.EllipticCurvePublicKey] | None:
    """Give the key id and the key, or nothing when it is none for ES512."""
    try:
        jwk = json.loads(text)
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and _for_es512(jwk):
            return jwk["kid"], _public_key(jwk)
    except (ValueError, RecursionError, Forged):
        pass
    return None


def _for_es512(jwk: Mapping[str, object]) -> bool:
    """Tell whether nothing speaks against it: some published keys leave `crv` out, but what is there must be right."""
    return jwk.get("kty") == "EC" and jwk.get("crv", "P-521") == "P-521" and jwk.get("alg", "ES512") == "ES512"


def _public_key(jwk: Mapping[str, object]) -> ec.EllipticCurvePublicKey:
    coordinates = [_coordinate(jwk.get(name)) for name in ("x", "y")]
    sizes = {len(coordinate) for coordinate in coordinates}
    # Leading zeros are left out by some writers (TrueLayer's own test set holds such a key): then the curve is named.
    if max(sizes) > COORDINATE_BYTES or (sizes != {COORDINATE_BYTES} and not {"crv", "alg"} & jwk.keys()):
        raise ValueError("no key of P-521")
    x, y = (int.from_bytes(coordinate) for coordinate in coordinates)
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP521R1()).public_key()


def _coordinate(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("no coordinate")  # noqa: TRY004 (caught above like any other key that cannot be read)
    return wire.from_base64url(value)
