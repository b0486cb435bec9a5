"""What a provider's call has to pass, and that a genuine event is neither lost nor kept twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, Final

import pytest

from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.errors import StoreUnavailable, WebhookRefused
from tallystick.domain.inbox import EventState, InboxEvent, buried, done, postponed, reopened, resolved
from tallystick.domain.webhooks import Delivery, Forged, Notice, Provider
from tallystick.services.processing import WEBHOOK_CONFLICT
from tallystick.services.receiving import STALE_AFTER_MS, Gate, Received, receive
from tests.support.incoming import GRACE_MS, Incoming, paid
from tests.support.scene import NOW_MS, once

HOME: Final = "203.0.113.7"
NETWORKS: Final = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))
DELIVERY: Final = Delivery(
    provider=Provider.STRIPE,
    host="pay.example",
    path="/webhooks/stripe",
    headers={"stripe-signature": "old"},
    query={"transaction": "1"},
    body=b"evt_1 body",
    source_ip=HOME,
    received_at_ms=NOW_MS,
)


class WordSeal(WholeBody):
    """Take a key for a signature, with the time behind an @ if there is one; the first word of a body is its id."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int | None:
        key, _, signed_at = delivery.headers.get("stripe-signature", "").partition("@")
        if not key:
            raise Forged("missing-header")
        if key not in keys:
            raise Forged("unknown-key" if key == "stranger" else "signature-mismatch")
        return int(signed_at) if signed_at else None

    def event_id(self, delivery: Delivery) -> str | None:
        return delivery.body.decode().partition(" ")[0] or None


@dataclass
class WordKeys:
    """Hold the keys that are known and those that are valid now; `asked` lists what was asked for."""

    known: Sequence[str] = ("old",)
    now: Sequence[str] = ("old",)
    asked: list[str] = field(default_factory=list)

    def keys(self, provider: Provider) -> Sequence[str]:
        self.asked.append(f"keys of {provider}")
        return self.known

    def renewed(self, provider: Provider) -> Sequence[str]:
        self.asked.append(f"renewed of {provider}")
        return self.now


class Door(Incoming):
    """Hold the scene where calls come in; bodies are notices of the gateway's script."""

    def __init__(self) -> None:
        """Guard the door with keys that have not changed, from any address and of any time."""
        super().__init__()
        self.keys = WordKeys()
        self.gate = Gate("test", WordSeal(), self.keys)

    def receive(self, delivery: Delivery = DELIVERY, **changes: Any) -> Received:  # noqa: ANN401 (any field)
        """Take a call."""
        changed = replace(delivery, **changes)
        return receive(gate=self.gate, inbox=self.inbox, queue=self.queue, delivery=changed, grace_ms=GRACE_MS)

    def refusal(self, **changes: Any) -> str:  # noqa: ANN401 (any field)
        """Say why a call is refused, and check that nothing is left of it."""
        with pytest.raises(Forged) as forged:
            self.receive(**changes)
        assert self.store.calls == []
        assert (self.inbox.events, self.queue.sent) == ({}, [])
        return forged.value.reason

    def kept(self) -> list[InboxEvent]:
        """List what is in the inbox."""
        return list(self.inbox.events.values())


@pytest.fixture
def door() -> Door:
    return Door()


def signed(key: str, at_ms: int | None = None) -> dict[str, str]:
    return {"stripe-signature": key if at_ms is None else f"{key}@{at_ms}"}


# What is kept


def test_a_genuine_event_is_kept_and_queued_in_two_calls(door: Door) -> None:
    received = door.receive()
    assert received.new
    assert door.kept() == [received.event]
    assert door.queue.sent == [received.event.inbox_key]
    assert door.store.calls == ["inbox.store", "queue.send"]


def test_an_event_is_kept_as_it_came(door: Door) -> None:
    event = door.receive(headers={**signed("old"), "stripe-account": "a", "cookie": "c", "authorization": "b"}).event
    assert (event.provider, event.environment, event.external_id) == (Provider.STRIPE, "test", "evt_1")
    assert (event.body, event.query) == (b"evt_1 body", {"transaction": "1"})
    assert event.headers == {"stripe-signature": "old", "stripe-account": "a"}
    assert (event.received_at_ms, event.due_at_ms) == (NOW_MS, NOW_MS + GRACE_MS)
    assert (event.state, event.attempts, event.version, event.conflicts) == (EventState.OPEN, 0, 0, False)


