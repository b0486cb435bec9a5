"""Remember how far lists were read."""

from tallystick.adapters.dynamo.connection import is_applied, read_one
from tallystick.adapters.dynamo.tables import OperationItem


class DynamoCursors:
    """Implement `tallystick.services.ports.inbox.Cursors` on the bound table."""

    def get(self, name: str) -> str | None:
        """Read a cursor consistently."""
        item = read_one(OperationItem, _key(name))
        return None if item is None else item.cursor

    def advance(self, name: str, before: str | None, after: str) -> bool:
        """Write a cursor if the last one is what stands there."""
        unchanged = OperationItem.operation_key.does_not_exist() if before is None else OperationItem.cursor == before
        return is_applied(lambda: OperationItem(_key(name), cursor=after).save(condition=unchanged))


def _key(name: str) -> str:
    return f"cursor#{name}"
