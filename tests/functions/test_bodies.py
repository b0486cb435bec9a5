"""Send every function the bodies that are no acceptable JSON object: 400 each time, and nothing is written."""

import base64
import json

import pytest

from infra.routes import API_FUNCTIONS, ROUTES
from tests.functions.samples import Sample, samples_of
from tests.functions.world import answer
from tests.support.moto import Snapshot

TEXTS = {
    "null": "null",
    "a number": "1",
    "a text": '"text"',
    "an array": "[]",
    "cut off": "{",
    "two objects": "{}{}",
    "a byte order mark": "\ufeff{}",
    "single quotes": "{'amount': '1'}",
    "a comment": "{} // comment",
    "a raw control character": '{"reference": "\x00"}',
    "not a number": '{"amount": NaN}',
    "infinity": '{"amount": 1e999}',
    "a name twice": '{"amount": "1", "amount": "2"}',
    "a name twice, deep down": '{"metadata": {"a": "1", "a": "2"}}',
    "a name twice, once escaped": '{"amount": "1", "\\u0061mount": "2"}',
    "half a surrogate pair": '{"reference": "\\ud800"}',
    "half a surrogate pair as name": '{"\\udfff": "1"}',
    "thousands of digits": '{"amount": ' + "9" * 5000 + "}",
    "nesting": '{"metadata": ' + "[" * 9 + "]" * 9 + "}",
    "endless arrays": "[" * 16000,
    "endless objects": '{"a":' * 3000,
    "16 KiB and one byte": '{"reference": "' + "r" * (16 * 1024) + '"}',
    "a form": "amount=1.00&reference=x",
    "a multipart form": '--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n1.00\r\n--x--',
    "XML": "<amount>1.00</amount>",
}
BYTES = {
    "no UTF-8": b'{"amount": "\xff\xfe"}',
    "UTF-16": '{"amount": "1.00"}'.encode("utf-16"),
    "an encoded surrogate": b'{"reference": "\xed\xa0\x80"}',
    "binary": bytes(range(256)),
}
ENCODED = {name: base64.b64encode(content).decode() for name, content in BYTES.items()} | {"no base64": "@@@"}

JSON_FUNCTIONS = [function for function in API_FUNCTIONS if function != "webhooks"]
"""What a provider sends is judged by its signature; its body may be anything."""

POSTS = [
    sample
    for sample in samples_of(*JSON_FUNCTIONS)
    if sample.number < 300 and sample.event["routeKey"].startswith("POST")
]
ONE_PER_ROUTE = list({sample.event["routeKey"]: sample for sample in reversed(POSTS)}.values())


@pytest.mark.usefixtures("small_world")
@pytest.mark.parametrize("sample", ONE_PER_ROUTE, ids=str)
def test_unacceptable_bodies_are_refused(sample: Sample) -> None:
    before = Snapshot.take()
    cases = [(name, body, False) for name, body in TEXTS.items()] + [
        (name, body, True) for name, body in ENCODED.items()
    ]
    for name, body, encoded in cases:
        answered = answer(sample.function, {**sample.event, "body": body, "isBase64Encoded": encoded})
        problem = json.loads(answered["body"])
        assert (name, answered["statusCode"], problem["type"]) == (name, 400, "urn:tallystick:problem:malformed-body")
    assert Snapshot.take().as_json() == before.as_json()


def test_every_post_is_tried() -> None:
    assert len(ONE_PER_ROUTE) == sum(route.method == "POST" and route.function in JSON_FUNCTIONS for route in ROUTES)
