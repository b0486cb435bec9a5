"""Create, read and mark accounts, without touching their balances."""

from pynamodb.exceptions import DoesNotExist, PutError, UpdateError
from pynamodb.expressions.update import Action

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import troubles
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.domain.accounts import Account
from tallystick.domain.errors import InvariantViolated
from tallystick.services.ports import Page, StatusChange

_CONDITION_FAILED = "ConditionalCheckFailedException"


class DynamoWallets:
    """Implement `tallystick.services.ports.Wallets` on the bound tables."""

    def create(self, account: Account) -> Account:
        """Put an account unless its id is taken."""
        with troubles():
            try:
                items.account_item(account).save(condition=AccountItem.account_id.does_not_exist())
            except PutError as error:
                if error.cause_response_code != _CONDITION_FAILED:
                    raise
                return self._standing(account.account_id)
        return account

    def get(self, account_id: str) -> Account | None:
        """Read one account consistently."""
        with troubles():
            try:
                return items.account(AccountItem.get(account_id, consistent_read=True))
            except DoesNotExist:
                return None

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Account]:
        """Ask the index for ids, then read the accounts themselves consistently."""
        with troubles():
            found = list(
                AccountItem.owner_index.query(
                    owner_id,
                    AccountItem.created_at < after if after else None,
                    scan_index_forward=False,
                    limit=limit + 1,
                    page_size=limit + 1,
                )
            )
            stored = {item.account_id: item for item in _read([item.account_id for item in found[:limit]])}
        accounts = [items.account(stored[item.account_id]) for item in found[:limit]]
        return Page(accounts, found[limit - 1].created_at if len(found) > limit else None)

    def change_status(self, change: StatusChange) -> tuple[bool, Account]:
        """Set the status under the condition that the change states."""
        condition = AccountItem.status.is_in(*sorted(change.expected))
        if change.only_empty:
            condition = condition & (AccountItem.balance == 0) & (AccountItem.held == 0)
        item = AccountItem(change.account_id)
        actions: list[Action] = [AccountItem.status.set(change.status)]
        if change.reason is not None:
            actions.append(AccountItem.status_reason.set(change.reason))
        with troubles():
            try:
                item.update(actions=actions, condition=condition)
            except UpdateError as error:
                if error.cause_response_code != _CONDITION_FAILED:
                    raise
                return False, self._standing(change.account_id)
        return True, items.account(item)

    def _standing(self, account_id: str) -> Account:
        account = self.get(account_id)
        if account is None:
            raise InvariantViolated(f"{account_id} was there and is gone, though accounts are never deleted")
        return account


def _read(account_ids: list[str]) -> list[AccountItem]:
    return list(AccountItem.batch_get(account_ids, consistent_read=True)) if account_ids else []
