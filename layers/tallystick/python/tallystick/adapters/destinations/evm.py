"""Check addresses of Ethereum and the networks that are built like it: EIP-55."""

import re
from typing import Final

from Crypto.Hash import keccak

from tallystick.adapters.destinations import members
from tallystick.domain.destinations import Destination, DestinationType

_PREFIX: Final = "0x"
_ADDRESS: Final = re.compile(r"0x[0-9A-Fa-f]{40}")
_NOBODY: Final = _PREFIX + "0" * 40
"""What programs send when an address was forgotten; nobody can spend what arrives there."""

_CAPITAL_FROM: Final = 8


def check(address: str) -> Destination:
    """Describe an address whose capitals are the checksum of EIP-55.

    Raises:
        InvalidRequest: it is none, or its capitals are missing or wrong.
    """
    if not _ADDRESS.fullmatch(address):
        raise members.refused("address", "An address is 0x and 40 hexadecimal digits.")
    if address == _NOBODY:
        raise members.refused("address", "This address belongs to nobody: what is sent there is lost.")
    if address != _with_capitals(address):
        raise members.refused("address", _why(address.removeprefix(_PREFIX)))
    return Destination(DestinationType.EVM, address)


def _with_capitals(address: str) -> str:
    """Write the letters as capitals where the hash of the lower-case digits says so."""
    digits = address.removeprefix(_PREFIX).lower()
    nibbles = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    pairs = zip(digits, nibbles, strict=False)
    return _PREFIX + "".join(digit.upper() if int(nibble, 16) >= _CAPITAL_FROM else digit for digit, nibble in pairs)


def _why(digits: str) -> str:
    if digits in (digits.lower(), digits.upper()):
        return (
            "The letters of this address are all in one case, so that a wrong character cannot be told: send it with "
            "the capitals that wallets show (EIP-55)."
        )
    return "The capitals of this address are not those of its checksum (EIP-55): a character is wrong."
