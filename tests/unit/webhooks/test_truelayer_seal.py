import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cli.webhooks import signers
from tallystick.domain.webhooks import Provider
from tests.support.sealed import NOW_S, PATH, SEALS, curve_pem, delivery, key_of, short, signed, verdict

BODY = b'{"event_id":"e1"}'
TIME = "2026-01-01T00:00:00Z"
TIME_HEADER = "X-TL-Webhook-Timestamp"
HEADERS = {TIME_HEADER: TIME, "Content-Type": "application/json"}
JOSE: Final[dict[str, Any]] = {
    "alg": "ES512",
    "kid": signers.TRUELAYER_KID,
    "tl_version": "2",
    "tl_headers": TIME_HEADER,
    "jku": signers.TRUELAYER_JKU,
}


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def sealed(
    jose: object, *, lines: str = f"{TIME_HEADER}: {TIME}\n", headers: Mapping[str, str] = HEADERS, path: str = PATH
) -> str:
    """Judge a call that is genuinely signed, whatever its JWS header says."""
    text = jose if isinstance(jose, bytes) else json.dumps(jose).encode()
    protected = base64url(text)
    payload = f"POST {path}\n{lines}".encode() + BODY
    signature = signers._es512(  # noqa: SLF001 (signs anything)
        curve_pem(ec.SECP521R1()), f"{protected}.{base64url(payload)}".encode()
    )
    return verdict(
        delivery(
            Provider.TRUELAYER, BODY, {**headers, "Tl-Signature": f"{protected}..{base64url(signature)}"}, path=PATH
        )
    )


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in JOSE.items() if name not in names}


def test_what_these_tests_sign_is_genuine() -> None:
    assert sealed(JOSE) == "genuine"


@pytest.mark.parametrize(
    ("jose", "expected"),
    [
        (JOSE | {"alg": "none"}, "wrong-algorithm"),
        (JOSE | {"alg": "HS512"}, "wrong-algorithm"),
        (JOSE | {"alg": ["ES512"]}, "wrong-algorithm"),
        (JOSE | {"alg": "es512"}, "wrong-algorithm"),
        (without("alg"), "wrong-algorithm"),
        (JOSE | {"kid": "nobody"}, "unknown-key"),
        (JOSE | {"kid": None}, "unknown-key"),
        (JOSE | {"kid": [signers.TRUELAYER_KID]}, "unknown-key"),
        (without("kid"), "unknown-key"),
        (JOSE | {"jku": "https://evil.example.test/jwks"}, "unknown-key"),
        (JOSE | {"jku": signers.TRUELAYER_JKU + "/"}, "unknown-key"),
        (JOSE | {"jku": signers.TRUELAYER_JKU.upper()}, "unknown-key"),
        (JOSE | {"jku": [signers.TRUELAYER_JKU]}, "unknown-key"),
        (without("jku"), "unknown-key"),
        (JOSE | {"tl_version": "1"}, "bad-header"),
        (JOSE | {"tl_version": 2}, "bad-header"),
        (without("tl_version"), "bad-header"),
        (JOSE | {"crit": ["b64"], "b64": False}, "bad-header"),
        (JOSE | {"tl_headers": ""}, "missing-header"),
        (JOSE | {"tl_headers": "Content-Type"}, "missing-header"),
        (JOSE | {"tl_headers": f"{TIME_HEADER},X-Absent"}, "missing-header"),
        (JOSE | {"tl_headers": f"{TIME_HEADER}, Content-Type"}, "missing-header"),
        (JOSE | {"tl_headers": [TIME_HEADER]}, "missing-header"),
        (JOSE | {"tl_headers": None}, "missing-header"),
        (without("tl_headers"), "missing-header"),
        ([], "bad-header"),
        ("ES512", "bad-header"),
        (None, "bad-header"),
        (b"", "bad-header"),
        (b"{", "bad-header"),
        (b"\xff", "bad-header"),
        (b"[" * 100_000, "bad-header"),
        (b'{"alg":' + b"9" * 5000 + b"}", "bad-header"),
        (JOSE | {"exp": 0, "typ": "JWT", "tl_body": {"x": [None]}}, "genuine"),
    ],
    ids=short,
)
def test_a_jws_header_decides(jose: object, expected: str) -> None:
    lines = "" if isinstance(jose, dict) and jose.get("tl_headers") == "" else f"{TIME_HEADER}: {TIME}\n"
    assert sealed(jose, lines=lines) == expected


