import base64

import pytest

from tallystick.domain.webhooks import Provider
from tests.support.sealed import delivery, short, signed, verdict

BODY = b'{"type":"RELEASED","purchase":{"id":"p1","fee":1e-7}}'
HEADER = "x-body-signature"


def sealed_with(signature: str, body: bytes = BODY) -> str:
    return verdict(delivery(Provider.RAMP, body, {HEADER: signature}))


def signature() -> str:
    return signed(Provider.RAMP, BODY).headers[HEADER]


@pytest.mark.parametrize(
    "body",
    [
        b'{"purchase":{"fee":0.0000001,"id":"p1"},"type":"RELEASED"}',
        b' {"type" : "\\u0052ELEASED",\n"purchase":{"id":"p0","id":"p1","fee":1.0e-07}}\r\n',
    ],
)
def test_another_spelling_of_the_same_json_is_genuine(body: bytes) -> None:
    assert sealed_with(signature(), body) == "genuine"


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"RELEASED","purchase":{"id":"p1","fee":1e-6}}',
        b'{"type":"RELEASED","purchase":{"id":"p1","fee":"1e-7"}}',
        b'{"type":"RELEASED","purchase":{"id":"p1"}}',
        b"{}",
    ],
)
def test_another_json_is_not(body: bytes) -> None:
    assert sealed_with(signature(), body) == "signature-mismatch"


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b"\xff", b'{"a":NaN}', b"[" * 100_000, b'"\n"'], ids=short)
def test_what_is_no_json_is_a_bad_body(body: bytes) -> None:
    assert sealed_with(signature(), body) == "bad-body"


@pytest.mark.parametrize(
    "text",
    ["%%%", "AAA", "AB==", "AA==\n", " AAAA", "AAAA====", "AA=A", "A", "-_-_", "\N{SNOWMAN}", "\ud800", "AAAA,AAAA"],
)
def test_base64_has_to_be_canonical(text: str) -> None:
    assert sealed_with(text) == "bad-encoding"


def test_a_genuine_signature_in_another_base64_is_refused() -> None:
    right = signature()
    assert sealed_with(f"{right},{right}") == "bad-encoding"
    assert sealed_with(right.rstrip("=") + "\n") == "bad-encoding"
    assert sealed_with(" " + right) == "bad-encoding"


@pytest.mark.parametrize(
    "der", [b"\0", b"0", b"0\x00", b"0\x06\x02\x01\x00\x02\x01\x00", b"0\x06\x02\x01\x01\x02\x01\x01", bytes(64)]
)
def test_what_is_no_signature_of_it_does_not_match(der: bytes) -> None:
    assert sealed_with(base64.b64encode(der).decode()) == "signature-mismatch"


def test_der_has_to_be_canonical() -> None:
    der = base64.b64decode(signature())
    longer = der[:1] + b"\x81" + der[1:]  # the length in two bytes: BER, not DER
    for spoilt in (longer, der + b"\0", der[:-1]):
        assert sealed_with(base64.b64encode(spoilt).decode()) == "signature-mismatch"
