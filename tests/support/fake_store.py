"""Keep the ledger in memory, refusing exactly what the conditions of DynamoDB's transactions refuse."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tallystick.domain.accounts import Account, Entry
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.flows import Flow
from tallystick.domain.posting import Change, Order, Plan
from tallystick.domain.quotas import Quota, Used
from tallystick.domain.transfers import Record, Tombstone
from tallystick.services.ports.ledger import CommitRefused
from tallystick.services.ports.paging import Page
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.ports.wallets import StatusChange


@dataclass(frozen=True, slots=True)
class Reason:
    """Say which condition failed: of the "key", "reversal", "entry", "account", "flow" or "quota".

    Entries and flows return no image.
    """

    condition: str
    image: Record | Account | Used | str | None = None


class FakeStore:
    """Implement the ports Book, Wallets and Statements.

    `before` and `after` are called around each call with its name: raise there for what fails before or after the
    write was applied, hand over there to interleave. `reported` picks which failing reasons a refusal tells. `written`
    lists what was done, in order: transfers, tombstones and accounts whose status changed.
    """

    def __init__(self) -> None:
        """Start empty and without trouble."""
        self.account_items: dict[str, Account] = {}
        self.entry_items: dict[tuple[str, int, int], Entry] = {}
        self.records: dict[str, Record] = {}
        self.reversals: dict[str, str] = {}
        self.flow_items: dict[str, Flow] = {}
        self.quotas: dict[str, Used] = {}
        self.audited: list[AuditRecord] = []
        self.references: dict[str, str] = {}
        self.written: list[Record | Account] = []
        self.calls: list[str] = []
        self.before: Callable[[str], None] = lambda _call: None
        self.after: Callable[[str], None] = lambda _call: None
        self.reported: Callable[[list[Reason]], list[Reason]] = lambda reasons: reasons
        self.most_examined = 1010

    def entries_of(self, account_id: str) -> list[Entry]:
        """Give an account's entries in the order of their keys, not counted as a call."""
        return [entry for key, entry in sorted(self.entry_items.items()) if key[0] == account_id]

    # Book

    def accounts(self, account_ids: Sequence[str]) -> dict[str, Account]:
        """Read accounts; those that do not exist are left out."""
        with self._call("accounts"):
            return {key: self.account_items[key] for key in account_ids if key in self.account_items}

    def record(self, transfer_key: str) -> Record | None:
        """Read what stands under a key."""
        with self._call("record"):
            return self.records.get(transfer_key)

    def reversed_by(self, transfer_id: str) -> str | None:
        """Read a reversal's marker."""
        with self._call("reversed_by"):
            return self.reversals.get(transfer_id)

    def commit(self, plan: Plan) -> None:
        """Write all of a plan or nothing."""
        with self._call("commit"):
            self._refuse(self.failing(plan))
            transfer = plan.transfer
            self.records[transfer.claim.key.digest] = transfer
            if transfer.reverses:
                self.reversals[transfer.reverses] = transfer.transfer_id
            for entry in plan.entries:
                self.entry_items[_key(entry)] = entry
            for change in plan.changes:
                self._apply(change, plan)
            for account_id, units in plan.order.held.items():
                stored = self.account_items[account_id]
                self.account_items[account_id] = replace(stored, held=stored.held + units)
            self._write_flow(plan.order)
            self.written.append(transfer)

    def _write_flow(self, order: Order) -> None:
        if order.flow is not None:
            self.flow_items[order.flow.flow_id] = order.flow
            self.references |= dict.fromkeys(order.references, order.flow.flow_id)
        if order.quota is not None:
            used = self.used_of(order.quota)
            self.quotas[order.quota.key] = Used(used.units + order.quota.units, used.count + order.quota.count)
        if order.audit is not None:
            self.audited.append(order.audit)

    def used_of(self, quota: Quota) -> Used:
        """Tell how much of a quota is used up, without a call."""
        return self.quotas.get(quota.key, Used())

    def void(self, tombstone: Tombstone) -> None:
        """Write a tombstone under an unused key."""
        with self._call("void"):
            self._refuse(self._taken(tombstone.claim.key.digest))
            self.records[tombstone.claim.key.digest] = tombstone
            self.written.append(tombstone)

    def failing(self, plan: Plan) -> list[Reason]:
        """Check each condition of a plan's transaction."""
        marker = self.reversals.get(plan.transfer.reverses or "")
        reversal = [Reason("reversal", marker)] if marker else []
        entries = [Reason("entry") for entry in plan.entries if _key(entry) in self.entry_items]
        accounts = [
            Reason("account", self.account_items.get(change.before.account_id))
            for change in plan.changes
            if not self.holds(change, plan)
        ]
        held = [
            Reason("account", self.account_items.get(account_id))
            for account_id, units in plan.held_elsewhere.items()
            if self.account_items[account_id].held + units < 0
        ]
        taken = self._taken(plan.transfer.claim.key.digest)
        return [*taken, *reversal, *entries, *accounts, *held, *self._failing_flow(plan.order)]

    def _failing_flow(self, order: Order) -> list[Reason]:
        failing = []
        if order.flow and not self.follows(order.flow, order.references):
            failing.append(Reason("flow"))
        if order.quota and not order.quota.fits(self.used_of(order.quota)):
            failing.append(Reason("quota", self.used_of(order.quota)))
        return failing

    def follows(self, flow: Flow, references: Sequence[str] = ()) -> bool:
        """Tell whether a flow is the next version of what is stored, and its names lead to no other."""
        stored = self.flow_items.get(flow.flow_id)
        known = {**self.references, **dict.fromkeys(self.flow_items)}
        if any(known.get(name, flow.flow_id) != flow.flow_id for name in references):
            return False
        return (stored is None) if flow.version == 0 else (stored is not None and stored.version == flow.version - 1)

    def holds(self, change: Change, plan: Plan) -> bool:
        """Check the condition on one account."""
        stored, before = self.account_items.get(change.before.account_id), change.before
        if before.account_id in plan.opened:
            return stored is None
        return (
            stored is not None
            and (stored.version, stored.balance) == (before.version, before.balance)
            and stored.status in plan.accepted_statuses
            and stored.held + plan.order.held.get(before.account_id, 0) >= 0
        )

    def _taken(self, transfer_key: str) -> list[Reason]:
        return [Reason("key", self.records[transfer_key])] if transfer_key in self.records else []

    def _refuse(self, failing: list[Reason]) -> None:
        if not failing:
            return
        refused = CommitRefused()
        for reason in self.reported(failing):
            if reason.condition == "flow":
                refused.flow_changed = True
            elif isinstance(reason.image, Account):
                refused.accounts[reason.image.account_id] = reason.image
            elif isinstance(reason.image, Used):
                refused.used = reason.image
            elif isinstance(reason.image, str):
                refused.reversed_by = reason.image
            elif reason.image is not None:
                refused.record = reason.image
        raise refused

    def _apply(self, change: Change, plan: Plan) -> None:
        after, frozen = change.after, change.after.status is not change.before.status
        if after.account_id in plan.opened:
            self.account_items[after.account_id] = after
            return
        stored = self.account_items[after.account_id]
        self.account_items[after.account_id] = replace(
            stored,
            balance=after.balance,
            version=after.version,
            head_hash=after.head_hash,
            head_time_ms=after.head_time_ms,
            status=after.status if frozen else stored.status,
            status_reason=after.status_reason if frozen else stored.status_reason,
        )

    # Wallets

    def create(self, account: Account) -> Account:
        """Write a new account, or answer the one under its id."""
        with self._call("create"):
            if account.account_id not in self.account_items:
                self.account_items[account.account_id] = account
                return account
        return self._standing(account.account_id)

    def get(self, account_id: str) -> Account | None:
        """Read one account."""
        with self._call("get"):
            return self.account_items.get(account_id)

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Account]:
        """List an owner's accounts, newest first."""
        with self._call("owned_by"):
            owned = [account for account in self.account_items.values() if account.owner_id == owner_id]
            listed = sorted(owned, key=_position, reverse=True)
            rest = [account for account in listed if after is None or _position(account) < after]
            return Page(rest[:limit], _position(rest[limit - 1]) if len(rest) > limit else None)

    def change_status(self, change: StatusChange) -> tuple[bool, Account]:
        """Change a status if it fits; like the real one, it reads what stands there in a call of its own."""
        with self._call("change_status"):
            account = self.account_items.get(change.account_id)
            if account is not None and change.fits(account):
                reason = account.status_reason if change.reason is None else change.reason
                changed = replace(account, status=change.status, status_reason=reason)
                self.account_items[change.account_id] = changed
                self.written.append(changed)
                return True, changed
        return False, self._standing(change.account_id)

    def _standing(self, account_id: str) -> Account:
        account = self.get(account_id)
        if account is None:
            raise InvariantViolated(f"{account_id} is gone")
        return account

    # Statements

    def entries(self, query: StatementQuery) -> Page[Entry]:
        """Read a page, newest first, examining a bounded number of entries."""
        with self._call("entries"):
            candidates = [entry for entry in reversed(self.entries_of(query.account_id)) if _within(entry, query)]
            found: list[Entry] = []
            for position, entry in enumerate(candidates):
                if len(found) == query.limit or position == self.most_examined:
                    return Page(found, str(candidates[position - 1].time_ms))
                if query.kind in (None, entry.kind):
                    found.append(entry)
            return Page(found)

    def entry_at(self, account_id: str, at_ms: int) -> Entry | None:
        """Read the newest entry that is not later than a time."""
        with self._call("entry_at"):
            return next((entry for entry in reversed(self.entries_of(account_id)) if entry.time_ms <= at_ms), None)

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        self.calls.append(name)
        self.before(name)
        yield
        self.after(name)


def _key(entry: Entry) -> tuple[str, int, int]:
    return entry.account_id, entry.time_ms, entry.sequence


def _position(account: Account) -> str:
    return f"{account.created_at_ms:015d}#{account.account_id}"


def _within(entry: Entry, query: StatementQuery) -> bool:
    after_start = query.from_ms is None or entry.time_ms >= query.from_ms
    return after_start and (query.before_ms is None or entry.time_ms < query.before_ms)
