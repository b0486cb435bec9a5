"""Count read and write units (AWS: "DynamoDB read and write operations")."""

from collections.abc import Mapping
from typing import Any, Final

from tests.simulation.dynamo.tables import Order, Table
from tests.simulation.dynamo.values import Stored, weighed

READ_BYTES: Final = 4096
WRITE_BYTES: Final = 1024


def read_units(size: int, *, consistent: bool) -> float:
    """Count what reading so many bytes costs; what finds nothing costs as much as one small item."""
    units = max(1, -(-size // READ_BYTES))
    return float(units) if consistent else units / 2


def write_units(old: Stored | None, new: Stored | None) -> float:
    """Count what a write costs the table: the larger of what was and what will be."""
    size = max(old.size if old else 0, new.size if new else 0)
    return float(max(1, -(-size // WRITE_BYTES)))


def index_units(table: Table, old: Stored | None, new: Stored | None) -> float:
    """Count what a write costs the indexes: one for each key that goes in or out of one."""
    return sum(_moved(table, index, old, new) for index in table.indexes.values())


def _moved(table: Table, index: Order, old: Stored | None, new: Stored | None) -> float:
    if old and new and index.is_same(old.item, new.item):
        return 0
    sides = [side for side in (old, new) if side and index.place(side.item, ())]
    return sum(float(max(1, -(-projected(table, index, side).size // WRITE_BYTES))) for side in sides)


def projected(table: Table, index: Order, stored: Stored) -> Stored:
    """Show of an item what a keys-only index has of it."""
    names = dict.fromkeys((*table.key_names, *index.schema.types))
    return weighed({name: stored.item[name] for name in names})


def wanted(parameters: Mapping[str, Any]) -> bool:
    """Tell whether the caller asks what it costs."""
    asked = parameters.get("ReturnConsumedCapacity", "NONE")
    if asked == "INDEXES":
        raise NotImplementedError(asked)
    return bool(asked == "TOTAL")
