"""The model answers as moto and MiniStack do, but where AWS says otherwise."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.simulation.asking import CALLS, PLAIN, SCHEMAS, Call
from tests.simulation.emulators import Answer, MiniStack, Model, Moto, Store
from tests.support.profiles import examples

_STREAM: Final = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
_PAGED: Final = ("Query", "Scan")


class Asked(NamedTuple):
    """Hold one call and both answers."""

    operation: str
    parameters: Mapping[str, Any]
    ours: Answer
    theirs: Answer


class Known(NamedTuple):
    """Hold where an emulator is wrong, and where AWS says so."""

    what: str
    source: str
    is_this: Callable[[Asked], bool]


def _is_too_long(asked: Asked) -> bool:
    return any("38 significant digits" in str(message) for message in asked.ours.get("messages", ()))


_ROUNDED: Final = Known(
    "a sum of more than 38 digits is rounded or kept",
    "Supported data types and naming rules in Amazon DynamoDB, Number: exceeding 38 digits results in an exception",
    _is_too_long,
)

KNOWN: Final[Mapping[type[Store], Sequence[Known]]] = {
    MiniStack: (_ROUNDED,),
    Moto: (
        _ROUNDED,
        Known(
            "values of two types cannot be compared, nor a number with more than 38 digits of which the last are zero",
            "Comparison operator and function reference: values of other types are not in order",
            lambda asked: "broken" in asked.theirs or "TypeError" in dict(asked.theirs.get("reasons", ())),
        ),
        Known(
            "an update that cannot be carried out is refused by itself, whatever becomes of the conditions",
            "API_TransactWriteItems: TransactionCanceledException with the reason ValidationError",
            lambda asked: ("ValidationError", None) in asked.ours.get("reasons", ()),
        ),
        Known(
            "a transaction reads whole items",
            "API_Get: ProjectionExpression",
            lambda asked: asked.operation == "TransactGetItems" and "ProjectionExpression" in str(asked.parameters),
        ),
    ),
}


_ITEM: Final = {"item_id": {"S": "1"}}
_ADDED: Final = {
    "TransactItems": [
        {
            "Update": {
                "TableName": PLAIN,
                "Key": _ITEM,
                "UpdateExpression": "ADD #number :one",
                "ExpressionAttributeNames": {"#number": "number"},
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }
    ],
    "ClientRequestToken": "once",
}
_BIG: Final = {"TableName": PLAIN, "Item": _ITEM | {"text": {"S": "x" * 10_000}}}
_GET: Final = {"TableName": PLAIN, "Key": _ITEM, "ConsistentRead": True}

DIFFERENCES: Final[Sequence[tuple[type[Store], str, Sequence[Call]]]] = (
    # What random calls do not ask; when an emulator has learnt it, its line goes.
    (
        Moto,
        "Supported data types and naming rules in Amazon DynamoDB, Number: up to 38 digits",
        [("PutItem", {"TableName": PLAIN, "Item": _ITEM | {"number": {"N": "1" * 39}}})],
    ),
    (
        Moto,
        "API_TransactWriteItems, ClientRequestToken: the same request happens once",
        [("TransactWriteItems", _ADDED), ("TransactWriteItems", _ADDED), ("GetItem", _GET)],
    ),
    (
        Moto,
        "Constraints in Amazon DynamoDB: a partition key has up to 2048 bytes",
        [("GetItem", {"TableName": PLAIN, "Key": {"item_id": {"S": "x" * 2049}}})],
    ),
    (
        MiniStack,
        "DynamoDB read and write operations: a unit for every 4 KB",
        [("PutItem", _BIG), ("GetItem", _GET | {"ReturnConsumedCapacity": "TOTAL"})],
    ),
)


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("moto.dynamodb.responses.TRANSACTION_MAX_ITEMS", 100)
        yield Moto()


@pytest.fixture(scope="module")
def ministack() -> MiniStack:
    return MiniStack()


@settings(max_examples=examples(60))
@given(calls=st.lists(CALLS, min_size=5, max_size=25))
def test_the_model_answers_as_moto_does(moto: Moto, calls: list[Call]) -> None:
    _check_same(moto, calls)


@settings(max_examples=examples(150))
@given(calls=st.lists(CALLS, min_size=5, max_size=25))
def test_the_model_answers_as_ministack_does(ministack: MiniStack, calls: list[Call]) -> None:
    _check_same(ministack, calls, ministack.changes)


@pytest.mark.parametrize(("kind", "source", "calls"), DIFFERENCES)
def test_an_emulator_is_wrong_where_we_follow_the_documents(
    moto: Moto, ministack: MiniStack, kind: type[Store], source: str, calls: Sequence[Call]
) -> None:
    emulator: Store = moto if kind is Moto else ministack
    model = _beginning(emulator)
    ours = [_plain(model.call(operation, parameters)) for operation, parameters in calls]
    theirs = [_plain(emulator.call(operation, parameters)) for operation, parameters in calls]
    assert ours[:-1] == theirs[:-1]
    assert ours[-1] != theirs[-1], source


def _beginning(emulator: Store) -> Model:
    """Make empty tables."""
    model = Model()
    for name in SCHEMAS:
        emulator.call("DeleteTable", {"TableName": name})
    for store, (name, schema) in itertools.product((model, emulator), SCHEMAS.items()):
        made = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", "StreamSpecification": _STREAM, **schema}
        store.call("CreateTable", made)
    return model


def _check_same(emulator: Store, calls: list[Call], changes: Callable[[str], list[Answer]] | None = None) -> None:
    """Compare every answer and, at the end, what is stored; after a known difference nothing is comparable any more."""
    model = _beginning(emulator)
    for operation, parameters in [*calls, *(("Scan", {"TableName": name, "ConsistentRead": True}) for name in SCHEMAS)]:
        ours, theirs = _answer(model, operation, parameters), _answer(emulator, operation, parameters)
        if any(known.is_this(Asked(operation, parameters, ours, theirs)) for known in KNOWN[type(emulator)]):
            return
        assert _plain(ours) == _plain(theirs), (operation, parameters)
    if changes:
        for name in SCHEMAS:
            assert _plain(model.changes(name)) == _plain(changes(name))


def _answer(store: Store, operation: str, parameters: dict[str, Any]) -> Answer:
    if operation in _PAGED:
        return _all_pages(store, operation, parameters)
    answer = store.call(operation, parameters)
    if operation == "BatchGetItem" and "Responses" in answer:
        answer["Responses"] = {name: sorted(items, key=_as_text) for name, items in answer["Responses"].items()}
    return answer


def _all_pages(store: Store, operation: str, parameters: dict[str, Any]) -> Answer:
    start: dict[str, Any] = {}
    items, scanned = [], 0
    while True:
        page = store.call(operation, parameters | start)
        if "Items" not in page:
            return page
        items += page["Items"]
        scanned += page["ScannedCount"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    if operation == "Scan":
        items.sort(key=_as_text)
    return {"Items": items, "ScannedCount": scanned}


def _as_text(item: Answer) -> str:
    return json.dumps(item, sort_keys=True, default=repr)


def _plain(answer: Any) -> Any:  # noqa: ANN401 (as they answer)
    """Sort what has no order, and leave out how a refusal is worded."""
    if isinstance(answer, dict):
        return {
            name: sorted(value) if name in ("SS", "NS") else _plain(value)
            for name, value in answer.items()
            if name != "messages"
        }
    return [_plain(member) for member in answer] if isinstance(answer, list | tuple) else answer
