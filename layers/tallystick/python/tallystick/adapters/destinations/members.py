"""Read what the kinds of destinations have in common."""

from typing import Final

from tallystick.domain.errors import InvalidRequest

MAX_CHARACTERS: Final = 128
MAX_NAME_CHARACTERS: Final = 70
"""As many as a SEPA payment carries."""

_HOLDER: Final = "account_holder_name"


def refused(member: str, detail: str) -> InvalidRequest:
    """Point at the member of the destination that is wrong."""
    return InvalidRequest([{"detail": detail, "pointer": f"/destination/{member}"}])


def bounded(text: str, member: str) -> str:
    """Give a text that is short enough to be looked at.

    Raises:
        InvalidRequest: it is not.
    """
    if len(text) > MAX_CHARACTERS:
        raise refused(member, f"This has at most {MAX_CHARACTERS} characters.")
    return text


def holder(name: str) -> str:
    """Give the name of an account's holder without the spaces around it.

    Raises:
        InvalidRequest: it is empty, too long or not printable.
    """
    stripped = bounded(name, _HOLDER).strip()
    if not 0 < len(stripped) <= MAX_NAME_CHARACTERS or not stripped.isprintable():
        raise refused(_HOLDER, f"A name has 1 to {MAX_NAME_CHARACTERS} printable characters.")
    return stripped
