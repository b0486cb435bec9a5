"""Add the totals of tallied accounts up anew from the transfers, to see and mend what a stream or a hand broke."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.errors import InvariantViolated
from tallystick.domain.tallies import Compared, Rejected, Sums, Total, cut_before, sums_of
from tallystick.domain.transfers import Transfer
from tallystick.services.admin import Admin
from tallystick.services.ports.ledger import Pause
from tallystick.services.ports.paging import Page
from tallystick.services.ports.tallies import Tallies, TransferRecords
from tallystick.services.tallying import add, total_at, tried

SETTLED_MS: Final = 120_000
"""So long after a transfer the stream has told of it, and its record has been there for a while."""

CORRECTED: Final = "tally-corrected"
_FIGURES: Final = ("balance", "postings")

Progress = Callable[[int], None]
"""Is told how many records were read, page by page."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Gather what rebuilding needs."""

    tallies: Tallies
    records: TransferRecords
    pause: Pause
    progress: Progress = lambda _count: None
    segments: int = 1


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Say what the transfers before a cut add up to, account by account, beside what the totals were.

    `lost` counts those without a marker, `rejected` names those that can be in no total.
    """

    cut_ms: int
    transfers: int
    lost: int
    accounts: tuple[Compared, ...]
    rejected: tuple[Rejected, ...]

    @property
    def is_right(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.lost or self.rejected or any(not one.difference.is_nothing for one in self.accounts))


def cut_of(now_ms: int, settled_ms: int = SETTLED_MS) -> int:
    """Choose the newest cut before which everything should have been added."""
    return cut_before(now_ms, settled_ms)


def rebuild(*, workshop: Workshop, cut_ms: int, now_ms: int, account_id: str | None = None) -> Rebuild:
    """Compare the totals as of a cut with what the transfers before it say; write nothing.

    The totals are read first: a difference can also be a transfer that was added while the transfers were read.

    Raises:
        CutTooOld, InvariantViolated: as `total_at`.
        StoreUnavailable: nothing is known.
    """
    stored = _stored(workshop, cut_ms, now_ms, account_id)
    rebuilt, missing = Sums(), Sums()
    transfers, lost, rejected = 0, 0, list[Rejected]()
    for page in _pages(workshop):
        found = _settled(page, cut_ms, account_id, rejected)
        unmarked = workshop.tallies.unmarked(found)
        for key in found:
            sums = [one for one in sums_of(found[key]) if account_id in (None, one.account_id)]
            _count(key, sums, (rebuilt, missing) if key in unmarked else (rebuilt,), rejected)
        transfers, lost = transfers + len(found), lost + len(unmarked)
    accounts = tuple(_compared(stored.found, rebuilt.found, missing.found))
    return Rebuild(cut_ms, transfers, lost, accounts, tuple(rejected))


def add_missing(*, workshop: Workshop, cut_ms: int) -> int:
    """Add the transfers before a cut that have no marker, and say how many; their credits are no news.

    Raises:
        StoreUnavailable: some may not have been added; the same call again adds them.
    """
    count = 0
    for page in _pages(workshop):
        found = _settled(page, cut_ms, None, [])
        lost = [found[key] for key in sorted(workshop.tallies.unmarked(found))]
        count += len(add(tallies=workshop.tallies, pause=workshop.pause, transfers=lost).added)
    return count


def correct(*, workshop: Workshop, admin: Admin, compared: Compared) -> bool:
    """Add to a total what it lacks though nothing is missing, with a record in the audit; tell whether it was done.

    It is not when the total changes meanwhile; then the same may be tried again.

    Raises:
        StoreUnavailable: whether it was done is unknown.
    """
    name, lacks = compared.account_id, compared.error
    before = tried(lambda: workshop.tallies.without(name, []), workshop.pause)
    after = lacks if before is None else before.plus(lacks)
    figures = {"before": before or replace(after, balance=0, postings=0), "after": after}
    details = {f"{when}_{what}": str(getattr(total, what)) for when, total in figures.items() for what in _FIGURES}
    audit = admin.record(name, CORRECTED, **details)
    return workshop.tallies.correct(before, after, audit)


def _stored(workshop: Workshop, cut_ms: int, now_ms: int, account_id: str | None) -> Sums:
    names = [total.account_id for total in workshop.tallies.totals()] if account_id is None else [account_id]
    read = [
        total_at(tallies=workshop.tallies, pause=workshop.pause, account_id=name, cut_ms=cut_ms, now_ms=now_ms)
        for name in names
    ]
    sums = Sums()
    sums.add([total for total in read if total is not None])
    return sums


def _pages(workshop: Workshop) -> Iterator[Page[Transfer | Rejected]]:
    """Read everything, and say how far that is."""
    for segment in range(workshop.segments):
        after, begun = None, False
        while after is not None or not begun:
            page = workshop.records.scan(segment, workshop.segments, after)
            workshop.progress(len(page.items))
            yield page
            after, begun = page.next_key, True


def _settled(
    page: Page[Transfer | Rejected], cut_ms: int, account_id: str | None, rejected: list[Rejected]
) -> dict[str, Transfer]:
    """Pick those before the cut that belong into a total, by their keys, and note what can be in none."""
    found: dict[str, Transfer] = {}
    for one in page.items:
        if isinstance(one, Rejected):
            rejected.append(one)
        elif one.created_at_ms < cut_ms:
            try:
                accounts = [total.account_id for total in sums_of(one)]
            except InvariantViolated as fault:
                rejected.append(Rejected(one.claim.key.digest, str(fault)))
                continue
            if account_id in accounts or (accounts and account_id is None):
                found[one.claim.key.digest] = one
    return found


def _count(transfer_key: str, totals: Sequence[Total], into: Iterable[Sums], rejected: list[Rejected]) -> None:
    """Add to sums, or note that it fits into none."""
    try:
        for sums in into:
            sums.add(totals)
    except InvariantViolated as fault:
        rejected.append(Rejected(transfer_key, str(fault)))


def _compared(
    stored: Mapping[str, Total], rebuilt: Mapping[str, Total], missing: Mapping[str, Total]
) -> Iterator[Compared]:
    for name in sorted({*stored, *rebuilt}):
        nothing = replace(stored.get(name) or rebuilt[name], balance=0, postings=0)
        yield Compared(stored.get(name, nothing), rebuilt.get(name, nothing), missing.get(name, nothing))
