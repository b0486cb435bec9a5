from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import ValidationError

from functions.withdrawals.destinations import DestinationRequest, DestinationView
from tallystick.adapters.destinations.members import MAX_CHARACTERS
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import InvalidRequest, Refusal
from tallystick.problems import invalid
from tallystick.shapes import StrictModel

G = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
STELLAR = {"type": "stellar", "address": G, "memo": "12345", "memo_type": "id"}
EVM = {"type": "evm", "address": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}
BITCOIN = {"type": "bitcoin", "address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}
IBAN = {"type": "iban", "iban": "GB29NWBK60161331926819", "account_holder_name": "Ada Lovelace"}
NUBAN = {
    "type": "nuban",
    "bank_code": "011",
    "account_number": "0000014579",
    "account_holder_name": "Ada Lovelace",
}
STRIPE = {"type": "stripe", "external_account": "ba_1MtFgV2eZvKYlo2C"}
ALL = [STELLAR, EVM, BITCOIN, IBAN, NUBAN, STRIPE]


class Order(StrictModel):
    destination: DestinationRequest


def asked(destination: object) -> Destination | Refusal:
    """Go the way of a request: Powertools puts `body` before pydantic's locations."""
    body = {"destination": destination}
    try:
        return Order.model_validate(body).destination.to_domain()
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        return invalid(RequestValidationError(faults), body)
    except InvalidRequest as refusal:
        return refusal


def pointers(destination: object) -> list[str]:
    refusal = asked(destination)
    assert type(refusal) is InvalidRequest
    errors: Any = refusal.members["errors"]
    assert all(error["detail"] for error in errors)
    return [error["pointer"] for error in errors]


def test_every_kind_can_be_asked_for() -> None:
    assert {given["type"] for given in ALL} == set(DestinationType)


@pytest.mark.parametrize("given", [*ALL, {"type": "stellar", "address": G}], ids=str)
def test_a_destination_is_shown_as_it_was_asked_for(given: dict[str, str]) -> None:
    destination = asked(given)
    assert isinstance(destination, Destination)
    assert destination.type == given["type"]
    view = DestinationView.of(destination)
    assert view.model_dump(mode="json", exclude_none=True) == given


def test_a_destination_is_shown_in_its_canonical_spelling() -> None:
    destination = asked({**IBAN, "iban": "gb29 nwbk 6016 1331 9268 19"})
    assert isinstance(destination, Destination)
    assert DestinationView.of(destination).iban == "GB29NWBK60161331926819"


@pytest.mark.parametrize(
    ("given", "member", "value"),
    [
        (STELLAR, "address", "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAAJLK"),
        (STELLAR, "memo", "007"),
        (STELLAR, "memo", None),
        (STELLAR, "memo", 12345),
        (STELLAR, "memo", "1" * 129),
        (STELLAR, "memo_type", "number"),
        (STELLAR, "memo_type", None),
        (EVM, "address", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
        (BITCOIN, "address", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
        (IBAN, "iban", "GB29NWBK60161331926818"),
        (IBAN, "account_holder_name", " "),
        (NUBAN, "bank_code", "0011"),
        (NUBAN, "account_number", "0000014578"),
        (NUBAN, "account_holder_name", "A" * 71),
        (STRIPE, "external_account", "acct_1MtFgV2eZvKYlo2C"),
    ],
)
def test_a_wrong_member_is_pointed_at(given: dict[str, str], member: str, value: object) -> None:
    assert pointers({**given, member: value}) == [f"/destination/{member}"]


@pytest.mark.parametrize("given", ALL, ids=str)
def test_every_member_is_pointed_at_when_it_is_too_long_or_no_text(given: dict[str, str]) -> None:
    for member in given.keys() - {"type", "memo_type"}:
        for value in ("A" * 129, 5, ["A"], {"A": "A"}, True):
            assert pointers({**given, member: value}) == [f"/destination/{member}"]


@pytest.mark.parametrize("given", ALL, ids=str)
def test_every_member_is_pointed_at_when_it_is_missing(given: dict[str, str]) -> None:
    for missing in given:
        rest = {member: value for member, value in given.items() if member != missing}
        assert pointers(rest) == [f"/destination/{missing}"]


@pytest.mark.parametrize("given", ALL, ids=str)
def test_a_member_of_another_kind_is_pointed_at(given: dict[str, str]) -> None:
    for member in ("adress", "a/b~c", *(member for other in ALL for member in other if member not in given)):
        escaped = member.replace("~", "~0").replace("/", "~1")
        assert pointers({**given, member: "x"}) == [f"/destination/{escaped}"]


@pytest.mark.parametrize("kind", ["", "STELLAR", "paypal", None, 5, True, ["stellar"], {"stellar": "stellar"}])
def test_another_type_is_pointed_at_and_the_right_ones_are_named(kind: object) -> None:
    refusal = asked({**STELLAR, "type": kind})
    assert pointers({**STELLAR, "type": kind}) == ["/destination/type"]
    assert isinstance(refusal, InvalidRequest)
    assert refusal.detail == "Input should be one of 'stellar', 'evm', 'bitcoin', 'iban', 'nuban', 'stripe'"


def test_a_missing_type_is_pointed_at() -> None:
    refusal = asked({})
    assert isinstance(refusal, InvalidRequest)
    assert refusal.members["errors"] == [{"detail": "Field required", "pointer": "/destination/type"}]


@pytest.mark.parametrize("value", [None, "stellar", 5, True, [], [STELLAR]])
def test_a_destination_is_an_object(value: object) -> None:
    assert pointers(value) == ["/destination"]


def test_all_faults_of_shape_are_told_at_once() -> None:
    assert pointers({"type": "nuban", "bank_code": 11, "iban": "x"}) == [
        "/destination/bank_code",
        "/destination/account_number",
        "/destination/account_holder_name",
        "/destination/iban",
    ]


def test_the_contract_tells_the_kinds_apart_by_type() -> None:
    shape = Order.model_json_schema()["properties"]["destination"]
    assert shape["discriminator"]["propertyName"] == "type"
    assert set(shape["discriminator"]["mapping"]) == set(DestinationType)
    assert len(shape["oneOf"]) == len(DestinationType)


def test_the_contract_bounds_every_text() -> None:
    kinds = Order.model_json_schema()["$defs"].values()
    texts = [shape for kind in kinds for name, shape in kind["properties"].items() if name not in {"type", "memo_type"}]
    bounds = [shape.get("maxLength") or shape["anyOf"][0]["maxLength"] for shape in texts]
    assert bounds == [MAX_CHARACTERS] * len(texts)
    assert all(shape["description"] and shape["examples"] for shape in texts)
