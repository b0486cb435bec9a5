# ruff: noqa: ANN401 (any member of what is stored)
"""Plant faults into a ledger as a bug or an intruder would: behind the services' back, coherent or not.

| account | entries |
|---|---|
| wal_a | 1 credit, 2 and 3 to wal_b, 4 debit, 5 and 6 holds, (checked) 7 to wal_b, (checked) 8 to wal_b, 9 credit |
| wal_b | 1 and 2 from wal_a, (checked) 3 from wal_a, (checked) 4 from wal_a |
| wal_c | 1 credit 5.00 (checked); nothing is ever planted here |
| hold 1, hold 2 | 1 hold of 25.50 and of 10.35 (checked) |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.domain.accounts import Account, Entry
from tallystick.domain.chain import digest, entry_hash
from tallystick.domain.flows import Flow
from tallystick.domain.money import Asset
from tallystick.domain.reconciliation import Checkpoint
from tallystick.domain.tallies import Total
from tallystick.domain.transfers import Posting, Record, Transfer
from tallystick.domain.withdrawals import Withdrawal
from tests.support.fake_journal import head_of
from tests.support.reconciling import Reconciled
from tests.support.scene import claim

A, B, C = "wal_a", "wal_b", "wal_c"
FORGED_RUN: Final = "run_forged"
TALLIED: Final = "external:adjustment:USD"
CONSERVATION: Final = "conservation:USD"


class Planted(Reconciled):
    """Hold a ledger that was checked twice and has moved on since, and change what is stored in it."""

    def __init__(self) -> None:
        """Let everything happen that the table shows."""
        super().__init__()
        for wallet_id in (A, B, C):
            self.wallet(wallet_id)
        self.credit("c1", "100.00", A)
        self.credit("c2", "5.00", C)
        self.transfer("t1", "2.50")
        self.transfer("t2", "1.25")
        self.debit("d1", "3.00")
        self.first, self.second = self.asked("w1", "25.00"), self.asked("w2", "10.00")
        self.hold, self.other_hold = self.first.hold_id, self.second.hold_id
        self.verdicts = [self.reconcile()]
        self.transfer("t3", "1.00")
        self.verdicts += [self.reconcile()]
        self.transfer("t4", "0.50")
        self.credit("c3", "1.00", A)
        self.settle()

    # What is there

    def entry(self, account_id: str, sequence: int) -> Entry:
        """Find an entry by its number."""
        return next(entry for entry in self.store.entries_of(account_id) if entry.sequence == sequence)

    def key_of(self, account_id: str, sequence: int) -> tuple[str, int, int]:
        """Find the key of an entry."""
        return next(
            key
            for key, one in self.store.entry_items.items()
            if (one.account_id, one.sequence) == (account_id, sequence)
        )

    def record_of(self, account_id: str, sequence: int) -> Transfer:
        """Find the transfer of an entry."""
        found = self.store.records[self.transfer_key(account_id, sequence)]
        assert isinstance(found, Transfer)
        return found

    def transfer_key(self, account_id: str, sequence: int) -> str:
        """Find the key of an entry's transfer."""
        return self.entry(account_id, sequence).transfer_id.removeprefix("trf_")

    @property
    def names(self) -> dict[str, str]:
        """Give people's names for ids: an entry's transfer is called after its wallet and number."""
        transfers = {
            entry.transfer_id: f"trf {account_id} {entry.sequence}"
            for account_id in (C, B, A)
            for entry in self.store.entries_of(account_id)
        }
        return transfers | {self.hold: "hold 1", self.other_hold: "hold 2"}

    def mend(self, kept: "Kept") -> None:
        """Put back what was stored, as people would: whoever is suspected stays so."""
        suspected = [name for name, account in self.store.account_items.items() if account.needs_reconciliation]
        store = self.store
        store.account_items, store.entry_items = dict(kept.accounts), dict(kept.entries)
        store.records, store.flow_items = dict(kept.records), dict(kept.flows)
        self.tallies.sums = dict(kept.sums)
        forged = [key for key, found in self.vouched.checkpoints.items() if found.run_id == FORGED_RUN]
        for key in forged:
            del self.vouched.checkpoints[key]
        self.vouched.checkpoints |= kept.checkpoints
        self.vouched.unreadable.clear()
        for account_id in suspected:
            self.alter(account_id, needs_reconciliation=True)

    # What is done to it

    def alter(self, account_id: str, /, **changes: Any) -> None:
        """Change an account."""
        self.store.account_items[account_id] = replace(self.store.account_items[account_id], **changes)

    def alter_entry(self, account_id: str, number: int, /, *, hashed: bool = False, **changes: Any) -> None:
        """Change an entry where it stands, and its hash with it if asked to."""
        key = self.key_of(account_id, number)
        altered = replace(self.store.entry_items[key], **changes)
        self.store.entry_items[key] = replace(altered, hash=entry_hash(altered)) if hashed else altered

    def rewrite(self, account_id: str, sequence: int, **changes: Any) -> None:
        """Change an entry and make all that follows fit: balances, hashes, the account."""
        self.alter_entry(account_id, sequence, **changes)
        balance = self.entry(account_id, sequence - 1).balance_after if sequence > 1 else 0
        previous = self.entry(account_id, sequence).previous_hash
        for entry in self.store.entries_of(account_id)[sequence - 1 :]:
            balance += entry.units
            self.alter_entry(account_id, entry.sequence, hashed=True, balance_after=balance, previous_hash=previous)
            previous = self.entry(account_id, entry.sequence).hash
        newest = self.store.entries_of(account_id)[-1]
        self.alter(account_id, balance=balance, head_hash=newest.hash, head_time_ms=newest.time_ms)

    def delete_entry(self, account_id: str, sequence: int) -> None:
        """Take an entry away."""
        del self.store.entry_items[self.key_of(account_id, sequence)]

    def insert_entry(self, account_id: str, after: int, *, sequence: int, later_ms: int = 0) -> None:
        """Add an entry that follows another one in its hashes, so much later."""
        before = self.entry(account_id, after)
        entry = replace(
            before,
            sequence=sequence,
            units=1,
            balance_after=before.balance_after + 1,
            previous_hash=before.hash,
            time_ms=before.time_ms + later_ms,
        )
        entry = replace(entry, hash=entry_hash(entry))
        self.store.entry_items[account_id, entry.time_ms, sequence] = entry

    def move_entry(self, account_id: str, sequence: int, *, copied: bool = False, later_ms: int = 0) -> None:
        """Store an entry under another key, too or instead."""
        key = self.key_of(account_id, sequence)
        entry = self.store.entry_items[key]
        self.store.entry_items[account_id, key[1] + later_ms, sequence + 1000] = entry
        if not copied:
            del self.store.entry_items[key]

    def swap(self, account_id: str, one: int, other: int) -> None:
        """Exchange what stands under two keys."""
        items, first, second = self.store.entry_items, self.key_of(account_id, one), self.key_of(account_id, other)
        items[first], items[second] = items[second], items[first]

    def alter_record(self, account_id: str, sequence: int, **changes: Any) -> None:
        """Change the transfer of an entry where it stands."""
        key = self.transfer_key(account_id, sequence)
        self.store.records[key] = replace(self.record_of(account_id, sequence), **changes)

    def alter_posting(self, account: str, sequence: int, of: str, /, **changes: Any) -> None:
        """Change one posting of the transfer of an entry."""
        postings = [
            replace(one, **changes) if one.account_id == of else one
            for one in self.record_of(account, sequence).postings
        ]
        self.alter_record(account, sequence, postings=tuple(postings))

    def delete_record(self, account_id: str, sequence: int) -> None:
        """Take the transfer of an entry away."""
        del self.store.records[self.transfer_key(account_id, sequence)]

    def insert_record(self, *postings: Posting, key: str = "forged", under: str | None = None, **members: Any) -> None:
        """Add a transfer without entries."""
        model = self.record_of(A, 1)
        forged = replace(model, claim=claim(key), postings=postings, **members)
        self.store.records[under or forged.claim.key.digest] = forged

    def roll_back(self, account_id: str, version: int, *, records: bool, word: bool = False) -> None:
        """Make an account what it was, its entries gone and perhaps their transfers; `word` of the checkpoint too."""
        for entry in self.store.entries_of(account_id)[version:]:
            if records:
                self.store.records.pop(entry.transfer_id.removeprefix("trf_"), None)
            self.delete_entry(account_id, entry.sequence)
        last = self.entry(account_id, version)
        self.alter(
            account_id,
            version=version,
            balance=last.balance_after,
            head_hash=last.hash,
            head_time_ms=last.time_ms,
        )
        if word:
            self.say_checked(account_id)

    def say_checked(self, account_id: str) -> None:
        """Let an account say that it was checked as it is."""
        head = head_of(self.store.account_items[account_id])
        self.vouched.words[account_id] = head.mark, "run_before"

    def forge_checkpoint(self, account_id: str, **changes: Any) -> None:
        """Vouch for an account as it stands, or for what it is not."""
        checkpoint = Checkpoint.of(head_of(self.store.account_items[account_id]), FORGED_RUN)
        forged = replace(checkpoint, **changes)
        self.vouched.checkpoints[account_id, forged.sequence] = forged

    def alter_checkpoint(self, account_id: str, sequence: int, **changes: Any) -> None:
        """Change what was vouched for."""
        key = account_id, sequence
        self.vouched.checkpoints[key] = replace(self.vouched.checkpoints[key], **changes)

    def alter_flow(self, flow: Withdrawal, **changes: Any) -> None:
        """Change a withdrawal."""
        self.store.flow_items[flow.flow_id] = replace(self.standing(flow), **changes)

    def drop_total(self, units: int = 1) -> None:
        """Lose a cent of a tallied account's total, or more, or put it back."""
        key = TALLIED, None
        self.tallies.sums[key] = replace(self.tallies.sums[key], balance=self.tallies.sums[key].balance + units)


