"""Let providers tell of payouts what cannot be, what is not so yet, and what is none of ours."""

import json
from typing import Any

import pytest

from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import Provider
from tests.functions import books, cloud, providers
from tests.functions.deliveries import stored as events
from tests.functions.paying import SPOKEN, Thing, end, forget, later, made, pay_out, tell
from tests.functions.payouts import ORDERS, asked, id_of, money, shown
from tests.functions.world import Clock, answer
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.usefixtures("wallets_alone", "nothing_at_providers")
each_told = pytest.mark.parametrize("provider", SPOKEN)


@pytest.fixture(scope="module")
def provider_url(sandbox: RunningSandbox) -> str:
    return str(sandbox.http.base_url).rstrip("/")


@pytest.fixture
def nothing_at_providers(sandbox: RunningSandbox, clock: Clock) -> None:
    forget(sandbox, clock)


def sent(sandbox: RunningSandbox, provider: str) -> Thing:
    """Ask for a withdrawal, let it be sent, and give its payout."""
    asked(provider=provider)
    pay_out()
    (payout,) = made(sandbox, provider)
    return payout


def told(provider: str, payout: Thing, clock: Clock, *, paid: bool = True, **members: Any) -> InboxEvent:  # noqa: ANN401
    """Let a provider tell of a payout, and give the event as it stands then."""
    spoken = SPOKEN[provider]
    event = spoken.event({**payout, **members}, spoken.paid if paid else spoken.failed, clock())
    known = set(events())
    called = answer("webhooks", providers.signed(Provider(provider), json.dumps(event).encode(), clock()))
    assert called["statusCode"] == 200
    cloud.consume_all()
    (new,) = [stored for key, stored in events().items() if key not in known]
    return new


def assert_nothing_moved(provider: str) -> None:
    books.check()
    assert (shown()["state"], len(shown()["transfers"])) == ("SUBMITTED", 1)
    assert books.check().side(f"external:{provider}:{shown()['asset']}") == 0


@each_told
def test_what_a_provider_does_not_bear_out_is_tried_again(provider: str, sandbox: RunningSandbox, clock: Clock) -> None:
    payout = sent(sandbox, provider)
    with cloud.time_of(clock):
        event = told(provider, payout, clock)
        assert (event.state, event.reason, event.attempts) == (EventState.OPEN, "not-confirmed", 1)
        assert_nothing_moved(provider)
        end(sandbox, provider)
        clock.now_ms += 61_000
        cloud.consume_all()
    assert (shown()["state"], len(shown()["transfers"]), cloud.alerts()) == ("COMPLETED", 2, [])


@each_told
def test_an_event_about_a_payout_over_another_amount_waits_for_a_person(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    payout = sent(sandbox, provider)
    name = "amount_in_minor" if provider == Provider.TRUELAYER else "amount"
    sandbox.put(provider, payout["name"], **{name: payout[name] + 1})
    end(sandbox, provider)
    event = told(provider, payout, clock, **{name: payout[name] + 1})
    assert (event.state, event.reason) == (EventState.DEAD, "contradiction")
    assert_nothing_moved(provider)
    later(sandbox, clock, 61)
    assert_nothing_moved(provider)
    assert {alert["kind"] for alert in cloud.alerts()} == {"WEBHOOK_FAILURE", "PAYOUT_CONTRADICTION"}


def test_an_event_of_a_withdrawal_that_was_never_sent_waits_for_a_person(sandbox: RunningSandbox, clock: Clock) -> None:
    payout = sent(sandbox, "stripe")
    asked("key-2", amount="100.01")
    event = told("stripe", payout, clock, metadata={"withdrawal_id": id_of("key-2")})
    assert (event.state, event.reason) == (EventState.DEAD, "contradiction")
    assert shown("key-2")["state"] == "IN_REVIEW"


def test_a_second_payout_of_a_withdrawal_waits_for_a_person(sandbox: RunningSandbox, clock: Clock) -> None:
    payout = sent(sandbox, "stripe")
    event = told("stripe", payout, clock, id="po_another")
    assert (event.state, event.reason) == (EventState.DEAD, "contradiction")
    assert_nothing_moved("stripe")


def test_a_payout_of_a_withdrawal_that_is_not_there_waits_for_a_person(sandbox: RunningSandbox, clock: Clock) -> None:
    payout = sent(sandbox, "stripe")
    event = told("stripe", payout, clock, id="po_another", metadata={"withdrawal_id": "wdr_" + "0" * 32})
    assert (event.state, event.reason) == (EventState.DEAD, "unknown-withdrawal")
    assert [alert["reason"] for alert in cloud.alerts()] == ["unknown-withdrawal"]


@pytest.mark.parametrize("metadata", [{}, {"withdrawal_id": "somebody else's"}, {"withdrawal_id": 7}])
def test_the_houses_own_payouts_are_none_of_ours(metadata: Thing, sandbox: RunningSandbox, clock: Clock) -> None:
    payout = sent(sandbox, "stripe")
    event = told("stripe", payout, clock, id="po_own", metadata=metadata)
    assert (event.state, event.transfers, cloud.alerts()) == (EventState.DONE, (), [])
    assert_nothing_moved("stripe")


@each_told
def test_events_that_come_late_and_twice_and_in_any_order_change_nothing(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    before = money(ORDERS[provider]["wallet_id"])
    sent(sandbox, provider)
    end(sandbox, provider)
    end(sandbox, provider, paid=False)
    for paid in (False, True, False, True):
        tell(sandbox, provider, clock, paid=paid)
        clock.advance()
    assert (shown()["state"], money(ORDERS[provider]["wallet_id"])) == ("FAILED", before)
    assert len(shown()["transfers"]) == 2


@each_told
def test_how_a_payout_stands_counts_and_not_how_it_stood_when_the_event_was_written(
    provider: str, sandbox: RunningSandbox, clock: Clock
) -> None:
    payout = sent(sandbox, provider)
    end(sandbox, provider, paid=False)
    event = told(provider, payout, clock, paid=True)
    assert (shown()["state"], event.state) == ("FAILED", EventState.DONE)
    assert set(event.transfers) == set(shown()["transfers"][1:])
