"""Find the id of an event in its body; what is not there, or is no id, is none and never an error."""

import json
from collections.abc import Mapping
from typing import Final

_LONGEST: Final = 256


def parsed(body: bytes) -> Mapping[str, object]:
    """Read a JSON object; anything else is one without members."""
    try:
        value = json.loads(body.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def at(event: Mapping[str, object], path: str) -> object:
    """Give the member at a path such as `data.id`, or nothing."""
    value: object = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def join(*values: object) -> str | None:
    """Join strings and integers to one id; without one of them, or when it becomes too long, there is none."""
    parts = [_part(value) for value in values]
    text = ":".join(part for part in parts if part)
    return text if all(parts) and len(text) <= _LONGEST else None


def event_id(body: bytes, *paths: str) -> str | None:
    """Join what stands at these paths of a body."""
    event = parsed(body)
    return join(*(at(event, path) for path in paths))


def _part(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # What cannot be printed is not always storable: half a surrogate pair is no UTF-8.
    return value if isinstance(value, str) and value.isprintable() else None
