"""Check TrueLayer's signatures: `Tl-Signature`, a JWS with ES512 that leaves the signed text out.

https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tallystick.adapters.providers import members, wire
from tallystick.adapters.providers.truelayer import jwk
from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.webhooks import Delivery, Forged

_TIME_HEADER: Final = "x-tl-webhook-timestamp"
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TrueLayerSeal(WholeBody):
    """Implement `tallystick.services.ports.providers.Seal`; a key is the JSON of one JWK.

    A signature says at which address (`jku`) its key is published: it has to be one that the keys were fetched from.
    """

    def __init__(self, trusted_jku: Sequence[str]) -> None:
        """Name the addresses that are trusted to publish keys."""
        self._trusted_jku = tuple(trusted_jku)

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int:
        """Accept the signature of a POST to our path, with the headers that it names; the time has to be one of them.

        As in TrueLayer's own libraries, a slash at the path's end makes no difference.
        """
        protected, dots, encoded = wire.header(delivery, "tl-signature").partition("..")
        if not dots:
            raise Forged("bad-header")
        jose = _jose(protected)
        known = self._known(jose, keys)
        headers = _headers(jose, delivery)
        at_ms = _signed_at_ms(wire.header(delivery, _TIME_HEADER))
        signature = _der(wire.from_base64url(encoded))
        texts = _texts(protected, delivery.path, headers + wire.utf8(delivery.body))
        if not any(_signed(key, signature, text) for text in texts for key in known):
            raise Forged("signature-mismatch")
        return at_ms

    def event_id(self, delivery: Delivery) -> str | None:
        """Give `event_id`."""
        return members.event_id(delivery.body, "event_id")

    def _known(self, jose: Mapping[str, object], keys: Sequence[str]) -> list[ec.EllipticCurvePublicKey]:
        known = [key for kid, key in filter(None, map(jwk.read, keys)) if kid == jose.get("kid")]
        if jose.get("jku") not in self._trusted_jku or not known:
            raise Forged("unknown-key")
        return known


def _jose(protected: str) -> Mapping[str, object]:
    """Read the JWS' header; members that are not known are ignored, unless it calls them critical (RFC 7515)."""
    try:
        jose = json.loads(wire.from_base64url(protected).decode())
    except (ValueError, RecursionError):
        raise Forged("bad-header") from None
    if not isinstance(jose, dict):
        raise Forged("bad-header")
    if jose.get("alg") != "ES512":
        raise Forged("wrong-algorithm")
    if jose.get("tl_version") != "2" or "crit" in jose:
        raise Forged("bad-header")
    return jose


def _headers(jose: Mapping[str, object], delivery: Delivery) -> bytes:
    """Write the signed headers, with their names as the signature spells them."""
    names = str(jose.get("tl_headers", "")).split(",")
    values = [delivery.headers.get(name.lower()) for name in names]
    if None in values or _TIME_HEADER not in map(str.lower, names):
        raise Forged("missing-header")
    lines = [f"{name}: {value}" for name, value in zip(names, values, strict=True)]
    # A line break would let a header's end pass for the next header, or for the body.
    if any("\n" in line for line in lines):
        raise Forged("bad-header")
    return wire.octets("".join(f"{line}\n" for line in lines))


def _signed_at_ms(text: str) -> int:
    if not _TIME.fullmatch(text):
        raise Forged("bad-header")
    try:
        at_ms = (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        raise Forged("bad-header") from None
    if at_ms < 0:
        raise Forged("bad-header")
    return at_ms


def _der(raw: bytes) -> bytes:
    """Write a signature's two numbers, which JWS puts side by side, as the library wants them."""
    if len(raw) != 2 * jwk.COORDINATE_BYTES:
        raise Forged("signature-mismatch")
    r, s = (int.from_bytes(half) for half in (raw[: jwk.COORDINATE_BYTES], raw[jwk.COORDINATE_BYTES :]))
    return encode_dss_signature(r, s)


def _texts(protected: str, path: str, rest: bytes) -> Iterator[bytes]:
    """Build what may have been signed, one after the other, as a forgery alone needs the second."""
    for spelling in (path, path.removesuffix("/") if path.endswith("/") else f"{path}/"):
        payload = wire.octets(f"POST {spelling}\n") + rest
        yield wire.octets(protected) + b"." + wire.to_base64url(payload)


def _signed(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA512()))
    except InvalidSignature:
        return False
    return True
