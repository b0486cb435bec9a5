"""Open, show, freeze and close wallets."""

from collections.abc import Mapping
from typing import Final

from tallystick.domain.accounts import Account, AccountKind, Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.chain import genesis
from tallystick.domain.errors import (
    AccountNotActive,
    IdempotencyKeyReused,
    NotFound,
    Refusal,
    TooMuchContention,
    WalletNotEmpty,
)
from tallystick.domain.money import Asset, format_units, known_asset
from tallystick.services.ports.paging import Page
from tallystick.services.ports.wallets import StatusChange, Wallets

MAX_ATTEMPTS: Final = 3
"""Tries of a change of status that meets other changes of the same wallet."""


def create(
    *,
    wallets: Wallets,
    caller: Caller,
    wallet_id: str,
    assets: Mapping[str, Asset],
    asset: str,
    label: str | None,
    now_ms: int,
) -> tuple[Account, bool]:
    """Open a wallet of one asset for the caller; answer it and whether it was there before under its id.

    Raises:
        AssetMismatch: no such asset is configured.
        IdempotencyKeyReused: the id, made from an idempotency key, belongs to a wallet that was asked for otherwise.
    """
    wanted = Account(
        account_id=wallet_id,
        owner_id=caller.caller_id,
        asset=known_asset(assets, asset),
        created_at_ms=now_ms,
        head_hash=genesis(wallet_id, asset),
        label=label,
    )
    stored = wallets.create(wanted)
    if (stored.owner_id, stored.asset.code, stored.label) != (wanted.owner_id, asset, label):
        raise IdempotencyKeyReused
    return stored, stored != wanted


def get(*, wallets: Wallets, caller: Caller, wallet_id: str) -> Account:
    """Show a wallet to its owner, to SERVICE and to ADMIN.

    Raises:
        NotFound: none, or somebody else's.
    """
    return visible(wallets, caller, wallet_id, Role.SERVICE, Role.ADMIN)


def visible(wallets: Wallets, caller: Caller, wallet_id: str, *roles: Role) -> Account:
    """Read a wallet that is the caller's own, or that one of these roles lets them see.

    Raises:
        NotFound: none, or somebody else's.
    """
    account = wallets.get(wallet_id)
    if account is None:
        raise NotFound("wallet")
    caller.require_sight("wallet", account.owner_id, *roles)
    return account


def existing(accounts: Mapping[str, Account], wallet_id: str) -> Account:
    """Find a wallet among accounts that were read; what holds money for a flow or for the house is none.

    Raises:
        NotFound: there is none.
    """
    account = accounts.get(wallet_id)
    if account is None or account.kind is not AccountKind.USER:
        raise NotFound("wallet")
    return account


def list_owned(*, wallets: Wallets, caller: Caller, limit: int, after: str | None) -> Page[Account]:
    """List the caller's own wallets, newest first."""
    return wallets.owned_by(caller.caller_id, limit, after)


def freeze(*, wallets: Wallets, caller: Caller, wallet_id: str, reason: str) -> Account:
    """Stop everything but returns from moving a wallet's money; freezing again keeps the first reason. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such wallet.
        AccountNotActive: the wallet is closed.
    """
    change = StatusChange(wallet_id, frozenset({Status.ACTIVE}), Status.FROZEN, reason)
    return _mark(wallets, caller, change)


def unfreeze(*, wallets: Wallets, caller: Caller, wallet_id: str, reason: str) -> Account:
    """Make a frozen wallet active again. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such wallet.
        AccountNotActive: the wallet is closed.
    """
    change = StatusChange(wallet_id, frozenset({Status.FROZEN}), Status.ACTIVE, reason)
    return _mark(wallets, caller, change)


def close(*, wallets: Wallets, caller: Caller, wallet_id: str) -> Account:
    """Close an empty wallet for good. For its owner while it is active, for ADMIN also when it is frozen.

    Raises:
        NotFound: none, or somebody else's.
        AccountNotActive: the wallet is frozen and the caller no ADMIN.
        WalletNotEmpty: there is money in it or held for it.
    """
    visible(wallets, caller, wallet_id, Role.ADMIN)
    expected = {Status.ACTIVE, Status.FROZEN} if Role.ADMIN in caller.roles else {Status.ACTIVE}
    return _change(wallets, StatusChange(wallet_id, frozenset(expected), Status.CLOSED, only_empty=True))


def _mark(wallets: Wallets, caller: Caller, change: StatusChange) -> Account:
    caller.require(Role.ADMIN)
    visible(wallets, caller, change.account_id, Role.ADMIN)
    return _change(wallets, change)


def _change(wallets: Wallets, change: StatusChange) -> Account:
    for _ in range(MAX_ATTEMPTS):
        changed, account = wallets.change_status(change)
        if changed or account.status is change.status:
            return account
        if not change.fits(account):
            raise _refusal(change, account)
    raise TooMuchContention("The wallet changed each time; send the same request again.")


def _refusal(change: StatusChange, account: Account) -> Refusal:
    if account.status not in change.expected:
        return AccountNotActive(account.account_id, account.status)
    balance, held = (format_units(units, account.asset.scale) for units in (account.balance, account.held))
    return WalletNotEmpty(
        f"Wallet {account.account_id} has a balance of {balance} and {held} on hold.",
        balance=balance,
        held=held,
        asset=account.asset.code,
    )