def test_the_jws_header_counts_as_it_was_sent() -> None:
    assert sealed(json.dumps(JOSE, indent=2, sort_keys=True).encode()) == "genuine"


@pytest.mark.parametrize("spelled", ["x-tl-webhook-timestamp", "X-Tl-Webhook-Timestamp", TIME_HEADER])
def test_names_are_signed_as_the_signature_spells_them_and_in_its_order(spelled: str) -> None:
    jose = JOSE | {"tl_headers": f"Content-Type,{spelled}"}
    assert sealed(jose, lines=f"Content-Type: application/json\n{spelled}: {TIME}\n") == "genuine"
    assert sealed(jose, lines=f"{spelled}: {TIME}\nContent-Type: application/json\n") == "signature-mismatch"


def test_a_signed_header_may_be_empty_but_for_the_time() -> None:
    jose = JOSE | {"tl_headers": f"{TIME_HEADER},X-Empty"}
    lines = f"{TIME_HEADER}: {TIME}\nX-Empty: \n"
    assert sealed(jose, lines=lines, headers=HEADERS | {"X-Empty": ""}) == "genuine"
    assert sealed(JOSE, lines=f"{TIME_HEADER}: \n", headers={TIME_HEADER: ""}) == "missing-header"


def test_a_line_break_in_a_header_does_not_pass_for_its_end() -> None:
    jose = JOSE | {"tl_headers": f"X-A,{TIME_HEADER}"}
    value = "1\nX-B: 2"
    assert (
        sealed(jose, lines=f"X-A: {value}\n{TIME_HEADER}: {TIME}\n", headers=HEADERS | {"X-A": value}) == "bad-header"
    )


@pytest.mark.parametrize(
    ("time", "at_ms"),
    [
        ("2026-01-01T00:00:00Z", NOW_S * 1000),
        ("2026-01-01T00:00:00.1Z", NOW_S * 1000 + 100),
        ("2026-01-01T00:00:00.123Z", NOW_S * 1000 + 123),
        ("2026-01-01T00:00:00.123999999Z", NOW_S * 1000 + 123),
        ("2026-01-01T00:00:00+00:00", NOW_S * 1000),
        ("2026-01-01T02:00:00+02:00", NOW_S * 1000),
        ("1970-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59-14:00", 253402351199000),
    ],
)
def test_the_time_of_signing_is_read(time: str, at_ms: int) -> None:
    call = with_time(time)
    assert SEALS[Provider.TRUELAYER].verify(call, [key_of(Provider.TRUELAYER)]) == at_ms


@pytest.mark.parametrize(
    "time",
    [
        "now",
        "1767225600",
        "2026-01-01",
        "2026-01-01T00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00,5Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+0000",
        "2026-01-01T00:00:00+25:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:01Z",
        "2026-01-01T00:00:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31T23:59:59Z",
        "-2026-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
        "\N{FULLWIDTH DIGIT TWO}026-01-01T00:00:00Z",
        "2026-W01-1T00:00:00Z",
    ],
)
def test_an_odd_time_is_refused_even_if_it_was_signed(time: str) -> None:
    assert verdict(with_time(time)) == "bad-header"


def with_time(time: str) -> Any:  # noqa: ANN401 (a delivery)
    protected = base64url(json.dumps(JOSE).encode())
    payload = f"POST {PATH}\n{TIME_HEADER}: {time}\n".encode() + BODY
    text = f"{protected}.{base64url(payload)}".encode()
    signature = signers._es512(curve_pem(ec.SECP521R1()), text)  # noqa: SLF001 (signs anything)
    headers = {TIME_HEADER: time, "Tl-Signature": f"{protected}..{base64url(signature)}"}
    return delivery(Provider.TRUELAYER, BODY, headers)


