import base64
import binascii
import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tallystick.domain.webhooks import Provider
from tests.support.sealed import curve_pem, delivery, key_of, short, signed, verdict

BODY = b'{"id":"evt_1"}'
BLANK = ["", " ", "\t\n"]
NO_TEXT = ["\N{SNOWMAN}", "\ud800"]
G = key_of(Provider.STELLAR)
JWK: Final[dict[str, Any]] = json.loads(key_of(Provider.TRUELAYER))
CHANGES: Final[list[dict[str, Any]]] = [
    {"kty": "OKP"},
    {"crv": "P-256"},
    {"crv": None},
    {"alg": "ES256"},
    {"kid": None},
    {"kid": ["tallystick"]},
    {"x": None},
    {"x": 7},
    {"x": ""},
    {"x": "AA"},
    {"x": "A" + JWK["x"]},
    {"x": "AAAA" + JWK["x"]},
    {"x": JWK["x"] + "="},
    {"y": JWK["x"]},
    {"y": "%"},
]
RSA: Final = {"kty": "RSA", "kid": JWK["kid"], "alg": "RS512", "n": "AQAB", "e": "AQAB"}


def strkey(versioned: bytes) -> str:
    return base64.b32encode(versioned + binascii.crc_hqx(versioned, 0).to_bytes(2, "little")).decode()


def public_pem(curve: ec.EllipticCurve) -> str:
    public = load_pem_private_key(curve_pem(curve).encode(), None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


MALFORMED: Final[dict[Provider, list[str]]] = {
    Provider.STRIPE: BLANK + NO_TEXT,
    Provider.MOONPAY: BLANK + NO_TEXT,
    Provider.PAYSTACK: BLANK + NO_TEXT,
    Provider.RAMP: [
        *BLANK,
        *NO_TEXT,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        public_pem(ec.SECP256R1()),
        public_pem(ec.SECP521R1()),
        key_of(Provider.RAMP)[:-40],
        curve_pem(ec.SECP256K1()),
    ],
    Provider.STELLAR: [
        *BLANK,
        *NO_TEXT,
        G.lower(),
        G[:-1],
        G + "A",
        G + "=",
        "S" + G[1:],
        G[:-1] + ("A" if G[-1] != "A" else "B"),
        G[:20] + ("A" if G[20] != "A" else "B") + G[21:],
        "GDCZLB6B",
        strkey(b"\x30" + bytes(31)),
        strkey(b"\x30" + bytes(37)),
        strkey(b"\x90" + bytes(32)),
        "AAAAAAAA",
    ],
    Provider.TRUELAYER: [
        *BLANK,
        *NO_TEXT,
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"kid":' + "9" * 5000 + "}",
        json.dumps(RSA),
        *(json.dumps(JWK | change) for change in CHANGES),
        *(json.dumps({name: JWK[name] for name in JWK if name != left_out}) for left_out in ("kty", "x", "y", "kid")),
    ],
}
EACH = [(provider, key) for provider, keys in MALFORMED.items() for key in keys]


@pytest.mark.parametrize(("provider", "key"), EACH, ids=short)
def test_a_key_that_cannot_be_read_is_no_key(provider: Provider, key: str) -> None:
    assert verdict(signed(provider, BODY), key) == "unknown-key"


@pytest.mark.parametrize(("provider", "key"), EACH, ids=short)
def test_a_key_that_cannot_be_read_does_not_hide_a_good_one(provider: Provider, key: str) -> None:
    assert verdict(signed(provider, BODY), key, key_of(provider), key) == "genuine"


@pytest.mark.parametrize("provider", Provider)
def test_while_keys_are_rotated_any_may_match(provider: Provider) -> None:
    old, new = key_of(provider, 8), key_of(provider)
    assert verdict(signed(provider, BODY), old, new) == "genuine"
    assert verdict(signed(provider, BODY, number=8), old, new) == "genuine"
    assert verdict(signed(provider, BODY, number=9), old, new) == "signature-mismatch"


@pytest.mark.parametrize("provider", Provider)
@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
def test_a_missing_signature_is_said_to_be_missing(provider: Provider, headers: dict[str, str]) -> None:
    assert verdict(delivery(provider, BODY, headers)) == "missing-header"


@pytest.mark.parametrize("provider", Provider)
def test_an_empty_header_is_a_missing_one(provider: Provider) -> None:
    headers = dict.fromkeys(signed(provider, BODY).headers, "")
    assert verdict(delivery(provider, BODY, headers)) == "missing-header"


@pytest.mark.parametrize("provider", [provider for provider in Provider if provider is not Provider.RAMP])
def test_a_body_that_is_no_utf_8_is_refused_even_if_it_was_signed(provider: Provider) -> None:
    assert verdict(signed(provider, b'{"id":"\xff"}')) == "bad-body"


@pytest.mark.parametrize("left_out", ["crv", "alg"])
def test_a_jwk_may_leave_out_its_curve_or_its_algorithm(left_out: str) -> None:
    key = json.dumps({name: JWK[name] for name in JWK if name != left_out})
    assert verdict(signed(Provider.TRUELAYER, BODY), key) == "genuine"


def test_a_jwk_without_both_is_known_by_its_size() -> None:
    key = json.dumps({name: JWK[name] for name in JWK if name not in {"crv", "alg"}})
    assert verdict(signed(Provider.TRUELAYER, BODY), key) == "genuine"


def test_a_jwk_may_hold_more_than_it_needs() -> None:
    assert verdict(signed(Provider.TRUELAYER, BODY), json.dumps(JWK | {"use": "sig", "x5c": []})) == "genuine"


@pytest.mark.parametrize("provider", [Provider.STRIPE, Provider.MOONPAY, Provider.PAYSTACK])
@pytest.mark.parametrize("kept", [0, 1, 32, 63, -1])
def test_a_part_of_a_mac_is_not_enough(provider: Provider, kept: int) -> None:
    call = signed(provider, BODY)
    (name, header), *_ = call.headers.items()
    start, _, mac = header.rpartition("=")
    shortened = f"{start}={mac[:kept]}" if start else mac[:kept]
    expected = "signature-mismatch" if shortened else "missing-header"
    assert verdict(delivery(provider, BODY, {name: shortened})) == expected
    assert verdict(delivery(provider, BODY, {name: header + mac[:1]})) == "signature-mismatch"
