"""Read request bodies strictly, before any framework sees them.

Powertools' resolver raises on invalid UTF-8 in base64, multipart without boundary, deep nesting and integers of
thousands of digits; it lets duplicate keys pass and parses forms. None of that gets past here.
"""

import base64
import json
from typing import Any, Final

from tallystick.domain.errors import MalformedBody

MAX_BODY_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 8
MAX_INTEGER_DIGITS: Final = 100


def read_object(event: dict[str, Any]) -> str:
    """Give the body of an HTTP API event (payload 2.0) as canonical JSON text: sorted keys, no spaces.

    An empty body counts as an empty object.

    Raises:
        MalformedBody: no JSON object, longer than 16 KiB, deeper than 8, ambiguous, or not Unicode.
    """
    try:
        raw = _bytes(event)
        if len(raw) > MAX_BODY_BYTES:
            raise MalformedBody(f"A body has at most {MAX_BODY_BYTES} bytes.")
        return _canonical(raw.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedBody("The body must be one JSON object in UTF-8.") from error


def _bytes(event: dict[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()


def _canonical(text: str) -> str:
    parsed = json.loads(
        text if text.strip() else "{}",
        object_pairs_hook=_unique,
        parse_int=_bounded,
    )
    if not isinstance(parsed, dict):
        raise MalformedBody("The body must be a JSON object.")
    if _depth(parsed) > MAX_DEPTH:
        raise MalformedBody(f"The body nests deeper than {MAX_DEPTH}.")
    canonical = json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    canonical.encode()  # half of a surrogate pair has no UTF-8
    return canonical


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedBody("The body names a member twice.")
    return members


def _bounded(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise MalformedBody(f"The body holds an integer of more than {MAX_INTEGER_DIGITS} digits.")
    return int(digits)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