@pytest.mark.parametrize(
    ("signed_path", "path", "expected"),
    [
        ("/a/b", "/a/b", "genuine"),
        ("/a/b", "/a/b/", "genuine"),
        ("/a/b/", "/a/b", "genuine"),
        ("/a/b/", "/a/b/", "genuine"),
        ("/a/b", "/a/b//", "signature-mismatch"),
        ("/a/b", "/A/b", "signature-mismatch"),
        ("/a/b", "a/b", "signature-mismatch"),
        ("/a/b", "/a/b?x=1", "signature-mismatch"),
        ("/a/b", "/a/\ud800", "signature-mismatch"),
    ],
)
def test_the_path_is_signed_but_for_a_slash_at_its_end(signed_path: str, path: str, expected: str) -> None:
    call = signed(Provider.TRUELAYER, BODY, path=signed_path)
    assert verdict(delivery(Provider.TRUELAYER, BODY, call.headers, path=path)) == expected


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda header, _: header, "bad-header"),
        (lambda header, signature: f"{header}.{signature}", "bad-header"),
        (lambda header, signature: f"{header}.{base64url(BODY)}.{signature}", "bad-header"),
        (lambda header, signature: f"{header}...{signature}", "bad-encoding"),
        (lambda header, signature: f"{header}..{signature}=", "bad-encoding"),
        (lambda header, signature: f"{header}..{signature[:-3]}", "bad-encoding"),
        (lambda header, signature: f"{header}..{signature} ", "bad-encoding"),
        (lambda header, signature: f"{header}=..{signature}", "bad-encoding"),
        (lambda header, signature: f"\N{SNOWMAN}{header}..{signature}", "bad-encoding"),
        (lambda header, signature: f"{header}..{signature[:-4]}", "signature-mismatch"),
        (lambda header, signature: f"{header}..AAAA{signature}", "signature-mismatch"),
        (lambda header, signature: f"{header}..{signature[:88]}AAAA{signature[88:]}", "signature-mismatch"),
        (lambda header, _: f"{header}..", "signature-mismatch"),
        (lambda header, signature: f"{header}..{'A' * len(signature)}", "signature-mismatch"),
        (lambda header, signature: f"{header}..{'_' * len(signature)}", "signature-mismatch"),
        (lambda _, signature: f"..{signature}", "bad-header"),
    ],
)
def test_a_jws_that_is_spoilt_is_refused(spoil: Any, expected: str) -> None:  # noqa: ANN401 (a function)
    call = signed(Provider.TRUELAYER, BODY)
    header, _, signature = call.headers["tl-signature"].partition("..")
    assert verdict(delivery(Provider.TRUELAYER, BODY, {**call.headers, "tl-signature": spoil(header, signature)})) == (
        expected
    )


@cache
def short_coordinate() -> int:
    """Find a private key whose public key has a coordinate with leading zeros."""
    for number in range(2, 5000):
        public = ec.derive_private_key(number, ec.SECP521R1()).public_key().public_numbers()
        if min(public.x, public.y).bit_length() <= 8 * 64:
            return number
    raise AssertionError


def test_coordinates_may_have_lost_their_leading_zeros() -> None:
    """TrueLayer's own test set holds such a key; RFC 7518 would have them padded."""
    number = short_coordinate()
    jwk = json.loads(key_of(Provider.TRUELAYER, number))
    for name in ("x", "y"):
        jwk[name] = base64url(base64.urlsafe_b64decode(jwk[name] + "==").lstrip(b"\0"))
    call = signed(Provider.TRUELAYER, BODY, number=number)
    assert verdict(call, json.dumps(jwk)) == "genuine"
    assert verdict(call, json.dumps({name: jwk[name] for name in jwk if name not in {"crv", "alg"}})) == "unknown-key"
