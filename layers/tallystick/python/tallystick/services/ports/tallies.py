"""What totals of tallied accounts need."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from tallystick.domain.audit import AuditRecord
from tallystick.domain.tallies import Rejected, Sheet, Total
from tallystick.domain.transfers import Transfer
from tallystick.services.ports.paging import Page


class TallyRefused(Exception):
    """Nothing was written: a transfer was added before, or a sum is none that can be stored."""


class TallyConflict(Exception):
    """Nothing was written or read; another transaction was under way on one of the items."""


class Tallies(Protocol):
    """Keep a total for each tallied account, and a marker for each transfer that is in them."""

    def write(self, sheet: Sheet) -> None:
        """Mark the transfers of a sheet and add what they add, or nothing.

        Raises:
            TallyRefused: a transfer has its marker, a sum would have more than 38 digits, or an account other units.
            TallyConflict: another transaction was in the way.
        """

    def unmarked(self, transfer_keys: Iterable[str]) -> set[str]:
        """Read consistently which of these transfers have no marker."""

    def totals(self) -> list[Total]:
        """Read the totals of all accounts consistently; an account that is new may be missing for a moment."""

    def without(self, account_id: str, buckets: Sequence[int]) -> Total | None:
        """Read a total less what these buckets hold, all as of one moment; nothing of an account without a total.

        Raises:
            TallyConflict: another transaction was in the way.
        """

    def correct(self, before: Total | None, after: Total, audit: AuditRecord) -> bool:
        """Set a total that is still as it was read, with a record of who did it; tell whether it was."""


class TransferRecords(Protocol):
    """Read all transfers that there are."""

    def scan(self, segment: int, segments: int, after: str | None) -> Page[Transfer | Rejected]:
        """Read consistently a page of one of so many segments; what cannot be read is named."""
