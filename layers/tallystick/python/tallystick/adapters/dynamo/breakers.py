"""Keep circuit breakers."""

from tallystick.adapters.dynamo.connection import is_applied, read_one
from tallystick.adapters.dynamo.tables import OperationItem
from tallystick.domain.breaker import Breaker, BreakerState


class DynamoBreakers:
    """Implement `tallystick.services.ports.breakers.Breakers` on the bound table."""

    def get(self, name: str) -> Breaker:
        """Read one consistently."""
        item = read_one(OperationItem, _key(name))
        if item is None:
            return Breaker(name)
        return Breaker(name, BreakerState(item.state), item.failures or 0, item.until_ms or 0, item.version or 0)

    def save(self, breaker: Breaker) -> bool:
        """Write the next version if the last one is what stands there."""
        item = OperationItem(
            _key(breaker.name),
            state=breaker.state,
            failures=breaker.failures,
            until_ms=breaker.until_ms,
            version=breaker.version,
        )
        is_new = OperationItem.operation_key.does_not_exist()
        unchanged = is_new if breaker.version == 1 else OperationItem.version == breaker.version - 1
        return is_applied(lambda: item.save(condition=unchanged))


def _key(name: str) -> str:
    return f"breaker#{name}"
