"""What flows need: orders that wait for somebody else."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tallystick.domain.audit import AuditRecord
from tallystick.domain.deposits import Deposit
from tallystick.domain.flows import Flow
from tallystick.domain.quotas import Used
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.paging import Page

F = TypeVar("F", Deposit, Withdrawal)


class Flows(Protocol):
    """Keep flows, and find them by the names that others have for them; every read is consistent."""

    def create(self, flow: F) -> F:
        """Write a new flow; answer the one that stands under its id, which may have been there before."""

    def get(self, flow_id: str) -> Flow | None:
        """Read a flow."""

    def find(self, reference: str) -> str | None:
        """Find the id of the flow that a reference such as `stripe:pi_1` belongs to."""

    def save(self, flow: Flow, references: Sequence[str] = (), audit: AuditRecord | None = None) -> bool:
        """Write a flow's next version, references to it and who decided it; nothing when another change came first.

        A reference that belongs to another flow is refused the same way.
        """


class Withdrawals(Flows, Protocol):
    """List withdrawals too; the indexes may lag, what is read through them is not old."""

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """List those of a state about which nothing was done in time, oldest first."""

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give one more time, unless something was done about it meanwhile."""

    def in_state(self, state: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """List those of a state that is not final, those first that are due first."""

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """List an owner's, newest first."""


class Quotas(Protocol):
    """Tell how much of a quota is used up; taking from one is a part of a movement."""

    def used(self, key: str) -> Used:
        """Read it consistently."""