@dataclass(frozen=True)
class Kept:
    """Remember what was stored before a fault was planted."""

    accounts: dict[str, Account]
    entries: dict[tuple[str, int, int], Entry]
    records: dict[str, Record]
    flows: dict[str, Flow]
    checkpoints: dict[tuple[str, int], Checkpoint]
    sums: dict[tuple[str, int | None], Total]

    @classmethod
    def of(cls, it: Planted) -> "Kept":
        """Copy it."""
        store = it.store
        ledger = dict(store.account_items), dict(store.entry_items), dict(store.records), dict(store.flow_items)
        return cls(*ledger, dict(it.vouched.checkpoints), dict(it.tallies.sums))


OTHER_TIME: Final = 1_767_225_599_000
FORGED: Final = digest("forged")
THREE_DECIMALS: Final = Asset("USD", 3)
EURO: Final = Asset("EUR", 2)

Plant = Callable[[Planted], object]
Changes = Mapping[str, Any]


def entry_altered(number: int, changes: Changes, *, hashed: bool = False) -> Plant:
    """Change an entry of wal_a."""
    return lambda it: it.alter_entry(A, number, hashed=hashed, **changes)


def record_altered(changes: Changes) -> Plant:
    """Change the transfer of wal_a's entry 8."""
    return lambda it: it.alter_record(A, 8, **changes)


