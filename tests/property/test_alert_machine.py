"""Raise, end, resolve and die at random: people know of every occurrence, and without an accident exactly once."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tallystick.domain.alerts import AlertState, KeptAlert, condition_of
from tallystick.services.admin import Admin
from tallystick.services.alerting import UNTOLD_MS, KeptAlerts, resolve, tell_untold
from tallystick.services.ports.alerts import Alert
from tests.support import profiles
from tests.support.fake_alerts import FakeAlertStore, FakeAnnouncer
from tests.support.fake_store import FakeStore
from tests.support.scene import ADMIN, NOW_MS

KIND: Final = "JOB_CRASH"
SUBJECTS: Final = ("sweep", "poller")
MOMENTS: Final = ("before", "after")
MOST_CALLS: Final = 7


class Killed(BaseException):
    """End a Lambda at this very point."""


class AlertMachine(RuleBasedStateMachine):
    """Know of each condition whether it holds, whether a person let it rest, and which occurrence it is."""

    @initialize()
    def begin(self) -> None:
        """Start with nothing."""
        self.backing = FakeStore()
        self.store = FakeAlertStore(self.backing)
        self.announcer = FakeAnnouncer(self.backing)
        self.now_ms = NOW_MS
        self.holds = dict.fromkeys(SUBJECTS, False)
        self.rests = dict.fromkeys(SUBJECTS, False)
        self.occurrence = dict.fromkeys(SUBJECTS, 0)
        self.accidents = Counter[tuple[str, int]]()
        self.pending: set[str] = set()

    @property
    def alerts(self) -> KeptAlerts:
        """Start another Lambda."""
        return KeptAlerts(self.store, self.announcer, lambda: self.now_ms)

    @rule(subject=st.sampled_from(SUBJECTS))
    def notice(self, subject: str) -> None:
        """Find that a condition holds."""
        if not self.holds[subject]:
            self.occurrence[subject] += 1
            self.rests[subject] = False
        self.holds[subject] = True
        self.alerts.raise_alert(Alert(KIND, "critical", {}, subject))
        self.pending.discard(subject)

    @rule(subject=st.sampled_from(SUBJECTS))
    def end(self, subject: str) -> None:
        """Find that it does not."""
        self.alerts.end_alert(KIND, subject)
        self.holds[subject] = False
        self.pending.discard(subject)

    @precondition(lambda self: any(self.open_ones()))
    @rule(data=st.data())
    def rest(self, data: st.DataObject) -> None:
        """Let an admin leave one to rest."""
        known = data.draw(st.sampled_from(self.open_ones()))
        self.resolve(known)
        self.rests[known.subject] = True
        self.pending.discard(known.subject)

    @rule(
        subject=st.sampled_from(SUBJECTS),
        name=st.sampled_from(["notice", "end", "rest"]),
        moment=st.sampled_from(MOMENTS),
        number=st.integers(1, MOST_CALLS),
    )
    def die(self, subject: str, name: str, moment: str, number: int) -> None:
        """Do the same and be killed at a call; who notices or ends something tries again, an admin perhaps not."""
        known = self.store.items.get(condition_of(KIND, subject))
        if name == "rest" and (known is None or known.state is not AlertState.OPEN):
            return
        self.accidents[subject, self.occurrence[subject] + (name == "notice" and not self.holds[subject])] += 1
        if self.killed(lambda: self.act(name, subject, known), moment, number):
            self.pending.add(subject)
            standing = self.store.items.get(condition_of(KIND, subject))
            if name == "rest":
                self.rests[subject] = standing is not None and standing.state is AlertState.RESOLVED
                return
            self.store_decides(subject, standing)
        else:
            self.follow(name, subject)

    @rule()
    def watch(self) -> None:
        """Let the watchdog run when its time has come: nothing is left untold."""
        self.now_ms += UNTOLD_MS + 1
        tell_untold(alerts=self.alerts)
        self.pending.clear()
        assert all(alert.told for alert in self.store.items.values())

    @rule(passed_ms=st.integers(0, UNTOLD_MS))
    def wait(self, passed_ms: int) -> None:
        """Let time pass."""
        self.now_ms += passed_ms

    @invariant()
    def each_condition_stands_as_it_should(self) -> None:
        """Compare with what is known of it, and with what people heard."""
        heard = Counter((alert.subject, alert.occurrence, alert.state) for alert in self.announcer.heard)
        for subject in SUBJECTS:
            standing = self.store.items.get(condition_of(KIND, subject))
            assert (standing.occurrence if standing else 0) == self.occurrence[subject]
            if standing:
                assert standing.is_over is not self.holds[subject]
                resting = standing.state is AlertState.RESOLVED
                assert resting is self.rests[subject]
            for number in range(1, self.occurrence[subject] + 1):
                times = heard[subject, number, AlertState.OPEN]
                assert times <= 1 + self.accidents[subject, number]
                is_latest_untold = number == self.occurrence[subject] and subject in self.pending
                told = any(heard[subject, number, state] for state in AlertState)
                assert told or is_latest_untold
                if not self.accidents[subject, number]:
                    assert times == 1

    def open_ones(self) -> list[KeptAlert]:
        """List what an admin sees."""
        return self.store.unresolved(None, 9, None).items

    def resolve(self, known: KeptAlert) -> None:
        """Leave one to rest."""
        admin = Admin(ADMIN, "203.0.113.7", self.now_ms)
        resolve(alerts=self.alerts, admin=admin, alert_id=known.alert_id, notes="known")

    def act(self, name: str, subject: str, known: KeptAlert | None) -> None:
        """Do something without writing it down in the model."""
        if name == "notice":
            self.alerts.raise_alert(Alert(KIND, "critical", {}, subject))
        elif name == "end":
            self.alerts.end_alert(KIND, subject)
        elif known:
            self.resolve(known)

    def follow(self, name: str, subject: str) -> None:
        """Write down in the model what was done."""
        self.pending.discard(subject)
        if name == "notice":
            if not self.holds[subject]:
                self.occurrence[subject] += 1
                self.rests[subject] = False
            self.holds[subject] = True
        elif name == "end":
            self.holds[subject] = False
        else:
            self.rests[subject] = True

    def store_decides(self, subject: str, standing: KeptAlert | None) -> None:
        """Take from what stands there whether the accident came before or after it was written."""
        if standing is None:
            self.pending.discard(subject)
            return
        assert standing.occurrence - self.occurrence[subject] in {0, 1}
        self.occurrence[subject] = standing.occurrence
        self.holds[subject] = not standing.is_over
        self.rests[subject] = standing.state is AlertState.RESOLVED

    def killed(self, act: Callable[[], None], moment: str, number: int) -> bool:
        """Do something, and tell whether the accident happened."""
        left = [number]

        def kill(_call: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        setattr(self.backing, moment, kill)
        try:
            act()
        except Killed:
            return True
        finally:
            setattr(self.backing, moment, lambda _call: None)
        return False


TestAlerts = AlertMachine.TestCase
TestAlerts.settings = settings(max_examples=profiles.examples(100), stateful_step_count=30, deadline=None)
