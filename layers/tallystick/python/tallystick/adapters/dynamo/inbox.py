"""Keep events of providers, from their arrival on for good."""

import zlib
from typing import Final

from pynamodb.connection import Connection
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import is_applied, read_one, troubles
from tallystick.adapters.dynamo.tables import InboxItem
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.paging import Page

DEAD: Final = "dead"


class DynamoInbox:
    """Implement `tallystick.services.ports.inbox.Inbox` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def store(self, event: InboxEvent) -> InboxEvent:
        """Put an event unless its key is taken."""
        if is_applied(lambda: _item(event).save(condition=InboxItem.inbox_key.does_not_exist())):
            return event
        stored = self.get(event.inbox_key)
        if stored is None:
            raise InvariantViolated(f"{event.inbox_key} was there and is gone, though events are never deleted")
        return stored

    def get(self, inbox_key: str) -> InboxEvent | None:
        """Read an event consistently."""
        item = read_one(InboxItem, inbox_key)
        return None if item is None else _event(item)

    def save(self, event: InboxEvent, audit: AuditRecord | None = None) -> bool:
        """Write the next version, with the record of who did it, if the last one is what stands there."""
        item, unchanged = InboxItem(event.inbox_key), InboxItem.version == event.version - 1
        if audit is None:
            return is_applied(lambda: item.update(actions=_changes(event), condition=unchanged))
        transaction = TransactWrite(connection=self._connection)
        transaction.update(item, actions=_changes(event), condition=unchanged)
        put_record(transaction, audit)
        return is_written(transaction)

    def bring(self, event: InboxEvent, audit: AuditRecord) -> bool:
        """Put an event with the record of who brought it, unless its key is taken."""
        transaction = TransactWrite(connection=self._connection)
        transaction.save(_item(event), condition=InboxItem.inbox_key.does_not_exist())
        put_record(transaction, audit)
        return is_written(transaction)

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """Ask the index."""
        with troubles():
            found = InboxItem.due_index.query(name, InboxItem.due_at_ms < now_ms, limit=limit)
            return [Overdue(item.inbox_key, item.due_at_ms) for item in found]

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Set the time by which something should have been done, if it is still what the index saw."""
        item = InboxItem(overdue.key)
        unchanged = InboxItem.open.exists() & (InboxItem.due_at_ms == overdue.due_at_ms)
        return is_applied(lambda: item.update(actions=[InboxItem.due_at_ms.set(due_at_ms)], condition=unchanged))

    def dead(self, limit: int, after: str | None) -> Page[InboxEvent]:
        """Ask the index for keys, then read the events themselves consistently."""
        with troubles():
            query = InboxItem.dead_index.query(
                DEAD,
                scan_index_forward=False,
                limit=limit + 1,
                page_size=limit + 1,
                last_evaluated_key=_start_key(after) if after else None,
            )
            found = list(query)
            listed = [item.inbox_key for item in found[:limit]]
            stored = {item.inbox_key: _event(item) for item in InboxItem.batch_get(listed, consistent_read=True)}
        events = [stored[inbox_key] for inbox_key in listed]
        following = f"{found[limit - 1].dead_at_ms}#{found[limit - 1].inbox_key}" if len(found) > limit else None
        return Page([event for event in events if event.state is EventState.DEAD], following)


def _changes(event: InboxEvent) -> list[Action]:
    """Write what can change; only an open event is in the one index, and only a dead one in the other."""
    is_open, is_dead = event.state is EventState.OPEN, event.state is EventState.DEAD
    return [
        InboxItem.version.set(event.version),
        InboxItem.state.set(event.state),
        InboxItem.attempts.set(event.attempts),
        InboxItem.not_before_ms.set(event.not_before_ms),
        InboxItem.due_at_ms.set(event.due_at_ms),
        InboxItem.accepted.set(event.accepted),
        InboxItem.transfers.set(list(event.transfers)),
        InboxItem.open.set(event.provider) if is_open else InboxItem.open.remove(),
        InboxItem.dead.set(DEAD) if is_dead else InboxItem.dead.remove(),
        *(_set_or_remove(name, getattr(event, name)) for name in ("reason", "detail", "notes", "dead_at_ms")),
    ]


def _set_or_remove(name: str, value: object) -> Action:
    attribute = getattr(InboxItem, name)
    action: Action = attribute.remove() if value is None else attribute.set(value)
    return action


def _item(event: InboxEvent) -> InboxItem:
    """Store a new event; bodies are compressed, for DynamoDB is paid by the kilobyte and has room for 400."""
    return InboxItem(
        inbox_key=event.inbox_key,
        provider=event.provider,
        environment=event.environment,
        external_id=event.external_id,
        body=zlib.compress(event.body),
        headers=dict(event.headers),
        parameters=dict(event.query),
        received_at_ms=event.received_at_ms,
        confirm=event.confirm,
        conflicts=event.conflicts,
        version=event.version,
        state=event.state,
        attempts=event.attempts,
        not_before_ms=event.not_before_ms,
        accepted=event.accepted,
        open=event.provider,
        due_at_ms=event.due_at_ms,
    )


def _event(item: InboxItem) -> InboxEvent:
    return InboxEvent(
        provider=Provider(item.provider),
        environment=item.environment,  # type: ignore[arg-type] # written by us
        external_id=item.external_id,
        body=zlib.decompress(item.body),
        headers=item.headers,
        query=item.parameters,
        received_at_ms=item.received_at_ms,
        due_at_ms=item.due_at_ms or 0,
        confirm=item.confirm,
        conflicts=item.conflicts,
        state=EventState(item.state),
        version=item.version,
        attempts=item.attempts,
        not_before_ms=item.not_before_ms,
        accepted=item.accepted,
        reason=item.reason,
        detail=item.detail,
        transfers=tuple(item.transfers or ()),
        dead_at_ms=item.dead_at_ms,
        notes=item.notes,
    )


def _start_key(position: str) -> dict[str, dict[str, str]]:
    dead_at_ms, _, inbox_key = position.partition("#")
    return {"dead": {"S": DEAD}, "dead_at_ms": {"N": dead_at_ms}, "inbox_key": {"S": inbox_key}}
