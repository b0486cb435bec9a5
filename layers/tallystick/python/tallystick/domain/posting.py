"""Decide whether a movement may happen and what exactly it changes.

Refusals have a fixed precedence: account missing, then status, then funds. (A replay ranks before all of them
and a stale version is noticed by the store: both are the business of `tallystick.services.ledger`.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.domain.accounts import Account, Entry, Status, is_tallied
from tallystick.domain.audit import AuditRecord
from tallystick.domain.chain import entry_hash
from tallystick.domain.errors import (
    AccountNotActive,
    BalanceLimitExceeded,
    InsufficientFunds,
    InvariantViolated,
    NotFound,
)
from tallystick.domain.flows import Flow
from tallystick.domain.money import MAX_UNITS, Asset, format_units
from tallystick.domain.quotas import Quota
from tallystick.domain.transfers import CLAIMS, RETURNS, Claim, Posting, Transfer, TransferKind

MAX_POSTINGS: Final = 40
"""Two items a guarded account and a few more stay under the 100 items of one DynamoDB transaction."""


@dataclass(frozen=True, slots=True)
class Leg:
    """Ask for one account to change by signed units; 0 units look at a guarded account without an entry."""

    account_id: str
    units: int


@dataclass(frozen=True, slots=True)
class Order:
    """Ask for a movement: its legs sum to zero; `reverses` names the transfer that it undoes.

    `opens` describes accounts that are opened with it. `flow` is the flow whose step it is, as it becomes, and
    `references` are names that lead to it from now on. `held` changes what wallets show as on hold, by signed units.
    `quota` is what it uses up or gives back, `audit` who decided it. `freeze` is the reason to freeze the guarded
    accounts that are active.
    """

    claim: Claim
    kind: TransferKind
    asset: Asset
    legs: tuple[Leg, ...]
    reference: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    reverses: str | None = None
    opens: tuple[Account, ...] = ()
    flow: Flow | None = None
    references: tuple[str, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)
    quota: Quota | None = None
    audit: AuditRecord | None = None
    freeze: str | None = None

    @property
    def accepted_statuses(self) -> frozenset[Status]:
        """Let returns and claims pass a frozen wallet, and claims a closed one; customers need an active one."""
        if self.kind in CLAIMS:
            return frozenset(Status)
        return frozenset({Status.ACTIVE, Status.FROZEN} if self.kind in RETURNS else {Status.ACTIVE})


@dataclass(frozen=True, slots=True)
class Change:
    """Bring one guarded account from what was seen to what it becomes, with the entry that says so if money moves."""

    before: Account
    after: Account
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Write all of this in one transaction, or nothing."""

    order: Order
    transfer: Transfer
    changes: tuple[Change, ...]
    accepted_statuses: frozenset[Status]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give the entries of the accounts whose balance changes."""
        return tuple(change.entry for change in self.changes if change.entry)

    @property
    def opened(self) -> frozenset[str]:
        """Name the accounts that are opened."""
        return frozenset(account.account_id for account in self.order.opens)

    @property
    def held_elsewhere(self) -> dict[str, int]:
        """Give the changes of what is on hold for wallets that do not change otherwise."""
        changed = {change.after.account_id for change in self.changes}
        return {account_id: units for account_id, units in self.order.held.items() if account_id not in changed}


def plan(order: Order, accounts: Mapping[str, Account], now_ms: int) -> Plan:
    """Work out what an order changes in the accounts as they were seen.

    All entries carry one time: now, or the millisecond after the newest entry of any account in it, because the
    clocks of two Lambdas do not agree and an account's entries must not go back in time.

    Raises:
        NotFound: a wallet does not exist.
        AccountNotActive: a wallet is frozen or closed and the kind of movement does not pass that.
        InsufficientFunds: a balance would go below zero.
        BalanceLimitExceeded: a balance would need more than 38 digits.
        InvariantViolated: the order is not a movement (a bug): legs do not sum to zero, assets differ.
    """
    guarded = [leg for leg in order.legs if not is_tallied(leg.account_id)]
    accounts = {**accounts, **{opened.account_id: opened for opened in order.opens}}
    _check_order(order)
    for leg in guarded:
        if leg.account_id not in accounts:
            raise NotFound("wallet")
    for leg in guarded:
        _check_status(order, accounts[leg.account_id])
    for leg in guarded:
        _check_funds(leg, accounts[leg.account_id])
    time_ms = max(now_ms, *(accounts[leg.account_id].head_time_ms + 1 for leg in guarded))
    changes = {leg.account_id: _change(order, leg, accounts[leg.account_id], time_ms) for leg in guarded}
    # Whether a wallet has to be frozen was decided by the status as it was seen.
    seen = frozenset(change.before.status for change in changes.values())
    accepted = order.accepted_statuses if order.freeze is None else seen
    return Plan(order, _transfer(order, changes, time_ms), tuple(changes.values()), accepted)


def _check_order(order: Order) -> None:
    ids = {leg.account_id for leg in order.legs}
    units = [leg.units for leg in order.legs]
    if sum(units) != 0 or not any(units) or (order.flow is None and not all(units)):
        raise InvariantViolated("postings must be non-zero and sum to zero")
    if not len(ids) == len(order.legs) <= MAX_POSTINGS or all(is_tallied(account_id) for account_id in ids):
        raise InvariantViolated("a movement has distinct accounts, at least one of them guarded, and a bounded number")


def _check_status(order: Order, account: Account) -> None:
    if account.status not in order.accepted_statuses:
        raise AccountNotActive(account.account_id, account.status)
    if account.asset.code != order.asset.code or account.asset.scale != order.asset.scale:
        raise InvariantViolated(f"{account.account_id} does not hold {order.asset}")


def _check_funds(leg: Leg, account: Account) -> None:
    after = account.balance + leg.units
    if after < 0:
        available = format_units(account.balance, account.asset.scale)
        msg = f"Wallet {account.account_id} has {available} {account.asset.code} available."
        raise InsufficientFunds(
            msg, account=account.account_id, available=available, asset=account.asset.code, scale=account.asset.scale
        )
    if after > MAX_UNITS:
        raise BalanceLimitExceeded(
            f"The balance of wallet {account.account_id} would need more than 38 digits.", account=account.account_id
        )


def _change(order: Order, leg: Leg, before: Account, time_ms: int) -> Change:
    if order.freeze is not None and before.status is Status.ACTIVE:
        frozen = replace(before, status=Status.FROZEN, status_reason=order.freeze)
    else:
        frozen = before
    return _moved(order, leg, before, frozen, time_ms) if leg.units else Change(before, frozen, None)


def _moved(order: Order, leg: Leg, before: Account, frozen: Account, time_ms: int) -> Change:
    unhashed = Entry(
        account_id=before.account_id,
        sequence=before.version + 1,
        time_ms=time_ms,
        kind=order.kind,
        asset=order.asset.code,
        scale=order.asset.scale,
        units=leg.units,
        balance_after=before.balance + leg.units,
        transfer_id=order.claim.key.transfer_id,
        previous_hash=before.head_hash,
    )
    entry = replace(unhashed, hash=entry_hash(unhashed))
    after = replace(
        frozen,
        balance=entry.balance_after,
        version=entry.sequence,
        head_hash=entry.hash,
        head_time_ms=entry.time_ms,
    )
    return Change(before, after, entry)


def _transfer(order: Order, changes: Mapping[str, Change], time_ms: int) -> Transfer:
    return Transfer(
        claim=order.claim,
        kind=order.kind,
        asset=order.asset.code,
        scale=order.asset.scale,
        units=sum(leg.units for leg in order.legs if leg.units > 0),
        postings=tuple(_posting(leg, changes.get(leg.account_id)) for leg in order.legs if leg.units),
        created_at_ms=time_ms,
        reverses=order.reverses,
        reference=order.reference,
        metadata=order.metadata,
    )


def _posting(leg: Leg, change: Change | None) -> Posting:
    if change is None:
        return Posting(leg.account_id, leg.units)
    return Posting(leg.account_id, leg.units, change.before.owner_id, change.after.balance)
