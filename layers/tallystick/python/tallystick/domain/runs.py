"""A run of reconciliation over all wallets: what it covers, how far it is, and what it has found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from tallystick.domain.reconciliation import MARKS, Finding

MAX_KEPT: Final = 100
"""Findings, and accounts that recovered, that a run names; it counts all of them."""


class Mode(StrEnum):
    """Say how much is read: what has changed since it was checked last, or everything from the first entry on."""

    CHANGED = "changed"
    FULL = "full"


class Part(StrEnum):
    """Name the tables that a run goes through."""

    ACCOUNTS = "accounts"
    TRANSFERS = "transfers"


@dataclass(frozen=True, slots=True)
class Run:
    """Describe a run. All money is added up as it was at `cut_ms`: what has a time of then or later does not count.

    `looked` counts how often the sums were looked at, `ended_at_ms` is None while it goes on. `confirming` counts the
    runs in a row, with this one, that were begun at once to confirm what the one before had found.
    """

    run_id: str
    mode: Mode
    reason: str
    started_at_ms: int
    cut_ms: int
    segments: int
    looked: int = 0
    ended_at_ms: int | None = None
    version: int = 0
    confirming: int = 0

    @property
    def parts(self) -> list[tuple[Part, int]]:
        """Name the segments: those of the accounts, and in a full run those of the transfer records."""
        parts = [Part.ACCOUNTS] if self.mode is Mode.CHANGED else list(Part)
        return [(part, number) for part in parts for number in range(self.segments)]

    @property
    def keys(self) -> list[str]:
        """Name the messages that get all of it done."""
        return [f"{self.run_id}/{part}/{number}" for part, number in self.parts]


@dataclass(frozen=True, slots=True)
class Counted:
    """Count what was gone through; `unclear` are accounts that were being written whenever one looked."""

    accounts: int = 0
    checked: int = 0
    entries: int = 0
    transfers: int = 0
    findings: int = 0
    unclear: int = 0
    late: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Add up."""
        return Counted(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Sums:
    """Add up what segments have seen.

    `at_cut` is what guarded accounts held at the cut by asset, `rebuilt` what transfer records had posted to each
    tallied account by then. `before` and `after` are sums of marks: of what the checkpoints before this run vouch for,
    and of those after it. `recovered` are accounts that were suspected and are sound by themselves.
    """

    counted: Counted = Counted()
    at_cut: Mapping[str, int] = field(default_factory=dict)
    rebuilt: Mapping[str, int] = field(default_factory=dict)
    before: int = 0
    after: int = 0
    findings: tuple[Finding, ...] = ()
    recovered: tuple[str, ...] = ()

    def __add__(self, other: "Sums") -> "Sums":
        """Add up; of the lists the first ones are kept."""
        return Sums(
            self.counted + other.counted,
            _added(self.at_cut, other.at_cut),
            _added(self.rebuilt, other.rebuilt),
            (self.before + other.before) % MARKS,
            (self.after + other.after) % MARKS,
            (*self.findings, *other.findings)[:MAX_KEPT],
            (*self.recovered, *other.recovered)[:MAX_KEPT],
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Say how far a segment is: `after` is where the next page begins; it is done when that is None again."""

    run_id: str
    part: Part
    number: int
    after: str | None = None
    is_done: bool = False
    sums: Sums = Sums()
    version: int = 0

    def advanced(self, sums: Sums, after: str | None) -> "Progress":
        """Take a page in."""
        return replace(self, sums=self.sums + sums, after=after, is_done=after is None, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Say what a run came to.

    `differences` are sums that do not fit, with the units: of an asset, or of a tallied account; `unconfirmed` are
    those that no other full run has found yet. `suspicion` is why a run asks for a full one. `booked` is what each
    tallied account's total was at the cut; when that could not be told any more, the totals are not judged.
    """

    run: Run
    sums: Sums
    differences: Mapping[str, int] = field(default_factory=dict)
    suspicion: str | None = None
    booked: Mapping[str, int] = field(default_factory=dict)
    is_judged: bool = True
    unconfirmed: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was found."""
        return not (self.sums.counted.findings or self.differences or self.suspicion)


def total(sums: Iterable[Sums]) -> Sums:
    """Add up all segments."""
    result = Sums()
    for one in sums:
        result += one
    return result


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
