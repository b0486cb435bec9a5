"""What of a body is signed: all of it, but of Ramp's only what JavaScript reads in it."""

from dataclasses import replace

import pytest

from tallystick.adapters.providers.registry import seal
from tallystick.domain.webhooks import Delivery, Provider
from tallystick.settings import ProviderSetting

BODY = b'{"type":"RELEASED", "purchase": {"id":"1","fiatValue":20.0000000000000001}}'


def delivery(provider: Provider, body: bytes) -> Delivery:
    return Delivery(provider, "host", "/path", {}, {"deposit": "dep_1"}, body, "127.0.0.1", 0)


@pytest.mark.parametrize("provider", [provider for provider in Provider if provider is not Provider.RAMP])
def test_a_body_is_signed_byte_by_byte(provider: Provider) -> None:
    assert seal(provider, ProviderSetting(base_url="-")).content(delivery(provider, BODY)) == BODY


def test_of_ramp_s_numbers_the_double_is_signed() -> None:
    content = seal(Provider.RAMP, ProviderSetting(base_url="-")).content(delivery(Provider.RAMP, BODY))
    assert content == b'{"purchase":{"fiatValue":20,"id":"1"},"type":"RELEASED"}'


def test_another_spelling_is_the_same_event() -> None:
    ramp, call = seal(Provider.RAMP, ProviderSetting(base_url="-")), delivery(Provider.RAMP, BODY)
    other = replace(call, body=BODY.replace(b" ", b"\n\n").replace(b"20.0000000000000001", b"2e1"))
    assert (ramp.content(other), ramp.event_id(other)) == (ramp.content(call), ramp.event_id(call))
