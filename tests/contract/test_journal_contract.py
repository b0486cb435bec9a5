"""What reconciliation reads and keeps: one suite for the fake and the real adapters, and what only the store can do."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tallystick.adapters.dynamo import journal as dynamo_journal
from tallystick.adapters.dynamo import raw
from tallystick.adapters.dynamo.checkpoints import DynamoCheckpoints
from tallystick.adapters.dynamo.journal import DynamoJournal
from tallystick.adapters.dynamo.runs import DynamoRuns, DynamoSuspects
from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, TransferItem
from tallystick.domain.audit import AuditRecord
from tallystick.domain.money import MAX_UNITS, format_units
from tallystick.domain.reconciliation import MARKS, Checkpoint, Fault, Finding, Head
from tallystick.domain.runs import Counted, Mode, Part, Progress, Run, Sums, Verdict
from tallystick.domain.transfers import TRANSFER_PREFIX, Tombstone, Transfer
from tallystick.services.ledger import Ledger
from tallystick.services.ports.journal import Checkpoints, Journal, SnapshotConflict
from tallystick.services.ports.runs import Runs, Suspects
from tests.support.fake_journal import FakeCheckpoints, FakeJournal, FakeRuns, FakeSuspects, Vouched
from tests.support.fake_store import FakeStore
from tests.support.scene import ADA, NOW_MS, Desk, account, claim, no_pause
from tests.support.tables import Ports, Tables
from tests.support.withdrawals import withdrawal

A, B = "wal_a", "wal_b"
SEGMENTS: Final = 3


@dataclass
class Shelf:
    """Hold the ports of reconciliation, and a desk that moves money in the ledger they read."""

    ports: Ports
    quick: Journal
    exact: Journal
    checkpoints: Checkpoints
    runs: Runs
    suspects: Suspects

    def __post_init__(self) -> None:
        """Open two wallets, and let money move: entries 1 to 4 of wal_a, 1 and 2 of wal_b."""
        for name in (A, B):
            self.ports.wallets.create(account(name, ADA))
        desk = Desk(Ledger(self.ports.book, no_pause))
        self.ids = [desk.credit("c1", "10.00").transfer.transfer_id]
        self.ids += [desk.transfer(f"t{number}", "1.00").transfer.transfer_id for number in (1, 2)]
        self.ids += [desk.reverse("r1", self.ids[2]).transfer.transfer_id]
        self.tombstone = Tombstone(claim("voided"), NOW_MS)
        self.ports.book.void(self.tombstone)

    def heads(self, limit: int = 1) -> list[Head]:
        """Scan all accounts."""
        return [head for number in range(SEGMENTS) for head in self._scanned(number, limit)]

    def _scanned(self, number: int, limit: int) -> Iterator[Head]:
        after = None
        while True:
            page = self.quick.heads(number, SEGMENTS, after, limit)
            yield from page.items
            if page.next_key is None:
                return
            after = page.next_key

    def head(self, account_id: str = A) -> Head:
        """Read an account."""
        found = self.exact.head(account_id)
        assert found is not None
        return found


@pytest.fixture(params=["fake", "dynamo"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    if request.param == "dynamo":
        return shelf_of(request.getfixturevalue("dynamo"))
    store, vouched = FakeStore(), Vouched()
    journals = FakeJournal(store, vouched, "quick"), FakeJournal(store, vouched)
    return Shelf(Ports.of(store), *journals, FakeCheckpoints(store, vouched), FakeRuns(store), FakeSuspects(store))


@pytest.fixture
def stored(dynamo: Tables) -> Shelf:
    return shelf_of(dynamo)


def shelf_of(made: Tables) -> Shelf:
    quick, exact = (DynamoJournal(made.connection, consistent=consistent) for consistent in (False, True))
    kept = DynamoCheckpoints(made.connection), DynamoRuns(made.connection), DynamoSuspects()
    return Shelf(made.ports, quick, exact, *kept)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read everything in pieces."""
    monkeypatch.setattr(dynamo_journal, "PAGE", 1)
    monkeypatch.setattr(raw, "MAX_KEYS", 2)


# The ledger


def test_each_account_is_in_one_segment(shelf: Shelf) -> None:
    assert sorted(head.account_id for head in shelf.heads()) == [A, B]
    assert {head.account_id: head for head in shelf.heads(100)} == {A: shelf.head(A), B: shelf.head(B)}


