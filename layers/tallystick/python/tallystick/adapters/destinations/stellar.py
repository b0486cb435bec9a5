"""Check Stellar accounts and the memos that say for whom a payment to a shared account is."""

import re
from typing import Final

from tallystick.adapters.destinations import members
from tallystick.adapters.providers.stellar import strkey
from tallystick.domain.destinations import Destination, DestinationType, MemoType

MAX_TEXT_BYTES: Final = 28
MAX_ID: Final = 2**64 - 1

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,19}")
_HASH: Final = re.compile(r"[0-9A-Fa-f]{64}")
_WRONG: Final = "This is no account: it begins with G, has 56 characters, and its checksum tells a wrong one."
_OTHERS: Final = {
    "C": "This is a contract; money goes to accounts only, which begin with G.",
    "M": "This is a muxed account: send the account that begins with G as `address`, and the id as `memo` with the "
    "`memo_type` id.",
    "S": "This is a secret key: whoever knows it can spend all that its account holds. Send it to nobody, and move "
    "what the account holds to a new one. To be paid, send the account that begins with G.",
}


def check(address: str, memo: str | None = None, memo_type: MemoType | None = None) -> Destination:
    """Describe an account, with a memo or without; a hash is written in lower case.

    Raises:
        InvalidRequest: there is no such account or memo, or only one of memo and memo_type.
    """
    if strkey.public_key(address) is None:
        raise members.refused("address", _OTHERS.get(address[:1], _WRONG))
    if memo is None and memo_type is None:
        return Destination(DestinationType.STELLAR, address)
    if memo_type is None:
        raise members.refused("memo_type", "Say which type the memo has: text, id, hash or return.")
    if memo is None:
        raise members.refused("memo", "There is a memo_type without a memo.")
    return Destination(DestinationType.STELLAR, address, memo=_memo(memo, memo_type), memo_type=memo_type)


def _memo(memo: str, memo_type: MemoType) -> str:
    match memo_type:
        case "text":
            return _text(memo)
        case "id":
            return _id(memo)
        case "hash" | "return":
            return _hash(memo)


def _text(memo: str) -> str:
    if members.bounded(memo, "memo") != memo.strip():
        raise members.refused("memo", "A text memo does not begin or end with a space: who is paid compares all of it.")
    if not memo.isprintable() or not 0 < len(memo.encode()) <= MAX_TEXT_BYTES:
        raise members.refused("memo", f"A text memo has 1 to {MAX_TEXT_BYTES} bytes of printable UTF-8.")
    return memo


def _id(memo: str) -> str:
    if not _NUMBER.fullmatch(memo) or int(memo) > MAX_ID:
        raise members.refused("memo", f"An id memo is a number from 0 to {MAX_ID} without leading zeros.")
    return memo


def _hash(memo: str) -> str:
    if not _HASH.fullmatch(memo):
        raise members.refused("memo", "A hash or return memo is 32 bytes as 64 hexadecimal digits.")
    return memo.lower()
