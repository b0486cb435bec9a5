"""Go through a page of accounts or of transfer records: examine, vouch for what is sound, tell of what is not."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tallystick.domain.accounts import AccountKind, is_tallied
from tallystick.domain.legs import other_legs, record_faults
from tallystick.domain.reconciliation import BALANCE_MISMATCH, MARKS, Checkpoint, Fault, Finding, Head
from tallystick.domain.runs import Counted, Mode, Run, Sums
from tallystick.domain.transfers import TRANSFER_PREFIX, Posting, Record, Transfer
from tallystick.services.examining import Desk, entry_of, examine, lacking, snapshot_of
from tallystick.services.holdings import compare_holds, holds_something
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.flows import Withdrawals
from tallystick.services.ports.journal import Journal
from tallystick.services.ports.runs import Suspects
from tallystick.services.ports.tallies import Tallies
from tallystick.services.tallying import add

T = TypeVar("T")

MAX_VOUCHED_IN_RUN: Final = 10
"""Checkpoints of one account that one run may leave, when pages are gone through more than once."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Hold what going through pages needs."""

    desk: Desk
    flows: Withdrawals
    tallies: Tallies
    suspects: Suspects
    alerts: Alerts
    page_size: int


def cover_accounts(
    *, cover: Cover, run: Run, number: int, after: str | None, is_time_up: Callable[[], bool]
) -> tuple[Sums, str | None]:
    """Go through a page of a segment's accounts; answer what it adds, and where the next page begins.

    A page ends early when the time is up: its accounts may have any number of entries.
    """
    page = cover.desk.quick.heads(number, run.segments, after, cover.page_size)
    pass_, next_key = _Accounts(cover, run), page.next_key
    for left, head in _counted_down(page.items):
        pass_.take(head)
        if left and is_time_up():
            next_key = head.account_id
            break
    return pass_.sums, next_key


def cover_transfers(
    *, cover: Cover, run: Run, number: int, after: str | None, is_time_up: Callable[[], bool]
) -> tuple[Sums, str | None]:
    """Go through a page of a segment's transfer records: each needs its entries, and its place in the totals."""
    page = cover.desk.quick.transfers(number, run.segments, after, cover.page_size)
    pass_, next_key = _Transfers(cover, run), page.next_key
    for left, (transfer_key, record) in _counted_down(page.items):
        pass_.take(transfer_key, record)
        if left and is_time_up():
            next_key = transfer_key
            break
    pass_.add_late()
    return pass_.sums, next_key


def _counted_down(items: Sequence[T]) -> Iterator[tuple[int, T]]:
    """Say with each item how many come after it."""
    return zip(reversed(range(len(items))), items, strict=True)


class _Accounts:
    """Add up what a page of accounts comes to."""

    def __init__(self, cover: Cover, run: Run) -> None:
        self._cover, self._run = cover, run
        self._counts: Counter[str] = Counter()
        self._at_cut: Counter[str] = Counter()
        self._before = self._after = 0
        self._findings: list[Finding] = []
        self._recovered: list[str] = []

    @property
    def sums(self) -> Sums:
        """Give the sums."""
        return Sums(
            counted=Counted(**self._counts),
            at_cut=dict(self._at_cut),
            before=self._before % MARKS,
            after=self._after % MARKS,
            findings=tuple(self._findings),
            recovered=tuple(self._recovered),
        )

    def take(self, head: Head) -> None:
        """Take one account in."""
        self._counts["accounts"] += 1
        if head.fault is None:
            self._at_cut[head.asset] += self._units_at_cut(head)
        is_unchanged = head.is_unchanged and self._run.mode is Mode.CHANGED
        is_passed = is_unchanged and head.checked_in != self._run.run_id
        if is_passed:
            # What it says of itself is its mark; hashing it once more for each sum is most of what a run costs.
            self._before += int(str(head.checked), 16)
            self._after += int(str(head.checked), 16)
            findings: tuple[Finding, ...] | None = ()
        else:
            findings = self._examined(head, is_done=is_unchanged)
        is_emptied = head.kind == AccountKind.HOLD and not is_passed
        if findings == () and (is_emptied or holds_something(head)):
            now_ms = self._run.started_at_ms
            findings = compare_holds(desk=self._cover.desk, flows=self._cover.flows, head=head, now_ms=now_ms)
        self._judge(head, findings)

    def _examined(self, head: Head, *, is_done: bool) -> tuple[Finding, ...] | None:
        """Examine an account and vouch for it; what this run has vouched for already it does not examine again."""
        vouched = self._cover.desk.checkpoints.newest(head.account_id, MAX_VOUCHED_IN_RUN)
        earlier = next((one for one in vouched if one.run_id != self._run.run_id), None)
        before = int(earlier.mark, 16) if earlier else 0
        self._before += before
        if is_done:
            self._after += int(head.mark, 16)
            return ()
        is_full = self._run.mode is Mode.FULL or head.needs_reconciliation
        newest = vouched[0] if vouched else None
        examined = examine(desk=self._cover.desk, head=head, newest=newest, full=is_full)
        self._counts["checked"] += 1
        self._counts["entries"] += examined.entries
        if examined.is_sound:
            self._cover.desk.checkpoints.vouch(Checkpoint.of(examined.head, self._run.run_id))
        self._after += int(examined.head.mark, 16) if examined.is_sound else before
        return examined.findings if examined.is_clear else None

    def _units_at_cut(self, head: Head) -> int:
        if head.head_time_ms < self._run.cut_ms:
            return head.balance
        newest = self._cover.desk.quick.newest(head.account_id, self._run.cut_ms)
        return newest.entry.balance_after if newest and newest.entry else 0

    def _judge(self, head: Head, findings: tuple[Finding, ...] | None) -> None:
        """Tell people of an account with findings; one that was suspected and has none is looked at in the end."""
        if findings is None:
            self._counts["unclear"] += 1
        elif findings:
            self._counts["findings"] += 1
            self._findings += findings
            self._cover.desk.checkpoints.suspect(head.account_id, suspected=True)
            self._cover.alerts.raise_alert(alert_of(head.account_id, findings))
        elif head.needs_reconciliation:
            self._recovered.append(head.account_id)


