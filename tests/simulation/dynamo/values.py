"""Typed values as they are stored: checked, in one form, and weighed.

A stored value is never changed, so that equal values are equal dictionaries and images may share them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from tests.simulation.dynamo.errors import invalid

Value = dict[str, Any]
Item = dict[str, Value]

MAX_ITEM_BYTES: Final = 400 * 1024
DIGITS: Final = 38
MAX_EXPONENT: Final = 125
MIN_EXPONENT: Final = -130
MAX_DEPTH: Final = 32

_EXACT: Final = Context(prec=1000)
"""Enough for the sum of the largest and the smallest number."""

_WHOLE: Final = re.compile(f"0|-?[1-9][0-9]{{0,{DIGITS - 1}}}")
"""Numbers that are in their form already, which nearly all are."""

_NESTING_BYTES: Final = 3


class Stored(NamedTuple):
    """Hold an item as it stands in a table; nobody changes it."""

    item: Item
    size: int
    is_flat: bool

    def copied(self) -> Item:
        """Give an item that may be changed."""
        if self.is_flat:
            return {name: value.copy() for name, value in self.item.items()}
        return {name: copied(value) for name, value in self.item.items()}


def taken(item: Mapping[str, Value]) -> Stored:
    """Check and keep an item that a caller sent; nothing of it is shared with the caller."""
    kept: Item = {}
    size, is_flat = 0, True
    for name, value in item.items():
        size += len(name) if name.isascii() else len(name.encode())
        text = value.get("S")
        # What nearly all are, without a call.
        if type(text) is str and len(value) == 1 and text.isascii():
            kept[name] = value.copy()
            size += len(text)
        else:
            kept[name] = taken_value(value)
            size += value_bytes(kept[name])
            is_flat = is_flat and value.keys() <= _SCALARS
    return _stored(kept, size, is_flat=is_flat)


def weighed(item: Item) -> Stored:
    """Weigh an item of kept values (AWS: "DynamoDB item sizes and formats")."""
    size, is_flat = 0, True
    for name, value in item.items():
        (kind,) = value
        content = value[kind]
        size += len(name) if name.isascii() else len(name.encode())
        if kind == "S" and content.isascii():
            size += len(content)
        else:
            size += _WEIGHTS[kind](content)
            is_flat = is_flat and kind in _SCALARS
    return _stored(item, size, is_flat=is_flat)


def reweighed(old: Stored, item: Item, changed: Iterable[str]) -> Stored:
    """Weigh an item of which only some attributes changed."""
    size, is_flat = old.size, old.is_flat
    for name in changed:
        length = len(name.encode())
        if name in old.item:
            size -= length + value_bytes(old.item[name])
        if name in item:
            size += length + value_bytes(item[name])
            is_flat = is_flat and item[name].keys() <= _SCALARS
    return _stored(item, size, is_flat=is_flat)


def _stored(item: Item, size: int, *, is_flat: bool) -> Stored:
    if size > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    return Stored(item, size, is_flat)


def taken_value(value: Value, depth: int = 1) -> Value:
    """Check and keep one value (AWS: API_AttributeValue); copying a small dictionary is quicker than making one."""
    if len(value) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    (kind,) = value
    content = value[kind]
    if kind == "S":
        return value.copy() if type(content) is str else {"S": _bare(content)}
    if kind == "N":
        text = normalised(content)
        return value.copy() if text is content else {"N": text}
    return {kind: _taken_content(kind, content, depth)}


def _bare(text: Any) -> str:  # noqa: ANN401 (what the wire may bring)
    """Take the text of an enumeration's member, as JSON does."""
    if not isinstance(text, str):
        raise NotImplementedError(f"S: {text!r}")
    return str.__str__(text)


def _taken_content(kind: str, content: Any, depth: int) -> Any:  # noqa: ANN401 (what the wire may bring)
    if kind in ("L", "M"):
        if depth >= MAX_DEPTH:
            raise invalid(
                "Nesting Levels have exceeded supported limits: "
                "Attributes in the item have nested levels beyond supported limit"
            )
        if kind == "L":
            return [taken_value(member, depth + 1) for member in content]
        return {name: taken_value(member, depth + 1) for name, member in content.items()}
    if kind in ("SS", "NS"):
        return _taken_set(kind, content)
    if kind not in _TYPES or type(content) is not _TYPES[kind]:
        raise NotImplementedError(f"{kind}: {content!r}")
    if kind == "NULL" and not content:
        raise invalid(
            "One or more parameter values were invalid: Null attribute value types must have the value of true"
        )
    return content


