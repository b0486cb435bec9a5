"""Read signature headers that carry a time, such as `t=1767225600,v1=5f2c`."""

from dataclasses import dataclass
from typing import Final

from tallystick.domain.webhooks import Forged

_LONGEST_TIME: Final = 11
"""Digits of a time in seconds, until the year 5138; more of them would be milliseconds, or nonsense."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Hold the time as it was written, because it is signed so, and the signatures of the scheme asked for."""

    time: str
    signatures: tuple[str, ...]

    @property
    def at_ms(self) -> int:
        """Tell when the call was signed."""
        return int(self.time) * 1000

    def text(self, *parts: bytes) -> bytes:
        """Build what is signed: the time and the parts, with dots between them."""
        return b".".join((self.time.encode(), *parts))


def parse(header: str, scheme: str, *, several: bool = False) -> Timed:
    """Read a header; members of other schemes are ignored.

    A header that was sent twice and joined holds two times, and is refused.

    Raises:
        Forged: there is not one time, no signature, or more than one where the scheme has no `several`.
    """
    members = [member.strip(" \t").partition("=") for member in header.split(",")]
    times = [value for name, _, value in members if name == "t"]
    signatures = tuple(value for name, _, value in members if name == scheme)
    if len(times) != 1 or not _is_time(times[0]) or not signatures or (len(signatures) > 1 and not several):
        raise Forged("bad-header")
    return Timed(times[0], signatures)


def _is_time(text: str) -> bool:
    return len(text) <= _LONGEST_TIME and text.isascii() and text.isdigit()
