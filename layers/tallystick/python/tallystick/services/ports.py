"""What the use cases need from the outside; adapters and the tests' fakes provide it.

Every method may raise `StoreUnavailable` when the outside throttles, fails or does not answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tallystick.domain.accounts import Account, Entry, Status
from tallystick.domain.posting import Plan
from tallystick.domain.transfers import Record, Tombstone

Item = TypeVar("Item")


class CommitRefused(Exception):
    """Nothing was written; says what stood in the way, as far as the store told."""

    def __init__(
        self,
        record: Record | None = None,
        accounts: dict[str, Account] | None = None,
        reversed_by: str | None = None,
    ) -> None:
        """Take the record under the key, accounts that had changed, and the reversal that was there before."""
        super().__init__("commit refused")
        self.record = record
        self.accounts = accounts or {}
        self.reversed_by = reversed_by


class CommitConflict(Exception):
    """Nothing was written; another transaction was under way on one of the items."""


class Book(Protocol):
    """Read and write what a movement needs; every read is consistent."""

    def accounts(self, account_ids: Sequence[str]) -> dict[str, Account]:
        """Read guarded accounts; those that do not exist are left out."""

    def record(self, transfer_key: str) -> Record | None:
        """Read what stands under an idempotency key's hash."""

    def reversed_by(self, transfer_id: str) -> str | None:
        """Find the id of the transfer that reversed this one."""

    def commit(self, plan: Plan) -> None:
        """Write a plan in one transaction.

        Raises:
            CommitRefused: the key is taken, an account changed, or the transfer was reversed before.
            CommitConflict: another transaction was in the way.
        """

    def void(self, tombstone: Tombstone) -> None:
        """Put a tombstone under an unused key.

        Raises:
            CommitRefused: the key is taken; carries its record.
            CommitConflict: another transaction was in the way.
        """


class Pause(Protocol):
    """Wait between two tries."""

    def __call__(self, attempt: int) -> None:
        """Wait longer the higher the attempt, counted from 0, with jitter."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Hold some items of a list and where the next ones begin."""

    items: list[Item]
    next_key: str | None = None


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """Ask for entries of one account, newest first: from `from_ms` on and before `before_ms`.

    An account's entries never share a time, so the time of a page's last entry says where the next page begins.
    """

    account_id: str
    limit: int
    kind: str | None = None
    from_ms: int | None = None
    before_ms: int | None = None


class Statements(Protocol):
    """Read ledger entries consistently."""

    def entries(self, query: StatementQuery) -> Page[Entry]:
        """Read a page; with a kind it may hold fewer than asked for though more follow."""

    def entry_at(self, account_id: str, at_ms: int) -> Entry | None:
        """Read the newest entry that is not later than a time."""


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


@dataclass(frozen=True, slots=True)
class Registration:
    """Tell who signed up and whether the address still has to be confirmed."""

    user_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """Hold an access token that ends in so many seconds and the refresh token that brings the next."""

    access_token: str
    refresh_token: str
    expires_in_s: int


class Identity(Protocol):
    """Know people by e-mail address and password.

    Every method may refuse: InvalidCredentials, InvalidRequest, TooManyRequests, StoreUnavailable.
    """

    def register(self, email: str, password: str) -> Registration:
        """Sign somebody up.

        Raises:
            EmailRegistered: the address has an account.
        """

    def confirm(self, email: str, code: str) -> None:
        """Confirm an address by the code that was sent to it."""

    def login(self, email: str, password: str) -> Tokens:
        """Exchange a password for tokens.

        Raises:
            EmailNotConfirmed: the address still waits for its code.
            LoginStepRequired: the account has to pass something that this API does not offer.
        """

    def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens."""

    def logout(self, refresh_token: str) -> None:
        """End a refresh token."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Say what people have to look at; facts hold no secrets."""

    kind: str
    severity: str
    facts: Mapping[str, str]


class Alerts(Protocol):
    """Reach people."""

    def raise_alert(self, alert: Alert) -> None:
        """Tell them, or raise so that it is tried again."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """Describe one change of a table as its stream reports it."""

    table: str
    event: str
    keys: Mapping[str, str]
    event_id: str
