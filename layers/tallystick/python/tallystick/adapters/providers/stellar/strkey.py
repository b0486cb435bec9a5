"""Read Stellar's strkeys: a version byte, a value, and a checksum over both, in base32 (SEP-23).

https://github.com/stellar/stellar-protocol/blob/master/ecosystem/sep-0023.md

stellar_sdk can do that too, but takes over a second to import.
"""

import base64
import binascii
from typing import Final

_CHARACTERS: Final = 56
_ACCOUNT: Final = b"\x30"
"""The version byte of a public key: it makes the text begin with G."""


def public_key(account: str) -> bytes | None:
    """Decode the 32 bytes of an account's key; nothing if it is no account."""
    # 56 characters are 35 bytes exactly: there is no padding and no bit to spare, so no second way to write them.
    if len(account) != _CHARACTERS or "=" in account:
        return None
    try:
        decoded = base64.b32decode(account)
    except ValueError:
        return None
    signed, checksum = decoded[:-2], decoded[-2:]
    if binascii.crc_hqx(signed, 0).to_bytes(2, "little") != checksum or signed[:1] != _ACCOUNT:
        return None
    return signed[1:]
