"""Declare the tables and their items, and bind them to one connection."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pynamodb.attributes import (
    Attribute,
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import Connection
from pynamodb.connection.base import MetaTable
from pynamodb.constants import NUMBER
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model


class IntegerAttribute(Attribute[int]):
    """Keep a whole number of up to 38 digits exactly (PynamoDB's own NumberAttribute goes through float)."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        """Write all digits."""
        return str(value)

    def deserialize(self, value: str) -> int:
        """Read all digits."""
        return int(Decimal(value))


class OwnerIndex(GlobalSecondaryIndex["AccountItem"]):
    """Find an owner's accounts; keys only, so that a movement writes nothing to it."""

    class Meta:
        """Name the index."""

        index_name = "owner-index"
        projection = KeysOnlyProjection()

    owner_id = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True)
    account_id = UnicodeAttribute()


class AccountItem(Model):
    """Hold what a guarded account is now: the only ledger item that is ever updated."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    account_id = UnicodeAttribute(hash_key=True)
    owner_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    asset = UnicodeAttribute()
    scale = IntegerAttribute()
    balance = IntegerAttribute()
    held = IntegerAttribute()
    version = IntegerAttribute()
    head_hash = UnicodeAttribute()
    head_time_ms = IntegerAttribute()
    status = UnicodeAttribute()
    status_reason = UnicodeAttribute(null=True)
    label = UnicodeAttribute(null=True)
    needs_reconciliation = BooleanAttribute()
    checked = UnicodeAttribute(null=True)
    checked_in = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    owner_index = OwnerIndex()


class EntryItem(Model):
    """Hold one ledger entry; written once."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    account_id = UnicodeAttribute(hash_key=True)
    entry_key = UnicodeAttribute(range_key=True)
    sequence = IntegerAttribute()
    time_ms = IntegerAttribute()
    kind = UnicodeAttribute()
    asset = UnicodeAttribute()
    scale = IntegerAttribute()
    units = IntegerAttribute()
    balance_after = IntegerAttribute()
    transfer_id = UnicodeAttribute()
    previous_hash = UnicodeAttribute()
    hash = UnicodeAttribute()


class PostingMap(MapAttribute[str, Any]):
    """Hold one posting of a transfer."""

    account_id = UnicodeAttribute()
    units = IntegerAttribute()
    owner_id = UnicodeAttribute(null=True)
    balance_after = IntegerAttribute(null=True)


class TransferItem(Model):
    """Hold what stands under an idempotency key: a transfer, a tombstone (void) or a reversal's marker.

    Written once. Members after `item` are those of a transfer; a tombstone has the key and its time, a marker
    `reversed_by` alone.
    """

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    transfer_key = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute()
    key_source = UnicodeAttribute(null=True)
    key_scope = UnicodeAttribute(null=True)
    key_reference = UnicodeAttribute(null=True)
    key_action = UnicodeAttribute(null=True)
    created_at_ms = IntegerAttribute(null=True)
    fingerprint = UnicodeAttribute(null=True)
    kind = UnicodeAttribute(null=True)
    asset = UnicodeAttribute(null=True)
    scale = IntegerAttribute(null=True)
    units = IntegerAttribute(null=True)
    postings = ListAttribute(of=PostingMap, null=True)
    reverses = UnicodeAttribute(null=True)
    reversed_by = UnicodeAttribute(null=True)
    reference = UnicodeAttribute(null=True)
    metadata = JSONAttribute(null=True)


class OpenIndex(GlobalSecondaryIndex["FlowItem"]):
    """Find flows that are not at their end by their state, and by the time when somebody should have looked at them."""

    class Meta:
        """Name the index."""

        index_name = "open-index"
        projection = KeysOnlyProjection()

    open = UnicodeAttribute(hash_key=True)
    due_at_ms = IntegerAttribute(range_key=True)
    flow_id = UnicodeAttribute()