EVIDENCE: Final = (
    "moonpay-signature-v2",
    "x-paystack-signature",
    "x-body-signature",
    "tl-signature",
    "x-tl-webhook-timestamp",
    "signature",
    "x-stellar-signature",
)


@pytest.mark.parametrize("name", EVIDENCE)
def test_headers_that_prove_where_an_event_came_from_are_kept(door: Door, name: str) -> None:
    assert door.receive(headers={**signed("old"), name: "x"}).event.headers[name] == "x"


def test_an_event_belongs_to_the_environment_of_its_gate(door: Door) -> None:
    door.gate = replace(door.gate, environment="live")
    assert door.receive().event.environment == "live"


def test_a_body_without_an_id_is_known_by_its_hash(door: Door) -> None:
    first, again, other = door.receive(body=b" a"), door.receive(body=b" a"), door.receive(body=b" b")
    assert first.event.external_id.startswith("body:")
    assert (first.new, again.event, other.event.external_id == first.event.external_id) == (True, first.event, False)
    assert len(door.kept()) == 2


class SpelledSeal(WordSeal):
    """Sign what a body says, however it is spelt."""

    def content(self, delivery: Delivery) -> bytes:
        return delivery.body.lower()


@pytest.mark.parametrize("spelt", [b"evt_1 body", b"evt_1 BODY"])
def test_of_a_body_that_is_signed_by_what_it_says_only_that_is_kept(door: Door, spelt: bytes) -> None:
    door.gate = replace(door.gate, seal=SpelledSeal())
    first, again = door.receive(body=b"evt_1 Body"), door.receive(body=spelt, received_at_ms=NOW_MS + 1)
    assert (first.event.body, again.event, again.new) == (b"evt_1 body", first.event, False)
    assert len(door.kept()) == 1


def test_another_spelling_of_a_body_without_an_id_is_no_other_event(door: Door) -> None:
    door.gate = replace(door.gate, seal=SpelledSeal())
    for body in (b" Body", b" bODY", b" body"):
        door.receive(body=body)
    assert len(door.kept()) == 1


# What is refused


def test_a_refused_call_is_told_nothing_that_helps_to_guess() -> None:
    assert str(WebhookRefused()) == "This call was not accepted."


def test_address_ranks_before_signature_and_signature_before_freshness(door: Door) -> None:
    door.gate = replace(door.gate, networks=NETWORKS, tolerance_ms=1000)
    forged, stale = signed("forged", NOW_MS - 5000), signed("old", NOW_MS - 5000)
    assert door.refusal(source_ip="198.51.100.1", headers=forged) == "address"
    assert door.keys.asked == []
    assert door.refusal(headers=forged) == "signature-mismatch"
    assert door.refusal(headers=stale) == "stale"
    assert door.receive(headers=signed("old", NOW_MS)).new


@pytest.mark.parametrize("source_ip", [HOME, "2001:db8::1", f"::ffff:{HOME}"])
def test_a_call_from_the_providers_networks_passes(door: Door, source_ip: str) -> None:
    door.gate = replace(door.gate, networks=NETWORKS)
    assert door.receive(source_ip=source_ip).new


@pytest.mark.parametrize(
    "source_ip", ["198.51.100.1", "2001:db9::1", "::ffff:198.51.100.1", "", "nowhere", f"{HOME}/24"]
)
def test_a_call_from_elsewhere_is_refused(door: Door, source_ip: str) -> None:
    door.gate = replace(door.gate, networks=NETWORKS)
    assert door.refusal(source_ip=source_ip) == "address"


def test_an_empty_list_of_networks_lets_nobody_in_and_none_lets_anybody_in(door: Door) -> None:
    door.gate = replace(door.gate, networks=())
    assert door.refusal() == "address"
    door.gate = replace(door.gate, networks=None)
    assert door.receive(source_ip="nowhere").new


@pytest.mark.parametrize("distance_ms", [0, 1000, -1000])
def test_a_call_within_the_tolerance_passes_in_both_directions(door: Door, distance_ms: int) -> None:
    door.gate = replace(door.gate, tolerance_ms=1000)
    assert not door.receive(headers=signed("old", NOW_MS + distance_ms)).event.confirm


