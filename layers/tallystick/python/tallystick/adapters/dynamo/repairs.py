"""Put accounts right, and say so in the audit, in one transaction."""

from typing import Final

from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.audit import AuditRecord
from tallystick.domain.repairing import MEMBERS, Rederive

_SEEN: Final = (*MEMBERS, "owner_id", "kind", "asset", "scale")


class DynamoRepairs:
    """Implement `tallystick.services.ports.repairs.Repairs` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def rederive(self, remedy: Rederive, audit: AuditRecord) -> bool:
        """Update an account under the condition that nothing of it has changed.

        It stays suspected, or becomes so: the next run examines it whole, ends its alert and clears the mark.
        """
        condition: Condition = AccountItem.account_id.exists()
        for name in _SEEN:
            condition &= getattr(AccountItem, name) == getattr(remedy.before, name)
        actions = [getattr(AccountItem, name).set(getattr(remedy.after, name)) for name in MEMBERS]
        transaction = TransactWrite(connection=self._connection)
        transaction.update(
            AccountItem(remedy.before.account_id),
            actions=[*actions, AccountItem.needs_reconciliation.set(value=True)],
            condition=condition,
        )
        put_record(transaction, audit)
        return is_written(transaction)
