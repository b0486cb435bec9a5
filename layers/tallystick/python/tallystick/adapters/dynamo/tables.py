"""Declare the three ledger tables and their items, and bind them to one connection."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    MapAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import Connection
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


@dataclass(frozen=True, slots=True)
class TableNames:
    """Name the deployed tables; a function that is not granted one has no name for it."""

    accounts: str | None = None
    entries: str | None = None
    transfers: str | None = None


def bind(names: TableNames, connection: Connection) -> None:
    """Point the models at deployed tables through one connection.

    PynamoDB opens a client for each model otherwise: three TLS connections and three cold starts instead of one.
    """
    models: tuple[tuple[type[Model], str | None], ...] = (
        (AccountItem, names.accounts),
        (EntryItem, names.entries),
        (TransferItem, names.transfers),
    )
    for model, table_name in models:
        if table_name:
            _bind_one(model, table_name, connection)


def _bind_one(model: type[Model], table_name: str, connection: Connection) -> None:
    model.Meta.table_name = table_name
    model.Meta.region = connection.region
    model._connection = None  # noqa: SLF001 (PynamoDB has no public way to share a connection)
    table = model._get_connection()  # noqa: SLF001
    connection.add_meta_table(table.get_meta_table())
    table.connection = connection
