"""Check an anchor's signatures of SEP-24 callbacks: `Signature: t=…, s=…`, Ed25519 in base64 of `<t>.<host>.<body>`.

https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0024.md
"""

from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tallystick.adapters.providers import members, timed, wire
from tallystick.adapters.providers.stellar import strkey
from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.webhooks import Delivery, Forged


class StellarSeal(WholeBody):
    """Implement `tallystick.services.ports.providers.Seal`; a key is the SIGNING_KEY of the anchor's stellar.toml."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int:
        """Accept the signature of a call to our host; the header has an older name too."""
        sealed = timed.parse(wire.header(delivery, "signature", "x-stellar-signature"), "s")
        signature = wire.from_base64(sealed.signatures[0])
        text = sealed.text(wire.octets(delivery.host), wire.utf8(delivery.body))
        known = [key for key in map(_public_key, keys) if key]
        if not known:
            raise Forged("unknown-key")
        if not any(_signed(key, signature, text) for key in known):
            raise Forged("signature-mismatch")
        return sealed.at_ms

    def event_id(self, delivery: Delivery) -> str | None:
        """Make an id of which state a transaction reached when, for the callbacks have none."""
        return members.event_id(delivery.body, "transaction.id", "transaction.status", "transaction.updated_at")


@lru_cache(maxsize=8)
def _public_key(account: str) -> Ed25519PublicKey | None:
    key = strkey.public_key(account)
    return Ed25519PublicKey.from_public_bytes(key) if key else None


def _signed(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True
