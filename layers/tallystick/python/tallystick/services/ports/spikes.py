"""What noticing spikes of credits needs."""

from collections.abc import Iterable
from typing import Protocol

from tallystick.domain.spikes import Spike


class Spikes(Protocol):
    """Tell what was counted, and keep the spikes that there are."""

    def counts(self, windows: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Read consistently what was credited to subjects in windows, by their beginnings; nothing is zero."""

    def get(self, subject: str) -> Spike | None:
        """Read consistently what is known of a subject's last spike."""

    def save(self, spike: Spike) -> bool:
        """Write its next version, or nothing when another change came first."""

    def open(self) -> list[Spike]:
        """List the spikes that are not over; one that is new may be missing for a moment."""
