"""Keep totals in memory, refusing exactly what the conditions of DynamoDB's transactions refuse."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.tallies import MAX_ITEMS, Sheet, Total
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
        # Like DynamoDB's condition, which is about what is stored: the sum may come close to 38 digits, not past them.
        if key in self.sums and abs(self.sums[key].balance) > MAX_UNITS - abs(total.balance):
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
