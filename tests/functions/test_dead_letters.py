"""Let root look at dead letters, preview what a redrive would do, and do it."""

import json
from typing import Any

import pytest

from tallystick.adapters.dynamo.tables import AuditItem
from tallystick.domain.inbox import EventState
from tallystick.domain.webhooks import Provider
from tests.functions import books, cloud, orders, providers
from tests.functions.deliveries import problem_of, stored_as
from tests.functions.world import NOW_MS, Answer, Clock, answer
from tests.support.events import http_event
from tests.support.moto import Snapshot

pytestmark = pytest.mark.usefixtures("small_world")


def dead_letter(external_id: str = "evt_less") -> str:
    (event,) = stored_as(external_id)
    return event.dead_letter_id


def asked(method: str, path: str, body: object = None, **query: str) -> Answer:
    path = f"/v1/admin/dlq{path}"
    event = http_event(method, path, body, caller="root", groups="[ADMIN]", query=query)
    return answer("dead_letters", event)


def told(method: str, path: str, body: object = None, **query: str) -> dict[str, Any]:
    answered = asked(method, path, body, **query)
    assert answered["statusCode"] == 200, answered["body"]
    document: dict[str, Any] = json.loads(answered["body"])
    return document


def audited() -> list[tuple[str, str, str, dict[str, str]]]:
    """Give subject, action, actor and details of what was audited since the world was built."""
    items = sorted(AuditItem.scan(), key=lambda item: item.action_key)
    return [(item.subject, item.action, item.actor_id, item.details) for item in items if item.at > "2026-01-31T12:30"]


def test_a_preview_says_what_the_redrive_then_does() -> None:
    path, before = f"/{dead_letter()}", Snapshot.take()
    preview = told("GET", f"{path}/preview", accept_amount="true")
    assert Snapshot.take().as_json() == before.as_json()
    told("POST", f"{path}/redrive", {"accept_amount": True})
    cloud.consume_all()
    shown = told("GET", path)
    assert (shown["state"], shown["transfers"]) == ("DONE", [preview["transfers"][0]["transfer_id"]])
    assert preview["transfers"][0]["postings"][0]["balance_after"] == "80.00"
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS + 1900 == 8000
    assert books.of_deposit("dep_less") == [("deposit", 1900)]
    details = {"accept_amount": "true", "reason": "amount-mismatch"}
    assert audited() == [(dead_letter(), "dead-letter-redriven", "root", details)]


def test_without_acceptance_it_fails_again_as_the_preview_says() -> None:
    path = f"/{dead_letter()}"
    assert told("GET", f"{path}/preview")["reason"] == "amount-mismatch"
    told("POST", f"{path}/redrive", {})
    cloud.consume_all()
    shown = told("GET", path)
    assert (shown["state"], shown["reason"]) == ("DEAD", "amount-mismatch")
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS
    assert [alert["kind"] for alert in cloud.alerts()] == ["WEBHOOK_FAILURE"]


def test_a_second_payment_of_an_order_can_be_accepted_too() -> None:
    paid = {**orders.payment("dep_more", 500), "id": "pi_second"}
    event = orders.stripe_event("evt_second", "payment_intent.succeeded", paid, NOW_MS)
    orders.receive(providers.signed(Provider.STRIPE, event, NOW_MS))
    cloud.consume_all()
    path = f"/{dead_letter('evt_second')}"
    assert (told("GET", path)["state"], told("GET", path)["reason"]) == ("DEAD", "paid-twice")
    told("POST", f"{path}/redrive", {"accept_amount": True})
    cloud.consume_all()
    assert told("GET", path)["state"] == "DONE"
    assert books.of_deposit("dep_more") == [("deposit", 3100), ("deposit", 500)]


def test_a_redrive_asked_for_many_times_moves_money_once(clock: Clock) -> None:
    path = f"/{dead_letter()}/redrive"
    for _ in range(5):
        told("POST", path, {"accept_amount": True})
        clock.advance()
    assert len(cloud.queued()) == 5
    cloud.consume_all()
    for _ in range(5):
        assert told("POST", path, {"accept_amount": True})["state"] == "DONE"
    assert cloud.queued() == []
    assert books.of_deposit("dep_less") == [("deposit", 1900)]
    assert len(audited()) == 1


def test_a_redrive_whose_message_is_lost_is_swept(clock: Clock) -> None:
    path = f"/{dead_letter()}"
    with cloud.watched(before=cloud.refusing("SendMessageBatch", code="ServiceUnavailable")):
        assert problem_of(asked("POST", f"{path}/redrive", {"accept_amount": True})) == (503, "store-unavailable")
    assert (told("GET", path)["state"], cloud.queued()) == ("OPEN", [])
    clock.now_ms += 120_001
    cloud.sweep()
    cloud.consume_all()
    assert told("GET", path)["state"] == "DONE"


def test_an_accident_while_redriving_leaves_no_action_without_audit() -> None:
    path, start = f"/{dead_letter()}/redrive", Snapshot.take()
    with cloud.watched() as calls:
        told("POST", path, {"accept_amount": True})
    assert "TransactWriteItems" in calls
    for moment in ("before", "after"):
        for position in range(len(calls)):
            start.restore()
            cloud.reset()
            hooks = {moment: cloud.at(position, cloud.Killed)}
            with cloud.watched(**hooks), pytest.raises(cloud.Killed):
                asked("POST", path, {"accept_amount": True})
            assert (stored_as("evt_less")[0].state is EventState.OPEN) == (len(audited()) == 1)
            told("POST", path, {"accept_amount": True})
            assert (len(audited()), len(cloud.queued()) > 0) == (1, True)


def test_what_is_resolved_leaves_the_list_and_cannot_be_tried_again() -> None:
    path = f"/{dead_letter()}"
    assert dead_letter() in [item["dead_letter_id"] for item in told("GET", "")["items"]]
    told("POST", f"{path}/resolve", {"notes": "paid back by hand"})
    assert dead_letter() not in [item["dead_letter_id"] for item in told("GET", "")["items"]]
    assert problem_of(asked("POST", f"{path}/redrive", {"accept_amount": True})) == (409, "illegal-transition")
    assert told("GET", path)["notes"] == "paid back by hand"
    details = {"notes": "paid back by hand", "reason": "amount-mismatch"}
    assert audited() == [(dead_letter(), "dead-letter-resolved", "root", details)]
    cloud.process(cloud.message(dead_letter().removeprefix("dlq_")))
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS


def test_pages_hold_each_dead_letter_once() -> None:
    listed, page = [], told("GET", "", limit="1")
    while page["next_cursor"]:
        listed += page["items"]
        page = told("GET", "", limit="1", cursor=page["next_cursor"])
    listed += page["items"]
    assert listed == told("GET", "")["items"]
    times = [item["dead_at"] for item in listed]
    assert times == sorted(times, reverse=True)
    assert len(listed) == 3
