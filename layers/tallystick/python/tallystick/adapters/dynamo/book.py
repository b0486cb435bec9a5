"""The write path: every movement is one TransactWriteItems, sent from here and nowhere else."""

from collections.abc import Sequence

from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.accounts import read_accounts
from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import read_one
from tallystick.adapters.dynamo.flows import put_next, put_references
from tallystick.adapters.dynamo.quotas import take, used
from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, TransferItem
from tallystick.adapters.dynamo.transactions import Cancelled, send
from tallystick.domain.accounts import Account
from tallystick.domain.posting import Change, Order, Plan
from tallystick.domain.transfers import Record, Tombstone, reversal_marker
from tallystick.services.ports.ledger import CommitConflict, CommitRefused


class DynamoBook:
    """Implement `tallystick.services.ports.Book` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def accounts(self, account_ids: Sequence[str]) -> dict[str, Account]:
        """Read accounts consistently in one call."""
        return read_accounts(account_ids)

    def record(self, transfer_key: str) -> Record | None:
        """Read consistently what stands under an idempotency key's hash."""
        item = read_one(TransferItem, transfer_key)
        return None if item is None or item.item == items.REVERSAL else items.record(item)

    def reversed_by(self, transfer_id: str) -> str | None:
        """Read consistently the marker that a reversal left."""
        marker = read_one(TransferItem, reversal_marker(transfer_id))
        return marker.reversed_by if marker else None

    def commit(self, plan: Plan) -> None:
        """Write the transfer, its entries and the new account heads, or nothing.

        The condition on version and balance makes the plan's arithmetic hold: they change together only.
        """
        transaction = TransactWrite(connection=self._connection)
        _put_new(transaction, items.transfer_item(plan.transfer))
        if plan.transfer.reverses:
            _put_new(transaction, _marker(plan.transfer.reverses, plan.transfer.transfer_id))
        for entry in plan.entries:
            transaction.save(items.entry_item(entry), condition=EntryItem.account_id.does_not_exist())
        for change in plan.changes:
            _write_head(transaction, change, plan)
        for account_id, units in plan.held_elsewhere.items():
            _update_held(transaction, account_id, units)
        _write_flow(transaction, plan.order)
        _send(transaction)

    def void(self, tombstone: Tombstone) -> None:
        """Write a tombstone; in a transaction, for that is all the function's role allows."""
        transaction = TransactWrite(connection=self._connection)
        _put_new(transaction, items.tombstone_item(tombstone))
        _send(transaction)


def _marker(reverses: str, reversed_by: str) -> TransferItem:
    return TransferItem(transfer_key=reversal_marker(reverses), item=items.REVERSAL, reversed_by=reversed_by)


def _put_new(transaction: TransactWrite, item: TransferItem) -> None:
    transaction.save(item, condition=TransferItem.transfer_key.does_not_exist(), return_values=ALL_OLD)


def _write_flow(transaction: TransactWrite, order: Order) -> None:
    """Write what else belongs to a movement."""
    if order.flow is not None:
        put_next(transaction, order.flow)
        put_references(transaction, order.flow.flow_id, order.references)
    if order.quota is not None:
        take(transaction, order.quota)
    if order.audit is not None:
        put_record(transaction, order.audit)


def _write_head(transaction: TransactWrite, change: Change, plan: Plan) -> None:
    """Write what an account becomes."""
    before, after = change.before, change.after
    if after.account_id in plan.opened:
        is_new = AccountItem.account_id.does_not_exist()
        transaction.save(items.account_item(after), condition=is_new, return_values=ALL_OLD)
        return
    actions: list[Action] = [
        AccountItem.balance.set(after.balance),
        AccountItem.version.set(after.version),
        AccountItem.head_hash.set(after.head_hash),
        AccountItem.head_time_ms.set(after.head_time_ms),
    ]
    if after.status is not before.status:
        actions += [AccountItem.status.set(after.status), AccountItem.status_reason.set(str(after.status_reason))]
    condition = (
        (AccountItem.version == before.version)
        & (AccountItem.balance == before.balance)
        & AccountItem.status.is_in(*sorted(plan.accepted_statuses))
    )
    held = plan.order.held.get(after.account_id, 0)
    if held:
        actions.append(AccountItem.held.add(held))
    if held < 0:
        condition &= AccountItem.held >= -held
    transaction.update(AccountItem(before.account_id), actions=actions, condition=condition, return_values=ALL_OLD)


def _update_held(transaction: TransactWrite, account_id: str, units: int) -> None:
    """Add to what a wallet shows as on hold, under no version: other movements of the wallet are not in the way."""
    transaction.update(
        AccountItem(account_id),
        actions=[AccountItem.held.add(units)],
        condition=AccountItem.account_id.exists() & (AccountItem.held >= -units),
        return_values=ALL_OLD,
    )


def _send(transaction: TransactWrite) -> None:
    try:
        send(transaction)
    except Cancelled as cancelled:
        if not cancelled.refusals:
            raise CommitConflict from cancelled
        refused = CommitRefused()
        for image in (reason.raw_item for reason in cancelled.refusals if reason.raw_item):
            _note(refused, image)
        raise refused from cancelled


def _note(refused: CommitRefused, image: dict[str, dict[str, str]]) -> None:
    """Tell by its members what an image is of."""
    if "flow_id" in image:
        refused.flow_changed = True
        return
    if "operation_key" in image:
        refused.used = used(image)
        return
    if "transfer_key" not in image:
        account = items.account(AccountItem.from_raw_data(image))
        refused.accounts[account.account_id] = account
        return
    item = TransferItem.from_raw_data(image)
    if item.item == items.REVERSAL:
        refused.reversed_by = item.reversed_by
    else:
        refused.record = items.record(item)
