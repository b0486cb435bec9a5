"""What circuit breakers need: that all functions see the same."""

from typing import Protocol

from tallystick.domain.breaker import Breaker


class Breakers(Protocol):
    """Keep the breakers of providers."""

    def get(self, name: str) -> Breaker:
        """Read one; it is closed when nothing was ever written of it."""

    def save(self, breaker: Breaker) -> bool:
        """Write its next version, or nothing when another change came first."""
