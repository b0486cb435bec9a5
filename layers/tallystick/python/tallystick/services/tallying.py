"""Add transfers to the totals of tallied accounts, each exactly once, and say what the totals are or were."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from tallystick.domain.errors import InvariantViolated, StoreUnavailable
from tallystick.domain.spikes import SpikeRule, credits_of
from tallystick.domain.tallies import (
    NO_RULES,
    Addition,
    Rejected,
    Tallied,
    Total,
    addition_of,
    buckets_since,
    packed,
    sheet_of,
)
from tallystick.domain.transfers import Transfer
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.ledger import Pause
from tallystick.services.ports.tallies import Tallies, TallyConflict, TallyRefused
from tallystick.services.spiking import SpikeWatch, judge

TALLY_REJECTED: Final = "TALLY_REJECTED"
MAX_ATTEMPTS: Final = 12

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class TallyOffice:
    """Gather what tallying needs."""

    tallies: Tallies
    watch: SpikeWatch
    pause: Pause


def add(
    *,
    tallies: Tallies,
    pause: Pause,
    transfers: Iterable[Transfer],
    rules: Mapping[str, SpikeRule] = NO_RULES,
) -> Tallied:
    """Add transfers that were not added yet; count the credits of assets that have a rule.

    In whichever order, however often and by however many at once: a transfer's marker and what it adds are written
    together, and only when there is no marker. One that cannot be added is told apart from those that can.

    Raises:
        StoreUnavailable: some may not have been added; the same call again adds them.
    """
    additions, rejected = _additions(transfers, rules)
    tallied = Tallied(rejected=tuple(rejected))
    for pack in packed(additions):
        tallied = tallied.plus(_add(tallies, pause, pack))
    return tallied


def tally(*, office: TallyOffice, transfers: Iterable[Transfer], unreadable: Iterable[Rejected]) -> Tallied:
    """Add what a stream brought, and tell people of each transfer that cannot be added, and of spikes of credits.

    Raises:
        StoreUnavailable: something is left to be done; the same call again does it.
    """
    moved, watch = list(transfers), office.watch
    tallied = add(tallies=office.tallies, pause=office.pause, transfers=moved, rules=watch.rules)
    tallied = tallied.plus(Tallied(rejected=tuple(unreadable)))
    for rejected in tallied.rejected:
        facts = {"transfer_key": rejected.transfer_key, "reason": rejected.reason}
        watch.alerts.raise_alert(Alert(TALLY_REJECTED, "critical", facts, rejected.transfer_key))
    judge(watch=watch, counted=[credit for transfer in moved for credit in credits_of(transfer, watch.rules)])
    return tallied


def total_at(*, tallies: Tallies, pause: Pause, account_id: str, cut_ms: int, now_ms: int) -> Total | None:
    """Give what an account's total was, of the transfers before a cut that are added by now.

    Raises:
        InvariantViolated: the cut is not between two buckets.
        CutTooOld: the cut is more than about 10 minutes ago.
        StoreUnavailable: the total was being written at every try.
    """
    buckets = buckets_since(cut_ms, now_ms)
    return tried(lambda: tallies.without(account_id, buckets), pause)


def _additions(transfers: Iterable[Transfer], rules: Mapping[str, SpikeRule]) -> tuple[list[Addition], list[Rejected]]:
    """Work out what each adds, each once, without those that add nothing or make no sense."""
    additions: dict[str, Addition] = {}
    rejected: list[Rejected] = []
    for transfer in transfers:
        try:
            addition = addition_of(transfer, rules)
        except InvariantViolated as fault:
            rejected.append(Rejected(transfer.claim.key.digest, str(fault)))
            continue
        if addition.totals:
            additions.setdefault(addition.transfer_key, addition)
    return list(additions.values()), rejected


def _add(tallies: Tallies, pause: Pause, additions: Sequence[Addition]) -> Tallied:
    """Add some in one transaction, without those that were added before; what is refused is halved."""
    keys = frozenset(addition.transfer_key for addition in additions)
    if not keys or _is_written(tallies, pause, additions):
        return Tallied(added=keys)
    unmarked = tallies.unmarked(keys)
    if unmarked != keys:
        rest = [addition for addition in additions if addition.transfer_key in unmarked]
        return Tallied(known=keys - unmarked).plus(_add(tallies, pause, rest))
    if len(additions) == 1:
        return Tallied(rejected=(Rejected(additions[0].transfer_key, "the store does not take the sum"),))
    middle = len(additions) // 2
    return _add(tallies, pause, additions[:middle]).plus(_add(tallies, pause, additions[middle:]))


def _is_written(tallies: Tallies, pause: Pause, additions: Sequence[Addition]) -> bool:
    """Write a sheet; tell whether it was taken."""
    try:
        sheet = sheet_of(additions)
        tried(lambda: tallies.write(sheet), pause)
    except (InvariantViolated, TallyRefused):
        return False
    return True


def tried(call: Callable[[], R], pause: Pause) -> R:
    """Try again while others are in the way, a bounded number of times."""
    for attempt in range(MAX_ATTEMPTS):
        try:
            return call()
        except TallyConflict:
            pause(attempt)
    raise StoreUnavailable("The totals were being written at every try; try again.")
