"""Draw what providers may send, and what nobody would."""

import json
from typing import Final

from hypothesis import strategies as st

anything: Final = st.text(st.characters(), max_size=60)
"""Text with halves of surrogate pairs, control characters and letters that are digits."""

_values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(anything, values, max_size=4),
    max_leaves=12,
)
_names: Final = st.sampled_from(["id", "type", "event", "data", "event_id", "purchase", "transaction", "mode"])


def written(value: object, *, indent: int | str | None = None, ascii_only: bool = True) -> bytes:
    """Write JSON, with a number for what JSON has no word for; a lone surrogate is always escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    return text.replace("Infinity", "1e999").replace("NaN", "null").encode("utf-8", "backslashreplace")


bodies: Final = st.dictionaries(_names | anything, _values, max_size=5).map(written)
"""JSON objects."""

texts: Final = st.text(max_size=200).map(str.encode)
"""Whatever is UTF-8: every scheme but Ramp's signs that as well."""