@pytest.mark.parametrize("distance_ms", [1001, -1001, -10 * STALE_AFTER_MS])
def test_a_call_outside_of_the_tolerance_is_stale_in_both_directions(door: Door, distance_ms: int) -> None:
    door.gate = replace(door.gate, tolerance_ms=1000)
    assert door.refusal(headers=signed("old", NOW_MS + distance_ms)) == "stale"


@pytest.mark.parametrize("tolerance_ms", [None, 10 * STALE_AFTER_MS])
@pytest.mark.parametrize(
    ("distance_ms", "confirm"),
    [
        (0, False),
        (STALE_AFTER_MS, False),
        (STALE_AFTER_MS + 1, True),
        (-STALE_AFTER_MS, False),
        (-STALE_AFTER_MS - 1, True),
    ],
)
def test_a_call_that_is_late_and_may_be_is_kept_to_be_confirmed(
    door: Door,
    tolerance_ms: int | None,
    distance_ms: int,
    confirm: bool,  # noqa: FBT001
) -> None:
    door.gate = replace(door.gate, tolerance_ms=tolerance_ms)
    assert door.receive(headers=signed("old", NOW_MS + distance_ms)).event.confirm is confirm


def test_a_scheme_without_a_time_is_never_stale(door: Door) -> None:
    door.gate = replace(door.gate, tolerance_ms=1)
    assert not door.receive(headers=signed("old")).event.confirm


# Keys


@pytest.mark.parametrize("key", ["one", "two"])
def test_while_keys_are_rotated_any_of_them_will_do_and_no_newer_ones_are_asked_for(door: Door, key: str) -> None:
    door.keys.known = ["one", "two"]
    assert door.receive(headers=signed(key)).new
    assert door.keys.asked == ["keys of stripe"]


@pytest.mark.parametrize("key", ["new", "stranger"])
def test_a_signature_that_no_known_key_made_is_tried_with_the_newest_keys(door: Door, key: str) -> None:
    door.keys.now = ["old", key]
    assert door.receive(headers=signed(key)).new
    assert door.keys.asked == ["keys of stripe", "renewed of stripe"]


@pytest.mark.parametrize(("key", "reason"), [("forged", "signature-mismatch"), ("stranger", "unknown-key")])
def test_a_signature_that_the_newest_keys_did_not_make_is_refused(door: Door, key: str, reason: str) -> None:
    door.keys.now = ["new"]
    assert door.refusal(headers=signed(key)) == reason


def test_keys_that_have_not_changed_are_not_tried_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Sequence[str]] = []
    verify = WordSeal.verify

    def counting(seal: WordSeal, delivery: Delivery, keys: Sequence[str]) -> int | None:
        tried.append(keys)
        return verify(seal, delivery, keys)

    monkeypatch.setattr(WordSeal, "verify", counting)
    door.keys.known, door.keys.now = ["old"], ("old",)
    assert door.refusal(headers=signed("forged")) == "signature-mismatch"
    assert tried == [["old"]]


def test_other_faults_of_a_call_ask_for_no_keys(door: Door) -> None:
    door.keys.now = ["new"]
    assert door.refusal(headers={}) == "missing-header"
    assert door.keys.asked == ["keys of stripe"]


def test_without_keys_nothing_is_genuine(door: Door) -> None:
    door.keys.known = door.keys.now = ()
    assert door.refusal() == "signature-mismatch"


def test_a_call_signed_with_a_newer_key_has_to_be_fresh_all_the_same(door: Door) -> None:
    door.gate = replace(door.gate, tolerance_ms=1000)
    door.keys.now = ["new"]
    assert door.refusal(headers=signed("new", NOW_MS - 1001)) == "stale"


# Duplicates


def test_a_duplicate_is_answered_like_the_first_and_queued_again_for_its_message_may_be_lost(door: Door) -> None:
    first = door.receive()
    again = door.receive(received_at_ms=NOW_MS + 60_000, headers={**signed("old"), "stripe-x": "1"})
    assert (again.event, again.new) == (first.event, False)
    assert door.kept() == [first.event]
    assert door.queue.sent == [first.event.inbox_key] * 2


