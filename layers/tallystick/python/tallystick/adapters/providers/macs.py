"""Check HMACs that are written in lower-case hex."""

import hmac
from collections.abc import Sequence

from tallystick.adapters.providers.wire import octets
from tallystick.domain.webhooks import Forged


def check(algorithm: str, keys: Sequence[str], text: bytes, signatures: Sequence[str]) -> None:
    """Look for one signature that was made with one of the keys; a blank key is none, for anyone could sign with it.

    Raises:
        Forged: there is none, or no key.
    """
    secrets = [key.encode() for key in keys if key.isascii() and key.strip()]
    if not secrets:
        raise Forged("unknown-key")
    made = [hmac.digest(secret, text, algorithm).hex().encode() for secret in secrets]
    given = [octets(signature) for signature in signatures]
    if not any(hmac.compare_digest(mine, theirs) for mine in made for theirs in given):
        raise Forged("signature-mismatch")