class FlowOwnerIndex(GlobalSecondaryIndex["FlowItem"]):
    """Find an owner's flows; those without `created_at` are not listed."""

    class Meta:
        """Name the index."""

        index_name = "owner-index"
        projection = KeysOnlyProjection()

    owner_id = UnicodeAttribute(hash_key=True)
    created_at = UnicodeAttribute(range_key=True)
    flow_id = UnicodeAttribute()


class UnreconciledIndex(GlobalSecondaryIndex["FlowItem"]):
    """Find a provider's flows that were not found to agree with its books since they last changed."""

    class Meta:
        """Name the index."""

        index_name = "unreconciled-index"
        projection = KeysOnlyProjection()

    unreconciled = UnicodeAttribute(hash_key=True)
    created_at_ms = IntegerAttribute(range_key=True)
    flow_id = UnicodeAttribute()


class FlowItem(Model):
    """Hold a flow as JSON beside what is asked of it, or (with `refers_to` alone) a name that others have for one.

    `open` is its state while it is in that index, `unreconciled` its provider while it is in that one.
    """

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    flow_id = UnicodeAttribute(hash_key=True)
    kind = UnicodeAttribute(null=True)
    version = IntegerAttribute(null=True)
    owner_id = UnicodeAttribute(null=True)
    state = UnicodeAttribute(null=True)
    flow = UnicodeAttribute(null=True)
    refers_to = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute(null=True)
    open = UnicodeAttribute(null=True)
    due_at_ms = IntegerAttribute(null=True)
    unreconciled = UnicodeAttribute(null=True)
    created_at_ms = IntegerAttribute(null=True)
    open_index = OpenIndex()
    owner_index = FlowOwnerIndex()
    unreconciled_index = UnreconciledIndex()


class DueIndex(GlobalSecondaryIndex["InboxItem"]):
    """Find events that are not done, by the time at which something should have been done about them."""

    class Meta:
        """Name the index."""

        index_name = "due-index"
        projection = KeysOnlyProjection()

    open = UnicodeAttribute(hash_key=True)
    due_at_ms = IntegerAttribute(range_key=True)
    inbox_key = UnicodeAttribute()


class DeadIndex(GlobalSecondaryIndex["InboxItem"]):
    """List dead letters by the time at which they died."""

    class Meta:
        """Name the index."""

        index_name = "dead-index"
        projection = KeysOnlyProjection()

    dead = UnicodeAttribute(hash_key=True)
    dead_at_ms = IntegerAttribute(range_key=True)
    inbox_key = UnicodeAttribute()


class InboxItem(Model):
    """Hold one event of a provider for good; `open` and `dead` are there while it is in an index."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    inbox_key = UnicodeAttribute(hash_key=True)
    provider = UnicodeAttribute()
    environment = UnicodeAttribute()
    external_id = UnicodeAttribute()
    body = BinaryAttribute(legacy_encoding=False)
    headers = JSONAttribute()
    parameters = JSONAttribute(attr_name="query")
    received_at_ms = IntegerAttribute()
    confirm = BooleanAttribute()
    conflicts = BooleanAttribute()
    version = IntegerAttribute()
    state = UnicodeAttribute()
    attempts = IntegerAttribute()
    not_before_ms = IntegerAttribute()
    accepted = BooleanAttribute()
    reason = UnicodeAttribute(null=True)
    detail = UnicodeAttribute(null=True)
    transfers = JSONAttribute(null=True)
    notes = UnicodeAttribute(null=True)
    open = UnicodeAttribute(null=True)
    due_at_ms = IntegerAttribute(null=True)
    dead = UnicodeAttribute(null=True)
    dead_at_ms = IntegerAttribute(null=True)
    due_index = DueIndex()
    dead_index = DeadIndex()


class AuditItem(Model):
    """Hold one action of an admin; written once."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    subject = UnicodeAttribute(hash_key=True)
    action_key = UnicodeAttribute(range_key=True)
    action = UnicodeAttribute()
    actor_id = UnicodeAttribute()
    at = UnicodeAttribute()
    source_ip = UnicodeAttribute()
    details = JSONAttribute()