_TYPES: Final = {"B": bytes, "BOOL": bool, "NULL": bool}
_SCALARS: Final = frozenset({"S", "N", *_TYPES})


def _taken_set(kind: str, content: list[str]) -> list[str]:
    """Keep a set sorted: it has no order, and equal sets become equal lists."""
    members = [normalised(member) for member in content] if kind == "NS" else content
    if not members:
        named = "string" if kind == "SS" else "number"
        raise invalid(f"One or more parameter values were invalid: An {named} set  may not be empty")
    if len(set(members)) != len(members):
        raise invalid("One or more parameter values were invalid: Input collection contains duplicates.")
    return sorted(members)


def copied(value: Value) -> Value:
    """Copy a value with all that is in it."""
    (kind,) = value
    content = value[kind]
    if kind == "M":
        return {kind: {name: copied(member) for name, member in content.items()}}
    if kind == "L":
        return {kind: [copied(member) for member in content]}
    return {kind: list(content) if kind in ("SS", "NS") else content}


def normalised(text: str) -> str:
    """Write a number as DynamoDB gives it back, "100" for "1E+2".

    AWS: "Supported data types and naming rules": 38 significant digits, 1E-130 to 9.99…E+125.
    """
    if type(text) is not str:
        raise NotImplementedError(f"N: {text!r}")
    if _WHOLE.fullmatch(text):
        return text
    return as_text(_read(text))


def _read(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or "_" in text or text != text.strip() or not text.isascii():
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return number


def as_text(number: Decimal) -> str:
    """Write a number in full; one that cannot be stored is refused."""
    if not number:
        return "0"
    if number.adjusted() > MAX_EXPONENT:
        raise invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if number.adjusted() < MIN_EXPONENT:
        raise invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
    number = number.normalize(_EXACT)
    if len(number.as_tuple().digits) > DIGITS:
        raise invalid("Attempting to store more than 38 significant digits in a Number")
    return format(number, "f")


def added(first: str, second: str, sign: int = 1) -> str:
    """Add two kept numbers, or subtract the second: exactly, or it is refused."""
    if "." not in first and "." not in second:
        return normalised(str(int(first) + sign * int(second)))
    combine = _EXACT.add if sign > 0 else _EXACT.subtract
    return as_text(combine(Decimal(first), Decimal(second)))


def scalar(kind: str, content: Any) -> Any:  # noqa: ANN401 (text, bytes or a number)
    """Give what a value is ordered by: numbers by what they are, texts by their UTF-8 bytes (as Python's are)."""
    if kind == "N":
        return Decimal(content) if "." in content else int(content)
    return content


def number_bytes(text: str) -> int:
    """Weigh a number: a byte for two digits and one more, leading and trailing zeros not counted; a sign is a byte."""
    digits = text.replace(".", "").strip("-0")
    return (len(digits) + 1) // 2 + 1 + (text[0] == "-")


def value_bytes(value: Value) -> int:
    """Weigh a value."""
    (kind,) = value
    content = value[kind]
    return _WEIGHTS[kind](content)


def _text_bytes(text: str) -> int:
    return len(text.encode())


def _list_bytes(members: list[Value]) -> int:
    return _NESTING_BYTES + sum(1 + value_bytes(member) for member in members)


def _map_bytes(members: Item) -> int:
    return _NESTING_BYTES + sum(1 + len(name.encode()) + value_bytes(member) for name, member in members.items())


_WEIGHTS: Final[dict[str, Callable[[Any], int]]] = {
    "S": _text_bytes,
    "N": number_bytes,
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda members: sum(map(_text_bytes, members)),
    "NS": lambda members: sum(map(number_bytes, members)),
    "L": _list_bytes,
    "M": _map_bytes,
}
