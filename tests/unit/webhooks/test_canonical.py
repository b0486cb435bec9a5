import time
from collections import Counter

import pytest

from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.domain.webhooks import Forged
from tests.support.sealed import short
from tests.unit.webhooks.bodies import NOT_JSON, NOT_UTF_8, NUMBERS, bodies
from tests.unit.webhooks.javascript import canonical_forms


def form(body: bytes) -> bytes | None:
    try:
        return canonical(body)
    except Forged as forged:
        assert forged.reason == "bad-body"  # noqa: PT017 (any other error leaves the test)
        return None


def test_every_body_has_the_form_that_javascript_gives_it() -> None:
    asked = bodies()
    answers = canonical_forms(asked)
    sound = Counter(answer is not None for answer in answers)
    assert sound[True] > 1400
    assert sound[False] > 300
    assert [
        (body, form(body), answer) for body, answer in zip(asked, answers, strict=True) if form(body) != answer
    ] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"-0", b"0"),
        (b"1.0", b"1"),
        (b"1e-7", b"1e-7"),
        (b"0.000001", b"0.000001"),
        (b"1e20", b"100000000000000000000"),
        (b"1e21", b"1e+21"),
        (b"12345678901234567890", b"12345678901234567000"),
        (b"[1e999,-1e999]", b"[null,null]"),
        (b"5e-324", b"5e-324"),
        (b' {"b" : [ ], "a" : { } } ', b'{"a":{},"b":[]}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"__proto__":{"a":1}}', b'{"__proto__":{"a":1}}'),
        ('{"\ue000":1,"\U00010000":2}'.encode(), '{"\U00010000":2,"\ue000":1}'.encode()),
        (b'"\\ud83d\\ude00"', '"\U0001f600"'.encode()),
        (b'"\\uD83D"', b'"\\ud83d"'),
        (b'{"\\uDE00":"\\ude00\\ud83d"}', b'{"\\ude00":"\\ude00\\ud83d"}'),
        ('"\u2028\x7f/"'.encode(), '"\u2028\x7f/"'.encode()),
        (b'"\\u0008\\u000c\\u000a\\u000d\\u0009\\u0000\\u001f\\/"', b'"\\b\\f\\n\\r\\t\\u0000\\u001f/"'),
        (b"[true,false,null]", b"[true,false,null]"),
    ],
)
def test_a_body_is_written_as(body: bytes, expected: bytes) -> None:
    assert canonical(body) == expected


@pytest.mark.parametrize("number", NUMBERS)
def test_the_form_of_a_number_is_its_own_form(number: str) -> None:
    once = canonical(number.encode())
    assert canonical(once) == once


@pytest.mark.parametrize("body", [*(text.encode() for text in NOT_JSON), *NOT_UTF_8], ids=short)
def test_what_javascript_refuses_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(Forged, match="bad-body"):
        canonical(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'], ids=short)
@pytest.mark.parametrize("depth", [500, 900, 1_000, 5_000, 200_000])
def test_deep_nesting_is_refused_and_nothing_breaks(opening: bytes, depth: int) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"a":': b"}]"}[opening]
    whole = opening * depth + b"1" + closing * depth
    assert form(whole) in {None, whole}
    assert form(opening * depth) is None


def test_depth_that_no_genuine_body_has_is_accepted() -> None:
    assert canonical(b"[" * 200 + b"]" * 200) == b"[" * 200 + b"]" * 200


@pytest.mark.parametrize(
    "body",
    [
        b"9" * 1_000_000,
        b"0." + b"9" * 1_000_000,
        b"1" + b"0" * 1_000_000 + b"e-1000000",
        b"1e" + b"9" * 1_000_000,
        b'"' + b"\\ud800" * 200_000 + b'"',
        b"[" + b"1e999," * 200_000 + b"1]",
        b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}",
    ],
    ids=short,
)
def test_a_large_body_takes_time_in_proportion(body: bytes) -> None:
    started = time.process_time()
    canonical(body)
    assert time.process_time() - started < 5
