"""Show what happened in a wallet, and its balance as of any time."""

from dataclasses import dataclass

from tallystick.domain.accounts import Account, Entry
from tallystick.domain.callers import Caller, Role
from tallystick.services.ports.paging import Page
from tallystick.services.ports.statements import StatementQuery, Statements
from tallystick.services.ports.wallets import Wallets
from tallystick.services.wallets import visible


@dataclass(frozen=True, slots=True)
class Balance:
    """State a balance in units, and how many entries it counts."""

    account: Account
    units: int
    sequence: int


def entries(*, wallets: Wallets, statements: Statements, caller: Caller, query: StatementQuery) -> Page[Entry]:
    """List a wallet's entries to its owner and to ADMIN, newest first.

    Raises:
        NotFound: no such wallet, or somebody else's.
    """
    visible(wallets, caller, query.account_id, Role.ADMIN)
    return statements.entries(query)


def balance(*, wallets: Wallets, statements: Statements, caller: Caller, wallet_id: str, at_ms: int | None) -> Balance:
    """State the balance now, or after the last entry not later than a time. For the owner and ADMIN.

    Raises:
        NotFound: no such wallet, or somebody else's.
    """
    account = visible(wallets, caller, wallet_id, Role.ADMIN)
    if at_ms is None:
        return Balance(account, account.balance, account.version)
    entry = statements.entry_at(wallet_id, at_ms)
    return Balance(account, entry.balance_after, entry.sequence) if entry else Balance(account, 0, 0)
