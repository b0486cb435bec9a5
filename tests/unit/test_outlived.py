"""What the watchdog ends: alerts about events and payouts that are at their end, whoever raised them too late."""

from dataclasses import replace

import pytest

from tallystick.domain.alerts import AlertState
from tallystick.domain.inbox import EventState
from tallystick.domain.payouts import Outcome
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.alerting import KeptAlerts
from tallystick.services.outlived import end_outlived
from tallystick.services.ports.alerts import Alert
from tests.support.fake_alerts import FakeAlertStore, FakeAnnouncer
from tests.support.payout_events import Told, done, ends


class Late(Told):
    """Let alerts be kept, and raised whatever has become of their subject."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = FakeAlertStore(self.store)
        self.keeper = KeptAlerts(self.kept, FakeAnnouncer(self.store), lambda: self.now_ms)

    def is_ended(self, kind: str, subject: str) -> bool:
        """Raise an alert, let the watchdog run, and tell whether it has ended that."""
        self.keeper.raise_alert(Alert(kind, "high", {}, subject))
        count = end_outlived(alerts=self.keeper, inbox=self.inbox, flows=self.flows)
        (alert,) = self.kept.items.values()
        assert count == (alert.state is AlertState.CLOSED)
        assert alert.told
        return bool(count)


@pytest.fixture
def scene() -> Late:
    return Late()


@pytest.fixture
def sent(scene: Late) -> Withdrawal:
    return scene.work(scene.asked())


@pytest.mark.parametrize("outcome", [Outcome.PAID, Outcome.FAILED])
def test_no_worry_outlives_its_payout(scene: Late, sent: Withdrawal, outcome: Outcome) -> None:
    done(scene, ends(scene, sent, outcome))
    assert scene.is_ended("PAYOUT_UNCLEAR", sent.flow_id)


def test_a_worry_about_a_payout_that_is_under_way_stays(scene: Late, sent: Withdrawal) -> None:
    assert not scene.is_ended("PAYOUT_UNCLEAR", sent.flow_id)


@pytest.mark.parametrize("state", EventState)
def test_no_failure_outlives_its_event(scene: Late, sent: Withdrawal, state: EventState) -> None:
    event = done(scene, ends(scene, sent, Outcome.PAID))
    assert scene.inbox.save(replace(event, state=state, version=event.version + 1))
    is_over = state in {EventState.DONE, EventState.RESOLVED}
    assert scene.is_ended("WEBHOOK_FAILURE", event.dead_letter_id) is is_over


@pytest.mark.parametrize("subject", ["stripe:pi_1", "dlq_unknown"])
def test_a_failure_that_is_about_no_event_of_ours_stays(scene: Late, subject: str) -> None:
    assert not scene.is_ended("WEBHOOK_FAILURE", subject)


def test_what_is_for_an_admin_to_end_stays(scene: Late, sent: Withdrawal) -> None:
    done(scene, ends(scene, sent, Outcome.FAILED))
    assert not scene.is_ended("PAYOUT_CONTRADICTION", sent.flow_id)


def test_an_unclear_payout_of_nobody_stays(scene: Late) -> None:
    assert not scene.is_ended("PAYOUT_UNCLEAR", "wdr_unknown")
