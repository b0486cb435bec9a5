"""Keep flows, and the names that others have for them."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import is_applied, read_one, troubles
from tallystick.adapters.dynamo.tables import FlowItem
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.audit import AuditRecord
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.flows import Flow
from tallystick.domain.provider_matching import is_compared
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.paging import Page

F = TypeVar("F", Deposit, Withdrawal)

_KINDS: Final[dict[str, type[Flow]]] = {"deposit": Deposit, "withdrawal": Withdrawal}


@cache
def _shape(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[kind])


class DynamoFlows:
    """Implement `tallystick.services.ports.flows.Flows` on the bound table."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the table is bound to."""
        self._connection = connection

    def create(self, flow: F) -> F:
        """Put a flow unless its id is taken."""
        if is_applied(lambda: _item(flow).save(condition=FlowItem.flow_id.does_not_exist())):
            return flow
        standing = self.get(flow.flow_id)
        if not isinstance(standing, type(flow)):
            raise InvariantViolated(f"{flow.flow_id} was there and is gone, though flows are never deleted")
        return standing

    def get(self, flow_id: str) -> Flow | None:
        """Read a flow consistently."""
        item = read_one(FlowItem, flow_id)
        return None if item is None or item.flow is None else read_flow(item)

    def find(self, reference: str) -> str | None:
        """Read consistently what a reference leads to."""
        item = read_one(FlowItem, reference)
        return None if item is None else item.refers_to

    def save(self, flow: Flow, references: Sequence[str] = (), audit: AuditRecord | None = None) -> bool:
        """Write the next version, its references and the audit's record in one transaction."""
        transaction = TransactWrite(connection=self._connection)
        put_next(transaction, flow)
        put_references(transaction, flow.flow_id, references)
        if audit is not None:
            put_record(transaction, audit)
        return is_written(transaction)

    def overdue(self, state: str, now_ms: int, limit: int) -> list[Overdue]:
        """Ask the index."""
        with troubles():
            found = FlowItem.open_index.query(state, FlowItem.due_at_ms < now_ms, limit=limit)
            return [Overdue(item.flow_id, item.due_at_ms) for item in found]

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Set the time by which somebody should have looked, if it is still what the index saw."""
        item, unchanged = FlowItem(overdue.key), FlowItem.due_at_ms == overdue.due_at_ms
        return is_applied(lambda: item.update(actions=[FlowItem.due_at_ms.set(due_at_ms)], condition=unchanged))

    def in_state(self, state: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """Ask the index for ids, then read the flows themselves consistently."""
        due_at_ms, _, flow_id = (after or "").partition("#")
        start = {"open": {"S": state}, "due_at_ms": {"N": due_at_ms}, "flow_id": {"S": flow_id}} if after else None
        with troubles():
            query = FlowItem.open_index.query(state, limit=limit + 1, page_size=limit + 1, last_evaluated_key=start)
            found = list(query)
        following = [f"{item.due_at_ms}#{item.flow_id}" for item in found[limit - 1 : limit]]
        listed = _withdrawals([item.flow_id for item in found[:limit]])
        return Page([flow for flow in listed if flow.state == state], following[0] if len(found) > limit else None)

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """Ask the index for ids, newest first, then read the flows themselves consistently."""
        created_at, _, flow_id = (after or "").partition("#")
        start = {"owner_id": {"S": owner_id}, "created_at": {"S": created_at}, "flow_id": {"S": flow_id}}
        with troubles():
            query = FlowItem.owner_index.query(
                owner_id,
                scan_index_forward=False,
                limit=limit + 1,
                page_size=limit + 1,
                last_evaluated_key=start if after else None,
            )
            found = list(query)
        following = [f"{item.created_at}#{item.flow_id}" for item in found[limit - 1 : limit]]
        listed = _withdrawals([item.flow_id for item in found[:limit]])
        return Page(listed, following[0] if len(found) > limit else None)

    def unreconciled(self, provider: Provider, limit: int, after: str | None) -> Page[Flow]:
        """Ask the index for ids, oldest first, then read the flows themselves consistently."""
        created_at_ms, _, flow_id = (after or "").partition("#")
        start = {"unreconciled": {"S": str(provider)}, "created_at_ms": {"N": created_at_ms}, "flow_id": {"S": flow_id}}
        with troubles():
            query = FlowItem.unreconciled_index.query(
                provider, limit=limit, page_size=limit, last_evaluated_key=start if after else None
            )
            found = list(query)
        following = f"{found[-1].created_at_ms}#{found[-1].flow_id}" if len(found) == limit else None
        return Page(_stored([item.flow_id for item in found]), following)

    def reconciled(self, flow: Flow) -> bool:
        """Take it out of the index, if it is still the version that was compared; the next one brings it back."""
        item, unchanged = FlowItem(flow.flow_id), FlowItem.version == flow.version
        actions: list[Action] = [FlowItem.unreconciled.remove(), FlowItem.created_at_ms.remove()]
        return is_applied(lambda: item.update(actions=actions, condition=unchanged))


def put_next(transaction: TransactWrite, flow: Flow) -> None:
    """Write a flow, or its next version, as a part of a transaction, which fails when another change came first."""
    is_next = FlowItem.version == flow.version - 1 if flow.version else FlowItem.flow_id.does_not_exist()
    transaction.save(_item(flow), condition=is_next, return_values=ALL_OLD)


def put_references(transaction: TransactWrite, flow_id: str, references: Sequence[str]) -> None:
    """Write names that lead to a flow; the transaction fails when one of them leads to another."""
    for reference in references:
        unclaimed = FlowItem.flow_id.does_not_exist() | (FlowItem.refers_to == flow_id)
        transaction.save(FlowItem(reference, refers_to=flow_id), condition=unclaimed, return_values=ALL_OLD)


def _item(flow: Flow) -> FlowItem:
    kind = "deposit" if isinstance(flow, Deposit) else "withdrawal"
    item = FlowItem(
        flow_id=flow.flow_id,
        kind=kind,
        version=flow.version,
        owner_id=flow.owner_id,
        flow=_shape(kind).dump_json(flow, exclude_defaults=True).decode(),
    )
    if is_compared(flow):
        item.unreconciled, item.created_at_ms = flow.provider, flow.created_at_ms
    if isinstance(flow, Deposit):
        item.state = flow.state(flow.created_at_ms)
        return item
    item.state = flow.state
    item.created_at = to_rfc3339(flow.created_at_ms)
    if flow.is_open:
        item.open, item.due_at_ms = flow.state, flow.not_before_ms
    return item


def read_flow(item: FlowItem) -> Flow:
    """Read a flow; a ValueError says that it is none."""
    flow: Flow = _shape(item.kind).validate_json(item.flow)
    return flow


def _withdrawals(flow_ids: Sequence[str]) -> list[Withdrawal]:
    return [flow for flow in _stored(flow_ids) if isinstance(flow, Withdrawal)]


def _stored(flow_ids: Sequence[str]) -> list[Flow]:
    """Read several consistently, in this order."""
    with troubles():
        items = FlowItem.batch_get(flow_ids, consistent_read=True) if flow_ids else ()
        stored = {item.flow_id: read_flow(item) for item in items}
    return [stored[flow_id] for flow_id in flow_ids if flow_id in stored]
