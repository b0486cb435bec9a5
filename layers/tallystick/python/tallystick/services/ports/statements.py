"""What statements need."""

from dataclasses import dataclass
from typing import Protocol

from tallystick.domain.accounts import Entry
from tallystick.services.ports.paging import Page


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """Ask for entries of one account, newest first: from `from_ms` on and before `before_ms`.

    An account's entries never share a time, so the time of a page's last entry says where the next page begins.
    """

    account_id: str
    limit: int
    kind: str | None = None
    from_ms: int | None = None
    before_ms: int | None = None


class Statements(Protocol):
    """Read ledger entries consistently."""

    def entries(self, query: StatementQuery) -> Page[Entry]:
        """Read a page; with a kind it may hold fewer than asked for though more follow."""

    def entry_at(self, account_id: str, at_ms: int) -> Entry | None:
        """Read the newest entry that is not later than a time."""