def test_an_account_is_read_as_it_is_stored(shelf: Shelf) -> None:
    stored = shelf.ports.book.accounts([A])[A]
    head = shelf.head()
    assert (head.owner_id, head.kind, head.asset, head.scale) == (ADA.caller_id, "user", "USD", 2)
    assert (head.balance, head.version, head.head_hash) == (stored.balance, 4, stored.head_hash)
    assert (head.checked, head.checked_in, head.fault, head.needs_reconciliation) == (None, None, None, False)
    assert shelf.exact.head("wal_none") is None


def test_entries_are_read_from_a_time_on(shelf: Shelf) -> None:
    everything = list(shelf.quick.entries(A, 0))
    assert [stored.entry.sequence for stored in everything if stored.entry] == [1, 2, 3, 4]
    assert all(stored.in_place for stored in everything)
    third = everything[2].entry
    assert third is not None
    assert list(shelf.exact.entries(A, third.time_ms)) == everything[2:]
    assert shelf.quick.at(A, third.time_ms) == [everything[2]]
    assert shelf.quick.newest(A, third.time_ms) == everything[1]
    assert shelf.quick.newest(A, everything[0].entry.time_ms if everything[0].entry else 0) is None
    assert list(shelf.quick.entries("wal_none", 0)) == []


def test_transfers_are_read_by_their_ids(shelf: Shelf) -> None:
    missing = TRANSFER_PREFIX + "0" * 64
    found = shelf.quick.records([*shelf.ids, *shelf.ids, missing, "no id", "", shelf.ids[0][4:]])
    assert sorted(found) == sorted(shelf.ids)
    assert all(isinstance(record, Transfer) and record.transfer_id == name for name, record in found.items())
    assert dict(shelf.exact.records([])) == {}


def test_all_transfers_are_scanned_without_reversals_markers(shelf: Shelf) -> None:
    found: dict[str, object] = {}
    for number in range(SEGMENTS):
        after: str | None = None
        while True:
            page = shelf.quick.transfers(number, SEGMENTS, after, 1)
            found |= dict(page.items)
            after = page.next_key
            if after is None:
                break
    voided = shelf.tombstone.claim.key.digest
    assert sorted(found) == sorted([*(name[4:] for name in shelf.ids), voided])
    assert isinstance(found[voided], Tombstone)


def test_a_snapshot_has_what_there_is(shelf: Shelf) -> None:
    flow = shelf.ports.flows.create(withdrawal())
    snapshot = shelf.exact.snapshot([A, "wal_none"], [flow.flow_id, "wdr_none"])
    assert (dict(snapshot.heads), dict(snapshot.flows)) == ({A: shelf.head()}, {flow.flow_id: flow})
    assert (shelf.exact.flow(flow.flow_id), shelf.quick.flow("wdr_none")) == (flow, None)


def test_38_digits_are_read(shelf: Shelf) -> None:
    shelf.ports.wallets.create(account("wal_rich", ADA))
    Desk(Ledger(shelf.ports.book, no_pause)).credit("all", format_units(MAX_UNITS, 2), "wal_rich")
    (entry,) = shelf.quick.entries("wal_rich", 0)
    assert entry.entry is not None
    assert (shelf.head("wal_rich").balance, entry.entry.units, entry.entry.balance_after) == (MAX_UNITS,) * 3


# What was vouched for


def test_checkpoints_are_added_and_never_changed(shelf: Shelf) -> None:
    head = shelf.head()
    for sequence in (2, 10, 1):
        shelf.checkpoints.vouch(replace(Checkpoint.of(head, f"run_{sequence}"), sequence=sequence))
    shelf.checkpoints.vouch(replace(Checkpoint.of(head, "run_other"), sequence=2, balance=MAX_UNITS))
    everything = list(shelf.checkpoints.all(A))
    assert [(found.sequence, found.run_id) for found in everything] == [(1, "run_1"), (2, "run_2"), (10, "run_10")]
    assert shelf.checkpoints.newest(A, 2) == everything[:0:-1]
    assert (shelf.checkpoints.newest(B, 2), list(shelf.checkpoints.all(B))) == ([], [])


def test_an_account_says_what_was_checked_until_it_changes(shelf: Shelf) -> None:
    shelf.checkpoints.vouch(Checkpoint.of(shelf.head(), "run_1"))
    checked = shelf.head()
    assert (checked.checked, checked.checked_in, checked.is_unchanged) == (checked.mark, "run_1", True)
    Desk(Ledger(shelf.ports.book, no_pause)).credit("c2", "1.00")
    assert (shelf.head().checked, shelf.head().is_unchanged) == (checked.mark, False)


