"""What the deployed API answers to bad input and odd requests; and that 38 digits stay exact from end to end."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from cli.local.deployment import Deployment
from tests.local.callers import Cast, cast, new_key, outcome

FUNDS = "50.00"
NINES = "9" * 38


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture(scope="module")
def wallets(people: Cast) -> dict[str, str]:
    """Open wallets in every state that a movement can meet."""
    names = {"full": "USD", "other": "USD", "frozen": "USD", "closed": "USD", "euro": "EUR"}
    opened = {name: people.ada.open_wallet(asset) for name, asset in names.items()}
    people.service.post(f"/v1/wallets/{opened['full']}/credit", {"amount": FUNDS}).raise_for_status()
    people.admin.post(f"/v1/wallets/{opened['frozen']}/freeze", {"reason": "test"}).raise_for_status()
    people.ada.post(f"/v1/wallets/{opened['closed']}/close").raise_for_status()
    return {**opened, "none": "wal_00000000000000000000000000000000"}


VERBS = ("credit", "debit", "transfer")
BAD_AMOUNTS = [
    "NaN",
    "1e3",
    "1.234",
    "0",
    "0.00",
    "-1.00",
    "9" * 39,
    "+1",
    "",
    " ",
    "1,00",
    "٣",
    1,
    1.5,
    None,
    True,
    [],
]


def _move(people: Cast, wallets: dict[str, str], verb: str, amount: Any, wallet: str = "full", **rest: Any) -> str:  # noqa: ANN401 (JSON)
    """Try a movement of a wallet and say what came back."""
    if verb == "transfer":
        body = {"source": wallets[wallet], "destination": wallets["other"], "amount": amount}
        return outcome(people.ada.call("POST", "/v1/transfers", body, **{"key": new_key(), **rest}))
    path = f"/v1/wallets/{wallets[wallet]}/{verb}"
    return outcome(people.service.call("POST", path, {"amount": amount}, **{"key": new_key(), **rest}))


@pytest.mark.parametrize("verb", VERBS)
class TestEveryMoneyVerb:
    """Refuse bad input by the table of docs/architecture.md."""

    def test_without_key(self, people: Cast, wallets: dict[str, str], verb: str) -> None:
        assert _move(people, wallets, verb, "1.00", key=None) == "400 idempotency-key-missing"

    @pytest.mark.parametrize("key", ["", '""', "k" * 256, "tab\there"])
    def test_with_unusable_key(self, people: Cast, wallets: dict[str, str], verb: str, key: str) -> None:
        assert _move(people, wallets, verb, "1.00", key=key) == "400 idempotency-key-invalid"

    def test_with_key_of_another_body(self, people: Cast, wallets: dict[str, str], verb: str) -> None:
        key = new_key()
        assert _move(people, wallets, verb, "1.00", key=key) == "201"
        assert _move(people, wallets, verb, "2.00", key=key) == "422 idempotency-key-reused"
        assert _move(people, wallets, verb, "1.00", key=f'"{key}"') == "201"

    def test_with_voided_key(self, people: Cast, wallets: dict[str, str], verb: str) -> None:
        key, caller = new_key(), people.ada if verb == "transfer" else people.service
        caller.post(f"/v1/idempotency/{key}/void").raise_for_status()
        assert _move(people, wallets, verb, "1.00", key=key) == "409 idempotency-key-voided"

    @pytest.mark.parametrize("amount", BAD_AMOUNTS, ids=lambda amount: repr(amount)[:12])
    def test_with_bad_amount(self, people: Cast, wallets: dict[str, str], verb: str, amount: Any) -> None:  # noqa: ANN401
        assert _move(people, wallets, verb, amount) == "422 invalid-amount"

    @pytest.mark.parametrize(
        ("wallet", "refusal"),
        [("none", "404 not-found"), ("frozen", "409 account-not-active"), ("closed", "409 account-not-active")],
    )
    def test_of_a_wallet_that_cannot(
        self, people: Cast, wallets: dict[str, str], verb: str, wallet: str, refusal: str
    ) -> None:
        assert _move(people, wallets, verb, "1.00", wallet) == refusal

    def test_of_more_than_there_is(self, people: Cast, wallets: dict[str, str], verb: str) -> None:
        refusals = {"credit": "403 service-limit-exceeded"}
        assert _move(people, wallets, verb, "1000000.01" if verb == "credit" else "900000.00") == refusals.get(
            verb, "409 insufficient-funds"
        )


def test_assets_that_do_not_fit(people: Cast, wallets: dict[str, str]) -> None:
    assert outcome(people.ada.post("/v1/wallets", {"asset": "DOGE"})) == "422 asset-mismatch"
    body = {"source": wallets["full"], "destination": wallets["euro"], "amount": "1.00"}
    assert outcome(people.ada.post("/v1/transfers", body)) == "422 asset-mismatch"


RAW_BODIES = {
    "an array": b"[]",
    "cut off": b'{"amount": "1.00"',
    "a name twice": b'{"amount": "1.00", "amount": "2.00"}',
    "too deep": b'{"metadata": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "too long": b'{"reference": "' + b"r" * 20_000 + b'"}',
    "thousands of digits": b'{"amount": ' + b"9" * 5000 + b"}",
    "half a surrogate pair": b'{"reference": "\\ud800"}',
    "no UTF-8": b'\xff{"amount": "1.00"}\xfe',
    "binary": bytes(range(256)),
    "a form": b"amount=1.00",
    "a multipart form": b'--x\r\nContent-Disposition: form-data; name="amount"\r\n\r\n1.00\r\n--x--\r\n',
}
CONTENT_TYPES = [
    "application/json",
    "text/plain",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "image/png",
    "nonsense",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("body", RAW_BODIES.values(), ids=RAW_BODIES.keys())
def test_unacceptable_bodies(people: Cast, wallets: dict[str, str], body: bytes, content_type: str) -> None:
    path, headers = f"/v1/wallets/{wallets['full']}/credit", {"content-type": content_type}
    refused = people.service.call("POST", path, key=new_key(), content=body, headers=headers)
    assert outcome(refused) == "400 malformed-body"
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_good_body_is_read_whatever_it_is_called(people: Cast, wallets: dict[str, str], content_type: str) -> None:
    path, headers = f"/v1/wallets/{wallets['full']}/credit", {"content-type": content_type}
    body = json.dumps({"amount": "0.01", "reference": "test:ü"}, ensure_ascii=False).encode()
    assert outcome(people.service.call("POST", path, key=new_key(), content=body, headers=headers)) == "201"


def test_chunked_body(people: Cast, wallets: dict[str, str]) -> None:
    path = f"/v1/wallets/{wallets['full']}/credit"
    chunks = iter([b'{"amo', b'unt": "0.', b'01"}'])
    assert outcome(people.service.call("POST", path, key=new_key(), content=chunks)) == "201"


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1/wallets/%00 HTTP/1.1",
        "GET /v1/wallets/%ff%fe HTTP/1.1",
        "GET /v1/wallets/..%2f..%2fhealth HTTP/1.1",
        "GET //v1//wallets HTTP/1.1",
        "GET /v1/wallets?limit=%ff&limit=1 HTTP/1.1",
        "GET /v1/wallets?limit HTTP/1.1",
        "PATCH /v1/wallets HTTP/1.1",
        "DELETE /v1/transfers/trf_1 HTTP/1.1",
    ],
)
def test_odd_request_lines(people: Cast, deployment: Deployment, request_line: str) -> None:
    status, body = _raw(deployment, f"{request_line}\r\nHost: api\r\nAuthorization: Bearer {people.ada.token}\r\n")
    assert 200 <= status < 500, (status, body)


def test_header_that_is_no_ascii(people: Cast, wallets: dict[str, str], deployment: Deployment) -> None:
    request = (
        f"POST /v1/wallets/{wallets['full']}/credit HTTP/1.1\r\nHost: api\r\nIdempotency-Key: caf\u00e9\r\n"
        f"Authorization: Bearer {people.service.token}\r\nContent-Length: 18\r\n"
    )
    status, body = _raw(deployment, request, '{"amount": "1.00"}')
    assert (status, json.loads(body)["type"]) == (400, "urn:tallystick:problem:idempotency-key-invalid")


@pytest.mark.parametrize("key", ["a/b/c", "50%", "a b", "a?b#c", "void", "orders/void", '"quoted"', "~!@$^&*()_+|"])
def test_keys_of_all_characters_are_found(people: Cast, wallets: dict[str, str], key: str) -> None:
    assert _move(people, wallets, "credit", "0.01", key=key) == "201"
    found = people.service.get(f"/v1/idempotency/{quote(key, safe='')}")
    assert (found.status_code, found.json().get("state")) == (200, "committed")
    refused = people.service.post(f"/v1/idempotency/{quote(key, safe='')}/void")
    assert outcome(refused) == "409 idempotency-key-committed"


def test_38_digits_stay_exact(people: Cast) -> None:
    rich, poor = people.ada.open_wallet("XP"), people.ada.open_wallet("XP")
    nearly = str(int(NINES) - 1)
    assert people.service.post(f"/v1/wallets/{rich}/credit", {"amount": nearly}).json()["amount"] == nearly
    assert outcome(people.service.post(f"/v1/wallets/{rich}/credit", {"amount": "2"})) == "409 balance-limit-exceeded"
    people.service.post(f"/v1/wallets/{rich}/credit", {"amount": "1"}).raise_for_status()
    people.ada.post("/v1/transfers", {"source": rich, "destination": poor, "amount": NINES}).raise_for_status()
    people.service.post(f"/v1/wallets/{poor}/debit", {"amount": "1"}).raise_for_status()
    (debit, transfer) = people.ada.get(f"/v1/wallets/{poor}/entries").json()["items"]
    assert (debit["balance_after"], transfer["amount"]) == (nearly, NINES)
    assert people.ada.get(f"/v1/wallets/{rich}").json()["balance"] == "0"
    assert people.ada.get(f"/v1/wallets/{poor}/balance").json()["balance"] == nearly


def test_38_digits_with_18_decimals_stay_exact(people: Cast) -> None:
    wallet, amount = people.ada.open_wallet("ETH"), "12345678901234567890.123456789012345678"
    people.service.post(f"/v1/wallets/{wallet}/credit", {"amount": amount}).raise_for_status()
    people.service.post(f"/v1/wallets/{wallet}/debit", {"amount": "0.000000000000000001"}).raise_for_status()
    assert people.ada.get(f"/v1/wallets/{wallet}").json()["balance"] == amount[:-1] + "7"


def _raw(deployment: Deployment, head: str, body: str = "") -> tuple[int, str]:
    """Send what no client library would, and read the answer."""
    address = urlsplit(deployment.base_url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n{body}".encode("latin-1"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    answered, _, content = received.partition(b"\r\n\r\n")
    return int(answered.split()[1]), content.decode()
