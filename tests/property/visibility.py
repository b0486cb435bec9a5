"""See a store as DynamoDB shows it: a transaction item by item, and at half the price each item as it was a while ago.

AWS: "Amazon DynamoDB Transactions: How it works": a read that is no transaction may see some items of one that is being
committed and not the others; TransactGetItems sees all or none, or is cancelled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tallystick.services.ports.journal import Snapshot, SnapshotConflict
from tests.support.fake_journal import FakeJournal
from tests.support.fake_store import FakeStore

TABLES: Final = ("account_items", "entry_items", "records", "flow_items")
MOST_STALE: Final = 3
"""So many changes may be missing from what is read at half the price."""

State = Mapping[str, Mapping[Any, Any]]
Place = tuple[str, Any]


@dataclass
class Visibility:
    """Show the items of a commit one by one, in an order that is drawn; `shown` are the latest states, newest last."""

    store: FakeStore
    random: Random
    shown: list[State] = field(default_factory=list)
    writing: set[Place] = field(default_factory=set)
    seen: dict[tuple[str, int], Mapping[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Show all that is there."""
        self.shown.append(self._stored())

    def reveal(self, hand_over: Callable[[], None]) -> None:
        """Show what has been written since, item by item; others may look in between."""
        stored, state = self._stored(), self.shown[-1]
        places = [
            (table, key)
            for table in TABLES
            for key in {**state[table], **stored[table]}
            if state[table].get(key) is not stored[table].get(key)
        ]
        self.random.shuffle(places)
        self.writing |= set(places)
        for table, key in places:
            hand_over()
            self._show(table, key)
        self.writing -= set(places)

    def show_all(self) -> None:
        """Show what was written by calls that write one item."""
        self.shown = [*self.shown[-MOST_STALE:], self._stored()] if not self.writing else self.shown

    def now(self, table: str) -> Mapping[Any, Any]:
        """Give a table as it is seen now."""
        return self.shown[-1][table]

    def lately(self, table: str) -> Mapping[Any, Any]:
        """Give each item of a table as it is now, or was a while ago, and the same all through a call."""
        at = table, len(self.store.calls)
        if at not in self.seen:
            self.seen = {at: self._lately(table)} | {key: seen for key, seen in self.seen.items() if key[1] == at[1]}
        return self.seen[at]

    def _lately(self, table: str) -> dict[Any, Any]:
        found = {}
        for key in self.shown[-1][table]:
            seen = self.random.choice(self.shown[-MOST_STALE - 1 :])
            if key in seen[table]:
                found[key] = seen[table][key]
        return found

    def _show(self, table: str, key: Any) -> None:  # noqa: ANN401 (of any table)
        state = {name: dict(items) for name, items in self.shown[-1].items()}
        stored = getattr(self.store, table)
        if key in stored:
            state[table][key] = stored[key]
        else:
            state[table].pop(key, None)
        self.shown = [*self.shown[-MOST_STALE:], state]

    def _stored(self) -> State:
        return {table: dict(getattr(self.store, table)) for table in TABLES}


class View(FakeStore):
    """Look like the store, with what is visible of it."""

    def __init__(self, visibility: Visibility, *, lagging: bool) -> None:
        """See everything as it is now, or as it was a while ago."""
        self._visibility, self._lagging = visibility, lagging
        self._hooks = visibility.store
        self.calls = self._hooks.calls

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 (as the store has them)
        """Read tables as they are visible, and the hooks of the store."""
        of_self = super().__getattribute__
        if name in TABLES:
            visibility = of_self("_visibility")
            return visibility.lately(name) if of_self("_lagging") else visibility.now(name)
        return getattr(of_self("_hooks"), name) if name in {"before", "after"} else of_self(name)


@dataclass
class VisibleJournal(FakeJournal):
    """Read what is visible; a snapshot is refused while one of its items is being written."""

    visibility: Visibility | None = None

    def snapshot(self, account_ids: Sequence[str], flow_ids: Sequence[str] = ()) -> Snapshot:
        """Read all at once, or nothing."""
        found = super().snapshot(account_ids, flow_ids)
        asked = {("account_items", name) for name in account_ids} | {("flow_items", name) for name in flow_ids}
        if self.visibility and asked & self.visibility.writing:
            raise SnapshotConflict
        return found
