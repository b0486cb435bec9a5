"""Count what may be done within a period, in the transaction that does it."""

from typing import Any, Final

from pynamodb.constants import ALL_OLD
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.connection import read_one
from tallystick.adapters.dynamo.tables import OperationItem
from tallystick.domain.quotas import Quota, Used

KEPT_S: Final = 7 * 86_400
"""So long after its end a count is removed; what is given back later than that matters to nobody."""


class DynamoQuotas:
    """Implement `tallystick.services.ports.flows.Quotas` on the bound table."""

    def used(self, key: str) -> Used:
        """Read a count consistently."""
        item = read_one(OperationItem, _key(key))
        return Used() if item is None else Used(item.units or 0, item.count_of_period or 0)


def take(transaction: TransactWrite, quota: Quota) -> None:
    """Count as a part of a transaction, which fails when there is not so much left."""
    condition = None
    if quota.count > 0:
        if quota.max_units is not None:
            condition = OperationItem.units <= quota.max_units - quota.units
        if quota.max_count is not None:
            within = OperationItem.count_of_period <= quota.max_count - quota.count
            condition = within if condition is None else condition & within
    if condition is not None:
        condition = OperationItem.operation_key.does_not_exist() | condition
    transaction.update(
        OperationItem(_key(quota.key)),
        actions=[
            OperationItem.units.add(quota.units),
            OperationItem.count_of_period.add(quota.count),
            OperationItem.expires_at_s.set(quota.ends_at_ms // 1000 + KEPT_S),
        ],
        condition=condition,
        return_values=ALL_OLD,
    )


def used(image: dict[str, Any]) -> Used:
    """Read a count from what a refused transaction brought back."""
    item = OperationItem.from_raw_data(image)
    return Used(item.units or 0, item.count_of_period or 0)


def _key(key: str) -> str:
    return f"quota#{key}"
