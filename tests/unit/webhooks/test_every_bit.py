import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.domain.webhooks import Delivery, Forged, Provider
from tests.support.sealed import key_of, signed, verdict

BODY: Final = '{"type":"RELEASED","id":"evt_1","fee":1e-7,"name":"Jos\u00e9 \\u00e9","ok":[true,null]}'.encode()
SIGNED_PARTS: Final[Mapping[Provider, str]] = {Provider.STELLAR: "host", Provider.TRUELAYER: "path"}


def flips(text: bytes) -> Iterator[bytes]:
    for place in range(len(text)):
        for bit in range(8):
            yield text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


def form(body: bytes) -> bytes | None:
    try:
        return canonical(body)
    except Forged:
        return None


def forgeries_of(call: Delivery) -> Iterator[Delivery]:
    """Change one bit of any text that is signed, or of a signature."""
    for name, value in call.headers.items():
        yield from (
            replace(call, headers={**call.headers, name: flipped.decode("latin-1")})
            for flipped in flips(value.encode())
        )
    if part := SIGNED_PARTS.get(call.provider):
        yield from (
            replace(call, **{part: flipped.decode("latin-1")})  # type: ignore[arg-type]
            for flipped in flips(getattr(call, part).encode())
        )


@pytest.mark.parametrize("provider", Provider)
def test_no_bit_of_a_header_or_address_can_be_changed(provider: Provider) -> None:
    call = signed(provider, BODY)
    assert verdict(call) == "genuine"
    forgeries = list(forgeries_of(call))
    assert len(forgeries) >= 8 * len("".join(call.headers.values()))
    assert [forgery for forgery in forgeries if verdict(forgery) == "genuine"] == []


@pytest.mark.parametrize("provider", [provider for provider in Provider if provider is not Provider.RAMP])
def test_no_bit_of_a_body_can_be_changed(provider: Provider) -> None:
    call = signed(provider, BODY)
    assert [body for body in flips(BODY) if verdict(replace(call, body=body)) == "genuine"] == []


def test_of_ramp_s_body_only_bits_that_leave_its_meaning_can_be_changed() -> None:
    call = signed(Provider.RAMP, BODY)
    accepted = [body for body in flips(BODY) if verdict(replace(call, body=body)) == "genuine"]
    assert accepted == [body for body in flips(BODY) if form(body) == form(BODY)]
    assert b"\\u00E9" in b"".join(accepted)


def test_a_key_with_a_changed_bit_is_another_key_or_none() -> None:
    """Whatever Ramp's PEM holds then, the library's errors about it do not get out."""
    call, (opening, encoded, closing) = signed(Provider.RAMP, BODY), parted(key_of(Provider.RAMP))
    pems = [opening + base64.encodebytes(der).decode() + closing for der in flips(base64.b64decode(encoded))]
    accepted = [pem for pem in pems if verdict(call, pem) == "genuine"]
    assert {point(pem) for pem in accepted} <= {point(key_of(Provider.RAMP))}  # one point has several encodings
    accounts = [account.decode("latin-1") for account in flips(key_of(Provider.STELLAR).encode())]
    assert {verdict(signed(Provider.STELLAR, BODY), account) for account in accounts} == {"unknown-key"}


def parted(pem: str) -> tuple[str, str, str]:
    opening, *lines, closing = pem.splitlines(keepends=True)
    return opening, "".join(lines), closing


def point(pem: str) -> object:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, EllipticCurvePublicKey)
    return key.public_numbers()
