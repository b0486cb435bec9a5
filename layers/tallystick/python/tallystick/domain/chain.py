"""Hash values so that no two lists of them can be confused, and chain ledger entries."""

import hashlib

from tallystick.domain.accounts import Entry


def digest(*parts: str) -> str:
    """Hash a list of texts; each is prefixed by its length, so ("ab", "c") and ("a", "bc") differ."""
    encoded = [part.encode() for part in parts]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in encoded)).hexdigest()


def genesis(account_id: str, asset: str) -> str:
    """Start an account's chain; it is the `previous_hash` of the first entry."""
    return digest("tallystick/genesis/1", account_id, asset)


def entry_hash(entry: Entry) -> str:
    """Hash everything that an entry says, with the hash of the one before it."""
    return digest(
        "tallystick/entry/1",
        entry.previous_hash,
        entry.account_id,
        str(entry.sequence),
        str(entry.time_ms),
        entry.kind,
        entry.asset,
        str(entry.scale),
        str(entry.units),
        str(entry.balance_after),
        entry.transfer_id,
    )
