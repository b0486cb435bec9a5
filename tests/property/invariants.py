"""Check what a store holds against the rules of the ledger, with nothing but what its documents say.

Hashes are worked out again here: SHA-256 over texts, each prefixed by its length in bytes and a colon.
"""

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Final

from tallystick.domain.accounts import Account, Entry
from tallystick.domain.transfers import IdempotencyKey, Transfer
from tallystick.domain.withdrawals import Withdrawal
from tests.support.fake_store import FakeStore


def check(store: FakeStore) -> None:
    """Check everything that is in a store."""
    transfers = {found.transfer_id: found for found in store.records.values() if isinstance(found, Transfer)}
    entries = {account_id: store.entries_of(account_id) for account_id in store.account_items}
    for account in store.account_items.values():
        check_account(account, entries[account.account_id])
    check_records(store, transfers)
    check_both_ways(transfers, [entry for of_one in entries.values() for entry in of_one])
    check_conservation(store, transfers)
    check_holds(store, transfers)
    check_withdrawals(store, transfers)


def check_account(account: Account, entries: list[Entry]) -> None:
    """Check that an account's entries are gap-free, chained, later and later, and add up to its balance."""
    previous, balance = sha256("tallystick/genesis/1", account.account_id, account.asset.code), 0
    for sequence, entry in enumerate(entries, start=1):
        balance += entry.units
        assert (entry.account_id, entry.sequence, entry.previous_hash) == (account.account_id, sequence, previous)
        assert entry.balance_after == balance >= 0
        assert entry.hash == entry_hash(entry)
        previous = entry.hash
    assert all(earlier.time_ms < later.time_ms for earlier, later in pairwise(entries))
    newest = entries[-1].time_ms if entries else 0
    assert (account.balance, account.version) == (balance, len(entries))
    assert (account.head_hash, account.head_time_ms) == (previous, newest)


def check_records(store: FakeStore, transfers: dict[str, Transfer]) -> None:
    """Check that every record stands under the hash of its key, and every reversal under one marker."""
    for key, record in store.records.items():
        assert key == key_hash(record.claim.key)
    reversals = {found.reverses: found.transfer_id for found in transfers.values() if found.reverses}
    assert reversals == store.reversals
    assert Counter(found.reverses for found in transfers.values() if found.reverses) == dict.fromkeys(reversals, 1)


def check_both_ways(transfers: dict[str, Transfer], entries: list[Entry]) -> None:
    """Check that every posting to a guarded account has its one entry and every entry its posting."""
    posted = Counter(
        (transfer_id, posting.account_id, posting.units, posting.balance_after, transfer.created_at_ms, transfer.kind)
        for transfer_id, transfer in transfers.items()
        for posting in transfer.postings
        if posting.owner_id is not None
    )
    entered = Counter(
        (entry.transfer_id, entry.account_id, entry.units, entry.balance_after, entry.time_ms, entry.kind)
        for entry in entries
    )
    assert posted == entered
    assert set(entered.values()) <= {1}


def check_conservation(store: FakeStore, transfers: dict[str, Transfer]) -> None:
    """Check that money is only moved: nothing comes from nowhere, in any asset."""
    totals: defaultdict[str, int] = defaultdict(int)
    for transfer in transfers.values():
        assert sum(posting.units for posting in transfer.postings) == 0
        for posting in transfer.postings:
            if posting.account_id not in store.account_items:
                totals[transfer.asset] += posting.units
    for account in store.account_items.values():
        totals[account.asset.code] += account.balance
    assert not any(totals.values())


HELD: Final = {"withdrawal-hold"}
GIVEN_BACK: Final = {"withdrawal-hold", "withdrawal-release"}
MOVEMENTS: Final = {
    "REQUESTED": HELD,
    "IN_REVIEW": HELD,
    "APPROVED": HELD,
    "SUBMITTED": HELD,
    "COMPLETED": {"withdrawal-hold", "withdrawal"},
    "FAILED": GIVEN_BACK,
    "CANCELLED": GIVEN_BACK,
    "REJECTED": GIVEN_BACK,
    "RETURNED": {"withdrawal-hold", "withdrawal", "withdrawal-return"},
}
"""What was moved for a withdrawal in each state."""


def check_holds(store: FakeStore, transfers: dict[str, Transfer]) -> None:
    """Check that each wallet shows as on hold what the accounts have that were filled from it."""
    held: defaultdict[str, int] = defaultdict(int)
    for transfer in transfers.values():
        if transfer.kind == "withdrawal-hold":
            source, hold = sorted(transfer.postings, key=lambda posting: posting.units)
            held[source.account_id] += store.account_items[hold.account_id].balance
    for account in store.account_items.values():
        assert account.held == held[account.account_id]


def check_withdrawals(store: FakeStore, transfers: dict[str, Transfer]) -> None:
    """Check that money is on hold for what is open only, and that each withdrawal was paid or given back once."""
    found = [flow for flow in store.flow_items.values() if isinstance(flow, Withdrawal)]
    for known in found:
        check_movements(known, transfers)
        is_open = MOVEMENTS[known.state] == HELD
        assert store.account_items[f"hold:{known.flow_id}"].balance == (known.total_units if is_open else 0)
    holds = {account.owner_id for account in store.account_items.values() if account.kind == "hold"}
    assert not found or holds == {known.flow_id for known in found}
    check_audit(store, found)


def check_movements(known: Withdrawal, transfers: dict[str, Transfer]) -> None:
    """Check that exactly the movements were made that its state stands for, each over all of it."""
    made = [transfer for transfer in transfers.values() if transfer.metadata.get("withdrawal_id") == known.flow_id]
    assert Counter(transfer.kind for transfer in made) == dict.fromkeys(MOVEMENTS[known.state], 1)
    assert {transfer.units for transfer in made} == {known.units + known.fee_units}
    assert {transfer.transfer_id for transfer in made} == set(known.transfer_ids)


def check_audit(store: FakeStore, withdrawals: list[Withdrawal]) -> None:
    """Check that every decision of a person is in the audit, once, and nothing else is."""
    decided = Counter(
        (known.flow_id, taken.action, taken.by, taken.at_ms)
        for known in withdrawals
        for taken in known.history
        if taken.action == "reject" or (taken.action == "approve" and taken.by != "rule")
    )
    verbs = {"withdrawal-approved": "approve", "withdrawal-rejected": "reject"}
    audited = Counter((one.subject, verbs[one.action], one.actor_id, one.at_ms) for one in store.audited)
    assert audited == decided
    assert set(audited.values()) <= {1}


def sha256(*parts: str) -> str:
    """Hash a list of texts as documented."""
    return hashlib.sha256("".join(f"{len(part.encode())}:{part}" for part in parts).encode()).hexdigest()


def key_hash(key: IdempotencyKey) -> str:
    """Hash an idempotency key as documented."""
    action = () if key.action is None else (key.action,)
    return sha256("tallystick/key/1", key.source, key.scope, key.reference, *action)


def entry_hash(entry: Entry) -> str:
    """Hash an entry as documented."""
    numbers = map(str, (entry.sequence, entry.time_ms))
    moved = map(str, (entry.units, entry.balance_after))
    return sha256(
        "tallystick/entry/1",
        entry.previous_hash,
        entry.account_id,
        *numbers,
        entry.kind,
        entry.asset,
        str(entry.scale),
        *moved,
        entry.transfer_id,
    )
