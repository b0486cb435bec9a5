"""Turn stored items into what the domain knows, and back."""

from typing import Final

from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, PostingMap, TransferItem
from tallystick.domain.accounts import Account, AccountKind, Entry, Status
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import Asset
from tallystick.domain.times import from_rfc3339, to_rfc3339
from tallystick.domain.transfers import Claim, IdempotencyKey, Posting, Record, Tombstone, Transfer, TransferKind

TRANSFER: Final = "transfer"
VOID: Final = "void"
REVERSAL: Final = "reversal"


def account_item(account: Account) -> AccountItem:
    """Store a new account."""
    return AccountItem(
        account_id=account.account_id,
        owner_id=account.owner_id,
        kind=account.kind,
        asset=account.asset.code,
        scale=account.asset.scale,
        balance=account.balance,
        held=account.held,
        version=account.version,
        head_hash=account.head_hash,
        head_time_ms=account.head_time_ms,
        status=account.status,
        label=account.label,
        needs_reconciliation=account.needs_reconciliation,
        created_at=to_rfc3339(account.created_at_ms),
    )


def account(item: AccountItem) -> Account:
    """Read an account.

    Raises:
        InvariantViolated: its numbers are out of bounds.
    """
    return Account(
        account_id=item.account_id,
        owner_id=item.owner_id,
        kind=AccountKind(item.kind),
        asset=Asset(item.asset, item.scale),
        balance=item.balance,
        held=item.held,
        version=item.version,
        head_hash=item.head_hash,
        head_time_ms=item.head_time_ms,
        status=Status(item.status),
        status_reason=item.status_reason,
        label=item.label,
        needs_reconciliation=item.needs_reconciliation,
        created_at_ms=from_rfc3339(item.created_at),
    )


def entry_key(time_ms: int, sequence: int) -> str:
    """Sort entries by time, then sequence."""
    return f"{to_rfc3339(time_ms)}#{sequence:012d}"


def entry_item(entry: Entry) -> EntryItem:
    """Store a ledger entry."""
    return EntryItem(
        account_id=entry.account_id,
        entry_key=entry_key(entry.time_ms, entry.sequence),
        sequence=entry.sequence,
        time_ms=entry.time_ms,
        kind=entry.kind,
        asset=entry.asset,
        scale=entry.scale,
        units=entry.units,
        balance_after=entry.balance_after,
        transfer_id=entry.transfer_id,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
    )


def entry(item: EntryItem) -> Entry:
    """Read a ledger entry."""
    return Entry(
        account_id=item.account_id,
        sequence=item.sequence,
        time_ms=item.time_ms,
        kind=item.kind,
        asset=item.asset,
        scale=item.scale,
        units=item.units,
        balance_after=item.balance_after,
        transfer_id=item.transfer_id,
        previous_hash=item.previous_hash,
        hash=item.hash,
    )


def transfer_item(transfer: Transfer) -> TransferItem:
    """Store a transfer under its idempotency key."""
    return TransferItem(
        transfer_key=transfer.claim.key.digest,
        item=TRANSFER,
        key_source=transfer.claim.key.source,
        key_scope=transfer.claim.key.scope,
        key_reference=transfer.claim.key.reference,
        key_action=transfer.claim.key.action,
        created_at_ms=transfer.created_at_ms,
        fingerprint=transfer.claim.fingerprint,
        kind=transfer.kind,
        asset=transfer.asset,
        scale=transfer.scale,
        units=transfer.units,
        postings=[
            PostingMap(
                account_id=posting.account_id,
                units=posting.units,
                owner_id=posting.owner_id,
                balance_after=posting.balance_after,
            )
            for posting in transfer.postings
        ],
        reverses=transfer.reverses,
        reference=transfer.reference,
        metadata=transfer.metadata or None,
    )


def tombstone_item(tombstone: Tombstone) -> TransferItem:
    """Store a tombstone under the key that it voids."""
    key = tombstone.claim.key
    return TransferItem(
        transfer_key=key.digest,
        item=VOID,
        key_source=key.source,
        key_scope=key.scope,
        key_reference=key.reference,
        created_at_ms=tombstone.created_at_ms,
    )


def record(item: TransferItem) -> Record:
    """Read what stands under an idempotency key.

    Raises:
        InvariantViolated: it is a reversal's marker, which no idempotency key leads to.
    """
    if item.item == REVERSAL:
        raise InvariantViolated("an idempotency key leads to a reversal's marker")
    key = IdempotencyKey(item.key_source, item.key_scope, item.key_reference, item.key_action)
    if item.item == VOID:
        return Tombstone(Claim(key, fingerprint=""), item.created_at_ms)
    return Transfer(
        claim=Claim(key, item.fingerprint),
        kind=TransferKind(item.kind),
        asset=item.asset,
        scale=item.scale,
        units=item.units,
        postings=tuple(
            Posting(stored.account_id, stored.units, stored.owner_id, stored.balance_after) for stored in item.postings
        ),
        created_at_ms=item.created_at_ms,
        reverses=item.reverses,
        reference=item.reference,
        metadata=item.metadata or {},
    )
