"""Read what a query may say about pages and times."""

import base64
import re
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from tallystick.domain.errors import InvalidRequest
from tallystick.domain.times import from_rfc3339

Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page holds.")]
Cursor = Annotated[str | None, Query(max_length=256, description="`next_cursor` of the page before.")]

_TIME = re.compile(r"[0-9]{1,14}")
"""Milliseconds since 1970, up to the year 5138."""


def encode_cursor(position: str | None) -> str | None:
    """Wrap where the next page begins, so that nobody builds on what is in it."""
    return None if position is None else base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, shape: re.Pattern[str]) -> str | None:
    """Unwrap a cursor that `encode_cursor` made.

    Raises:
        InvalidRequest: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        position = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        position = ""
    if not shape.fullmatch(position):
        raise InvalidRequest([{"detail": "Send a next_cursor as it was given.", "parameter": "cursor"}])
    return position


def before_ms(cursor: str | None, to: str | None) -> int | None:
    """Read where a page of entries ends: at the time that its cursor names, or at `to` when that is earlier.

    Raises:
        InvalidRequest: the cursor is not one of ours, or the time is none.
    """
    position = decode_cursor(cursor, _TIME)
    bounds = (None if position is None else int(position), parse_time("to", to))
    return min((bound for bound in bounds if bound is not None), default=None)


def parse_time(parameter: str, text: str | None) -> int | None:
    """Read a time in a query as milliseconds.

    Raises:
        InvalidRequest: it is not an RFC 3339 time with an offset.
    """
    try:
        return None if text is None else from_rfc3339(text)
    except ValueError as error:
        fault = {"detail": "Send an RFC 3339 time such as 2026-01-31T12:00:00Z.", "parameter": parameter}
        raise InvalidRequest([fault]) from error