def posting_altered(changes: Changes) -> Plant:
    """Change what this transfer posts to wal_b."""
    return lambda it: it.alter_posting(A, 8, B, **changes)


def rewrite_and_vouch(it: Planted) -> None:
    """Rewrite what was checked, and say that this was checked."""
    it.rewrite(A, 3, units=-1)
    it.forge_checkpoint(A)
    it.say_checked(A)


def alter_all(it: Planted) -> None:
    """Change every entry of wal_a."""
    for number in range(1, 10):
        it.alter_entry(A, number, scale=3, previous_hash=FORGED)


def delete_newest(it: Planted) -> None:
    """Take away the entry of the newest checkpoint, and all that follow."""
    for number in (7, 8, 9):
        it.delete_entry(A, number)


def forge_word(it: Planted) -> None:
    """Change a balance, and say that it was checked."""
    it.alter(B, balance=1)
    it.say_checked(B)


ENTRY_CHANGES: Final[Mapping[str, Changes]] = {
    "units": {"units": -1},
    "balance after": {"balance_after": 1},
    "kind": {"kind": "credit"},
    "asset": {"asset": "EUR"},
    "scale": {"scale": 3},
    "transfer": {"transfer_id": f"trf_{FORGED}"},
    "previous hash": {"previous_hash": FORGED},
    "hash": {"hash": FORGED},
    "time": {"time_ms": OTHER_TIME},
    "sequence": {"sequence": 77},
}
COHERENT_CHANGES: Final[Mapping[str, Changes]] = {
    "units": {"units": -1},
    "kind": {"kind": "credit"},
    "transfer": {"transfer_id": f"trf_{FORGED}"},
}
RECORD_CHANGES: Final[Mapping[str, Changes]] = {
    "key": {"claim": claim("another")},
    "kind": {"kind": "reversal"},
    "asset": {"asset": "EUR"},
    "scale": {"scale": 3},
    "units": {"units": 77},
    "time": {"created_at_ms": OTHER_TIME},
    "postings": {"postings": ()},
}
POSTING_CHANGES: Final[Mapping[str, Changes]] = {
    "units of a posting": {"units": 77},
    "balance of a posting": {"balance_after": 77},
    "owner of a posting": {"owner_id": "eve"},
    "account of a posting": {"account_id": C},
}
UNTOLD_CHANGES: Final[Mapping[str, Changes]] = {
    "reference": {"reference": "stripe:pi_2"},
    "metadata": {"metadata": {"for": "lunch"}},
    "what it reverses": {"reverses": f"trf_{FORGED}"},
}

