"""Write one item: what PutItem, UpdateItem, DeleteItem and the parts of a transaction have in common."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tests.simulation.dynamo import capacity
from tests.simulation.dynamo.errors import CONDITION_FAILED, CONFLICT, MESSAGES, Refused, invalid
from tests.simulation.dynamo.expressions import NO_ITEM, Plan, Values, planned
from tests.simulation.dynamo.reads import Find
from tests.simulation.dynamo.tables import Key, Table
from tests.simulation.dynamo.values import Item, Stored, reweighed, taken, taken_value, weighed

PUT: Final = "Put"
UPDATE: Final = "Update"
DELETE: Final = "Delete"
CHECK: Final = "ConditionCheck"


class Write(NamedTuple):
    """Hold one write that was understood; whether it may happen is another question."""

    kind: str
    table: Table
    key: Key
    plan: Plan
    values: Values
    sent: Stored | None
    shows_old: bool

    @classmethod
    def read(cls, kind: str, find: Find, parameters: Mapping[str, Any]) -> "Write":
        """Understand a write, or refuse what could never be written."""
        table = find(parameters["TableName"])
        plan, values = planned(parameters)
        sent = None
        if kind == PUT:
            sent = taken(parameters["Item"])
            key = table.check_item(sent.item)
        else:
            key = table.key(parameters["Key"])
        for name in table.key_names:
            if name in plan.updated:
                raise invalid(
                    "One or more parameter values were invalid: "
                    f"Cannot update attribute {name}. This attribute is part of the key"
                )
        shows_old = parameters.get("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD"
        return cls(kind, table, key, plan, values, sent, shows_old)

    @property
    def old(self) -> Stored | None:
        """Find what is there now."""
        return self.table.rows.get(self.key)

    @property
    def is_locked(self) -> bool:
        """Tell whether a transaction is writing the item."""
        return self.key in self.table.locked

    def may_happen(self) -> bool:
        """Ask its condition."""
        condition = self.plan.condition
        if condition is None:
            return True
        old = self.old
        return condition(old.item if old else NO_ITEM, self.values)

    def result(self) -> Stored | None:
        """Make what will be there; refused when it cannot be made of what is there."""
        if self.kind in (PUT, DELETE):
            return self.sent
        old = self.old
        if self.kind == CHECK:
            return old
        before = old.item if old else self._key_item()
        if self.plan.update is None:
            return old or weighed(before)
        after = self.plan.update(before, self.values)
        self.table.check_indexes(after)
        return reweighed(old, after, self.plan.updated) if old else weighed(after)

    def _key_item(self) -> Item:
        types = self.table.order.schema.types
        return {
            name: taken_value({types[name]: str(part) if types[name] == "N" else part})
            for name, part in zip(self.table.key_names, self.key, strict=True)
        }


def write_alone(kind: str, find: Find, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Answer PutItem, UpdateItem or DeleteItem."""
    write = Write.read(kind, find, parameters)
    if write.is_locked:
        raise Refused("TransactionConflictException", MESSAGES[CONFLICT])
    old = write.old
    if not write.may_happen():
        item = old.copied() if old and write.shows_old else None
        raise Refused("ConditionalCheckFailedException", MESSAGES[CONDITION_FAILED], item=item)
    new = write.result()
    write.table.write(write.key, new)
    answer = _returned(parameters.get("ReturnValues", "NONE"), old, new)
    if capacity.wanted(parameters):
        units = capacity.write_units(old, new) + capacity.index_units(write.table, old, new)
        answer["ConsumedCapacity"] = {"TableName": write.table.name, "CapacityUnits": units}
    return answer


def _returned(asked: str, old: Stored | None, new: Stored | None) -> dict[str, Any]:
    if asked not in ("NONE", "ALL_OLD", "ALL_NEW"):
        raise NotImplementedError(asked)
    shown = {"ALL_OLD": old, "ALL_NEW": new}.get(asked)
    return {"Attributes": shown.copied()} if shown else {}