class ListedIndex(GlobalSecondaryIndex["OperationItem"]):
    """List what there is of one kind, in the order of a time; what is not `listed` writes nothing to it."""

    class Meta:
        """Name the index."""

        index_name = "listed-index"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    listed_at_ms = IntegerAttribute(range_key=True)
    operation_key = UnicodeAttribute()


class CheckpointItem(Model):
    """Hold what reconciliation vouches for, beside the actions of admins; written once."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    subject = UnicodeAttribute(hash_key=True)
    action_key = UnicodeAttribute(range_key=True)
    sequence = IntegerAttribute()
    hash = UnicodeAttribute()
    time_ms = IntegerAttribute()
    balance = IntegerAttribute()
    mark = UnicodeAttribute()
    run_id = UnicodeAttribute()


class VerdictItem(Model):
    """Hold what a run of reconciliation came to, as JSON; written once."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    subject = UnicodeAttribute(hash_key=True)
    action_key = UnicodeAttribute(range_key=True)
    content = UnicodeAttribute()


class KeptItem(Model):
    """Hold something as JSON that only who has written it reads: runs, their segments, suspected transfers."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    content = UnicodeAttribute()
    version = IntegerAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute(null=True)
    expires_at_s = IntegerAttribute(null=True)


class OperationItem(Model):
    """Hold what the system needs to remember of its own work.

    A `cursor` says how far a provider's list was read, `units` and `count` what was used of a quota, and a circuit
    breaker has its `state`, `failures` and the time until which it stays as it is.
    """

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    cursor = UnicodeAttribute(null=True)
    units = IntegerAttribute(null=True)
    count_of_period = IntegerAttribute(null=True, attr_name="count")
    state = UnicodeAttribute(null=True)
    failures = IntegerAttribute(null=True)
    until_ms = IntegerAttribute(null=True)
    version = IntegerAttribute(null=True)
    expires_at_s = IntegerAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute(null=True)
    listed_index = ListedIndex()


class TallyItem(Model):
    """Hold a sum among the operations: a total or bucket of a tallied account, or `units` credited in a window.

    With the key alone it is the marker of a transfer that was added.
    """

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    account_id = UnicodeAttribute(null=True)
    asset = UnicodeAttribute(null=True)
    scale = IntegerAttribute(null=True)
    balance = IntegerAttribute(null=True)
    postings = IntegerAttribute(null=True)
    units = IntegerAttribute(null=True)
    expires_at_s = IntegerAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute(null=True)


class SpikeItem(Model):
    """Hold a spike of credits among the operations; it is listed while it is open."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    subject = UnicodeAttribute()
    begins_ms = IntegerAttribute()
    version = IntegerAttribute()
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute(null=True)
    expires_at_s = IntegerAttribute(null=True)


class AlertListedIndex(GlobalSecondaryIndex["AlertItem"]):
    """Is the same index, of alerts."""

    class Meta:
        """Name the index."""

        index_name = "listed-index"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    listed_at_ms = IntegerAttribute(range_key=True)
    operation_key = UnicodeAttribute()


class AlertItem(Model):
    """Hold one occurrence of a condition; the latest one stands under the condition's own key."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    kind = UnicodeAttribute()
    subject = UnicodeAttribute()
    severity = UnicodeAttribute()
    facts = JSONAttribute()
    opened_at_ms = IntegerAttribute()
    last_seen_at_ms = IntegerAttribute()
    occurrence = IntegerAttribute()
    times_seen = IntegerAttribute(attr_name="count")
    state = UnicodeAttribute()
    ended_at_ms = IntegerAttribute(null=True)
    resolved_at_ms = IntegerAttribute(null=True)
    resolved_by = UnicodeAttribute(null=True)
    notes = UnicodeAttribute(null=True)
    told = BooleanAttribute()
    version = IntegerAttribute()
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute(null=True)
    listed_index = AlertListedIndex()


class JobItem(Model):
    """Hold when a job of the clock ran."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    every_s = IntegerAttribute(null=True)
    watched_since_ms = IntegerAttribute(null=True)
    started_at_ms = IntegerAttribute(null=True)
    finished_at_ms = IntegerAttribute(null=True)
    failed_at_ms = IntegerAttribute(null=True)
    error = UnicodeAttribute(null=True)


