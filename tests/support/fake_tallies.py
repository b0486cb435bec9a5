"""Keep totals in memory, refusing exactly what the conditions of DynamoDB's transactions refuse."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.spikes import Spike
from tallystick.domain.tallies import MAX_ITEMS, Rejected, Sheet, Total
from tallystick.domain.transfers import Transfer
from tallystick.services.ports.paging import Page
from tallystick.services.ports.tallies import TallyRefused
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import call


@dataclass
class FakeTallies:
    """Implement the port Tallies; `markers`, `sums` (totals by account, buckets by account and number) and `counts`
    are what is stored.
    """

    backing: FakeStore
    markers: set[str] = field(default_factory=set)
    sums: dict[tuple[str, int | None], Total] = field(default_factory=dict)
    counts: dict[tuple[str, int], int] = field(default_factory=dict)

    def write(self, sheet: Sheet) -> None:
        """Mark and add, or nothing."""
        with call(self.backing, "tallies.write"):
            added: dict[tuple[str, int | None], Total] = {(name, None): total for name, total in sheet.totals.items()}
            added |= {(name, bucket): total for (name, bucket), total in sheet.buckets.items()}
            items = len(sheet.transfer_keys) + len(added) + len(sheet.credits)
            if self.markers & set(sheet.transfer_keys) or items > MAX_ITEMS:
                raise TallyRefused
            following = {key: self._sum(key, total) for key, total in added.items()}
            self.markers |= set(sheet.transfer_keys)
            self.sums |= following
            for at, units in sheet.credits.items():
                self.counts[at] = self.counts.get(at, 0) + units

    def _sum(self, key: tuple[str, int | None], total: Total) -> Total:
        try:
            following = self.sums[key].plus(total) if key in self.sums else total
        except InvariantViolated as fault:
            raise TallyRefused from fault
        if abs(following.balance) > MAX_UNITS:
            raise TallyRefused
        return following

    def unmarked(self, transfer_keys: Iterable[str]) -> set[str]:
        """Look for markers."""
        with call(self.backing, "tallies.unmarked"):
            return set(transfer_keys) - self.markers

    def totals(self) -> list[Total]:
        """Give all totals."""
        with call(self.backing, "tallies.totals"):
            totals = [total for (_, bucket), total in self.sums.items() if bucket is None]
            return sorted(totals, key=lambda total: total.account_id)

    def without(self, account_id: str, buckets: Sequence[int]) -> Total | None:
        """Give a total less some buckets."""
        with call(self.backing, "tallies.without"):
            total = self.sums.get((account_id, None))
            for bucket in buckets:
                later = self.sums.get((account_id, bucket))
                total = total.minus(later) if total and later else total
            return total

    def correct(self, before: Total | None, after: Total, audit: AuditRecord) -> bool:
        """Set a total and write to the audit, or nothing."""
        with call(self.backing, "tallies.correct"):
            if self.sums.get((after.account_id, None)) != before:
                return False
            self.sums[after.account_id, None] = after
            self.backing.audited.append(audit)
            return True


@dataclass
class FakeRecords:
    """Implement the port TransferRecords: pages of `size` of what `stored` lists, each in a segment of its own."""

    backing: FakeStore
    stored: list[Transfer | Rejected] = field(default_factory=list)
    size: int = 2

    def scan(self, segment: int, segments: int, after: str | None) -> Page[Transfer | Rejected]:
        """Give a page."""
        with call(self.backing, "records.scan"):
            mine, begin = self.stored[segment::segments], int(after or "0")
            following = begin + self.size
            return Page(mine[begin:following], str(following) if following < len(mine) else None)


@dataclass
class FakeSpikes:
    """Implement the port Spikes on the counts of `tallies`."""

    backing: FakeStore
    tallies: FakeTallies
    spikes: dict[str, Spike] = field(default_factory=dict)

    def counts(self, windows: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Read counts."""
        with call(self.backing, "spikes.counts"):
            return {window: self.tallies.counts.get(window, 0) for window in windows}

    def get(self, subject: str) -> Spike | None:
        """Read one."""
        with call(self.backing, "spikes.get"):
            return self.spikes.get(subject)

    def save(self, spike: Spike) -> bool:
        """Write the next version."""
        with call(self.backing, "spikes.save"):
            known = self.spikes.get(spike.subject)
            if (known.version if known else 0) != spike.version - 1:
                return False
            self.spikes[spike.subject] = spike
            return True

    def open(self) -> list[Spike]:
        """List those that are not over."""
        with call(self.backing, "spikes.open"):
            return [spike for spike in self.spikes.values() if spike.is_open]
