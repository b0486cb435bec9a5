import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.body import MAX_BODY_BYTES, MAX_DEPTH, MAX_INTEGER_DIGITS, read_object
from tallystick.domain.errors import MalformedBody


def plain(text: str) -> dict[str, Any]:
    return {"body": text, "isBase64Encoded": False}


def encoded(raw: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


MULTIPART = '--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n1\r\n--x--\r\n'

BAD = {
    "base64 of invalid UTF-8": encoded(b'{"a":"\xff"}'),
    "UTF-16": encoded('{"a":1}'.encode("utf-16")),
    "byte order mark": plain('\ufeff{"a":1}'),
    "bad base64": {"body": "!!!", "isBase64Encoded": True},
    "base64 with wrong padding": {"body": "e30", "isBase64Encoded": True},
    "base64 that is not ASCII": {"body": "é", "isBase64Encoded": True},
    "deep lists": plain("[" * 100_000),
    "deep lists under the bound on length": plain("[" * 8000 + "]" * 8000),
    "deep objects under the bound on length": plain(nested(2000)),
    "one level too deep": plain(nested(MAX_DEPTH + 1)),
    "one list too deep": plain('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}"),
    "an integer of 5,000 digits": plain('{"a":' + "9" * 5000 + "}"),
    "an integer one digit too long": plain('{"a":' + "9" * (MAX_INTEGER_DIGITS + 1) + "}"),
    "duplicate keys": plain('{"a":1,"a":2}'),
    "duplicate keys at depth": plain('{"a":[{"b":{"c":1,"c":1}}]}'),
    "duplicate keys written differently": plain('{"a":1,"\\u0061":2}'),
    "NaN": plain('{"a":NaN}'),
    "Infinity": plain('{"a":Infinity}'),
    "-Infinity": plain('{"a":-Infinity}'),
    "a number beyond every float": plain('{"a":1e400}'),
    "half a surrogate pair": plain('{"a":"\\ud800"}'),
    "half a surrogate pair in a key": plain('{"\\udfff":1}'),
    "half a surrogate pair, raw": plain('{"a":"\ud800"}'),
    "a form": plain("amount=1&asset=USD"),
    "multipart": plain(MULTIPART),
    "multipart in base64": encoded(MULTIPART.encode()),
    "a list": plain("[]"),
    "a string": plain('"a"'),
    "a number": plain("1"),
    "null": plain("null"),
    "true": plain("true"),
    "two objects": plain("{}{}"),
    "a comment": plain('{"a":1}//x'),
    "a trailing comma": plain('{"a":1,}'),
    "single quotes": plain("{'a':1}"),
    "a control character": plain('{"a":"\x00"}'),
    "cut off": plain('{"a":'),
    "too long": plain('{"a":"' + "x" * MAX_BODY_BYTES + '"}'),
    "too long by its bytes": plain('{"a":"' + "é" * (MAX_BODY_BYTES // 2) + '"}'),
    "too long in base64": encoded(b"{}" + b" " * MAX_BODY_BYTES),
}


@pytest.mark.parametrize("event", BAD.values(), ids=BAD.keys())
def test_what_is_no_unambiguous_json_object_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedBody):
        read_object(event)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({}, "{}"),
        ({"body": None}, "{}"),
        (plain(""), "{}"),
        (plain(" \n"), "{}"),
        (encoded(b""), "{}"),
        (plain('{"b": 1, "a": {"d": [1, 2], "c": null}}'), '{"a":{"c":null,"d":[1,2]},"b":1}'),
        (encoded('{"a": "é"}'.encode()), '{"a":"é"}'),
        (plain('{"a":"\\u00e9\\ud83d\\ude00"}'), '{"a":"é😀"}'),
        (plain('{"a":' + "9" * MAX_INTEGER_DIGITS + "}"), '{"a":' + "9" * MAX_INTEGER_DIGITS + "}"),
        (plain(nested(MAX_DEPTH)), nested(MAX_DEPTH)),
        (plain('{"a":"NaN"}'), '{"a":"NaN"}'),
        (plain("{}" + " " * (MAX_BODY_BYTES - 2)), "{}"),
    ],
)
def test_an_object_becomes_canonical_json(event: dict[str, Any], text: str) -> None:
    assert read_object(event) == text


def test_the_order_of_members_and_white_space_do_not_matter() -> None:
    assert read_object(plain('{"a":1,"b":2}')) == read_object(plain('{ "b" : 2,\n"a" : 1 }'))


@given(raw=st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)))
@example(raw=b"\xff")
@example(raw=b'{"a":1e999}')
def test_any_bytes_are_canonical_json_or_malformed(raw: bytes) -> None:
    try:
        canonical = read_object(encoded(raw))
    except MalformedBody:
        return
    assert read_object(plain(canonical)) == canonical
    assert isinstance(json.loads(canonical), dict)


@given(text=st.text(alphabet='{}[]",:\\u01e-.dNaI \ud800é', max_size=40))
def test_any_text_that_looks_like_json_is_canonical_or_malformed(text: str) -> None:
    try:
        canonical = read_object(plain(text))
    except MalformedBody:
        return
    assert read_object(plain(canonical)) == canonical


@given(body=st.text(max_size=60))
def test_any_text_said_to_be_base64_is_canonical_or_malformed(body: str) -> None:
    try:
        assert read_object({"body": body, "isBase64Encoded": True}).startswith("{")
    except MalformedBody:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(members=st.dictionaries(st.text(max_size=4), json_values, max_size=4))
def test_every_object_within_bounds_says_the_same_after_as_before(members: dict[str, Any]) -> None:
    try:
        assert json.loads(read_object(plain(json.dumps(members)))) == members
    except MalformedBody as refusal:
        assert "deeper" in refusal.detail  # noqa: PT017 (the only thing that can be wrong with it)
