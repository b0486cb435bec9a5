"""What opening and marking wallets needs."""

from dataclasses import dataclass
from typing import Protocol

from tallystick.domain.accounts import Account, Status
from tallystick.services.ports.paging import Page


@dataclass(frozen=True, slots=True)
class StatusChange:
    """Bring an account from one of some statuses to another, if need be only when nothing is in it or held for it."""

    account_id: str
    expected: frozenset[Status]
    status: Status
    reason: str | None = None
    only_empty: bool = False

    def fits(self, account: Account) -> bool:
        """Tell whether an account may change so."""
        return account.status in self.expected and not (self.only_empty and (account.balance or account.held))


class Wallets(Protocol):
    """Create, list and mark wallets; balances are the book's business."""

    def create(self, account: Account) -> Account:
        """Write a new account; answer the one that stands under its id, which may have been there before."""

    def get(self, account_id: str) -> Account | None:
        """Read one account consistently."""

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Account]:
        """List an owner's accounts, newest first; one just created may be missing for a moment."""

    def change_status(self, change: StatusChange) -> tuple[bool, Account]:
        """Change the status of an existing account if it fits; answer whether it did and the account as it stands."""
