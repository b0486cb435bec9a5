"""Hand batches to the processor in which some events cannot be processed, and let their time pass."""

import json
from types import SimpleNamespace
from typing import Any, Final

import pytest

from functions.webhook_processor import handler as processor
from tallystick.adapters.providers.stripe.gateway import StripeGateway
from tallystick.domain.inbox import EventState
from tallystick.domain.webhooks import Notice, Provider
from tests.functions import books, cloud, orders
from tests.functions.deliveries import sent, stored_as
from tests.functions.providers import SIGNED_AT_MS
from tests.functions.world import Clock, answer
from tests.support.events import http_event

UNKNOWN: Final = "0" * 64
DELAYS_S: Final = (60, 300, 900, 1800, 3600)
GOOD: Final = tuple(f"dep_good{number}" for number in range(1, 5))

pytestmark = pytest.mark.usefixtures("small_world", "when_cases_were_signed")


def paid(flow_id: str, event_id: str) -> str:
    """Let Stripe say that an order is paid, and give the key of the event."""
    payment = orders.payment(flow_id, 1000)
    assert sent(orders.stripe_event(event_id, "payment_intent.succeeded", payment, SIGNED_AT_MS))["statusCode"] == 200
    (event,) = stored_as(event_id)
    return event.inbox_key


@pytest.fixture
def good() -> list[str]:
    """Let four orders be paid, and give the keys of their events."""
    for flow_id in GOOD:
        orders.place(orders.order(flow_id, Provider.STRIPE, "wal_cora_usd", "10.00"))
    return [paid(flow_id, f"evt_{flow_id}") for flow_id in GOOD]


class Poison:
    """Make an event that cannot be processed, and say how many messages then stay in the queue."""

    def unreadable(self, _patch: pytest.MonkeyPatch) -> tuple[str, int]:
        sent(b'{"id": "evt_poison", "type": 5}')
        (event,) = stored_as("evt_poison")
        return event.inbox_key, 0

    def not_in_the_inbox(self, _patch: pytest.MonkeyPatch) -> tuple[str, int]:
        return UNKNOWN, 1

    def no_key(self, _patch: pytest.MonkeyPatch) -> tuple[str, int]:
        return "k" * 3000, 1

    def money_for_a_frozen_wallet(self, _patch: pytest.MonkeyPatch) -> tuple[str, int]:
        orders.place(orders.order("dep_poison", Provider.STRIPE, "wal_cora_icy", "10.00"))
        return paid("dep_poison", "evt_poison"), 1

    def a_fault_of_ours(self, patch: pytest.MonkeyPatch) -> tuple[str, int]:
        read = StripeGateway.read

        def fail(gateway: StripeGateway, body: bytes, query: dict[str, str]) -> Notice:
            if b"evt_poison" in body:
                raise ZeroDivisionError
            return read(gateway, body, query)

        patch.setattr(StripeGateway, "read", fail)
        return paid("dep_poison", "evt_poison"), 1

    def nobody_can_be_told(self, patch: pytest.MonkeyPatch) -> tuple[str, int]:
        patch.setattr("tallystick.adapters.alerts.SnsAnnouncer.announce", _raise)
        return self.unreadable(patch)[0], 1

    def the_queue_does_not_answer(self, patch: pytest.MonkeyPatch) -> tuple[str, int]:
        patch.setattr("tallystick.adapters.queue.SqsQueue.put_off", _raise)
        return self.money_for_a_frozen_wallet(patch)


def _raise(*_: object) -> None:
    raise ConnectionError


POISONS: Final = [name for name in vars(Poison) if not name.startswith("_")]


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("position", range(5))
def test_one_event_neither_holds_up_nor_doubles_the_others(
    name: str, position: int, good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = orders.balance("wal_cora_usd")
    poison, remaining = getattr(Poison(), name)(monkeypatch)
    batch = [*good[:position], poison, *good[position:]]
    records = [cloud.message(inbox_key, number) for number, inbox_key in enumerate(batch)]
    expected = [records[position]["messageId"]] if remaining else []
    for _ in range(3):
        assert cloud.process(*records) == expected
        cloud.forget_ledger()
    assert [books.of_deposit(flow_id) for flow_id in GOOD] == [[("deposit", 1000)]] * 4
    assert books.of_deposit("dep_poison") == []
    assert orders.balance("wal_cora_usd") == before + 4000


def test_a_batch_that_takes_too_long_leaves_its_rest_to_the_next(
    good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 1.0, processor.BUDGET_S + 0.1, processor.BUDGET_S + 0.2, processor.BUDGET_S + 0.3])
    monkeypatch.setattr(processor, "time", SimpleNamespace(monotonic=lambda: next(seconds), perf_counter=lambda: 0.0))
    records = [cloud.message(inbox_key, number) for number, inbox_key in enumerate(good)]
    assert cloud.process(*records) == [record["messageId"] for record in records[1:]]
    assert [len(books.of_deposit(flow_id)) for flow_id in GOOD] == [1, 0, 0, 0]


