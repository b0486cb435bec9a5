"""Admins see differences, and fetch once what an event should have told."""

import pytest

from tallystick.domain.callers import Caller
from tallystick.domain.differences import Difference
from tallystick.domain.errors import Forbidden, IllegalTransition, NotFound, ProviderUnavailable, TooMuchContention
from tallystick.domain.inbox import EventState, InboxEvent, done
from tallystick.domain.payouts import Outcome
from tallystick.domain.provider_matching import Match
from tallystick.domain.webhooks import Provider
from tallystick.services.admin import Admin
from tallystick.services.differences import Fetching, fetch, list_open
from tallystick.services.ports.paging import Page
from tests.support.comparing import Comparing, arrange
from tests.support.fake_webhooks import FakeInbox, FakeQueue
from tests.support.scene import ADA, ADMIN, NOW_MS, SERVICE


class Office:
    """Compare both sides, and let an admin act."""

    def __init__(self) -> None:
        self.both = Comparing()
        self.inbox = FakeInbox(self.both.store)
        self.queue = FakeQueue(self.both.store)

    def found(self, *names: str) -> "Office":
        arrange(self.both, names)
        self.both.run()
        return self

    def fetch(self, difference_id: str, caller: Caller = ADMIN) -> InboxEvent:
        fetching = Fetching(
            differences=self.both.differences,
            records_of=lambda _provider: None if self.both.unlisted else self.both.books,
            environments={Provider.STRIPE: "test"},
            inbox=self.inbox,
            queue=self.queue,
            grace_ms=1000,
        )
        return fetch(fetching=fetching, admin=Admin(caller, "203.0.113.7", NOW_MS), difference_id=difference_id)

    def listed(self, caller: Caller = ADMIN, provider: Provider | None = None) -> Page[Difference]:
        differences = self.both.differences
        return list_open(differences=differences, caller=caller, limit=2, after=None, provider=provider, match=None)


@pytest.fixture
def office() -> Office:
    return Office()


def test_differences_are_listed_by_page(office: Office) -> None:
    page = office.found("paid-untold", "paid-otherwise", "credited-for-nothing").listed()
    assert [one.name for one in page.items] == ["pi_0", "pi_1"]
    assert page.next_key is not None
    assert office.listed(provider=Provider.RAMP).items == []


@pytest.mark.parametrize("caller", [ADA, SERVICE])
def test_nobody_else_sees_or_fetches_them(office: Office, caller: Caller) -> None:
    office.found("paid-untold")
    with pytest.raises(Forbidden):
        office.listed(caller)
    with pytest.raises(Forbidden):
        office.fetch("stripe:pi_0", caller)
    assert (office.inbox.events, office.inbox.audited) == ({}, [])


def test_what_an_event_should_have_told_comes_in_as_an_event(office: Office) -> None:
    fetched = office.found("paid-untold").fetch("stripe:pi_0")
    assert (fetched.provider, fetched.environment, fetched.external_id) == ("stripe", "test", "fetched:pi_0:paid")
    assert (fetched.body, fetched.state) == (b"pi_0", EventState.OPEN)
    assert (fetched.received_at_ms, fetched.due_at_ms) == (NOW_MS, NOW_MS + 1000)
    assert office.inbox.events == {fetched.inbox_key: fetched}
    assert office.queue.sent == [fetched.inbox_key]
    (audit,) = office.inbox.audited
    assert (audit.subject, audit.action, audit.actor_id) == ("stripe:pi_0", "provider-record-fetched", ADMIN.caller_id)
    assert audit.details == {"inbox_key": fetched.inbox_key}


def test_fetched_again_it_is_the_same_event(office: Office) -> None:
    first = office.found("paid-untold").fetch("stripe:pi_0")
    assert office.fetch("stripe:pi_0") == first
    assert office.queue.sent == [first.inbox_key] * 2  # the message may have been lost
    office.inbox.save(done(first, ["trf_1"]))
    assert office.fetch("stripe:pi_0").state is EventState.DONE
    assert (len(office.queue.sent), len(office.inbox.audited)) == (2, 1)


def test_another_outcome_is_another_event(office: Office) -> None:
    office.found("payout-returned-untold")
    returned = office.fetch("stripe:payout-po_0")
    assert returned.external_id == f"fetched:payout-po_0:{Outcome.FAILED.lower()}"


@pytest.mark.parametrize(
    ("name", "difference_id"), [("paid-otherwise", "stripe:pi_0"), ("credited-for-nothing", "stripe:pi_0")]
)
def test_only_what_no_event_told_can_be_fetched(office: Office, name: str, difference_id: str) -> None:
    office.found(name)
    with pytest.raises(IllegalTransition) as caught:
        office.fetch(difference_id)
    assert caught.value.members["state"] in {Match.AMOUNT_DIFFERS, Match.MISSING_AT_PROVIDER}


def test_nothing_is_fetched_from_who_has_no_books(office: Office) -> None:
    office.found("paid-untold").both.unlisted = True
    with pytest.raises(IllegalTransition):
        office.fetch("stripe:pi_0")


def test_what_is_not_there_is_not_found(office: Office) -> None:
    with pytest.raises(NotFound):
        office.fetch("stripe:pi_0")


def test_a_provider_that_is_away_leaves_nothing(office: Office) -> None:
    def leave(call: str) -> None:
        if call == "books.event_for":
            raise ProviderUnavailable("not now", provider="stripe")

    office.found("paid-untold").both.store.before = leave
    with pytest.raises(ProviderUnavailable):
        office.fetch("stripe:pi_0")
    assert (office.inbox.events, office.inbox.audited, office.queue.sent) == ({}, [], [])


def test_an_event_that_meets_another_one_is_tried_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office.inbox, "bring", lambda _event, _audit: False)
    office.found("paid-untold")
    with pytest.raises(TooMuchContention):
        office.fetch("stripe:pi_0")
