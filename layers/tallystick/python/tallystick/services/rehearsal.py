"""Work out what a redrive would do, with the code that would do it, and write nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tallystick.domain.accounts import Account
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.flows import Flow
from tallystick.domain.posting import Plan
from tallystick.domain.transfers import Record, Tombstone
from tallystick.services.ledger import Ledger
from tallystick.services.ports.flows import F, Flows
from tallystick.services.ports.ledger import Book, CommitRefused
from tallystick.services.settling import Books


@dataclass(slots=True)
class Rehearsal:
    """Implement Book and Flows: read what is stored, and lay over it what would be written."""

    book: Book
    flows: Flows
    _accounts: dict[str, Account] = field(default_factory=dict)
    _flows: dict[str, Flow] = field(default_factory=dict)

    def books(self) -> Books:
        """Give everything that settling needs."""
        return Books(Ledger(book=self, pause=lambda _attempt: None), self, self.open_account)

    def accounts(self, account_ids: Sequence[str]) -> dict[str, Account]:
        """Read accounts as they would be."""
        unwritten = [account_id for account_id in account_ids if account_id not in self._accounts]
        stored = self.book.accounts(unwritten) if unwritten else {}
        return {**stored, **{key: self._accounts[key] for key in account_ids if key in self._accounts}}

    def open_account(self, account: Account) -> Account:
        """Note an account that would be opened, unless it is there."""
        found = self.accounts([account.account_id])
        self._accounts[account.account_id] = found.get(account.account_id, account)
        return self._accounts[account.account_id]

    def record(self, transfer_key: str) -> Record | None:
        """Read what stands under a key."""
        return self.book.record(transfer_key)

    def reversed_by(self, transfer_id: str) -> str | None:
        """Read a reversal's marker."""
        return self.book.reversed_by(transfer_id)

    def commit(self, plan: Plan) -> None:
        """Note what would be written, unless it was written before."""
        record = self.book.record(plan.transfer.claim.key.digest)
        if record is not None:
            raise CommitRefused(record)
        self._accounts |= {change.after.account_id: change.after for change in plan.changes}
        if plan.order.flow is not None:
            self._flows[plan.order.flow.flow_id] = plan.order.flow

    def void(self, tombstone: Tombstone) -> None:
        """Refuse: no event voids a key."""
        raise InvariantViolated(f"a rehearsal voids no key, not even {tombstone.claim.key.reference}")

    def create(self, flow: F) -> F:
        """Refuse: no event creates an order."""
        raise InvariantViolated(f"a rehearsal creates no order, not even {flow.flow_id}")

    def get(self, flow_id: str) -> Flow | None:
        """Read a flow as it would be."""
        return self._flows.get(flow_id) or self.flows.get(flow_id)

    def find(self, reference: str) -> str | None:
        """Find the flow that a reference belongs to."""
        return self.flows.find(reference)

    def save(self, flow: Flow, references: Sequence[str] = (), audit: AuditRecord | None = None) -> bool:  # noqa: ARG002 (a rehearsal audits nothing)
        """Note a flow as it would be, unless it goes by the name of another."""
        if any(self.find(name) not in {None, flow.flow_id} for name in references):
            return False
        self._flows[flow.flow_id] = flow
        return True
