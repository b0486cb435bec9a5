"""A chain calls nobody: what has arrived on it is read until the end, and each payment kept once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import Notice, Provider
from tallystick.services.polling import MAX_PAGES, Arrival, Poll, poll
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeCursors, call
from tests.support.incoming import GRACE_MS, Incoming, paid
from tests.support.scene import NOW_MS

PAGE: Final = 3
NAME: Final = "stellar:test"


@dataclass
class Chain:
    """List payments in pages of three; `asked` lists the cursors that were asked for."""

    backing: FakeStore
    arrivals: list[Arrival] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    def grow(self, count: int, *, to_us: Callable[[int], bool] = lambda _number: True) -> None:
        """Let payments arrive."""
        for number in range(len(self.arrivals), len(self.arrivals) + count):
            self.arrivals.append(Arrival(f"op-{number}", str(number), f"op-{number}".encode(), to_us(number)))

    def after(self, cursor: str | None) -> list[Arrival]:
        with call(self.backing, "payments.after"):
            self.asked.append(cursor)
            start = 0 if cursor is None else int(cursor) + 1
            return self.arrivals[start : start + PAGE]


class Poller(Incoming):
    """Hold the scene with a chain that is polled."""

    def __init__(self, count: int = 0) -> None:
        """Let so many payments have arrived."""
        super().__init__()
        self.cursors = FakeCursors(self.store)
        self.chain = Chain(self.store)
        self.chain.grow(count)
        self.store.calls.clear()

    def poll(self) -> int:
        """Poll once."""
        prepared = Poll(NAME, "test", self.chain, self.inbox, self.queue, self.cursors, GRACE_MS)
        return poll(poll=prepared, now_ms=self.now_ms)

    def kept(self) -> list[str]:
        """Name the payments in the inbox, in the order in which they were kept."""
        return [event.external_id for event in self.inbox.events.values()]

    def assert_complete(self) -> None:
        """Check that every payment to us is kept once and was queued, and that the cursor is at the end."""
        assert self.kept() == [arrival.external_id for arrival in self.chain.arrivals if arrival.to_us]
        assert set(self.queue.sent) == set(self.inbox.events)
        assert self.cursors.cursors == {NAME: self.chain.arrivals[-1].cursor}


def test_all_that_has_arrived_is_kept_and_queued_and_the_cursor_is_at_its_end() -> None:
    poller = Poller(7)
    assert poller.poll() == 7
    poller.assert_complete()
    assert poller.chain.asked == [None, "2", "5", "6"]


def test_a_payment_becomes_an_event_like_those_of_webhooks() -> None:
    poller = Poller(1)
    poller.poll()
    (event,) = poller.inbox.events.values()
    assert event == InboxEvent(
        provider=Provider.STELLAR,
        environment="test",
        external_id="op-0",
        body=b"op-0",
        headers={},
        query={},
        received_at_ms=NOW_MS,
        due_at_ms=NOW_MS + GRACE_MS,
    )


def test_the_next_poll_goes_on_where_the_last_one_ended() -> None:
    poller = Poller(4)
    poller.poll()
    poller.chain.grow(1)
    poller.chain.asked.clear()
    assert poller.poll() == 1
    assert poller.chain.asked == ["3", "4"]
    poller.assert_complete()


def test_when_nothing_is_new_nothing_is_written() -> None:
    poller = Poller(2)
    poller.poll()
    poller.store.calls.clear()
    assert poller.poll() == 0
    assert poller.store.calls == ["cursors.get", "payments.after"]


def test_a_chain_without_payments_has_no_cursor() -> None:
    poller = Poller()
    assert (poller.poll(), poller.cursors.cursors) == (0, {})


def test_payments_to_others_are_passed_over_but_move_the_cursor_on() -> None:
    poller = Poller()
    poller.chain.grow(8, to_us=lambda number: number in {1, 6})
    assert poller.poll() == 2
    assert poller.kept() == ["op-1", "op-6"]
    poller.assert_complete()


def test_the_cursor_moves_on_only_after_all_of_its_page_is_kept_and_queued() -> None:
    poller = Poller(PAGE + 1)
    poller.poll()
    page = ["payments.after", *["inbox.store"] * PAGE, "queue.send", "cursors.advance"]
    rest = ["payments.after", "inbox.store", "queue.send", "cursors.advance"]
    assert poller.store.calls == ["cursors.get", *page, *rest, "payments.after"]


def test_a_poll_reads_a_bounded_number_of_pages_and_the_next_one_the_rest() -> None:
    poller = Poller(MAX_PAGES * PAGE + 2)
    assert poller.poll() == MAX_PAGES * PAGE
    assert len(poller.chain.asked) == MAX_PAGES
    assert poller.poll() == 2
    poller.assert_complete()


def test_a_payment_that_was_read_again_is_processed_once() -> None:
    poller = Poller(1)
    poller.gateway.script["op-0"] = Notice("payment", ("dep_1",), (paid(),))
    poller.store.flow_items["dep_1"] = replace(poller.deposit(), provider=Provider.STELLAR)
    poller.poll()
    poller.cursors.cursors.clear()
    (event,) = poller.inbox.events.values()
    poller.handle(event)
    finished = poller.stored(event)
    poller.now_ms += 60_000
    assert poller.poll() == 1
    assert poller.handle(event).event == finished
    assert (finished.state, poller.units()) == (EventState.DONE, 2500)


# Accidents


def disturbances(count: int) -> Iterator[tuple[Poller, int, str]]:
    """Give a fresh poller for each of its calls, and for the moments before and after it."""
    undisturbed = Poller(count)
    undisturbed.poll()
    for position in range(len(undisturbed.store.calls)):
        for moment in ("before", "after"):
            yield Poller(count), position, moment


def at(poller: Poller, position: int, moment: str, happen: Callable[[], object]) -> None:
    """Let something happen once, before or after the n-th call."""
    left = [position]

    def hook(_call: str) -> None:
        left[0] -= 1
        if left[0] == -1:
            happen()

    setattr(poller.store, moment, hook)


def fail() -> None:
    raise StoreUnavailable("silence")


def test_an_accident_at_any_call_loses_no_payment_and_keeps_none_twice() -> None:
    for poller, position, moment in disturbances(2 * PAGE + 1):
        at(poller, position, moment, fail)
        with pytest.raises(StoreUnavailable):
            poller.poll()
        poller.poll()
        poller.assert_complete()


def test_two_who_poll_at_once_keep_each_payment_once_and_never_move_the_cursor_back() -> None:
    for poller, position, moment in disturbances(2 * PAGE + 1):
        at(poller, position, moment, poller.poll)
        poller.poll()
        poller.assert_complete()


def test_one_who_falls_behind_stops_and_leaves_the_cursor_to_the_other() -> None:
    poller = Poller(2 * PAGE)

    def overtake() -> None:
        poller.chain.grow(PAGE)
        poller.poll()
        poller.chain.asked.clear()

    at(poller, len(["cursors.get", "payments.after", *["inbox.store"] * PAGE, "queue.send"]), "before", overtake)
    assert poller.poll() == PAGE
    assert poller.chain.asked == []
    poller.assert_complete()
