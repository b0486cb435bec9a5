"""Keep flows, and the names that others have for them."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from pydantic import TypeAdapter
from pynamodb.connection import Connection
from pynamodb.constants import ALL_OLD
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.connection import is_applied, read_one
from tallystick.adapters.dynamo.tables import FlowItem
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import InvariantViolated

_DEPOSIT: Final = "deposit"


@cache
def _flows() -> TypeAdapter[Deposit]:
    return TypeAdapter(Deposit)


class DynamoFlows:
    """Implement `tallystick.services.ports.flows.Flows` on the bound table."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the table is bound to."""
        self._connection = connection

    def create(self, flow: Deposit) -> Deposit:
        """Put a flow unless its id is taken."""
        if is_applied(lambda: _item(flow).save(condition=FlowItem.flow_id.does_not_exist())):
            return flow
        return self._standing(flow.flow_id)

    def get(self, flow_id: str) -> Deposit | None:
        """Read a flow consistently."""
        item = read_one(FlowItem, flow_id)
        return None if item is None or item.flow is None else _flows().validate_json(item.flow)

    def find(self, reference: str) -> str | None:
        """Read consistently what a reference leads to."""
        item = read_one(FlowItem, reference)
        return None if item is None else item.refers_to

    def save(self, flow: Deposit, references: Sequence[str] = ()) -> bool:
        """Write the next version and its references in one transaction."""
        transaction = TransactWrite(connection=self._connection)
        put_next(transaction, flow)
        for reference in references:
            unclaimed = FlowItem.flow_id.does_not_exist() | (FlowItem.refers_to == flow.flow_id)
            transaction.save(FlowItem(reference, refers_to=flow.flow_id), condition=unclaimed)
        return is_written(transaction)

    def _standing(self, flow_id: str) -> Deposit:
        flow = self.get(flow_id)
        if flow is None:
            raise InvariantViolated(f"{flow_id} was there and is gone, though flows are never deleted")
        return flow


def put_next(transaction: TransactWrite, flow: Deposit) -> None:
    """Write a flow's next version as a part of a transaction, which fails when another change came first."""
    transaction.save(_item(flow), condition=FlowItem.version == flow.version - 1, return_values=ALL_OLD)


def _item(flow: Deposit) -> FlowItem:
    return FlowItem(
        flow_id=flow.flow_id,
        kind=_DEPOSIT,
        version=flow.version,
        owner_id=flow.owner_id,
        state=flow.state(flow.created_at_ms),
        flow=_flows().dump_json(flow, exclude_defaults=True).decode(),
    )
