from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.alerts import Priority, Severity
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.notices import MAX_KEY, Notice
from tallystick.services.notifying import Outlet, notify

NOTICE: Final = Notice("JOB_CRASH:sweep", "JOB_CRASH", "raised", Severity.CRITICAL, Priority.P0, {}, is_over=False)


class FakeChannel:
    """Keep what would reach people, or fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.sent: list[Notice] = []
        self.failure = failure

    def send(self, notice: Notice) -> None:
        if self.failure:
            raise self.failure
        self.sent.append(notice)


def outlet(channel: FakeChannel, *priorities: Priority) -> Outlet:
    return Outlet(channel, frozenset(priorities or Priority))


def test_each_channel_gets_what_is_meant_for_it() -> None:
    all_of_it, urgent, nothing = FakeChannel(), FakeChannel(), FakeChannel()
    outlets = [outlet(all_of_it), outlet(urgent, Priority.P0), outlet(nothing, Priority.P1)]
    assert notify(outlets=outlets, notice=NOTICE) == 2
    assert (all_of_it.sent, urgent.sent, nothing.sent) == ([NOTICE], [NOTICE], [])
    assert notify(outlets=[], notice=NOTICE) == 0


@pytest.mark.parametrize(
    "failure", [ProviderUnavailable("down", provider="slack"), ProviderRefused("no", provider="slack")]
)
@pytest.mark.parametrize("position", [0, 1])
def test_one_that_fails_keeps_it_from_no_other_and_is_told(failure: Exception, position: int) -> None:
    channels = [FakeChannel(), FakeChannel()]
    channels[position].failure = failure
    with pytest.raises(type(failure)):
        notify(outlets=map(outlet, channels), notice=NOTICE)
    assert channels[1 - position].sent == [NOTICE]


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        notify(outlets=[outlet(FakeChannel(ZeroDivisionError()))], notice=NOTICE)


def test_a_condition_with_a_long_name_has_a_key_of_its_own_that_fits() -> None:
    fits, long, longer = (replace(NOTICE, condition="x" * length) for length in (MAX_KEY, MAX_KEY + 1, MAX_KEY + 2))
    assert fits.key == "x" * MAX_KEY
    assert len({fits.key, long.key, longer.key}) == 3
    assert len(long.key) <= MAX_KEY