FAULTS: Final[dict[str, Plant]] = {
    # Accounts
    "balance, of a changed account": lambda it: it.alter(A, balance=1),
    "balance, of an unchanged account": lambda it: it.alter(it.hold, balance=1),
    "head hash": lambda it: it.alter(B, head_hash=FORGED),
    "head time": lambda it: it.alter(B, head_time_ms=OTHER_TIME),
    "version, higher": lambda it: it.alter(B, version=5),
    "version, lower": lambda it: it.alter(B, version=3),
    "version, below the checkpoint": lambda it: it.alter(B, version=2),
    "owner": lambda it: it.alter(B, owner_id="eve"),
    "scale": lambda it: it.alter(B, asset=THREE_DECIMALS),
    "asset": lambda it: it.alter(B, asset=EURO),
    "account unreadable": lambda it: it.vouched.unreadable.add(B),
    "account deleted": lambda it: it.store.account_items.pop(B),
    # Entries
    **{
        f"entry {number}: {name} altered": entry_altered(number, changes)
        for number in (3, 8)
        for name, changes in ENTRY_CHANGES.items()
    },
    **{
        f"entry {number}: {name} altered and hashed": entry_altered(number, changes, hashed=True)
        for number in (3, 8)
        for name, changes in COHERENT_CHANGES.items()
    },
    "entry 3: rewritten with all that follows": lambda it: it.rewrite(A, 3, units=-1),
    "entry 8: rewritten with all that follows": lambda it: it.rewrite(A, 8, units=-1),
    "entry 9: rewritten": lambda it: it.rewrite(A, 9, units=1_000),
    "entry 9: another kind": lambda it: it.rewrite(A, 9, kind="deposit"),
    "entry 9: moves nothing": lambda it: it.rewrite(A, 9, units=0),
    "all entries altered": alter_all,
    "entries deleted from a checkpoint on": delete_newest,
    "first entry deleted": lambda it: it.delete_entry(A, 1),
    "middle entry deleted": lambda it: it.delete_entry(A, 4),
    "entry of the checkpoint deleted": lambda it: it.delete_entry(A, 7),
    "last entry deleted": lambda it: it.delete_entry(A, 9),
    "entry inserted in the middle": lambda it: it.insert_entry(A, 8, sequence=9),
    "entry inserted behind the head": lambda it: it.insert_entry(A, 9, sequence=10, later_ms=1),
    "entry inserted behind the head of what has not changed": (
        lambda it: it.insert_entry(C, 1, sequence=2, later_ms=1)
    ),
    "entry inserted behind the head at its time": lambda it: it.insert_entry(A, 9, sequence=10),
    "entry duplicated": lambda it: it.move_entry(A, 8, copied=True),
    "entry under another key": lambda it: it.move_entry(A, 8),
    "entry under the key of another time": lambda it: it.move_entry(A, 8, later_ms=OTHER_TIME),
    "entries swapped": lambda it: it.swap(A, 8, 9),
    "old entries swapped": lambda it: it.swap(A, 2, 3),
    "new entry unreadable": lambda it: it.vouched.unreadable.add(it.key_of(A, 8)),
    "old entry unreadable": lambda it: it.vouched.unreadable.add(it.key_of(A, 2)),
    # Transfers
    "one leg missing": lambda it: it.roll_back(B, 3, records=False),
    "the other leg missing": lambda it: it.roll_back(A, 7, records=False),
    "leg missing since a check": lambda it: it.delete_entry(B, 1),
    **{f"transfer: {name} altered": record_altered(changes) for name, changes in RECORD_CHANGES.items()},
    **{f"transfer: {name} altered": posting_altered(changes) for name, changes in POSTING_CHANGES.items()},
    "old transfer: units altered": lambda it: it.alter_record(A, 2, units=77),
    "transfer deleted": lambda it: it.delete_record(A, 8),
    "old transfer deleted": lambda it: it.delete_record(A, 2),
    "credit deleted": lambda it: it.delete_record(A, 9),
    "transfer unreadable": lambda it: it.vouched.unreadable.add(it.transfer_key(A, 8)),
    "old transfer unreadable": lambda it: it.vouched.unreadable.add(it.transfer_key(A, 2)),
    "transfer without entries": lambda it: it.insert_record(Posting(A, -5, "ada", 1), Posting(B, 5, "ada", 1), units=5),
    "transfer that does not sum to zero": lambda it: it.insert_record(Posting("external:x:USD", -5), units=0),
    "transfer under another key": lambda it: it.store.records.update({FORGED: it.record_of(A, 8)}),
    # Holds
    "held, too little": lambda it: it.alter(A, held=1),
    "held, nothing": lambda it: it.alter(A, held=0),
    "held, too much": lambda it: it.alter(A, held=100_000),
    "held where nothing is": lambda it: it.alter(C, held=1),
    "hold left over": lambda it: it.alter_flow(it.first, state="FAILED"),
    "hold too small": lambda it: it.alter_flow(it.first, units=it.first.units + 1),
    "flow of a hold gone": lambda it: it.store.flow_items.pop(it.first.flow_id),
    # What was vouched for
    "checkpoint ahead of the head": lambda it: it.forge_checkpoint(B, sequence=50),
    "checkpoint of the head, forged": lambda it: it.forge_checkpoint(B, hash=FORGED),
    "checkpoint at an old number": lambda it: it.forge_checkpoint(A, sequence=2, hash=FORGED),
    "newest checkpoint altered": lambda it: it.alter_checkpoint(B, 3, balance=1),
    "older checkpoint altered": lambda it: it.alter_checkpoint(A, 6, hash=FORGED),
    "rewritten and vouched for": rewrite_and_vouch,
    "word forged": forge_word,
    "word forged of what is right": lambda it: it.say_checked(A),
    # What is gone
    "rolled back behind a checkpoint": lambda it: it.roll_back(B, 2, records=True),
    "rolled back behind a checkpoint with its word": lambda it: it.roll_back(B, 2, records=True, word=True),
    "rolled back to a checkpoint": lambda it: it.roll_back(A, 7, records=True, word=True),
    "rolled back to a checkpoint without its transfers": lambda it: it.roll_back(A, 7, records=False, word=True),
    # Totals
    "total off": lambda it: it.drop_total(),
}


UNTOLD: Final[dict[str, Plant]] = {
    "transfer of tallied accounts alone": (
        lambda it: it.insert_record(Posting("external:x:USD", -5), Posting("external:y:USD", 5), units=5)
    ),
    **{f"transfer: {name} altered": record_altered(changes) for name, changes in UNTOLD_CHANGES.items()},
}
"""What nothing else that is stored contradicts: the guard of the ledger tells of it when something was overwritten."""
