"""Examine one account: what looks wrong is a suspicion until it is confirmed on a snapshot.

Reading several items is no snapshot: a transaction becomes visible item by item (AWS: "Amazon DynamoDB Transactions:
How it works", isolation levels). TransactGetItems is one, and after it all that those transactions wrote can be read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from tallystick.domain.accounts import Entry
from tallystick.domain.legs import bears_out, entry_findings, other_legs
from tallystick.domain.reconciliation import Checkpoint, Fault, Finding, Head, Stored, Tail
from tallystick.domain.transfers import Posting, Transfer
from tallystick.domain.walking import Walk
from tallystick.services.ports.journal import Checkpoints, Journal, Snapshot, SnapshotConflict
from tallystick.services.ports.ledger import Pause

MAX_SNAPSHOTS: Final = 8
"""Tries of a snapshot whose items are being written."""

BATCH: Final = 100
"""Entries whose transfers are read together (AWS: BatchGetItem takes 100 keys)."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what examining needs: a journal that may lag by a moment, and one that does not."""

    quick: Journal
    exact: Journal
    checkpoints: Checkpoints
    pause: Pause


@dataclass(frozen=True, slots=True)
class Examined:
    """Hold what was found; `head` is the account as it was examined, `entries` counts those that were read.

    It is not `clear` when the account was being written each time that a suspicion should have been confirmed. The
    `tail` is where its entries end; there is none of an account that is missing or cannot be read.
    """

    head: Head
    findings: tuple[Finding, ...] = ()
    entries: int = 0
    is_clear: bool = True
    tail: Tail | None = None

    @property
    def is_sound(self) -> bool:
        """Tell whether the account can be vouched for."""
        return self.is_clear and not self.findings


def examine(*, desk: Desk, head: Head, newest: Checkpoint | None, full: bool) -> Examined:
    """Check an account from its newest checkpoint on, or whole; a suspicion makes it whole.

    Raises:
        StoreUnavailable: try again.
    """
    first = _Look(desk, desk.quick, head, newest, full=full).taken()
    if not first.findings:
        return first
    return confirmed(desk=desk, account_id=head.account_id, newest=newest)


def confirmed(*, desk: Desk, account_id: str, newest: Checkpoint | None) -> Examined:
    """Examine an account whole, on a snapshot."""
    snapshot = snapshot_of(desk, [account_id])
    if snapshot is None:
        return Examined(Head(account_id), is_clear=False)
    head = snapshot.heads.get(account_id)
    if head is None:
        return Examined(Head(account_id), (Finding(account_id, Fault.MISSING, "There is no such account."),))
    return _Look(desk, desk.exact, head, newest, full=True).taken()


class _Look:
    """Look at one account once."""

    def __init__(self, desk: Desk, journal: Journal, head: Head, newest: Checkpoint | None, *, full: bool) -> None:
        self._desk, self._journal, self._head, self._full = desk, journal, head, full
        self._newest = newest
        self._walk = Walk(head, None if full else newest)
        self._findings: list[Finding] = []
        self._is_clear = True

    def taken(self) -> Examined:
        head = self._head
        if head.fault is not None:
            return Examined(head, (Finding(head.account_id, Fault.UNREADABLE, head.fault),))
        self._compare_with_newest()
        if self._full or not self._findings:
            self._walk_along()
        findings = dict.fromkeys((*self._findings, *self._walk.findings))
        return Examined(head, tuple(findings), self._walk.entries, self._is_clear, self._walk.tail)

    def _compare_with_newest(self) -> None:
        newest, head = self._newest, self._head
        if newest is None:
            return
        if newest.sequence > head.version:
            self._findings += [rolled_back(head, newest)]
        elif newest.mark != newest.mark_as(head):
            self._find(Fault.IDENTITY, "The owner, kind, asset or scale is not what was checked before.")

    def _walk_along(self) -> None:
        since = None if self._full else self._newest
        account_id = self._head.account_id
        vouched = _Vouched(self._head, self._desk.checkpoints.all(account_id) if self._full else iter(()))
        unchecked: list[Entry] = []
        for stored in self._journal.entries(account_id, since.time_ms if since else 0):
            if _is_behind(self._head, stored):
                self._check_behind(stored)
                break
            entry = self._walk.step(stored)
            if entry is not None:
                self._findings += vouched.against(entry)
                unchecked.append(entry)
            if len(unchecked) == BATCH:
                self._check_transfers(unchecked)
                unchecked = []
        self._check_transfers(unchecked)
        self._walk.end()
        self._findings += vouched.rest()

    def _check_transfers(self, entries: Sequence[Entry]) -> None:
        records = self._journal.records([entry.transfer_id for entry in entries]) if entries else {}
        for entry in entries:
            record = records.get(entry.transfer_id)
            self._findings += entry_findings(self._head, entry, record)
            if isinstance(record, Transfer):
                for leg in other_legs(record, self._head.account_id):
                    if entry_of(self._journal, record, leg) is None:
                        self._find(Fault.LEG, lacking(record, leg), entry.sequence, entry.transfer_id)

    def _check_behind(self, stored: Stored) -> None:
        """See whether an entry behind the head belongs to a movement that was made meanwhile."""
        version = self._version_now()
        if stored.entry is not None and version is not None and version < stored.entry.sequence:
            detail = f"The entry at {stored.key} stands behind the account's last one."
            self._find(Fault.ORPHAN, detail, stored.entry.sequence)

    def _version_now(self) -> int | None:
        """Count the account's entries now; for a suspicion an estimate will do."""
        if self._journal is self._desk.quick:
            head = self._desk.exact.head(self._head.account_id)
        else:
            snapshot = snapshot_of(self._desk, [self._head.account_id])
            self._is_clear = self._is_clear and snapshot is not None
            head = snapshot.heads.get(self._head.account_id) if snapshot else None
        return head.version if head else None

    def _find(self, fault: Fault, detail: str, sequence: int | None = None, transfer_id: str | None = None) -> None:
        self._findings.append(Finding(self._head.account_id, fault, detail, sequence, transfer_id))


