"""Read the ledger as it is stored, whatever it says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import is_possible_key, response_code
from tallystick.adapters.dynamo.flows import read_flow
from tallystick.adapters.dynamo.raw import MALFORMED, RawItem, Reader, integer, text
from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, FlowItem, TransferItem
from tallystick.domain.accounts import Entry
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.flows import Flow
from tallystick.domain.reconciliation import Head, Stored
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import TRANSFER_ID, TRANSFER_PREFIX, Record, Transfer
from tallystick.services.ports.journal import Snapshot, SnapshotConflict
from tallystick.services.ports.paging import Page

PAGE: Final = 1000
_BETWEEN: Final = "account_id = :account AND entry_key BETWEEN :low AND :high"
_LAST: Final = "~"


class DynamoJournal:
    """Implement `tallystick.services.ports.journal.Journal` on the bound tables."""

    def __init__(self, connection: Connection, *, consistent: bool) -> None:
        """Take the connection that the tables are bound to; reads that are not consistent cost half."""
        self._reader = Reader(connection, consistent=consistent)

    def heads(self, segment: int, segments: int, after: str | None, limit: int) -> Page[Head]:
        """Scan accounts."""
        start = {"account_id": {"S": after}} if after else None
        found, following = self._reader.scanned(
            AccountItem.Meta.table_name, segment=segment, segments=segments, start=start, limit=limit
        )
        return Page([_head(item) for item in found], text(following, "account_id") if following else None)

    def head(self, account_id: str) -> Head | None:
        """Read one account."""
        item = self._reader.one(AccountItem.Meta.table_name, {"account_id": {"S": account_id}})
        return None if item is None else _head(item)

    def entries(self, account_id: str, from_ms: int) -> Iterator[Stored]:
        """Query from a time on."""
        low = to_rfc3339(from_ms) if from_ms else "0"
        return map(_stored, self._entries(account_id, low, _LAST, forward=True, limit=PAGE))

    def newest(self, account_id: str, before_ms: int) -> Stored | None:
        """Query backwards: a bare time sorts before the keys of that time."""
        found = self._entries(account_id, "0", to_rfc3339(before_ms), forward=False, limit=1)
        item = next(found, None)
        return None if item is None else _stored(item)

    def at(self, account_id: str, time_ms: int) -> list[Stored]:
        """Query one millisecond."""
        time = to_rfc3339(time_ms)
        return [_stored(item) for item in self._entries(account_id, time, time + _LAST, forward=True, limit=PAGE)]

    def records(self, transfer_ids: Sequence[str]) -> Mapping[str, Record | None]:
        """Read them in batches; what is no id is not asked for."""
        ids = dict.fromkeys(transfer_id for transfer_id in transfer_ids if TRANSFER_ID.fullmatch(transfer_id))
        keys: list[RawItem] = [{"transfer_key": {"S": one.removeprefix(TRANSFER_PREFIX)}} for one in ids]
        found = self._reader.several(TransferItem.Meta.table_name, keys)
        return {TRANSFER_PREFIX + text(item, "transfer_key"): _record(item) for item in found}

    def transfers(self, segment: int, segments: int, after: str | None, limit: int) -> Page[tuple[str, Record | None]]:
        """Scan transfer records."""
        start = {"transfer_key": {"S": after}} if after else None
        found, following = self._reader.scanned(
            TransferItem.Meta.table_name, segment=segment, segments=segments, start=start, limit=limit
        )
        records = [(text(item, "transfer_key"), _record(item)) for item in found if not _is_marker(item)]
        return Page(records, text(following, "transfer_key") if following else None)

    def flow(self, flow_id: str) -> Flow | None:
        """Read a flow."""
        item = self._reader.one(FlowItem.Meta.table_name, {"flow_id": {"S": flow_id}})
        return None if item is None else _flow(item)

    def snapshot(self, account_ids: Sequence[str], flow_ids: Sequence[str] = ()) -> Snapshot:
        """Read all at once."""
        keys = [(AccountItem.Meta.table_name, {"account_id": {"S": account_id}}) for account_id in account_ids]
        keys += [(FlowItem.Meta.table_name, {"flow_id": {"S": flow_id}}) for flow_id in flow_ids]
        try:
            found = self._reader.at_once(keys)
        except PynamoDBException as error:
            if response_code(error) == "TransactionCanceledException":
                raise SnapshotConflict from error
            raise
        heads = [_head(item) for item in found[: len(account_ids)] if item]
        flows = [flow for flow in map(_flow, filter(None, found[len(account_ids) :])) if flow]
        return Snapshot({head.account_id: head for head in heads}, {flow.flow_id: flow for flow in flows})

    def _entries(self, account_id: str, low: str, high: str, *, forward: bool, limit: int) -> Iterator[RawItem]:
        values = {":account": {"S": account_id}, ":low": {"S": low}, ":high": {"S": high}}
        return self._reader.queried(EntryItem.Meta.table_name, _BETWEEN, values, forward=forward, limit=limit)


def _head(item: RawItem) -> Head:
    account_id = text(item, "account_id")
    try:
        return Head(
            account_id=account_id,
            owner_id=text(item, "owner_id"),
            kind=text(item, "kind"),
            asset=text(item, "asset"),
            scale=integer(item, "scale"),
            balance=integer(item, "balance"),
            held=integer(item, "held"),
            version=integer(item, "version"),
            head_hash=text(item, "head_hash"),
            head_time_ms=integer(item, "head_time_ms"),
            needs_reconciliation=item["needs_reconciliation"]["BOOL"],
            checked=text(item, "checked") if "checked" in item else None,
            checked_in=text(item, "checked_in") if "checked_in" in item else None,
        )
    except MALFORMED as fault:
        return Head(account_id, fault=f"The account cannot be read: {fault!r}.")


def _stored(item: RawItem) -> Stored:
    key = text(item, "entry_key")
    try:
        entry = Entry(
            account_id=text(item, "account_id"),
            sequence=integer(item, "sequence"),
            time_ms=integer(item, "time_ms"),
            kind=text(item, "kind"),
            asset=text(item, "asset"),
            scale=integer(item, "scale"),
            units=integer(item, "units"),
            balance_after=integer(item, "balance_after"),
            transfer_id=text(item, "transfer_id"),
            previous_hash=text(item, "previous_hash"),
            hash=text(item, "hash"),
        )
        return Stored(key, entry, in_place=items.entry_key(entry.time_ms, entry.sequence) == key)
    except MALFORMED:
        return Stored(key, None)


def _record(item: RawItem) -> Record | None:
    try:
        record = items.record(TransferItem.from_raw_data(_plain(item)))
        to_rfc3339(record.created_at_ms)
        if isinstance(record, Transfer):
            _check_postings(record)
    except (*MALFORMED, InvariantViolated):
        return None
    return record


def _check_postings(transfer: Transfer) -> None:
    """Look at what a model takes and no posting has; raises one of MALFORMED."""
    sum(posting.units for posting in transfer.postings)
    if not all(is_possible_key(posting.account_id) for posting in transfer.postings):
        raise ValueError(transfer.transfer_id)


def _is_marker(item: RawItem) -> bool:
    return bool(item.get("item", {}).get("S") == items.REVERSAL)


def _flow(item: RawItem) -> Flow | None:
    try:
        return read_flow(FlowItem.from_raw_data(_plain(item)))
    except MALFORMED:
        return None


def _plain(item: RawItem) -> dict[str, dict[str, Any]]:
    return {name: dict(value) for name, value in item.items()}
