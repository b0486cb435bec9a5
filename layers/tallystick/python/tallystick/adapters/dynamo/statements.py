"""Read ledger entries in one consistent query of the base table."""

from typing import Final

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import troubles
from tallystick.adapters.dynamo.tables import EntryItem
from tallystick.domain.accounts import Entry
from tallystick.domain.times import to_rfc3339
from tallystick.services.ports.paging import Page
from tallystick.services.ports.statements import StatementQuery

MAX_READS: Final = 10
"""Queries of one page: a rare kind in a long statement gives a short page with a cursor, not a time-out."""

_READ_SIZE: Final = 101
_FIRST, _LAST = "0", "~"


class DynamoStatements:
    """Implement `tallystick.services.ports.Statements` on the bound tables."""

    def entries(self, query: StatementQuery) -> Page[Entry]:
        """Read backwards until the page is full, the account's beginning or the bound on reads."""
        size = query.limit + 1 if query.kind is None else _READ_SIZE
        found: list[Entry] = []
        before_ms = query.before_ms
        for _ in range(MAX_READS):
            batch = _newest(query.account_id, query.from_ms, before_ms, size)
            for entry in batch:
                if len(found) == query.limit:
                    return Page(found, str(before_ms))
                if query.kind in (None, entry.kind):
                    found.append(entry)
                before_ms = entry.time_ms
            if len(batch) < size:
                return Page(found)
        return Page(found, str(before_ms))

    def entry_at(self, account_id: str, at_ms: int) -> Entry | None:
        """Read the newest entry that is not later than a time."""
        found = _query(account_id, _FIRST, to_rfc3339(at_ms) + _LAST, 1)
        return found[0] if found else None


def _newest(account_id: str, from_ms: int | None, before_ms: int | None, size: int) -> list[Entry]:
    """Read from `from_ms` on and before `before_ms`: a bare time sorts before the keys of that time."""
    low = _FIRST if from_ms is None else to_rfc3339(from_ms)
    high = _LAST if before_ms is None else to_rfc3339(before_ms)
    return _query(account_id, low, high, size) if low <= high else []


def _query(account_id: str, low: str, high: str, size: int) -> list[Entry]:
    with troubles():
        found = EntryItem.query(
            account_id,
            EntryItem.entry_key.between(low, high),
            consistent_read=True,
            scan_index_forward=False,
            limit=size,
            page_size=size,
        )
        return [items.entry(item) for item in found]
