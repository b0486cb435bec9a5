"""What telling people where they work needs."""

from typing import Protocol

from tallystick.domain.notices import Notice


class Channel(Protocol):
    """Reach people in one way."""

    def send(self, notice: Notice) -> None:
        """Send a notice; the same one may come twice.

        Raises:
            ProviderUnavailable: it may not have arrived.
            ProviderRefused: it was not taken, and will not be while things are as they are.
        """