def test_a_suspected_account_is_suspected_until_it_is_cleared(shelf: Shelf) -> None:
    for suspected in (True, False):
        shelf.checkpoints.suspect(A, suspected=suspected)
        assert shelf.head().needs_reconciliation is suspected
    shelf.checkpoints.suspect("wal_none", suspected=True)
    assert shelf.exact.head("wal_none") is None


# Runs

RUN: Final = Run("run_1", Mode.FULL, "test", NOW_MS, NOW_MS - 1, 2)
FINDINGS: Final = (Finding(A, Fault.CHAIN, "It is broken.", 3, "trf_1"), Finding(B, Fault.HELD, "It is not."))
SUMS: Final = Sums(
    Counted(accounts=5, late=2),
    {"USD": MAX_UNITS},
    {"external:x:USD": -MAX_UNITS},
    MARKS - 1,
    2**127 + 1,
    FINDINGS,
    (B,),
)


def test_a_run_is_replaced_by_its_next_version_only(shelf: Shelf) -> None:
    assert shelf.runs.current() is None
    assert shelf.runs.save(RUN)
    following = replace(RUN, looked=3, ended_at_ms=NOW_MS + 5, version=1)
    assert not shelf.runs.save(replace(following, version=2))
    assert shelf.runs.save(following, AuditRecord("reconciliation", "begin-run", "root", NOW_MS, "203.0.113.7", {}))
    assert not shelf.runs.save(following)
    assert shelf.runs.current() == following
    assert [record.action for record in shelf.ports.audited()] == ["begin-run"]


def test_a_segment_is_replaced_by_its_next_version_only(shelf: Shelf) -> None:
    begun = shelf.runs.segment("run_1", Part.ACCOUNTS, 1)
    assert begun == Progress("run_1", Part.ACCOUNTS, 1)
    following = begun.advanced(SUMS, "wal_x")
    assert shelf.runs.save_segment(following)
    assert not shelf.runs.save_segment(following)
    assert shelf.runs.segment("run_1", Part.ACCOUNTS, 1) == following
    done = following.advanced(SUMS, None)
    assert shelf.runs.save_segment(done)
    assert shelf.runs.segment("run_1", Part.ACCOUNTS, 1).is_done
    assert shelf.runs.segment("run_1", Part.TRANSFERS, 1).version == 0
    assert shelf.runs.segment("run_2", Part.ACCOUNTS, 1) == Progress("run_2", Part.ACCOUNTS, 1, version=2)


def test_verdicts_are_kept_for_good(shelf: Shelf) -> None:
    full = Verdict(RUN, SUMS, {"conservation:USD": -MAX_UNITS}, None, {"external:x:USD": MAX_UNITS})
    later = replace(RUN, run_id="run_2", mode=Mode.CHANGED, started_at_ms=NOW_MS + 1)
    changed = Verdict(later, Sums(), suspicion="Not zero.", is_judged=False)
    assert shelf.runs.newest() is None
    for verdict in (full, changed, replace(changed, suspicion="another")):
        shelf.runs.conclude(verdict)
    assert [shelf.runs.newest(mode) for mode in (None, *Mode)] == [changed, changed, full]


def test_suspects_are_remembered_until_they_are_removed(shelf: Shelf) -> None:
    shelf.suspects.add("trf_1", [A, B])
    shelf.suspects.add("trf_2", [])
    shelf.suspects.add("trf_2", [B])
    assert {name: list(ids) for name, ids in shelf.suspects.listed(10).items()} == {"trf_1": [A, B], "trf_2": [B]}
    assert len(shelf.suspects.listed(1)) == 1
    shelf.suspects.remove("trf_1")
    shelf.suspects.remove("trf_none")
    assert list(shelf.suspects.listed(10)) == ["trf_2"]


# What only the store can do

ACCOUNT_MEMBERS: Final = ("owner_id", "kind", "asset", "scale", "balance", "held", "version", "head_hash")
ENTRY_MEMBERS: Final = (
    "sequence",
    "time_ms",
    "kind",
    "asset",
    "scale",
    "units",
    "balance_after",
    "transfer_id",
    "hash",
)
WRONG: Final[tuple[dict[str, Any] | None, ...]] = (None, {"BOOL": True}, {"N": "0.5"}, {"L": []})
"""Left out, or of another type, or no whole number."""


