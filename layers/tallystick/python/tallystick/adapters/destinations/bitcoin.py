"""Check Bitcoin addresses of the main network: base58check, and bech32 or bech32m (BIP-173, BIP-350)."""

import re
from typing import Final

import base58
import bech32m  # type: ignore[import-untyped]

from tallystick.adapters.destinations import members
from tallystick.domain.destinations import Destination, DestinationType

_LETTERS_AND_DIGITS: Final = re.compile(r"[0-9A-Za-z]{1,90}")
_SEGWIT: Final = "bc"
_VERSIONS: Final = (0x00, 0x05)
"""The version bytes of P2PKH and P2SH: they make the text begin with 1 and 3."""

_HASH_BYTES: Final = 20
_WRONG: Final = (
    "This is no address of Bitcoin's main network: it begins with 1, 3 or bc1, is not in mixed case after bc1, and its "
    "checksum tells a wrong character."
)


def check(address: str) -> Destination:
    """Describe an address; one that begins with bc1 is written in lower case.

    Raises:
        InvalidRequest: it is none, or one of another network.
    """
    try:
        account = _canonical(address)
    except ValueError:
        raise members.refused("address", _WRONG) from None
    return Destination(DestinationType.BITCOIN, account)


def _canonical(address: str) -> str:
    # base58 itself would cut spaces off.
    if not _LETTERS_AND_DIGITS.fullmatch(address):
        raise ValueError
    return _segwit(address) if address[:3].lower() == _SEGWIT + "1" else _base58(address)


def _segwit(text: str) -> str:
    bech32m.decode(_SEGWIT, text)
    return text.lower()


def _base58(text: str) -> str:
    decoded = base58.b58decode_check(text)
    if len(decoded) != 1 + _HASH_BYTES or decoded[0] not in _VERSIONS:
        raise ValueError
    return text
