"""Totals of tallied accounts, added up from the postings of transfers.

What is added to a total is added to a bucket of ten seconds, too, so that it can be told what the total was at a cut.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.domain.accounts import is_tallied
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_DIGITS, MAX_UNITS
from tallystick.domain.spikes import Credit, SpikeRule, credits_of
from tallystick.domain.transfers import Transfer

BUCKET_MS: Final = 10_000
KEPT_BUCKETS_MS: Final = 2 * 86_400_000
"""So long after a transfer its bucket is needed: a stream keeps a record for a day."""

AHEAD_MS: Final = 330_000
"""So far beyond now the time of a transfer may be: clocks differ, and an entry's time is later than the one before.

A clock that is five minutes fast does no harm (the simulator has such ones).
"""

MAX_ITEMS: Final = 100
"""Items that one transaction writes or reads (AWS: TransactWriteItems, TransactGetItems)."""


class CutTooOld(Exception):
    """More buckets came after the cut than can be read at one moment."""


@dataclass(frozen=True, slots=True)
class Total:
    """Hold the sum of some postings of a tallied account, in signed units, and how many they are."""

    account_id: str
    asset: str
    scale: int
    balance: int = 0
    postings: int = 0

    def plus(self, other: "Total") -> "Total":
        """Add two sums of one account.

        Raises:
            InvariantViolated: they are not of the same account, or not in the same units.
        """
        if (self.account_id, self.asset, self.scale) != (other.account_id, other.asset, other.scale):
            raise InvariantViolated(f"{self.account_id} would hold {other.asset} of scale {other.scale}, too")
        return replace(self, balance=self.balance + other.balance, postings=self.postings + other.postings)

    @property
    def is_nothing(self) -> bool:
        """Tell whether it changes nothing."""
        return not (self.balance or self.postings)

    def minus(self, other: "Total") -> "Total":
        """Take one sum of an account from another; raises like the other."""
        return self.plus(replace(other, balance=-other.balance, postings=-other.postings))


@dataclass(frozen=True, slots=True)
class Addition:
    """Say what one transfer adds, each account once, and what is counted of it as a credit."""

    transfer_key: str
    bucket: int
    totals: tuple[Total, ...]
    credits: tuple[Credit, ...] = ()

    @property
    def items(self) -> frozenset[tuple[str | int, ...]]:
        """Name the items that are written for it: its marker, totals, buckets and counts."""
        accounts = [total.account_id for total in self.totals]
        counts = [(credit.subject, credit.begins_ms) for credit in self.credits]
        return frozenset([(self.transfer_key,), *((name, self.bucket) for name in accounts), *counts, *zip(accounts)])


@dataclass(frozen=True, slots=True)
class Sheet:
    """Sum up what some transfers add: what one transaction writes."""

    transfer_keys: tuple[str, ...]
    totals: Mapping[str, Total]
    buckets: Mapping[tuple[str, int], Total]
    credits: Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Compared:
    """Hold what an account's total is, what it is by the transfers, and what of those has no marker: as of a cut."""

    stored: Total
    rebuilt: Total
    missing: Total

    @property
    def account_id(self) -> str:
        """Name the account."""
        return self.stored.account_id

    @property
    def difference(self) -> Total:
        """Say what the total lacks of what it should be."""
        return self.rebuilt.minus(self.stored)

    @property
    def error(self) -> Total:
        """Say what it would still lack when all that has no marker was added: that is no stream's doing."""
        return self.difference.minus(self.missing)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Name a transfer that can not be added, and why."""

    transfer_key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tallied:
    """Tell what became of transfers, by their keys; those without a tallied posting are in neither list."""

    added: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    rejected: tuple[Rejected, ...] = ()

    def plus(self, other: "Tallied") -> "Tallied":
        """Put two reports together."""
        return Tallied(self.added | other.added, self.known | other.known, (*self.rejected, *other.rejected))


NO_RULES: Final[Mapping[str, SpikeRule]] = {}


def bucket_of(time_ms: int) -> int:
    """Give the number of the bucket that a time lies in."""
    return time_ms // BUCKET_MS


def cut_before(now_ms: int, margin_ms: int) -> int:
    """Choose the newest cut between two buckets that is at least so long ago."""
    return bucket_of(now_ms - margin_ms) * BUCKET_MS


def bucket_ends_ms(bucket: int) -> int:
    """Say when a bucket is over."""
    return (bucket + 1) * BUCKET_MS


def buckets_since(cut_ms: int, now_ms: int) -> range:
    """List the buckets that hold what is not before a cut, as far as anything can be written by now.

    Raises:
        InvariantViolated: the cut is not between two buckets.
        CutTooOld: they and the total are more than can be read at one moment.
    """
    if cut_ms % BUCKET_MS:
        raise InvariantViolated(f"a cut is a multiple of {BUCKET_MS} ms, and {cut_ms} is not")
    buckets = range(bucket_of(cut_ms), bucket_of(now_ms + AHEAD_MS) + 1)
    if len(buckets) >= MAX_ITEMS:
        raise CutTooOld(f"{len(buckets)} buckets came after the cut, and {MAX_ITEMS - 1} can be read with the total")
    return buckets


def sums_of(transfer: Transfer) -> tuple[Total, ...]:
    """Add up a transfer's tallied postings, each account once.

    Raises:
        InvariantViolated: its postings do not sum to zero, or an account is of another asset.
    """
    if sum(posting.units for posting in transfer.postings):
        raise InvariantViolated("the postings do not sum to zero")
    sums = Sums()
    for posting in transfer.postings:
        if is_tallied(posting.account_id):
            if not posting.account_id.endswith(f":{transfer.asset}"):
                raise InvariantViolated(f"{posting.account_id} does not hold {transfer.asset}")
            sums.add([Total(posting.account_id, transfer.asset, transfer.scale, posting.units, 1)])
    return tuple(sums.found.values())


def addition_of(transfer: Transfer, rules: Mapping[str, SpikeRule] = NO_RULES) -> Addition:
    """Work out what a transfer adds; raises like `sums_of`."""
    sums = sums_of(transfer)
    counted = credits_of(transfer, rules) if sums else ()
    return Addition(transfer.claim.key.digest, bucket_of(transfer.created_at_ms), sums, counted)


def packed(additions: Iterable[Addition]) -> Iterator[list[Addition]]:
    """Divide what is to be added into what one transaction can write; what alone is too much stands alone."""
    pack: list[Addition] = []
    items: frozenset[tuple[str | int, ...]] = frozenset()
    for addition in additions:
        if pack and len(items | addition.items) > MAX_ITEMS:
            yield pack
            pack, items = [], frozenset()
        pack.append(addition)
        items |= addition.items
    if pack:
        yield pack


@dataclass(slots=True)
class Sums:
    """Add up totals by their accounts."""

    found: dict[str, Total] = field(default_factory=dict)

    def add(self, totals: Iterable[Total]) -> None:
        """Add totals of different accounts, or none of them.

        Raises:
            InvariantViolated: one is in other units than before.
        """
        known = self.found
        self.found = known | {
            one.account_id: known[one.account_id].plus(one) if one.account_id in known else one for one in totals
        }

    def check(self) -> None:
        """See whether all can be stored; raises InvariantViolated when one has more than 38 digits."""
        for total in self.found.values():
            if abs(total.balance) > MAX_UNITS:
                raise InvariantViolated(f"{total.account_id} would have more than {MAX_DIGITS} digits")


def sheet_of(additions: Sequence[Addition]) -> Sheet:
    """Sum up what some transfers add.

    Raises:
        InvariantViolated: they do not agree what an account holds, or it is too much.
    """
    totals, buckets = Sums(), dict[int, Sums]()
    counts: dict[tuple[str, int], int] = {}
    for addition in additions:
        totals.add(addition.totals)
        buckets.setdefault(addition.bucket, Sums()).add(addition.totals)
        for credit in addition.credits:
            at = credit.subject, credit.begins_ms
            counts[at] = counts.get(at, 0) + credit.units
    for sums in (totals, *buckets.values()):
        sums.check()
    return Sheet(
        transfer_keys=tuple(addition.transfer_key for addition in additions),
        totals=totals.found,
        buckets={(name, bucket): total for bucket, sums in buckets.items() for name, total in sums.found.items()},
        credits=counts,
    )
