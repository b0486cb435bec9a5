"""Answer what became of an idempotency key, and make an unused one final."""

from typing import Final

from tallystick.domain.errors import IdempotencyKeyCommitted, TooMuchContention
from tallystick.domain.transfers import Claim, IdempotencyKey, Record, Tombstone
from tallystick.services.ledger import Ledger
from tallystick.services.ports.ledger import Book, CommitConflict, CommitRefused

MAX_ATTEMPTS: Final = 5


def find(*, book: Book, key: IdempotencyKey) -> Record | None:
    """Read what stands under a key; nothing is not final until the key is voided."""
    return book.record(key.digest)


def void(*, ledger: Ledger, key: IdempotencyKey, now_ms: int) -> Tombstone:
    """Make sure that a key never moves money; voiding it again changes nothing.

    Raises:
        IdempotencyKeyCommitted: its movement has happened.
        TooMuchContention: the key is being used at this moment.
    """
    tombstone = Tombstone(Claim(key, fingerprint=""), now_ms)
    for attempt in range(MAX_ATTEMPTS):
        try:
            ledger.book.void(tombstone)
        except CommitConflict:
            ledger.pause(attempt)
        except CommitRefused as refused:
            return _standing_tombstone(refused.record or ledger.book.record(key.digest))
        else:
            return tombstone
    raise TooMuchContention("The key is being used at this moment; ask again.")


def _standing_tombstone(record: Record | None) -> Tombstone:
    if isinstance(record, Tombstone):
        return record
    if record is None:
        raise TooMuchContention("The key is being used at this moment; ask again.")
    raise IdempotencyKeyCommitted(
        f"Transfer {record.transfer_id} has happened under this key.", transfer_id=record.transfer_id
    )
