"""Times are whole milliseconds since 1970 inside and RFC 3339 in UTC outside."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def to_rfc3339(time_ms: int) -> str:
    """Write a time with milliseconds, so that texts sort like times."""
    return (_EPOCH + time_ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> int:
    """Read a time that names its offset; what is finer than a millisecond is cut off.

    Raises:
        ValueError: not an RFC 3339 time, or without an offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, such as Z")
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except OverflowError as error:
        raise ValueError("a time must lie in the years 1 to 9999") from error
