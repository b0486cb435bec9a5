"""Set the scene of a reconciliation: a ledger that money leaves too, and a bureau that works on it."""

from collections import Counter
from collections.abc import Callable

from tallystick.domain.errors import NotYet
from tallystick.domain.runs import Mode, Run, Verdict
from tallystick.domain.tallies import BUCKET_MS
from tallystick.domain.transfers import Transfer
from tallystick.services.covering import Cover
from tallystick.services.examining import Desk
from tallystick.services.ports.alerts import Alert
from tallystick.services.reconciling import Bureau, Rhythm, begin, work
from tallystick.services.tallying import add
from tests.support.fake_journal import FakeCheckpoints, FakeJournal, FakeRuns, FakeSuspects, Vouched
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeTallies
from tests.support.fake_webhooks import FakeAlerts, FakeQueue
from tests.support.leaving import Leaving
from tests.support.scene import no_pause

MARGIN_MS = 60_000


def never() -> bool:
    """Have time."""
    return False


class KeptAlerts(FakeAlerts):
    """Tell people of what stands open once: `standing` names it, `times` counts how often they were told."""

    def __init__(self, backing: FakeStore) -> None:
        """Start with none."""
        super().__init__(backing)
        self.standing: set[str] = set()
        self.times: Counter[str] = Counter()

    def raise_alert(self, alert: Alert) -> None:
        """Tell people, unless they were told."""
        super().raise_alert(alert)
        self.times[alert.subject] += alert.subject not in self.standing
        self.standing.add(alert.subject)

    def end_alert(self, kind: str, subject: str) -> None:
        """Say that it is over."""
        super().end_alert(kind, subject)
        self.standing.discard(subject)


class Reconciled(Leaving):
    """Hold a ledger and all that reconciles it; time passes only when it is told to."""

    def __init__(self, *, segments: int = 2, page_size: int = 3) -> None:
        """Open ada's wallet `wal_a`, empty."""
        super().__init__(units=0)
        store = self.store
        self.vouched = Vouched()
        self.alerts = self.kept = KeptAlerts(store)
        self.messages = FakeQueue(store)
        self.tallies, self.runs, self.suspects = FakeTallies(store), FakeRuns(store), FakeSuspects(store)
        self.quick, self.exact = FakeJournal(store, self.vouched, "quick"), FakeJournal(store, self.vouched)
        self.desk = Desk(self.quick, self.exact, FakeCheckpoints(store, self.vouched), no_pause)
        self.cover = Cover(self.desk, self.flows, self.tallies, self.suspects, self.alerts, page_size)
        self.bureau = Bureau(self.cover, self.runs, self.messages, Rhythm(segments, MARGIN_MS, full_pause_ms=0))

    def tally(self) -> None:
        """Let the stream add up all transfers."""
        transfers = [record for record in self.store.records.values() if isinstance(record, Transfer)]
        add(tallies=self.tallies, pause=no_pause, transfers=transfers)

    def settle(self) -> None:
        """Let the time pass after which a cut takes in all that was done."""
        self.tally()
        self.now_ms += MARGIN_MS + 2 * BUCKET_MS

    def reconcile(self, mode: Mode = Mode.CHANGED) -> Verdict:
        """Run once, with all that follows from it, and answer the verdict of the last run."""
        self.settle()
        assert begin(bureau=self.bureau, mode=mode, reason="test", now_ms=self.now_ms)
        return self.work_off()

    def work_off(self, is_time_up: Callable[[], bool] = never, *, run_id: str = "") -> Verdict:
        """Work until no message is left, or none of a run."""
        while left := [key for key in self.messages.sent if key.startswith(run_id)]:
            key = left[0]
            self.messages.sent.remove(key)
            try:
                work(bureau=self.bureau, key=key, is_time_up=is_time_up, now_ms=lambda: self.now_ms)
            except NotYet as later:
                self.now_ms += later.wait_ms
                self.messages.sent.append(key)
        newest = self.runs.newest()
        assert newest is not None
        return newest

    @property
    def told(self) -> list[str]:
        """Name what people were told about."""
        return [alert.subject for alert in self.alerts.raised]

    @property
    def run(self) -> Run:
        """Give the newest run."""
        assert self.runs.run is not None
        return self.runs.run
