"""Read accounts consistently, however many, in one call."""

from collections.abc import Sequence

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import is_possible_key, read_one, troubles
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.domain.accounts import Account


def read_accounts(account_ids: Sequence[str]) -> dict[str, Account]:
    """Read accounts by their ids; those that do not exist are left out, and for no possible id there is no call.

    Raises:
        StoreUnavailable: DynamoDB throttled, failed or did not answer.
    """
    possible = [account_id for account_id in account_ids if is_possible_key(account_id)]
    found = _one(possible[0]) if len(possible) == 1 else _several(possible)
    return {item.account_id: items.account(item) for item in found}


def _one(account_id: str) -> list[AccountItem]:
    item = read_one(AccountItem, account_id)
    return [] if item is None else [item]


def _several(account_ids: Sequence[str]) -> list[AccountItem]:
    with troubles():
        return list(AccountItem.batch_get(account_ids, consistent_read=True))
