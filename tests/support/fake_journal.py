"""Read the fake store as reconciliation reads the tables, and keep what it keeps; every call goes through the hooks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

from tallystick.domain.accounts import Account, Entry
from tallystick.domain.audit import AuditRecord
from tallystick.domain.flows import Flow
from tallystick.domain.reconciliation import Checkpoint, Head, Stored
from tallystick.domain.repairing import MEMBERS, Rederive
from tallystick.domain.runs import Mode, Part, Progress, Run, Verdict
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import TRANSFER_ID, TRANSFER_PREFIX, Record
from tallystick.services.ports.journal import Snapshot
from tallystick.services.ports.paging import Page
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import call


@dataclass
class Vouched:
    """Hold what was vouched for: `words` are what accounts say of themselves, `checkpoints` what is kept for good.

    `unreadable` are the keys of accounts, entries and transfer records whose items are not as they should be.
    """

    words: dict[str, tuple[str, str]] = field(default_factory=dict)
    checkpoints: dict[tuple[str, int], Checkpoint] = field(default_factory=dict)
    unreadable: set[str | tuple[str, int, int]] = field(default_factory=set)


@dataclass
class FakeJournal:
    """Implement the port Journal; keys of entries are those they were written under, whatever they say."""

    backing: FakeStore
    vouched: Vouched
    name: str = "exact"

    def heads(self, segment: int, segments: int, after: str | None, limit: int) -> Page[Head]:
        """Give a page of a segment."""
        with call(self.backing, f"{self.name}.heads"):
            mine = [name for name in sorted(self.backing.account_items) if crc32(name.encode()) % segments == segment]
            rest = [name for name in mine if after is None or name > after]
            return Page([self._head(name) for name in rest[:limit]], rest[limit - 1] if len(rest) > limit else None)

    def head(self, account_id: str) -> Head | None:
        """Give one account."""
        with call(self.backing, f"{self.name}.head"):
            return self._head(account_id) if account_id in self.backing.account_items else None

    def entries(self, account_id: str, from_ms: int) -> Iterator[Stored]:
        """Give entries, oldest first."""
        with call(self.backing, f"{self.name}.entries"):
            found = [stored for time_ms, stored in self._stored(account_id) if time_ms >= from_ms]
        return iter(found)

    def newest(self, account_id: str, before_ms: int) -> Stored | None:
        """Give the newest one that is older."""
        with call(self.backing, f"{self.name}.newest"):
            older = [stored for time_ms, stored in self._stored(account_id) if time_ms < before_ms]
            return older[-1] if older else None

    def at(self, account_id: str, time_ms: int) -> list[Stored]:
        """Give those of a millisecond."""
        with call(self.backing, f"{self.name}.at"):
            return [stored for found_ms, stored in self._stored(account_id) if found_ms == time_ms]

    def records(self, transfer_ids: Sequence[str]) -> Mapping[str, Record | None]:
        """Give records by their ids."""
        with call(self.backing, f"{self.name}.records"):
            keys = {name: name.removeprefix(TRANSFER_PREFIX) for name in transfer_ids if TRANSFER_ID.fullmatch(name)}
            return {name: self._record(key) for name, key in keys.items() if key in self.backing.records}

    def transfers(self, segment: int, segments: int, after: str | None, limit: int) -> Page[tuple[str, Record | None]]:
        """Give a page of a segment."""
        with call(self.backing, f"{self.name}.transfers"):
            mine = [key for key in sorted(self.backing.records) if crc32(key.encode()) % segments == segment]
            rest = [key for key in mine if after is None or key > after]
            page: list[tuple[str, Record | None]] = [(key, self._record(key)) for key in rest[:limit]]
            return Page(page, rest[limit - 1] if len(rest) > limit else None)

    def flow(self, flow_id: str) -> Flow | None:
        """Give a flow."""
        with call(self.backing, f"{self.name}.flow"):
            return self.backing.flow_items.get(flow_id)

    def snapshot(self, account_ids: Sequence[str], flow_ids: Sequence[str] = ()) -> Snapshot:
        """Give all at once."""
        with call(self.backing, f"{self.name}.snapshot"):
            heads = {name: self._head(name) for name in account_ids if name in self.backing.account_items}
            flows = {name: self.backing.flow_items[name] for name in flow_ids if name in self.backing.flow_items}
            return Snapshot(heads, flows)

    def _head(self, account_id: str) -> Head:
        if account_id in self.vouched.unreadable:
            return Head(account_id, fault="It cannot be read.")
        return head_of(self.backing.account_items[account_id], self.vouched.words.get(account_id))

    def _record(self, transfer_key: str) -> Record | None:
        return None if transfer_key in self.vouched.unreadable else self.backing.records[transfer_key]

    def _stored(self, account_id: str) -> list[tuple[int, Stored]]:
        found = sorted(key for key in self.backing.entry_items if key[0] == account_id)
        return [(key[1], self._stored_at(key)) for key in found]

    def _stored_at(self, key: tuple[str, int, int]) -> Stored:
        return stored_as(key, None if key in self.vouched.unreadable else self.backing.entry_items[key])


def stored_as(key: tuple[str, int, int], entry: Entry | None) -> Stored:
    """Say how an entry stands under a key."""
    _, time_ms, sequence = key
    in_place = entry is None or (entry.time_ms, entry.sequence) == (time_ms, sequence)
    return Stored(f"{to_rfc3339(time_ms)}#{sequence:012d}", entry, in_place=in_place)


def head_of(account: Account, word: tuple[str, str] | None = None) -> Head:
    """Show an account as it is stored."""
    checked, checked_in = word or (None, None)
    return Head(
        account_id=account.account_id,
        owner_id=account.owner_id,
        kind=account.kind,
        asset=account.asset.code,
        scale=account.asset.scale,
        balance=account.balance,
        held=account.held,
        version=account.version,
        head_hash=account.head_hash,
        head_time_ms=account.head_time_ms,
        needs_reconciliation=account.needs_reconciliation,
        checked=checked,
        checked_in=checked_in,
    )


@dataclass
class FakeCheckpoints:
    """Implement the port Checkpoints."""

    backing: FakeStore
    vouched: Vouched

    def newest(self, account_id: str, limit: int) -> list[Checkpoint]:
        """Give the newest."""
        with call(self.backing, "checkpoints.newest"):
            return self._of(account_id)[::-1][:limit]

    def all(self, account_id: str) -> Iterator[Checkpoint]:
        """Give all."""
        with call(self.backing, "checkpoints.all"):
            found = self._of(account_id)
        return iter(found)

    def vouch(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then the account's word for it."""
        with call(self.backing, "checkpoints.put"):
            self.vouched.checkpoints.setdefault((checkpoint.account_id, checkpoint.sequence), checkpoint)
        with call(self.backing, "checkpoints.word"):
            self.vouched.words[checkpoint.account_id] = checkpoint.mark, checkpoint.run_id

    def suspect(self, account_id: str, *, suspected: bool) -> None:
        """Set the mark that everybody sees."""
        with call(self.backing, "checkpoints.suspect"):
            account = self.backing.account_items.get(account_id)
            if account is not None:
                self.backing.account_items[account_id] = replace(account, needs_reconciliation=suspected)

    def _of(self, account_id: str) -> list[Checkpoint]:
        return [found for key, found in sorted(self.vouched.checkpoints.items()) if key[0] == account_id]


