"""Read the whole ledger out of moto, to check it against its rules."""

from dataclasses import dataclass

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, TransferItem
from tallystick.domain.transfers import Transfer, reversal_marker
from tests.functions import cloud
from tests.property import invariants
from tests.support.fake_store import FakeStore


@dataclass(frozen=True, slots=True)
class Books:
    """Hold all transfers."""

    transfers: list[Transfer]

    def of_deposit(self, flow_id: str) -> list[tuple[str, int]]:
        """Give the kinds and units of an order's transfers, in the order in which they were made."""
        made = [transfer for transfer in self.transfers if transfer.metadata.get("deposit_id") == flow_id]
        return [(transfer.kind.value, transfer.units) for transfer in sorted(made, key=lambda one: one.created_at_ms)]

    def side(self, account_id: str) -> int:
        """Add up a tallied account."""
        postings = [posting for transfer in self.transfers for posting in transfer.postings]
        return sum(posting.units for posting in postings if posting.account_id == account_id)


def check() -> Books:
    """Check that every account adds up, every hash fits and no money came from nowhere; give what was read."""
    store = _load()
    invariants.check(store)
    return Books([record for record in store.records.values() if isinstance(record, Transfer)])


def of_deposit(flow_id: str) -> list[tuple[str, int]]:
    """Check everything, and give the kinds and units of an order's transfers."""
    return check().of_deposit(flow_id)


def _load() -> FakeStore:
    store = FakeStore()
    accounts = [items.account(AccountItem.from_raw_data(row)) for row in cloud.rows("accounts")]
    store.account_items = {account.account_id: account for account in accounts}
    entries = [items.entry(EntryItem.from_raw_data(row)) for row in cloud.rows("entries")]
    store.entry_items = {(entry.account_id, entry.time_ms, entry.sequence): entry for entry in entries}
    found = [TransferItem.from_raw_data(row) for row in cloud.rows("transfers")]
    markers = {item.transfer_key: item.reversed_by for item in found if item.item == items.REVERSAL}
    records = [items.record(item) for item in found if item.item != items.REVERSAL]
    store.records = {record.claim.key.digest: record for record in records}
    transfer_ids = [record.transfer_id for record in records if isinstance(record, Transfer)]
    reversed_by = {transfer_id: markers.get(reversal_marker(transfer_id)) for transfer_id in transfer_ids}
    store.reversals = {transfer_id: by for transfer_id, by in reversed_by.items() if by is not None}
    return store
