"""Make transfers as the stream of `transfers` tells of them, and add them up without the product's code."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from tallystick.domain.accounts import is_tallied
from tallystick.domain.transfers import Claim, IdempotencyKey, Posting, Transfer, TransferKind
from tests.support.scene import NOW_MS

STRIPE: Final = "external:stripe:USD"
FEES: Final = "external:fees:USD"


def transfer_of(
    key: str,
    *postings: Posting,
    at_ms: int = NOW_MS,
    kind: TransferKind = TransferKind.CREDIT,
    asset: str = "USD",
    scale: int = 2,
) -> Transfer:
    """Make a transfer."""
    units = sum(posting.units for posting in postings if posting.units > 0)
    claim = Claim(IdempotencyKey("api", "svc", key), fingerprint="{}")
    return Transfer(claim, kind, asset, scale, units, postings, at_ms)


def wallet(units: int, name: str = "wal_a", owner: str | None = "ada") -> Posting:
    """Post to a wallet."""
    return Posting(name, units, owner, balance_after=10**6)


def credit(key: str, units: int = 100, account: str = STRIPE, *, at_ms: int = NOW_MS, owner: str = "ada") -> Transfer:
    """Credit a wallet out of a tallied account."""
    asset = account.rpartition(":")[2]
    postings = (wallet(units, owner=owner), Posting(account, -units))
    return transfer_of(key, *postings, at_ms=at_ms, asset=asset)


def between_wallets(key: str) -> Transfer:
    """Move money where no tallied account takes part."""
    return transfer_of(key, wallet(-5), wallet(5, "wal_b", "bob"), kind=TransferKind.TRANSFER)


def sums(transfers: Iterable[Transfer], before_ms: int | None = None) -> dict[str, tuple[int, int]]:
    """Add up the tallied postings of transfers before a time: units and how many, by account."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for transfer in transfers:
        for posting in transfer.postings:
            if is_tallied(posting.account_id) and (before_ms is None or transfer.created_at_ms < before_ms):
                units, count = found[posting.account_id]
                found[posting.account_id] = units + posting.units, count + 1
    return dict(found)


def keys(*transfers: Transfer) -> frozenset[str]:
    """Give the keys of transfers."""
    return frozenset(transfer.claim.key.digest for transfer in transfers)
