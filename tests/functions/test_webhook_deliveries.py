"""Deliver events many times, with odd bodies, and while AWS refuses: each is kept as it came, and counts once."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from tallystick.domain.inbox import EventState
from tallystick.domain.webhooks import Forged, Provider
from tests.functions import books, cloud, orders, providers
from tests.functions.deliveries import EVENT, called, genuine, problem_of, sent, stored, stored_as
from tests.functions.world import Clock, answer
from tests.support.moto import Snapshot

LONGEST: Final = 256 * 1024

ODD_BODIES: Final = {
    "nothing": b"",
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": "a"}'.encode("utf-16"),
    "a zero byte": b"\x00",
    "no JSON": b"received",
    "cut off": b'{"id": "a"',
    "null": b"null",
    "a number": b"1",
    "a text": b'"text"',
    "an array": b"[]",
    "no members": b"{}",
    "not a number": b'{"id": NaN}',
    "endless": b"[" * 100_000,
    "many digits": b'{"id": ' + b"9" * 10_000 + b"}",
    "a large exponent": b'{"id": 1e999999999}',
    "id null": b'{"id": null, "type": null, "event": null, "data": null, "purchase": null, "transaction": null}',
    "id an object": b'{"id": {}, "type": {}, "event": {}, "data": [], "purchase": 1, "transaction": "a"}',
    "id a number": b'{"id": 5, "type": 5, "event": 5, "data": {"id": 5.5}, "event_id": true}',
    "id half a surrogate pair": b'{"id": "\\ud800", "type": "\\ud800", "event_id": "\\udfff", "event": "\\ud800"}',
    "id a control character": b'{"id": "\\u0000", "type": "a\\nb", "event_id": "\\u0000"}',
    "id endless": b'{"id": "' + b"a" * 5000 + b'"}',
    "a name twice": b'{"id": "a", "id": "b", "type": "a", "event": "a"}',
    "data of another shape": b'{"id": "a", "type": "payment_intent.succeeded", "livemode": "no", "created": 1e9}',
    "purchase of another shape": b'{"type": "RELEASED", "purchase": {"id": [], "asset": 5}}',
    "transaction of another shape": b'{"transaction": {"id": 5, "kind": "deposit", "status": "completed"}}',
    "payment without id": b'{"type": "payment_settled", "event_id": "e", "payment_id": 5}',
    "charge of another shape": b'{"event": "charge.success", "data": {"id": -1, "amount": "1e3"}}',
    "as many spaces as are taken": b" " * LONGEST,
}

pytestmark = pytest.mark.usefixtures("small_world", "when_cases_were_signed")


def test_a_hundred_deliveries_before_during_and_after_processing_move_money_once(clock: Clock) -> None:
    case, busy = genuine(Provider.STRIPE), [False]

    def deliver(_operation: str = "") -> None:
        if not busy[0]:
            busy[0] = True
            assert called(case)["statusCode"] == 200
            busy[0] = False

    for _ in range(30):
        deliver()
        clock.advance()
    deliveries = 30
    with cloud.watched(before=deliver, after=deliver) as calls:
        cloud.process(cloud.message(cloud.queued()[0]))
    deliveries += 2 * len(set_of_own(calls))
    while deliveries < 100:
        deliver()
        deliveries += 1
    cloud.consume_all()
    assert books.of_deposit("dep_1") == [("deposit", 2599)]
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS + 2599
    assert len(stored_as("evt_test_0000")) == 1


def set_of_own(calls: list[str]) -> list[str]:
    """Leave out the calls that deliveries make."""
    return [call for call in calls if call not in {"PutItem", "SendMessageBatch"}]


def test_a_duplicate_is_queued_while_it_may_be_needed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert sent()["statusCode"] == 200
    clock.advance()
    assert sent()["statusCode"] == 200
    assert len(cloud.queued()) == 2
    cloud.consume_all()
    capsys.readouterr()
    clock.advance()
    assert sent()["statusCode"] == 200
    assert cloud.queued() == []
    assert json.loads(capsys.readouterr().out)["WebhookDuplicate"] == [1.0]


def test_a_duplicate_of_an_event_that_is_tried_again_is_not_queued() -> None:
    for event_id in ("evt_icy", "evt_less"):
        (event,) = stored_as(event_id)
        assert sent(event.body)["statusCode"] == 200
    assert cloud.queued() == []


def test_another_body_under_a_known_id_is_kept_beside_the_first_and_people_are_told() -> None:
    assert sent()["statusCode"] == 200
    other = EVENT.replace(b"1200", b"1300")
    assert {sent(other)["statusCode"] for _ in range(3)} == {200}
    assert {(event.body, event.conflicts) for event in stored_as("evt_new")} == {(EVENT, False), (other, True)}
    cloud.consume_all()
    assert Counter(alert["kind"] for alert in cloud.alerts()) == {"WEBHOOK_FAILURE": 1}
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS + 1200


def test_another_spelling_of_what_ramp_has_signed_is_no_other_event() -> None:
    case = genuine(Provider.RAMP)
    spelt = json.dumps(json.loads(case.call.body), indent=1, sort_keys=True).encode()
    assert spelt != case.call.body
    for body in (case.call.body, spelt, case.call.body):
        assert called(case, body=body, query="deposit=dep_ramp")["statusCode"] == 200
    cloud.consume_all()
    assert len(stored_as("RELEASED:testpurchase001:dep_ramp")) == 1
    assert (books.of_deposit("dep_ramp"), cloud.alerts()) == ([("deposit", 6_953_883_514_304_058)], [])


def test_people_are_told_of_another_body_even_when_it_says_the_same() -> None:
    for body in (EVENT, EVENT + b" "):
        assert sent(body)["statusCode"] == 200
    cloud.consume_all()
    assert [(alert["kind"], alert["severity"]) for alert in cloud.alerts()] == [("WEBHOOK_CONFLICT", "medium")]
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS + 1200


def test_events_of_the_other_environment_are_others(configure: Callable[..., None]) -> None:
    assert sent()["statusCode"] == 200
    configure({Provider.STRIPE: {**providers.settings()[Provider.STRIPE], "environment": "live"}})
    assert sent()["statusCode"] == 200
    cloud.consume_all()
    assert {event.environment: event.state for event in stored_as("evt_new")} == {
        "test": EventState.DONE,
        "live": EventState.DEAD,
    }


@pytest.mark.parametrize("provider", Provider)
def test_no_signed_body_is_a_fault(provider: Provider) -> None:
    known = stored().keys()
    statuses = {name: answer("webhooks", _signed(provider, body))["statusCode"] for name, body in ODD_BODIES.items()}
    assert {name: status for name, status in statuses.items() if status not in {200, 401}} == {}
    cloud.consume_all()
    kept = [event for inbox_key, event in stored().items() if inbox_key not in known]
    assert len(kept) > 10
    assert {(event.state, event.reason) for event in kept} <= {(EventState.DONE, None), (EventState.DEAD, "unreadable")}


def _signed(provider: Provider, body: bytes) -> dict[str, Any]:
    try:
        return providers.signed(provider, body, providers.SIGNED_AT_MS, encoded=True)
    except Forged:  # Ramp signs JSON only
        event = providers.signed(provider, b"{}", providers.SIGNED_AT_MS, encoded=True)
        return {**event, "body": base64.b64encode(body).decode()}


def test_what_is_kept_is_what_came() -> None:
    body = b'{ "id":"evt_bytes",\r\n"note": "f\xc3\xbcr \xe2\x82\xac"  }\n'
    assert sent(body)["statusCode"] == 200
    (event,) = stored_as("evt_bytes")
    assert event.body == body
    assert event.headers.keys() == {"stripe-signature"}


def test_too_long_a_body_is_refused_before_it_is_judged() -> None:
    with cloud.watched() as calls:
        answered = sent(b" " * (LONGEST + 1))
    assert problem_of(answered) == (413, "body-too-large")
    assert calls == []


def test_base64_that_is_none_is_refused() -> None:
    event = providers.call(Provider.STRIPE, b"", {})
    for body in ("a", "@@@@", "YQ", "YQ==YQ=="):
        assert answer("webhooks", {**event, "body": body, "isBase64Encoded": True})["statusCode"] == 401


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "InternalServerError", "ProvisionedThroughputExceededException"]
)
def test_without_the_store_the_provider_sends_again(code: str) -> None:
    before = Snapshot.take()
    with cloud.watched(before=cloud.refusing("PutItem", code=code)):
        assert problem_of(sent()) == (503, "store-unavailable")
    assert (Snapshot.take().as_json(), cloud.queued()) == (before.as_json(), [])
    assert sent()["statusCode"] == 200
    assert len(cloud.queued()) == 1


@pytest.mark.parametrize("code", ["ServiceUnavailable", "AWS.SimpleQueueService.NonExistentQueue", "AccessDenied"])
def test_without_the_queue_the_event_is_kept_and_queued_at_the_next_call(code: str) -> None:
    with cloud.watched(before=cloud.refusing("SendMessageBatch", code=code)):
        answered = sent()
    assert problem_of(answered) == (503, "store-unavailable")
    assert answered["headers"]["Retry-After"] == "1"
    assert (len(stored_as("evt_new")), cloud.queued()) == (1, [])
    assert sent()["statusCode"] == 200
    assert len(cloud.queued()) == 1


@pytest.mark.parametrize("operation", ["PutItem", "SendMessageBatch", "GetItem"])
def test_an_accident_after_a_call_leaves_what_the_next_call_completes(operation: str) -> None:
    def killed(name: str) -> None:
        if name == operation:
            raise cloud.Killed

    if operation == "GetItem":  # only a duplicate is read
        sent()
    with cloud.watched(after=killed), pytest.raises(cloud.Killed):
        sent()
    assert sent()["statusCode"] == 200
    cloud.consume_all()
    assert orders.balance("wal_cora_usd") == orders.USD_UNITS + 1200