@dataclass
class FakeRuns:
    """Implement the port Runs."""

    backing: FakeStore
    run: Run | None = None
    segments: dict[tuple[str, int], Progress] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def current(self) -> Run | None:
        """Give the newest run."""
        with call(self.backing, "runs.current"):
            return self.run

    def save(self, run: Run, audit: AuditRecord | None = None) -> bool:
        """Write the next version."""
        with call(self.backing, "runs.save"):
            if self.run is not None and self.run.version != run.version - 1:
                return False
            self.run = run
            self.backing.audited += [audit] if audit else []
            return True

    def segment(self, run_id: str, part: Part, number: int) -> Progress:
        """Give a segment."""
        with call(self.backing, "runs.segment"):
            kept = self.segments.get((part, number))
            if kept is None:
                return Progress(run_id, part, number)
            return kept if kept.run_id == run_id else Progress(run_id, part, number, version=kept.version)

    def save_segment(self, progress: Progress) -> bool:
        """Write a segment's next version."""
        with call(self.backing, "runs.save_segment"):
            kept = self.segments.get((progress.part, progress.number))
            if kept is not None and kept.version != progress.version - 1:
                return False
            self.segments[progress.part, progress.number] = progress
            return True

    def conclude(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        with call(self.backing, "runs.conclude"):
            self.verdicts.setdefault(verdict.run.run_id, verdict)

    def newest(self, mode: Mode | None = None) -> Verdict | None:
        """Give the newest verdict."""
        with call(self.backing, "runs.newest"):
            found = [verdict for verdict in self.verdicts.values() if mode in (None, verdict.run.mode)]
            return max(found, key=lambda verdict: verdict.run.started_at_ms, default=None)


@dataclass
class FakeSuspects:
    """Implement the port Suspects."""

    backing: FakeStore
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, transfer_id: str, account_ids: Sequence[str]) -> None:
        """Remember one."""
        with call(self.backing, "suspects.add"):
            self.kept[transfer_id] = tuple(account_ids)

    def listed(self, limit: int) -> Mapping[str, Sequence[str]]:
        """List some."""
        with call(self.backing, "suspects.listed"):
            return dict(list(self.kept.items())[:limit])

    def remove(self, transfer_id: str) -> None:
        """Forget one."""
        with call(self.backing, "suspects.remove"):
            self.kept.pop(transfer_id, None)


@dataclass
class FakeRepairs:
    """Implement the port Repairs."""

    backing: FakeStore

    def rederive(self, remedy: Rederive, audit: AuditRecord) -> bool:
        """Change an account that is as it was seen."""
        with call(self.backing, "repairs.rederive"):
            stored = self.backing.account_items[remedy.before.account_id]
            seen = replace(remedy.before, checked=None, checked_in=None, needs_reconciliation=False)
            if replace(head_of(stored), needs_reconciliation=False) != seen:
                return False
            members = {name: getattr(remedy.after, name) for name in MEMBERS}
            self.backing.account_items[stored.account_id] = replace(stored, needs_reconciliation=True, **members)
            self.backing.audited.append(audit)
            return True