def retried(event: InboxEvent) -> InboxEvent:
    return postponed(event, reason="busy", detail="", not_before_ms=NOW_MS, due_at_ms=NOW_MS)


def dead(event: InboxEvent) -> InboxEvent:
    return buried(event, reason="unreadable", detail="", now_ms=NOW_MS)


@pytest.mark.parametrize(
    "become", [retried, dead, lambda event: done(event, ()), lambda event: resolved(dead(event), "n")]
)
def test_a_duplicate_of_what_was_tried_is_not_queued(door: Door, become: Any) -> None:  # noqa: ANN401 (a function)
    event = door.receive().event
    door.inbox.events[event.inbox_key] = become(event)
    door.queue.sent.clear()
    assert not door.receive(received_at_ms=NOW_MS + 1).new
    assert door.queue.sent == []


def test_a_duplicate_of_what_was_redriven_is_queued(door: Door) -> None:
    event = door.receive().event
    redriven = reopened(dead(event), accepted=False, now_ms=NOW_MS, due_at_ms=NOW_MS)
    door.inbox.events[event.inbox_key] = redriven
    door.receive()
    assert door.queue.sent == [event.inbox_key] * 2


# Two bodies under one id


def test_another_body_under_an_id_is_kept_beside_the_first(door: Door) -> None:
    first, second = door.receive(), door.receive(body=b"evt_1 another")
    assert (first.event.conflicts, second.event.conflicts, second.new) == (False, True, True)
    assert [event.body for event in door.kept()] == [b"evt_1 body", b"evt_1 another"]
    assert door.queue.sent == [first.event.inbox_key, second.event.inbox_key]


def test_bodies_told_again_are_kept_once_each(door: Door) -> None:
    bodies = [b"evt_1 a", b"evt_1 b", b"evt_1 c"]
    for body in bodies * 3:
        door.receive(body=body)
    assert [event.body for event in door.kept()] == bodies
    assert [event.conflicts for event in door.kept()] == [False, True, True]


def test_people_hear_of_a_second_body_once_it_is_processed_and_not_of_the_first(door: Door) -> None:
    for body in ("evt_1 body", "evt_1 another"):
        door.gateway.script[body] = Notice("payment", ("dep_1",), (paid(),))
        event = door.receive(body=body.encode()).event
        assert door.handle(event).event.state is EventState.DONE
        assert door.alerts.kinds == ([] if body == "evt_1 body" else [WEBHOOK_CONFLICT])
    assert door.units() == 2500


# Accidents


def test_when_the_queue_fails_the_provider_is_told_and_its_next_call_queues_the_event(door: Door) -> None:
    door.store.before = once(StoreUnavailable("no queue"), "queue.send")
    with pytest.raises(StoreUnavailable):
        door.receive()
    assert len(door.kept()) == 1
    assert not door.receive(received_at_ms=NOW_MS + 1).new
    assert door.queue.sent == [event.inbox_key for event in door.kept()]


def test_when_the_inbox_fails_nothing_is_kept_or_queued_and_the_providers_next_call_is_as_good_as_the_first(
    door: Door,
) -> None:
    door.store.before = once(StoreUnavailable("throttled"), "inbox.store")
    with pytest.raises(StoreUnavailable):
        door.receive()
    assert (door.kept(), door.queue.sent) == ([], [])
    assert door.receive().new
    assert len(door.queue.sent) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("bodies", [(b"evt_1 a",), (b"evt_1 a", b"evt_1 b")])
def test_an_accident_at_any_call_costs_no_event_and_keeps_none_twice(bodies: tuple[bytes, ...], moment: str) -> None:
    for position in range(4):
        door = Door()
        for body in bodies[:-1]:
            door.receive(body=body)
        fail_at(door, position, moment)
        for _ in range(2):
            try:
                door.receive(body=bodies[-1])
            except StoreUnavailable:
                continue
        assert [event.body for event in door.kept()] == list(bodies)
        assert set(door.queue.sent) == set(door.inbox.events)


def fail_at(door: Door, position: int, moment: str) -> None:
    """Let the n-th call from now on fail, before or after it did its work."""
    left = [position]

    def hook(_call: str) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise StoreUnavailable("silence")

    setattr(door.store, moment, hook)
