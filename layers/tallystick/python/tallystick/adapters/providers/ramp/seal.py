"""Check Ramp's signatures: `X-Body-Signature`, ECDSA on secp256k1 with SHA-256, of the body's canonical form.

Nothing in it says when: a replay verifies, in any other spelling of the same JSON too.
https://docs.ramp.network/webhooks
"""

from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tallystick.adapters.providers import members, wire
from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.domain.webhooks import Delivery, Forged


class RampSeal:
    """Implement `tallystick.services.ports.providers.Seal`; a key is the PEM of one of Ramp's environments."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> None:
        """Accept the signature, in DER and canonical base64, of what the body says."""
        signature = wire.from_base64(wire.header(delivery, "x-body-signature"))
        text = canonical(delivery.body)
        known = [key for key in map(_public_key, keys) if key]
        if not known:
            raise Forged("unknown-key")
        if not any(_signed(key, signature, text) for key in known):
            raise Forged("signature-mismatch")

    def content(self, delivery: Delivery) -> bytes:
        """Give the canonical form: numbers that only look different are signed as the same."""
        return canonical(delivery.body)

    def event_id(self, delivery: Delivery) -> str | None:
        """Give a sale's event id, or make one of what happened to which purchase.

        It is read from the canonical form, so that another spelling of an event is the same event. The address that a
        purchase was created with names our order; it is not signed, so a call to another one is another event.
        """
        try:
            event = members.parsed(canonical(delivery.body))
        except Forged:
            return None
        if event.get("mode") == "OFFRAMP":
            return members.join(event.get("id"))
        order = [delivery.query["deposit"]] if "deposit" in delivery.query else []
        return members.join(event.get("type"), members.at(event, "purchase.id"), *order)


@lru_cache(maxsize=8)
def _public_key(pem: str) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_pem_public_key(wire.octets(pem))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256K1) else None


def _signed(key: ec.EllipticCurvePublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
