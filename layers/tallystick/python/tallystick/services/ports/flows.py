"""What flows need: orders that wait for somebody else."""

from collections.abc import Sequence
from typing import Protocol

from tallystick.domain.deposits import Deposit


class Flows(Protocol):
    """Keep flows, and find them by the names that others have for them; every read is consistent."""

    def create(self, flow: Deposit) -> Deposit:
        """Write a new flow; answer the one that stands under its id, which may have been there before."""

    def get(self, flow_id: str) -> Deposit | None:
        """Read a flow."""

    def find(self, reference: str) -> str | None:
        """Find the id of the flow that a reference such as `stripe:pi_1` belongs to."""

    def save(self, flow: Deposit, references: Sequence[str] = ()) -> bool:
        """Write a flow's next version, and references to it, or nothing when another change came first.

        A reference that belongs to another flow is refused the same way.
        """
