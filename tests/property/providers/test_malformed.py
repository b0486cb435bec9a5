"""Whatever a genuine signature stands over, reading it gives a notice or a rejection, and never another error."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.adapters.providers.reading import is_id
from tallystick.domain.payouts import Report
from tallystick.domain.webhooks import EventRejected, Notice, Paid, Provider, TakenBack
from tests.support import profiles
from tests.unit.providers.world import FILES, FIXTURES, horizon_record, paystack_dispute, read, stripe_refund

_MORE = {
    Provider.PAYSTACK: [paystack_dispute()],
    Provider.STELLAR: [horizon_record()],
    Provider.STRIPE: [stripe_refund()],
}
_NUMBERS = ["1e999999999999999999999", "1e400", "-0.0", "NaN", "Infinity", "1" * 5000, "-1", "0.1", "1e-400"]
_TEXTS = ["", "9" * 5000, "\ud800", "..", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1e5", "NaN"]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=True),
    st.text(st.characters(codec=None), max_size=30),
    st.sampled_from(_TEXTS),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=10), st.integers(), max_size=3),
)


def bodies(provider: Provider) -> list[bytes]:
    cases = json.loads((FIXTURES / f"{FILES[provider]}.json").read_text())["cases"]
    genuine = {case["body"].encode() for case in cases if case["expected"] == "valid"}
    return sorted(genuine) + _MORE.get(provider, [])


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (JSON)
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*path, name)
        yield from places(member, *path, name)


def put(whole: Any, path: tuple[Any, ...], value: Any) -> None:  # noqa: ANN401 (JSON)
    for name in path[:-1]:
        whole = whole[name]
    whole[path[-1]] = value


def check(provider: Provider, text: bytes) -> None:
    """Read a body; what is told has to be storable and exact."""
    try:
        notice = read(provider, text)
    except EventRejected as rejected:
        rejected.detail.encode()
        return
    _check_notice(notice)


def _check_notice(notice: Notice) -> None:
    for text in (notice.event, *notice.references, *notice.details, *notice.details.values()):
        text.encode()
    for fact in notice.facts:
        if isinstance(fact, Paid | TakenBack):
            told = fact.delivered if isinstance(fact, Paid) else fact.amount
            assert told.value.is_finite()
            assert not told.value.is_signed()
            assert len(f"{told.value:f}") < 100
    if notice.payout:
        assert not notice.facts
        check_report(notice.payout)


def check_report(report: Report) -> None:
    """Look at what is told of a payout; one of the house's own may fetch money, by a negative amount."""
    assert report.payout_id is None or is_id(report.payout_id)
    assert report.reason is None or re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", report.reason)
    if report.amount:
        assert report.amount.value.is_finite()
        assert len(f"{report.amount.value:f}") < 100


@pytest.mark.parametrize("provider", Provider)
@settings(max_examples=profiles.examples(60))
@given(data=st.data())
def test_members_of_any_value(provider: Provider, data: st.DataObject) -> None:
    whole = json.loads(data.draw(st.sampled_from(bodies(provider))))
    for path in data.draw(st.lists(st.sampled_from(sorted(places(whole), key=str)), min_size=1, max_size=3)):
        with suppress(TypeError, KeyError, IndexError):  # an earlier change took the place away
            put(whole, path, data.draw(VALUES))
    check(provider, json.dumps(whole).encode())


@pytest.mark.parametrize("provider", Provider)
@settings(max_examples=profiles.examples(60))
@given(data=st.data())
def test_numbers_that_only_json_can_write(provider: Provider, data: st.DataObject) -> None:
    whole = json.loads(data.draw(st.sampled_from(bodies(provider))))
    path = data.draw(st.sampled_from(sorted(places(whole), key=str)))
    put(whole, path, "the number")
    number = data.draw(st.sampled_from(_NUMBERS))
    check(provider, json.dumps(whole).replace('"the number"', number).encode())


@pytest.mark.parametrize("provider", Provider)
@settings(max_examples=profiles.examples(60))
@given(data=st.data())
def test_bytes_that_were_changed(provider: Provider, data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from(bodies(provider))))
    at = data.draw(st.integers(0, len(text)))
    text[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    check(provider, bytes(text))


@pytest.mark.parametrize("provider", Provider)
@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"1", b'"x"', b"{}", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"1" * 10_000],
    ids=["empty", "null", "list", "number", "text", "object", "deep", "deep-objects", "no-utf8", "long"],
)
def test_what_is_no_event_is_unreadable(provider: Provider, text: bytes) -> None:
    with pytest.raises(EventRejected, match="unreadable"):
        read(provider, text)


@pytest.mark.parametrize("provider", Provider)
def test_genuine_events_are_read(provider: Provider) -> None:
    for text in bodies(provider):
        _check_notice(read(provider, text))