class _Vouched:
    """Compare entries, in their order, with all checkpoints of their account."""

    def __init__(self, head: Head, checkpoints: Iterator[Checkpoint]) -> None:
        self._head, self._checkpoints = head, checkpoints
        self._next = next(checkpoints, None)

    def against(self, entry: Entry) -> Iterator[Finding]:
        """Compare with those up to an entry."""
        while self._next is not None and self._next.sequence <= entry.sequence:
            vouched = self._next
            self._next = next(self._checkpoints, None)
            if vouched.sequence and not vouched.is_of(entry):
                yield self._differs(vouched)

    def rest(self) -> Iterator[Finding]:
        """Find those that no entry was found for."""
        for vouched in chain([self._next] if self._next else [], self._checkpoints):
            if vouched.sequence > self._head.version:
                yield rolled_back(self._head, vouched)
            elif vouched.sequence:
                yield self._differs(vouched)

    def _differs(self, vouched: Checkpoint) -> Finding:
        detail = f"Entry {vouched.sequence} is not what was checked before."
        return Finding(self._head.account_id, Fault.CHECKPOINT, detail, vouched.sequence)


def rolled_back(head: Head, vouched: Checkpoint) -> Finding:
    """Say that an account has lost entries that were checked before."""
    detail = f"The account has {head.version} entries; {vouched.sequence} were checked before."
    return Finding(head.account_id, Fault.ROLLED_BACK, detail, vouched.sequence)


def entry_of(journal: Journal, transfer: Transfer, posting: Posting) -> Entry | None:
    """Find the one entry that bears out a posting of a transfer."""
    stored = journal.at(posting.account_id, transfer.created_at_ms)
    entries = [one.entry for one in stored if one.entry and one.entry.transfer_id == transfer.transfer_id]
    return entries[0] if len(entries) == 1 and bears_out(transfer, posting, entries[0]) else None


def lacking(transfer: Transfer, posting: Posting) -> str:
    """Say that a posting has no entry."""
    return f"{posting.account_id} has no entry of the {posting.units} units that {transfer.transfer_id} posts."


def snapshot_of(desk: Desk, account_ids: Sequence[str], flow_ids: Sequence[str] = ()) -> Snapshot | None:
    """Take a snapshot, as often as it needs; None when its items were being written each time."""
    for attempt in range(MAX_SNAPSHOTS):
        try:
            return desk.exact.snapshot(account_ids, flow_ids)
        except SnapshotConflict:
            desk.pause(attempt)
    return None


def _is_behind(head: Head, stored: Stored) -> bool:
    entry = stored.entry
    return entry is not None and entry.sequence > head.version and entry.time_ms > head.head_time_ms
