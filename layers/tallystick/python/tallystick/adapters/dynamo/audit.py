"""Write what admins did, in the transaction that did it."""

from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.tables import AuditItem
from tallystick.domain.audit import AuditRecord
from tallystick.domain.times import to_rfc3339


def put_record(transaction: TransactWrite, record: AuditRecord) -> None:
    """Write a record as a part of a transaction."""
    at = to_rfc3339(record.at_ms)
    item = AuditItem(
        subject=record.subject,
        action_key=f"{at}#{record.action}",
        action=record.action,
        actor_id=record.actor_id,
        at=at,
        source_ip=record.source_ip,
        details=dict(record.details),
    )
    transaction.save(item, condition=AuditItem.subject.does_not_exist())
