import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.webhooks import signers
from tallystick.adapters.providers.wire import to_base64url
from tallystick.domain.webhooks import Forged, Provider
from tests.property.webhooks.drawn import anything, bodies, texts
from tests.support.sealed import SEALS, delivery, key_of, signed, verdict

REASONS = {
    "missing-header",
    "bad-header",
    "bad-encoding",
    "bad-body",
    "wrong-algorithm",
    "unknown-key",
    "signature-mismatch",
}
TIMED = {
    Provider.STRIPE: ("stripe-signature", "v1"),
    Provider.MOONPAY: ("moonpay-signature-v2", "s"),
    Provider.STELLAR: ("signature", "s"),
}
NAMES = {name for provider in Provider for name in signed(provider, b"{}").headers} | {"x-stellar-signature"}

each_provider = pytest.mark.parametrize("provider", Provider)
names = st.sampled_from(sorted(NAMES))
base64ish = st.text("AZaz09+/-_=.", max_size=180)
values = st.one_of(
    anything,
    base64ish,
    st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-23:59"]),
    st.from_regex(r"t=[0-9]{0,12}, ?(v1|v0|s)=[0-9a-f]{0,70}", fullmatch=True),
    st.builds("t={},s={}".format, anything, base64ish),
    st.builds("t={},v1={}".format, st.integers(), anything),
)
headers = st.dictionaries(names, values, max_size=9)
raw = st.binary(max_size=300) | bodies | texts
jose = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.just("ES512") | anything | st.none(),
        "kid": st.just(signers.TRUELAYER_KID) | anything | st.lists(anything),
        "tl_version": st.just("2") | st.integers(),
        "tl_headers": st.lists(names | anything, max_size=4).map(",".join) | st.none(),
        "jku": st.just(signers.TRUELAYER_JKU) | st.dictionaries(anything, anything),
        "crit": st.lists(anything),
    },
)


@each_provider
@given(sent=headers, body=raw, host=anything, path=anything, keys=st.lists(anything, max_size=3))
def test_what_nobody_signed_is_refused_for_a_known_reason(
    provider: Provider, sent: dict[str, str], body: bytes, host: str, path: str, keys: list[str]
) -> None:
    call = delivery(provider, body, sent, host=host, path=path)
    assert verdict(call, *keys, key_of(provider)) in REASONS


@given(sent=jose, body=raw, more=headers, signature=base64ish)
def test_no_jws_header_breaks_anything(
    sent: dict[str, object], body: bytes, more: dict[str, str], signature: str
) -> None:
    protected = to_base64url(json.dumps(sent).encode()).decode()
    call = delivery(Provider.TRUELAYER, body, more | {"tl-signature": f"{protected}..{signature}"})
    assert verdict(call) in REASONS


@each_provider
@given(key=anything | bodies.map(bytes.decode))
def test_no_key_breaks_anything(provider: Provider, key: str) -> None:
    call = signed(provider, b"{}")
    assert verdict(call, key) in REASONS
    assert verdict(call, key, key_of(provider)) == "genuine"


@each_provider
@given(body=raw, query=st.dictionaries(st.just("deposit") | anything, anything, max_size=2))
def test_an_event_id_is_short_and_storable_or_none(provider: Provider, body: bytes, query: dict[str, str]) -> None:
    event_id = SEALS[provider].event_id(delivery(provider, body, {}, query=query))
    assert event_id is None or 0 < len(event_id.encode()) <= 4 * 256


@pytest.mark.parametrize("provider", TIMED)
@given(time=st.text(max_size=30).filter(lambda time: "," not in time))
def test_a_time_is_read_only_from_ascii_digits(provider: Provider, time: str) -> None:
    name, scheme = TIMED[provider]
    digits = time.rstrip(" \t")
    is_time = 0 < len(digits) <= 11 and set(digits) <= set("0123456789")
    answer = verdict(delivery(provider, b"{}", {name: f"t={time},{scheme}=AAAA"}))
    assert answer == ("signature-mismatch" if is_time else "bad-header")


def test_the_reasons_are_those_that_a_forgery_documents() -> None:
    assert all(f"`{reason}`" in str(Forged.__doc__) for reason in REASONS)
