import json
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.domain.webhooks import Forged, Provider
from tests.property.webhooks.drawn import bodies, written
from tests.support.profiles import examples
from tests.support.sealed import SEALS, signed, verdict

each_provider = pytest.mark.parametrize("provider", Provider)
bits = st.integers(0, 2**20)


def flipped(text: bytes, bit: int) -> bytes:
    place, bit = divmod(bit % (8 * len(text)), 8)
    return text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]


def form(body: bytes) -> bytes | None:
    try:
        return canonical(body)
    except Forged:
        return None


@each_provider
@given(body=bodies, bit=bits)
def test_a_bit_of_the_body_makes_a_forgery_unless_ramp_s_canonical_form_stays(
    provider: Provider, body: bytes, bit: int
) -> None:
    call, altered = signed(provider, body), flipped(body, bit)
    stays = provider is Provider.RAMP and form(altered) == form(body)
    assert verdict(call) == "genuine"
    assert (verdict(replace(call, body=altered)) == "genuine") == stays


@each_provider
@given(body=bodies, bit=bits, data=st.data())
def test_a_bit_of_a_header_makes_a_forgery(provider: Provider, body: bytes, bit: int, data: st.DataObject) -> None:
    call = signed(provider, body)
    name = data.draw(st.sampled_from(sorted(call.headers)))
    altered = flipped(call.headers[name].encode(), bit).decode("latin-1")
    assert verdict(replace(call, headers={**call.headers, name: altered})) != "genuine"


@each_provider
@settings(max_examples=examples(30))
@given(body=bodies, other=bodies)
def test_a_signature_belongs_to_one_body(provider: Provider, body: bytes, other: bytes) -> None:
    assume(form(body) != form(other))
    assert verdict(replace(signed(provider, body), body=other)) == "signature-mismatch"


@each_provider
@settings(max_examples=examples(30))
@given(body=bodies)
def test_a_signature_belongs_to_one_key(provider: Provider, body: bytes) -> None:
    assert verdict(signed(provider, body, number=8)) == "signature-mismatch"


@given(body=bodies, indent=st.sampled_from([None, 0, 1, "\t", "\r\n"]), ascii_only=st.booleans())
def test_ramp_s_events_are_the_same_in_every_spelling(
    body: bytes, indent: int | str | None, *, ascii_only: bool
) -> None:
    call = signed(Provider.RAMP, body)
    again = replace(call, body=written(json.loads(body), indent=indent, ascii_only=ascii_only))
    assert verdict(again) == "genuine"
    assert SEALS[Provider.RAMP].event_id(again) == SEALS[Provider.RAMP].event_id(call)
