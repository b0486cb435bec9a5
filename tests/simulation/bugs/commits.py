"""Write a movement in several transactions, as a ledger would that does not know better."""

from collections.abc import Callable, Iterator, Sequence

from pynamodb.connection import Connection
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo import book, items
from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.book import DynamoBook
from tallystick.adapters.dynamo.flows import put_next, put_references
from tallystick.adapters.dynamo.quotas import take
from tallystick.adapters.dynamo.tables import EntryItem, TransferItem
from tallystick.domain.posting import Plan

Part = Callable[[TransactWrite, Plan], None]
Commit = Callable[[DynamoBook, Plan], None]

COMMIT: Commit = DynamoBook.commit


def records(plan: Plan) -> Iterator[TransferItem]:
    """Make the transfer's record, and a reversal's marker."""
    yield items.transfer_item(plan.transfer)
    if plan.transfer.reverses:
        yield book._marker(plan.transfer.reverses, plan.transfer.transfer_id)


def record(transaction: TransactWrite, plan: Plan) -> None:
    """Put the transfer under its key, and a reversal's marker."""
    for item in records(plan):
        book._put_new(transaction, item)


def entries(transaction: TransactWrite, plan: Plan) -> None:
    """Put the entries."""
    for entry in plan.entries:
        transaction.save(items.entry_item(entry), condition=EntryItem.account_id.does_not_exist())


def entries_over(transaction: TransactWrite, plan: Plan) -> None:
    """Put the entries over whatever is there."""
    for entry in plan.entries:
        transaction.save(items.entry_item(entry))


def heads(transaction: TransactWrite, plan: Plan) -> None:
    """Write what accounts become."""
    for change in plan.changes:
        book._write_head(transaction, change, plan)
    for account_id, units in plan.held_elsewhere.items():
        book._update_held(transaction, account_id, units)


def flow(transaction: TransactWrite, plan: Plan) -> None:
    """Put the flow, with its names."""
    if plan.order.flow is not None:
        put_next(transaction, plan.order.flow)
        put_references(transaction, plan.order.flow.flow_id, plan.order.references)


def quota(transaction: TransactWrite, plan: Plan) -> None:
    """Count it."""
    if plan.order.quota is not None:
        take(transaction, plan.order.quota)


def audit(transaction: TransactWrite, plan: Plan) -> None:
    """Put who decided it."""
    if plan.order.audit is not None:
        put_record(transaction, plan.order.audit)


def write(connection: Connection, parts: Sequence[Part], plan: Plan) -> None:
    """Write some parts in one transaction."""
    transaction = TransactWrite(connection=connection)
    for part in parts:
        part(transaction, plan)
    book._send(transaction)


def commit_in(when: Callable[[Plan], object], *writes: Sequence[Part]) -> Commit:
    """Make a commit that takes a transaction for each of these, where a movement is such a one."""

    def commit(self: DynamoBook, plan: Plan) -> None:
        if not when(plan):
            COMMIT(self, plan)
            return
        for parts in writes:
            write(self._connection, parts, plan)

    return commit
