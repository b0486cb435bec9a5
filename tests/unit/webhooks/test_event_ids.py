import json
from typing import Any

import pytest

from tallystick.domain.webhooks import Provider
from tests.support.sealed import SEALS, delivery, short

LONG = "x" * 257
ODD: list[object] = ["", None, True, False, 1.5, {}, [], ["a"], "a\nb", "\ud800", LONG, 10**256]


def event_id(provider: Provider, event: object, **query: str) -> str | None:
    return SEALS[provider].event_id(delivery(provider, json.dumps(event).encode(), {}, query=query))


def moonpay(**data: Any) -> dict[str, Any]:  # noqa: ANN401 (of the wrong type too)
    return {"type": "transaction_updated", "data": {"id": "tx", "updatedAt": "2026-01-01T00:00:00Z"} | data}


def purchase(**members: Any) -> dict[str, Any]:  # noqa: ANN401 (of the wrong type too)
    return {"type": "RELEASED", "purchase": {"id": "p1"} | members}


def stellar(**members: Any) -> dict[str, Any]:  # noqa: ANN401 (of the wrong type too)
    return {"transaction": {"id": "t1", "status": "completed", "updated_at": "2026-01-01T00:00:00Z"} | members}


@pytest.mark.parametrize(
    ("provider", "event", "expected"),
    [
        (Provider.STRIPE, {"id": "evt_1", "type": "payout.paid"}, "evt_1"),
        (Provider.MOONPAY, moonpay(), "transaction_updated:tx:2026-01-01T00:00:00Z"),
        (Provider.PAYSTACK, {"event": "charge.success", "data": {"id": 4099260516}}, "charge.success:4099260516"),
        (Provider.PAYSTACK, {"event": "charge.success", "data": {"id": 0}}, "charge.success:0"),
        (
            Provider.PAYSTACK,
            {"event": "refund.processed", "data": {"refund_reference": "132013318360"}},
            "refund.processed:132013318360",
        ),
        (
            Provider.PAYSTACK,
            {"event": "refund.processed", "data": {"id": 7, "refund_reference": "r"}},
            "refund.processed:7",
        ),
        (Provider.RAMP, purchase(), "RELEASED:p1"),
        (Provider.RAMP, {"id": "e1", "type": "RELEASED", "mode": "OFFRAMP", "payload": {"id": "s1"}}, "e1"),
        (Provider.TRUELAYER, {"event_id": "b8d4dda0", "payment_id": "60c0a60e"}, "b8d4dda0"),
        (Provider.STELLAR, stellar(), "t1:completed:2026-01-01T00:00:00Z"),
        (Provider.STRIPE, {"id": "x" * 256}, "x" * 256),
    ],
    ids=short,
)
def test_an_event_is_known_by(provider: Provider, event: object, expected: str) -> None:
    assert event_id(provider, event) == expected


@pytest.mark.parametrize("odd", ODD, ids=short)
def test_what_is_no_id_is_none(odd: object) -> None:
    assert event_id(Provider.STRIPE, {"id": odd}) is None
    assert event_id(Provider.MOONPAY, moonpay(updatedAt=odd)) is None
    assert event_id(Provider.PAYSTACK, {"event": "refund.failed", "data": {"id": odd, "refund_reference": odd}}) is None
    assert event_id(Provider.PAYSTACK, {"event": odd, "data": {"id": 1}}) is None
    assert event_id(Provider.RAMP, {"mode": "OFFRAMP", "id": odd}) is None
    assert event_id(Provider.TRUELAYER, {"event_id": odd}) is None
    assert event_id(Provider.STELLAR, stellar(status=odd)) is None


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd != 10**256], ids=short)
def test_ramp_s_purchase_needs_an_id(odd: object) -> None:
    assert event_id(Provider.RAMP, purchase(id=odd)) is None


@pytest.mark.parametrize("provider", Provider)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"id"',
        b"1",
        b"{}",
        b"{",
        b"\xff",
        b'\xef\xbb\xbf{"id":"evt_1"}',
        b"[" * 100_000,
        b'{"id":' + b"9" * 5000 + b"}",
        b'{"purchase":[],"data":[],"transaction":[]}',
    ],
    ids=short,
)
def test_a_body_without_an_id_has_none(provider: Provider, body: bytes) -> None:
    assert SEALS[provider].event_id(delivery(provider, body, {})) is None


def test_parts_may_together_be_too_long() -> None:
    assert event_id(Provider.MOONPAY, moonpay(id="x" * 200, updatedAt="y" * 100)) is None


def test_a_body_in_another_encoding_than_utf_8_has_none() -> None:
    body = '{"id":"evt_1"}'.encode("utf-16")
    assert SEALS[Provider.STRIPE].event_id(delivery(Provider.STRIPE, body, {})) is None


def test_a_call_of_ramp_to_another_order_is_another_event() -> None:
    assert event_id(Provider.RAMP, purchase(), deposit="dep_1") == "RELEASED:p1:dep_1"
    assert event_id(Provider.RAMP, purchase(), deposit="dep_2") == "RELEASED:p1:dep_2"
    assert event_id(Provider.RAMP, purchase(), other="dep_2") == "RELEASED:p1"
    assert event_id(Provider.RAMP, purchase(), deposit="") is None
    assert event_id(Provider.RAMP, purchase(), deposit=LONG) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"type":"RELEASED","purchase":{"id":"p1"}}', b' { "purchase":{"id":"\\u00701"},"type":"RELEASED"}'),
        (b'{"type":"RELEASED","purchase":{"id":"p1"}}', b'{"type":"","type":"RELEASED","purchase":{"id":"p1"}}'),
        (b'{"mode":"OFFRAMP","id":12345678901234567168}', b'{"mode":"OFFRAMP","id":12345678901234567000}'),
        (b'{"mode":"OFFRAMP","id":7}', b'{"mode":"OFFRAMP","id":7.0}'),
    ],
)
def test_two_spellings_that_ramp_s_signature_cannot_tell_apart_are_one_event(one: bytes, other: bytes) -> None:
    ids = [SEALS[Provider.RAMP].event_id(delivery(Provider.RAMP, body, {})) for body in (one, other)]
    assert ids[0] == ids[1] is not None