class DifferencesIndex(GlobalSecondaryIndex["DifferenceItem"]):
    """List differences, the oldest first: a part of the index that all operations share."""

    class Meta:
        """Name the index."""

        index_name = "listed-index"
        projection = KeysOnlyProjection()

    listed = UnicodeAttribute(hash_key=True)
    listed_at_ms = IntegerAttribute(range_key=True)
    operation_key = UnicodeAttribute()


class DifferenceItem(Model):
    """Hold a difference between a provider's books and ours; one that is gone is not `listed`.

    Of the provider's record `told` is what it says, and `told_kind` in which words.
    """

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    provider = UnicodeAttribute()
    direction = UnicodeAttribute()
    record_id = UnicodeAttribute()
    references = JSONAttribute()
    match = UnicodeAttribute()
    told_kind = UnicodeAttribute(null=True)
    told = UnicodeAttribute(null=True)
    at_ms = IntegerAttribute(null=True)
    given_back = BooleanAttribute(null=True)
    flow_id = UnicodeAttribute(null=True)
    flow_version = IntegerAttribute(null=True)
    ours = UnicodeAttribute()
    theirs = UnicodeAttribute()
    last_seen_ms = IntegerAttribute()
    ended_ms = IntegerAttribute(null=True)
    listed = UnicodeAttribute(null=True)
    listed_at_ms = IntegerAttribute()
    listed_index = DifferencesIndex()


class RunItem(Model):
    """Hold how far a provider's books were compared with ours."""

    class Meta:
        """Is bound by `bind`."""

        table_name: str

    operation_key = UnicodeAttribute(hash_key=True)
    reached_ms = IntegerAttribute()
    busy_until_ms = IntegerAttribute()
    started_ms = IntegerAttribute()
    ended_ms = IntegerAttribute()
    since_ms = IntegerAttribute()
    until_ms = IntegerAttribute()
    pages = IntegerAttribute()
    counts = JSONAttribute()
    failure = UnicodeAttribute(null=True)
    version = IntegerAttribute()


@dataclass(frozen=True, slots=True)
class TableNames:
    """Name the deployed tables; a function that is not granted one has no name for it."""

    accounts: str | None = None
    entries: str | None = None
    transfers: str | None = None
    flows: str | None = None
    inbox: str | None = None
    audit: str | None = None
    operations: str | None = None


MODELS: Final[dict[str, type[Model]]] = {
    "accounts": AccountItem,
    "entries": EntryItem,
    "transfers": TransferItem,
    "flows": FlowItem,
    "inbox": InboxItem,
    "audit": AuditItem,
    "operations": OperationItem,
}
TABLES: Final = tuple(MODELS)

FURTHER_MODELS: Final[dict[str, tuple[type[Model], ...]]] = {
    "audit": (CheckpointItem, VerdictItem),
    "operations": (KeptItem, TallyItem, SpikeItem, AlertItem, JobItem, DifferenceItem, RunItem),
}
"""Other kinds of items that share a table."""


def bind(names: TableNames, connection: Connection) -> None:
    """Point the models at deployed tables through one connection.

    PynamoDB opens a client for each model otherwise: a TLS connection and a cold start for each.
    """
    for name, first in MODELS.items():
        table_name = getattr(names, name)
        if table_name:
            # Of the keys and indexes the first model knows as much as the others.
            connection.add_meta_table(_bind_one(first, table_name, connection))
            for model in FURTHER_MODELS.get(name, ()):
                _bind_one(model, table_name, connection)


def _bind_one(model: type[Model], table_name: str, connection: Connection) -> MetaTable:
    model.Meta.table_name = table_name
    model.Meta.region = connection.region
    model._connection = None  # noqa: SLF001 (PynamoDB has no public way to share a connection)
    table = model._get_connection()  # noqa: SLF001
    meta_table = table.get_meta_table()
    table.connection = connection
    return meta_table
