"""Compare ledger entries with the transfer records that they belong to."""

from collections.abc import Iterator

from tallystick.domain.accounts import Entry, is_tallied
from tallystick.domain.reconciliation import Fault, Finding, Head
from tallystick.domain.transfers import Posting, Record, Transfer


def entry_findings(head: Head, entry: Entry, record: Record | None) -> Iterator[Finding]:
    """Tell how the transfer record of an entry does not bear it out."""

    def finding(detail: str) -> Finding:
        return Finding(head.account_id, Fault.TRANSFER, detail, entry.sequence, entry.transfer_id)

    if not isinstance(record, Transfer):
        yield finding(f"Entry {entry.sequence} has no transfer.")
        return
    posting = posting_of(record, head.account_id)
    if posting is None or (posting.units, posting.balance_after) != (entry.units, entry.balance_after):
        yield finding(f"The transfer of entry {entry.sequence} does not post it.")
    elif posting.owner_id != head.owner_id:
        yield Finding(head.account_id, Fault.IDENTITY, f"Entry {entry.sequence} was posted for another owner.")
    if not describes(record, entry):
        yield finding(f"The transfer of entry {entry.sequence} is of another kind, asset or time.")
    yield from (finding(detail) for detail in record_faults(record))


def record_faults(transfer: Transfer) -> Iterator[str]:
    """Tell how a transfer record contradicts itself."""
    units = [posting.units for posting in transfer.postings]
    if sum(units) != 0:
        yield f"The postings of the transfer sum to {sum(units)}."
    if transfer.units != sum(unit for unit in units if unit > 0):
        yield f"The transfer says that it moves {transfer.units} units, and its postings do not."


def other_legs(transfer: Transfer, account_id: str) -> Iterator[Posting]:
    """Give the postings that have entries in other accounts."""
    return (leg for leg in transfer.postings if leg.account_id != account_id and not is_tallied(leg.account_id))


def bears_out(transfer: Transfer, posting: Posting, entry: Entry) -> bool:
    """Tell whether an entry is what a posting says."""
    if not describes(transfer, entry):
        return False
    return (entry.account_id, entry.units, entry.balance_after) == (
        posting.account_id,
        posting.units,
        posting.balance_after,
    )


def posting_of(transfer: Transfer, account_id: str) -> Posting | None:
    """Find the one posting of an account; none when there are several."""
    found = [posting for posting in transfer.postings if posting.account_id == account_id]
    return found[0] if len(found) == 1 else None


def describes(transfer: Transfer, entry: Entry) -> bool:
    """Tell whether a transfer and an entry are of one movement."""
    return (transfer.transfer_id, transfer.kind, transfer.asset, transfer.scale, transfer.created_at_ms) == (
        entry.transfer_id,
        entry.kind,
        entry.asset,
        entry.scale,
        entry.time_ms,
    )