def test_a_failure_is_tried_again_on_schedule_and_then_a_dead_letter(clock: Clock) -> None:
    orders.place(orders.order("dep_poison", Provider.STRIPE, "wal_cora_icy", "10.00"))
    with cloud.time_of(clock):
        inbox_key = paid("dep_poison", "evt_poison")
        for attempt, delay_s in enumerate(DELAYS_S, 1):
            assert cloud.consume() == 1
            (event,) = stored_as("evt_poison")
            assert (event.state, event.attempts, event.reason) == (EventState.OPEN, attempt, "account-not-active")
            assert event.not_before_ms == clock.now_ms + delay_s * 1000
            assert cloud.visible_at([inbox_key]) == [event.not_before_ms]
            assert event.due_at_ms == event.not_before_ms + 120_000
            clock.now_ms += delay_s * 1000
            assert (cloud.consume(), cloud.alerts()) == (0, [])
            clock.now_ms += 1
        assert cloud.consume() == 1
    (event,) = stored_as("evt_poison")
    assert (event.state, event.attempts, event.reason) == (EventState.DEAD, 6, "account-not-active")
    assert cloud.queued() == []
    (alert,) = cloud.alerts()
    assert (alert["kind"], alert["severity"]) == ("WEBHOOK_FAILURE", "high")
    assert (alert["provider"], alert["external_id"], alert["attempts"]) == ("stripe", "evt_poison", "6")
    assert alert["dead_letter_id"] == event.dead_letter_id


def test_a_dead_letter_is_credited_when_its_cause_is_gone(clock: Clock) -> None:
    orders.place(orders.order("dep_poison", Provider.STRIPE, "wal_cora_icy", "10.00"))
    with cloud.time_of(clock):
        paid("dep_poison", "evt_poison")
        while stored_as("evt_poison")[0].state is EventState.OPEN:
            cloud.consume()
            clock.now_ms += 3_601_000
        (event,) = stored_as("evt_poison")
        by_root("wallets", "/v1/wallets/wal_cora_icy/unfreeze", {"reason": "phone found"})
        by_root("dead_letters", f"/v1/admin/dlq/{event.dead_letter_id}/redrive", {})
        cloud.consume_all()
    assert (stored_as("evt_poison")[0].state, orders.balance("wal_cora_icy")) == (EventState.DONE, 1000)


def test_a_message_that_comes_too_early_is_not_a_try(clock: Clock) -> None:
    orders.place(orders.order("dep_poison", Provider.STRIPE, "wal_cora_icy", "10.00"))
    inbox_key = paid("dep_poison", "evt_poison")
    for _ in range(10):
        assert cloud.process(cloud.message(inbox_key)) == [cloud.message(inbox_key)["messageId"]]
        clock.now_ms += 1000
    (event,) = stored_as("evt_poison")
    assert (event.attempts, event.not_before_ms) == (1, SIGNED_AT_MS + 60_000)


def by_root(function: str, path: str, body: dict[str, Any]) -> None:
    """Let the ADMIN act."""
    answered = answer(function, http_event("POST", path, body, caller="root", groups="[ADMIN]"))
    assert answered["statusCode"] == 200, json.loads(answered["body"])


def test_an_event_that_is_lost_between_inbox_and_queue_is_swept_and_processed(good: list[str], clock: Clock) -> None:
    cloud.reset()
    clock.now_ms += 120_001
    cloud.sweep()
    assert set(good) <= set(cloud.queued())
    cloud.consume_all()
    assert [books.of_deposit(flow_id) for flow_id in GOOD] == [[("deposit", 1000)]] * 4
