"""What reconciliation reads: the ledger as it is stored, whatever it says, and what was vouched for before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tallystick.domain.flows import Flow
from tallystick.domain.reconciliation import Checkpoint, Head, Stored
from tallystick.domain.transfers import Record
from tallystick.services.ports.paging import Page


class SnapshotConflict(Exception):
    """One of the items is just being written; nothing was read."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold accounts and flows as they were at one moment; those that do not exist are left out.

    Every transaction that wrote one of them is complete: all else that it wrote can be read from now on.
    """

    heads: Mapping[str, Head]
    flows: Mapping[str, Flow]


class Journal(Protocol):
    """Read the ledger; an instance reads consistently or, at half the price, what may be a moment old."""

    def heads(self, segment: int, segments: int, after: str | None, limit: int) -> Page[Head]:
        """Scan a part of all accounts; each account is in one of the segments."""

    def head(self, account_id: str) -> Head | None:
        """Read one account."""

    def entries(self, account_id: str, from_ms: int) -> Iterator[Stored]:
        """Read an account's entries from a time on, oldest first, page by page while they are asked for."""

    def newest(self, account_id: str, before_ms: int) -> Stored | None:
        """Read the newest entry that is older than a time."""

    def at(self, account_id: str, time_ms: int) -> list[Stored]:
        """Read an account's entries of one millisecond."""

    def records(self, transfer_ids: Sequence[str]) -> Mapping[str, Record | None]:
        """Read transfer records by their ids; those that are missing are left out, None cannot be read."""

    def transfers(self, segment: int, segments: int, after: str | None, limit: int) -> Page[tuple[str, Record | None]]:
        """Scan a part of all transfer records by their keys, without reversals' markers; None cannot be read."""

    def flow(self, flow_id: str) -> Flow | None:
        """Read a flow."""

    def snapshot(self, account_ids: Sequence[str], flow_ids: Sequence[str] = ()) -> Snapshot:
        """Read accounts and flows, no more than 100 together, as they are at one moment.

        Raises:
            SnapshotConflict: one of them is just being written.
        """


class Checkpoints(Protocol):
    """Keep what was vouched for: checkpoints are only ever added."""

    def newest(self, account_id: str, limit: int) -> list[Checkpoint]:
        """Read an account's newest checkpoints, newest first."""

    def all(self, account_id: str) -> Iterator[Checkpoint]:
        """Read all of an account's checkpoints, oldest first, page by page while they are asked for."""

    def vouch(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint, unless there is one of this sequence, and let the account name it if it is still so."""

    def suspect(self, account_id: str, *, suspected: bool) -> None:
        """Set or clear an existing account's `needs_reconciliation`."""