def spoil(made: Tables, table: str, key: dict[str, Any], name: str, value: dict[str, Any] | None) -> None:
    client = made.connection.client
    found = client._make_api_call("GetItem", {"TableName": table, "Key": key})["Item"]  # noqa: SLF001 (typed so)
    changed = {member: one for member, one in found.items() if member != name} | ({name: value} if value else {})
    client._make_api_call("PutItem", {"TableName": table, "Item": changed})  # noqa: SLF001


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ACCOUNT_MEMBERS)
def test_an_account_that_cannot_be_read_says_so(
    name: str, value: dict[str, Any] | None, stored: Shelf, dynamo: Tables
) -> None:
    spoil(dynamo, AccountItem.Meta.table_name, {"account_id": {"S": A}}, name, value)
    head = stored.head()
    assert (head.account_id, head.is_unchanged) == (A, False)
    assert head.fault is not None
    assert [found.fault is None for found in sorted(stored.heads(), key=lambda head: head.account_id)] == [False, True]
    assert stored.exact.snapshot([A]).heads[A] == head


def test_a_negative_balance_is_read_as_it_is(stored: Shelf, dynamo: Tables) -> None:
    spoil(dynamo, AccountItem.Meta.table_name, {"account_id": {"S": A}}, "balance", {"N": "-5"})
    assert (stored.head().balance, stored.head().fault) == (-5, None)


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ENTRY_MEMBERS)
def test_an_entry_that_cannot_be_read_stands_where_it_is(
    name: str, value: dict[str, Any] | None, stored: Shelf, dynamo: Tables
) -> None:
    second = list(stored.quick.entries(A, 0))[1]
    key = {"account_id": {"S": A}, "entry_key": {"S": second.key}}
    spoil(dynamo, EntryItem.Meta.table_name, key, name, value)
    found = list(stored.quick.entries(A, 0))
    assert [one.entry is None for one in found] == [False, True, False, False]
    assert found[1].key == second.key


@pytest.mark.parametrize("time_ms", [-(10**17), 10**18])
def test_an_entry_of_no_time_cannot_be_read(time_ms: int, stored: Shelf, dynamo: Tables) -> None:
    second = list(stored.quick.entries(A, 0))[1]
    key = {"account_id": {"S": A}, "entry_key": {"S": second.key}}
    spoil(dynamo, EntryItem.Meta.table_name, key, "time_ms", {"N": str(time_ms)})
    assert list(stored.quick.entries(A, 0))[1].entry is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, None) for name in ("created_at_ms", "kind")],
        ("created_at_ms", {"N": "1" + "0" * 20}),
        ("kind", {"S": "theft"}),
        ("item", {"S": "reversal"}),
        ("postings", {"L": [{"M": {"account_id": {"S": ""}, "units": {"N": "1"}}}]}),
        ("postings", {"L": [{"M": {"account_id": {"S": "x" * 2049}, "units": {"N": "1"}}}]}),
        ("postings", {"L": [{"M": {"account_id": {"S": A}}}]}),
        ("postings", {"L": [{"M": {"units": {"N": "1"}}}]}),
    ],
)
def test_a_transfer_that_cannot_be_read_is_none(
    name: str, value: dict[str, Any] | None, stored: Shelf, dynamo: Tables
) -> None:
    key = stored.ids[1].removeprefix(TRANSFER_PREFIX)
    spoil(dynamo, TransferItem.Meta.table_name, {"transfer_key": {"S": key}}, name, value)
    assert dict(stored.quick.records([stored.ids[1]])) == {stored.ids[1]: None}
    if name != "item":  # a reversal's marker is none of those that are scanned
        assert dict(stored.quick.transfers(0, 1, None, 100).items)[key] is None


@pytest.mark.parametrize("reason", ["TransactionConflict", "ConditionalCheckFailed"])
def test_a_snapshot_of_what_is_being_written_is_refused(reason: str, stored: Shelf, dynamo: Tables) -> None:
    refused = dynamo.refusing("TransactGetItems", "TransactionCanceledException", reason)
    with refused, pytest.raises(SnapshotConflict):
        stored.exact.snapshot([A])


def test_what_is_not_answered_in_a_batch_is_asked_for_again(stored: Shelf, dynamo: Tables) -> None:
    asked: list[Any] = []

    def nothing_at_first(params: dict[str, Any], **_: object) -> Any:  # noqa: ANN401 (nothing, or an answer)
        asked.append(json.loads(params["body"])["RequestItems"])
        left = {"Responses": {}, "UnprocessedKeys": asked[0]}
        return (AWSResponse("", 200, HTTPHeaders(), None), left) if len(asked) == 1 else None

    with dynamo.answering("BatchGetItem", nothing_at_first):
        assert sorted(stored.quick.records(stored.ids[:2])) == sorted(stored.ids[:2])
    assert asked == [asked[0]] * 2
