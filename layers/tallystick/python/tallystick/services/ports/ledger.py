"""What posting needs: the book, and a way to wait."""

from collections.abc import Sequence
from typing import Protocol

from tallystick.domain.accounts import Account
from tallystick.domain.posting import Plan
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import Record, Tombstone


class CommitRefused(Exception):
    """Nothing was written; says what stood in the way, as far as the store told."""

    def __init__(
        self,
        record: Record | None = None,
        accounts: dict[str, Account] | None = None,
        reversed_by: str | None = None,
        *,
        flow_changed: bool = False,
        used: Used | None = None,
    ) -> None:
        """Take the record under the key, accounts that had changed, the reversal from before, and if a flow did.

        `used` is how much of the quota is used up, when that is what stands in the way.
        """
        super().__init__("commit refused")
        self.record = record
        self.accounts = accounts or {}
        self.reversed_by = reversed_by
        self.flow_changed = flow_changed
        self.used = used

    @property
    def is_final(self) -> bool:
        """Tell whether the same plan made anew could not be written either."""
        used_up = self.used is not None and not self.accounts
        return self.record is not None or self.reversed_by is not None or self.flow_changed or used_up


class CommitConflict(Exception):
    """Nothing was written; another transaction was under way on one of the items."""


class Book(Protocol):
    """Read and write what a movement needs; every read is consistent."""

    def accounts(self, account_ids: Sequence[str]) -> dict[str, Account]:
        """Read guarded accounts; those that do not exist are left out."""

    def record(self, transfer_key: str) -> Record | None:
        """Read what stands under an idempotency key's hash."""

    def reversed_by(self, transfer_id: str) -> str | None:
        """Find the id of the transfer that reversed this one."""

    def commit(self, plan: Plan) -> None:
        """Write a plan in one transaction.

        Raises:
            CommitRefused: the key is taken, an account or the flow changed, the transfer was reversed before, or the
                quota is used up.
            CommitConflict: another transaction was in the way.
        """

    def void(self, tombstone: Tombstone) -> None:
        """Put a tombstone under an unused key.

        Raises:
            CommitRefused: the key is taken; carries its record.
            CommitConflict: another transaction was in the way.
        """


class Pause(Protocol):
    """Wait between two tries."""

    def __call__(self, attempt: int) -> None:
        """Wait longer the higher the attempt, counted from 0, with jitter."""
