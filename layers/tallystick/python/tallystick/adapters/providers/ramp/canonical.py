"""Write a JSON body as JavaScript's `fast-json-stable-stringify(JSON.parse(body))` would: that is what Ramp signs.

Bodies with one canonical form share their signatures: spaces, the order of members, escapes and digits beyond a double
are not covered. So what a genuine event says must be read from this form, never from the body as it came.
"""

import json
from math import isfinite
from typing import Final, NoReturn

from tallystick.domain.webhooks import Forged

_LARGEST_PLAIN: Final = 21
_SMALLEST_PLAIN: Final = -6


def canonical(body: bytes) -> bytes:
    """Parse a body as strictly as JavaScript does and write it anew.

    Raises:
        Forged: it is not JSON in UTF-8, or nested too deeply to be genuine.
    """
    try:
        text = _write(_DECODER.decode(body.decode()))
    except (ValueError, RecursionError):
        raise Forged("bad-body") from None
    # JSON.stringify escapes lone surrogates in just this way, and nothing else is left that UTF-8 cannot hold.
    return text.encode("utf-8", "backslashreplace")


def _write(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{_string(key)}:{_write(value[key])}" for key in sorted(value, key=_utf16)]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_write(item) for item in value]) + "]"
    if isinstance(value, float):
        return _number(value)
    return _WORDS[value]


def _number(value: float) -> str:
    """Write a number as JavaScript does: both languages use the fewest digits, and differ in where they put the point.

    https://tc39.es/ecma262/#sec-numeric-types-number-tostring
    """
    if not isfinite(value):
        return "null"
    text = repr(value + 0.0)  # which makes 0 of -0
    if "e" not in text:
        return text.removesuffix(".0")
    return _from_exponent(text)


def _from_exponent(text: str) -> str:
    mantissa, _, exponent = text.removeprefix("-").partition("e")
    sign, power = "-" * text.startswith("-"), int(exponent)
    digits = mantissa.replace(".", "")
    if 0 <= power < _LARGEST_PLAIN:
        return sign + digits.ljust(power + 1, "0")
    if _SMALLEST_PLAIN <= power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{sign}{mantissa}e{power:+d}"


def _utf16(key: str) -> bytes:
    """Sort by what JavaScript's strings are made of, where an astral character comes before U+E000."""
    return key.encode("utf-16-be", "surrogatepass")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_string: Final = json.JSONEncoder(ensure_ascii=False).encode
# A whole number is a double as well; an integer of thousands of digits would even be refused by Python.
_DECODER: Final = json.JSONDecoder(parse_int=float, parse_constant=_refuse)
_WORDS: Final[dict[object, str]] = {True: "true", False: "false", None: "null"}
