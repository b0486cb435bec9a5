"""The accounts that the house keeps for itself."""

from typing import Final

from tallystick.domain.accounts import TALLIED_PREFIX, Account, AccountKind
from tallystick.domain.chain import genesis
from tallystick.domain.money import Asset

HOUSE: Final = "house"
"""Owns the accounts here; no token has this subject."""


def receivable_account(asset: str) -> str:
    """Name the tallied account of what users owe after a refund or chargeback that their wallet did not cover."""
    return f"{TALLIED_PREFIX}receivable:{asset}"


def suspense_id(asset: str) -> str:
    """Name the guarded account for money that has arrived and cannot reach its wallet."""
    return f"suspense:{asset}"


def suspense_account(asset: Asset, now_ms: int) -> Account:
    """Describe that account as it is when new."""
    account_id = suspense_id(asset.code)
    return Account(
        account_id=account_id,
        owner_id=HOUSE,
        asset=asset,
        created_at_ms=now_ms,
        head_hash=genesis(account_id, asset.code),
        kind=AccountKind.SYSTEM,
    )
