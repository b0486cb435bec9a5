"""Remember how far lists were read."""

from pynamodb.exceptions import DoesNotExist, PutError

from tallystick.adapters.dynamo.connection import CONDITION_FAILED, response_code, troubles
from tallystick.adapters.dynamo.tables import OperationItem


class DynamoCursors:
    """Implement `tallystick.services.ports.inbox.Cursors` on the bound table."""

    def get(self, name: str) -> str | None:
        """Read a cursor consistently."""
        with troubles():
            try:
                return OperationItem.get(_key(name), consistent_read=True).cursor
            except DoesNotExist:
                return None

    def advance(self, name: str, before: str | None, after: str) -> bool:
        """Write a cursor if the last one is what stands there."""
        unchanged = OperationItem.operation_key.does_not_exist() if before is None else OperationItem.cursor == before
        with troubles():
            try:
                OperationItem(_key(name), cursor=after).save(condition=unchanged)
            except PutError as error:
                if response_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True


def _key(name: str) -> str:
    return f"cursor#{name}"
