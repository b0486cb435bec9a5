"""Create, read and mark accounts, without touching their balances."""

from pynamodb.expressions.update import Action

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.accounts import read_accounts
from tallystick.adapters.dynamo.connection import is_applied, troubles
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.domain.accounts import Account
from tallystick.domain.errors import InvariantViolated
from tallystick.services.ports.paging import Page
from tallystick.services.ports.wallets import StatusChange


class DynamoWallets:
    """Implement `tallystick.services.ports.Wallets` on the bound tables."""

    def create(self, account: Account) -> Account:
        """Put an account unless its id is taken."""
        item, is_new = items.account_item(account), AccountItem.account_id.does_not_exist()
        return account if is_applied(lambda: item.save(condition=is_new)) else self._standing(account.account_id)

    def get(self, account_id: str) -> Account | None:
        """Read one account consistently."""
        return read_accounts([account_id]).get(account_id)

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Account]:
        """Ask the index for ids, then read the accounts themselves consistently."""
        with troubles():
            query = AccountItem.owner_index.query(
                owner_id,
                scan_index_forward=False,
                limit=limit + 1,
                page_size=limit + 1,
                last_evaluated_key=_start_key(owner_id, after) if after else None,
            )
            found = list(query)
        listed = [item.account_id for item in found[:limit]]
        stored = read_accounts(listed) if listed else {}
        return Page(
            [stored[account_id] for account_id in listed], _position(found[limit - 1]) if len(found) > limit else None
        )

    def change_status(self, change: StatusChange) -> tuple[bool, Account]:
        """Set the status under the condition that the change states."""
        condition = AccountItem.status.is_in(*sorted(change.expected))
        if change.only_empty:
            condition = condition & (AccountItem.balance == 0) & (AccountItem.held == 0)
        item = AccountItem(change.account_id)
        actions: list[Action] = [AccountItem.status.set(change.status)]
        if change.reason is not None:
            actions.append(AccountItem.status_reason.set(change.reason))
        if is_applied(lambda: item.update(actions=actions, condition=condition)):
            return True, items.account(item)
        return False, self._standing(change.account_id)

    def _standing(self, account_id: str) -> Account:
        account = self.get(account_id)
        if account is None:
            raise InvariantViolated(f"{account_id} was there and is gone, though accounts are never deleted")
        return account


def _position(item: AccountItem) -> str:
    """Tell wallets of one millisecond apart by their ids."""
    return f"{item.created_at}#{item.account_id}"


def _start_key(owner_id: str, position: str) -> dict[str, dict[str, str]]:
    created_at, _, account_id = position.partition("#")
    return {"owner_id": {"S": owner_id}, "created_at": {"S": created_at}, "account_id": {"S": account_id}}
