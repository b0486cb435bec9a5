"""Read what a webhook carries; whatever is wrong with it is a forgery, and never another error."""

import base64

from tallystick.domain.webhooks import Delivery, Forged


def header(delivery: Delivery, *names: str) -> str:
    """Give the first of these headers that is there and not empty.

    Raises:
        Forged: none is.
    """
    for name in names:
        if value := delivery.headers.get(name):
            return value
    raise Forged("missing-header")


def octets(text: str) -> bytes:
    """Encode any text, half a surrogate pair too, so that it can be compared or hashed without an error."""
    return text.encode("utf-8", "surrogatepass")


def utf8(body: bytes) -> bytes:
    """Give a body back that is UTF-8, as JSON has to be.

    Raises:
        Forged: it is not.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Forged("bad-body") from None
    return body


def from_base64(text: str) -> bytes:
    """Decode base64 that is written in the one canonical way, so that no second text stands for the same bytes.

    Raises:
        Forged: it is not.
    """
    given = octets(text)
    try:
        value = base64.b64decode(given)
    except ValueError:
        raise Forged("bad-encoding") from None
    return _canonical(value, base64.b64encode(value), given)


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding, as strictly.

    Raises:
        Forged: it is not.
    """
    given = octets(text)
    try:
        value = base64.urlsafe_b64decode(given + b"=" * (-len(given) % 4))
    except ValueError:
        raise Forged("bad-encoding") from None
    return _canonical(value, to_base64url(value), given)


def to_base64url(value: bytes) -> bytes:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def _canonical(value: bytes, encoded: bytes, given: bytes) -> bytes:
    if encoded != given:
        raise Forged("bad-encoding")
    return value