class _Transfers:
    """Add up what a page of transfer records comes to."""

    def __init__(self, cover: Cover, run: Run) -> None:
        self._cover, self._run = cover, run
        self._counts: Counter[str] = Counter()
        self._rebuilt: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._tallied: dict[str, Transfer] = {}

    @property
    def sums(self) -> Sums:
        """Give the sums."""
        return Sums(counted=Counted(**self._counts), rebuilt=dict(self._rebuilt), findings=tuple(self._findings))

    def take(self, transfer_key: str, record: Record | None) -> None:
        """Take one record in; what is as young as the cut is left to the next run."""
        if record is not None and record.created_at_ms >= self._run.cut_ms:
            return
        self._counts["transfers"] += 1
        if isinstance(record, Transfer):
            self._add(transfer_key, record)
        findings = transfer_findings(self._cover.desk, transfer_key, record)
        if findings:
            self._counts["findings"] += 1
            self._findings += findings
            _tell_of_transfer(self._cover, TRANSFER_PREFIX + transfer_key, findings)

    def add_late(self) -> None:
        """Add to the totals what the stream has lost."""
        lost = self._cover.tallies.unmarked(self._tallied) if self._tallied else set()
        if lost:
            transfers = [self._tallied[key] for key in sorted(lost)]
            add(tallies=self._cover.tallies, pause=self._cover.desk.pause, transfers=transfers)
            self._counts["late"] += len(lost)

    def _add(self, transfer_key: str, transfer: Transfer) -> None:
        tallied = [posting for posting in transfer.postings if is_tallied(posting.account_id)]
        for posting in tallied:
            self._rebuilt[posting.account_id] += posting.units
        if tallied:
            self._tallied[transfer_key] = transfer


def transfer_findings(desk: Desk, transfer_key: str, record: Record | None) -> list[Finding]:
    """Tell how a transfer record is wrong, and which entries it lacks; these are confirmed on a snapshot."""
    transfer_id = TRANSFER_PREFIX + transfer_key
    if record is None:
        return [Finding(transfer_id, Fault.TRANSFER, "The transfer cannot be read.", None, transfer_id)]
    if not isinstance(record, Transfer):
        return []
    faults = [*record_faults(record)]
    if record.transfer_id != transfer_id:
        faults.append("The transfer stands under a key that is not its own.")
    found = [Finding(transfer_id, Fault.TRANSFER, detail, None, transfer_id) for detail in faults]
    for leg in other_legs(record, ""):
        found += _lacking(desk, record, leg)
    return found


def _lacking(desk: Desk, transfer: Transfer, leg: Posting) -> list[Finding]:
    """Tell whether a posting has no entry or no account, confirmed on a snapshot of its account."""
    if _lack(desk.quick, transfer, leg) is None or snapshot_of(desk, [leg.account_id]) is None:
        return []
    lack = _lack(desk.exact, transfer, leg)
    return [Finding(leg.account_id, *lack, None, transfer.transfer_id)] if lack else []


def _lack(journal: Journal, transfer: Transfer, leg: Posting) -> tuple[Fault, str] | None:
    """Look for a posting's entry; one that is its account's first says that there has to be an account."""
    entry = entry_of(journal, transfer, leg)
    if entry is None:
        return Fault.LEG, lacking(transfer, leg)
    if entry.sequence == 1 and journal.head(leg.account_id) is None:
        return Fault.MISSING, f"{leg.account_id} has entries, and there is no such account."
    return None


def alert_of(subject: str, findings: Sequence[Finding]) -> Alert:
    """Describe what is wrong with an account or a transfer."""
    first = findings[0]
    facts = {
        "account_id": first.account_id,
        "findings": str(len(findings)),
        "first": str(first),
        "sequence": str(first.sequence or ""),
        "transfer_id": first.transfer_id or "",
        "faults": ", ".join(dict.fromkeys(finding.fault for finding in findings)),
    }
    return Alert(BALANCE_MISMATCH, "critical", facts, subject)


def _tell_of_transfer(cover: Cover, transfer_id: str, findings: Sequence[Finding]) -> None:
    """Suspect the accounts that a transfer lacks entries of, and remember it: those accounts may look sound."""
    account_ids = [finding.account_id for finding in findings if finding.fault is Fault.LEG]
    cover.suspects.add(transfer_id, account_ids)
    for account_id in account_ids:
        cover.desk.checkpoints.suspect(account_id, suspected=True)
    cover.alerts.raise_alert(alert_of(transfer_id, findings))
