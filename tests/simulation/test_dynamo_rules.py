"""What DynamoDB documents and no emulator shows: transactions in parts, lag, tokens, numbers, limits, costs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tests.simulation.asking import INDEX, PLAIN, RANGED, SCHEMAS
from tests.simulation.dynamo import Dynamo, Refused

Item = dict[str, dict[str, Any]]

_OLD: Final = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
_COSTS: Final = {"ReturnConsumedCapacity": "TOTAL"}


@dataclass
class World:
    """Hold a model with empty tables, its clock, and who hides reasons."""

    now: float = 0
    hide: Callable[[int], bool] = lambda _: False
    dynamo: Dynamo = field(init=False)

    def __post_init__(self) -> None:
        self.dynamo = Dynamo(lambda: self.now, self._hides)
        for name, schema in SCHEMAS.items():
            self.dynamo.call("CreateTable", {"TableName": name, **schema})

    def _hides(self, number: int) -> bool:
        return self.hide(number)

    def put(self, item_id: str, **members: int | str) -> dict[str, Any]:
        return self.dynamo.call("PutItem", {"TableName": PLAIN, "Item": item(item_id, **members), **_COSTS})

    def get(self, item_id: str, *, lag: int = 0, **parameters: object) -> Item | None:
        found = self.dynamo.call("GetItem", {"TableName": PLAIN, "Key": key(item_id), **parameters}, lag=lag)
        return found.get("Item")

    def refused(self, operation: str, parameters: dict[str, Any]) -> Refused:
        with pytest.raises(Refused) as caught:
            self.dynamo.call(operation, parameters)
        return caught.value


@pytest.fixture
def world() -> World:
    return World()


def key(item_id: str) -> Item:
    return {"item_id": {"S": item_id}}


def item(item_id: str, **members: int | str) -> Item:
    return key(item_id) | {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in members.items()
    }


def put(item_id: str, **members: int | str) -> dict[str, Any]:
    return {"Put": {"TableName": PLAIN, "Item": item(item_id, **members)}}


def new(item_id: str, **members: int | str) -> dict[str, Any]:
    return {"Put": put(item_id, **members)["Put"] | {"ConditionExpression": "attribute_not_exists(item_id)"} | _OLD}


def add(item_id: str, number: str) -> dict[str, Any]:
    return {
        "TableName": PLAIN,
        "Key": key(item_id),
        "UpdateExpression": "ADD #number :added",
        "ExpressionAttributeNames": {"#number": "number"},
        "ExpressionAttributeValues": {":added": {"N": number}},
        "ReturnValues": "ALL_NEW",
    }


def transaction(*members: dict[str, Any], token: str | None = None) -> dict[str, Any]:
    return {"TransactItems": list(members)} | ({"ClientRequestToken": token} if token else {})


def codes(refused: Refused) -> list[str]:
    return [reason["Code"] for reason in refused.reasons]


def group(name: str, **parameters: object) -> dict[str, Any]:
    return {
        "TableName": PLAIN,
        "IndexName": INDEX,
        "KeyConditionExpression": "#group = :group",
        "ExpressionAttributeNames": {"#group": "group"},
        "ExpressionAttributeValues": {":group": {"S": name}},
        **parameters,
    }


def test_a_transaction_becomes_visible_in_parts(world: World) -> None:
    world.put("1", number=1)
    commit = world.dynamo.begin(transaction(put("1", number=2), put("2", number=2), new("3")))
    assert commit.hidden == [0, 1, 2]
    commit.show(1)
    assert commit.hidden == [0, 2]
    seen = [world.get(item_id, ConsistentRead=True) for item_id in "123"]
    assert seen == [item("1", number=1), item("2", number=2), None]
    assert [change.event_name for change in world.dynamo.changes(PLAIN)] == ["INSERT", "INSERT"]
    assert commit.finish() == commit.finish() == {}
    assert world.dynamo.items(PLAIN) == [item("1", number=2), item("2", number=2), item("3")]
    assert [change.event_name for change in world.dynamo.changes(PLAIN)] == ["INSERT", "INSERT", "MODIFY", "INSERT"]


def test_nobody_else_writes_what_a_transaction_is_writing(world: World) -> None:
    world.put("1", number=1)
    check = {"TableName": PLAIN, "Key": key("2"), "ConditionExpression": "attribute_not_exists(item_id)"}
    commit = world.dynamo.begin(transaction(put("1", number=2), {"ConditionCheck": check}))
    commit.show(0)
    for operation, parameters in (
        ("PutItem", put("1")["Put"]),
        ("PutItem", put("2")["Put"]),
        ("UpdateItem", add("1", "1")),
        ("DeleteItem", {"TableName": PLAIN, "Key": key("1")}),
    ):
        refused = world.refused(operation, parameters)
        assert (refused.code, refused.message) == (
            "TransactionConflictException",
            "Transaction is ongoing for the item",
        )
    refused = world.refused("TransactWriteItems", transaction(put("3"), new("1")))
    assert (refused.code, codes(refused)) == ("TransactionCanceledException", ["None", "TransactionConflict"])
    reading = {"TransactItems": [{"Get": {"TableName": PLAIN, "Key": key(item_id)}} for item_id in "13"]}
    refused = world.refused("TransactGetItems", reading)
    assert (refused.code, codes(refused)) == ("TransactionCanceledException", ["TransactionConflict", "None"])
    commit.finish()
    world.put("2")
    assert world.dynamo.call("TransactGetItems", reading)["Responses"] == [{"Item": item("1", number=2)}, {}]


def test_a_cancelled_transaction_takes_no_locks_and_gives_its_reasons_in_order(world: World) -> None:
    world.put("1", number=1)
    world.put("2", text="no number")
    members = (new("0"), new("1"), {"Update": {name: add("2", "1")[name] for name in list(add("2", "1"))[:-1]}})
    members[2]["Update"]["ExpressionAttributeNames"] = {"#number": "text"}
    refused = world.refused("TransactWriteItems", transaction(*members, token="one"))
    assert refused.reasons == [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": item("1", number=1)},
        {
            "Code": "ValidationError",
            "Message": "An operand in the update expression has an incorrect data type",
        },
    ]
    assert refused.message.endswith("reasons [None, ConditionalCheckFailed, ValidationError]")
    assert world.get("0") is None
    world.dynamo.call("TransactWriteItems", transaction(put("1"), put("0"), token="one"))


def test_some_reasons_may_stay_untold_but_not_all(world: World) -> None:
    for item_id in "123":
        world.put(item_id)
    world.hide = lambda number: number != 1
    refused = world.refused("TransactWriteItems", transaction(*map(new, "123")))
    assert codes(refused) == ["None", "ConditionalCheckFailed", "None"]
    world.hide = lambda _: True
    refused = world.refused("TransactWriteItems", transaction(*map(new, "0123")))
    assert codes(refused) == ["None", "ConditionalCheckFailed", "None", "None"]


def test_what_is_found_is_only_told_where_it_is_asked_for(world: World) -> None:
    world.put("1", number=1)
    asked = new("1")["Put"]
    assert world.refused("PutItem", asked).item == item("1", number=1)
    unasked = {name: asked[name] for name in asked.keys() - _OLD.keys()}
    assert world.refused("PutItem", unasked).item is None
    assert "Item" not in world.refused("TransactWriteItems", transaction({"Put": unasked})).reasons[0]


def test_a_token_makes_a_transaction_happen_once_for_ten_minutes(world: World) -> None:
    adding = {name: value for name, value in add("1", "1").items() if name != "ReturnValues"}
    asked = transaction({"Update": adding}, token="one") | _COSTS
    commit = world.dynamo.begin(asked)
    assert world.refused("TransactWriteItems", asked).code == "TransactionInProgressException"
    first = commit.finish()
    world.now = 599.9
    again = world.dynamo.begin(asked)
    assert again.hidden == []
    assert first["ConsumedCapacity"] == [{"TableName": PLAIN, "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}]
    assert again.finish()["ConsumedCapacity"] == [{"TableName": PLAIN, "CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}]
    assert world.get("1") == item("1", number=1)
    other = transaction(put("2"), token="one")
    assert world.refused("TransactWriteItems", other).code == "IdempotentParameterMismatchException"
    world.now = 600
    world.dynamo.call("TransactWriteItems", asked)
    assert world.get("1") == item("1", number=2)


def test_transactions_have_limits(world: World) -> None:
    twice = world.refused("TransactWriteItems", transaction(put("1"), new("1")))
    assert (twice.code, twice.message) == (
        "ValidationException",
        "Transaction request cannot include multiple operations on one item",
    )
    world.dynamo.call("TransactWriteItems", transaction(*(put(str(number)) for number in range(100))))
    too_many = transaction(*(put(str(number)) for number in range(101)))
    assert world.refused("TransactWriteItems", too_many).code == "ValidationException"
    assert world.refused("TransactWriteItems", transaction()).code == "ValidationException"


def test_reads_that_need_not_be_consistent_miss_the_newest_changes(world: World) -> None:
    world.put("1", number=1, group="g", rank=1)
    world.put("1", number=2, group="g", rank=2)
    world.put("2", group="g", rank=0)
    world.dynamo.call("DeleteItem", {"TableName": PLAIN, "Key": key("1")})
    assert [world.get("1", lag=lag) for lag in range(3)] == [
        None,
        item("1", number=2, group="g", rank=2),
        item("1", number=2, group="g", rank=2),
    ]
    assert world.get("1", lag=3) == item("1", number=1, group="g", rank=1)
    assert world.get("1", lag=4) is world.get("1", lag=99) is None
    assert world.get("1", lag=1, ConsistentRead=True) is None

    def listed(lag: int) -> list[Item]:
        items: list[Item] = world.dynamo.call("Query", group("g"), lag=lag)["Items"]
        return items

    first, second = item("1", group="g", rank=1), item("1", group="g", rank=2)
    other = item("2", group="g", rank=0)
    assert [listed(lag) for lag in range(5)] == [[other], [other, second], [second], [first], []]
    scanned = world.dynamo.call("Scan", {"TableName": PLAIN}, lag=2)["Items"]
    assert scanned == [item("1", number=2, group="g", rank=2)]
    batch = {"RequestItems": {PLAIN: {"Keys": [key("1")]}}}
    assert world.dynamo.call("BatchGetItem", batch, lag=1)["Responses"] == {PLAIN: scanned}


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1E+2", "100"),
        ("007", "7"),
        ("-0", "0"),
        ("0.50", "0.5"),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9" * 38, "9" * 38),
        ("9.9E+125", "99" + "0" * 124),
        ("0." + "9" * 38, "0." + "9" * 38),
    ],
)
def test_numbers_keep_38_digits_in_one_form(world: World, written: str, stored: str) -> None:
    world.dynamo.call("PutItem", {"TableName": PLAIN, "Item": {**key("1"), "number": {"N": written}}})
    assert (world.get("1") or {})["number"] == {"N": stored}


@pytest.mark.parametrize("number", ["1" * 39, "1E+126", "1E-131", "", "NaN", "Infinity", "1_0", " 1", "x", "٣"])
def test_numbers_that_cannot_be_kept_are_refused(world: World, number: str) -> None:
    asked = {"TableName": PLAIN, "Item": {**key("1"), "number": {"N": number}}}
    assert world.refused("PutItem", asked).code == "ValidationException"


def test_sums_are_exact_or_refused(world: World) -> None:
    most = "9" * 38
    world.dynamo.call("UpdateItem", add("1", most))
    assert world.dynamo.call("UpdateItem", add("1", f"-{most}"))["Attributes"]["number"] == {"N": "0"}
    world.dynamo.call("UpdateItem", add("1", most))
    assert world.refused("UpdateItem", add("1", "2")).message == (
        "Attempting to store more than 38 significant digits in a Number"
    )
    assert world.dynamo.call("UpdateItem", add("1", "1"))["Attributes"]["number"] == {"N": "1" + "0" * 38}
    assert world.dynamo.call("UpdateItem", add("2", "0.1"))["Attributes"]["number"] == {"N": "0.1"}
    assert world.dynamo.call("UpdateItem", add("2", "0.2"))["Attributes"]["number"] == {"N": "0.3"}


def test_keys_have_limits(world: World) -> None:
    def ranged(part: str) -> dict[str, Any]:
        return {"TableName": RANGED, "Item": {"item_id": {"S": "1"}, "part": {"S": part}}}

    world.put("é" * 1024)
    world.dynamo.call("PutItem", ranged("é" * 512))
    for operation, parameters in (
        ("PutItem", put("x" * 2049)["Put"]),
        ("PutItem", put("")["Put"]),
        ("PutItem", put("1", group="", rank=1)["Put"]),
        ("PutItem", put("1", group=1)["Put"]),
        ("PutItem", put("1", group="é" * 1025, rank=1)["Put"]),
        ("PutItem", ranged("é" * 513)),
        ("PutItem", {"TableName": PLAIN, "Item": {"item_id": {"N": "1"}}}),
        ("PutItem", {"TableName": RANGED, "Item": key("1")}),
        ("GetItem", {"TableName": PLAIN, "Key": key("é" * 1025)}),
        ("GetItem", {"TableName": PLAIN, "Key": key("")}),
        ("GetItem", {"TableName": RANGED, "Key": key("1")}),
        ("GetItem", {"TableName": PLAIN, "Key": {"part": {"S": "1"}}}),
    ):
        assert world.refused(operation, parameters).code == "ValidationException"
    rename = add("1", "1") | {"ExpressionAttributeNames": {"#number": "item_id"}}
    assert world.refused("UpdateItem", rename).message.endswith("This attribute is part of the key")


def test_an_item_has_up_to_400_kilobytes(world: World) -> None:
    room = 400 * 1024 - len("item_id") - 1 - len("text")
    world.put("1", text="x" * room)
    assert world.refused("PutItem", put("1", text="x" * (room + 1))["Put"]).message == (
        "Item size has exceeded the maximum allowed size"
    )
    assert world.refused("UpdateItem", add("1", "1")).code == "ValidationException"


def test_pages_end_after_a_megabyte_or_the_limit_whatever_the_filter_leaves(world: World) -> None:
    for number in range(5):
        part = {"item_id": {"S": "1"}, "part": {"S": str(number)}, "text": {"S": "x" * 300_000}}
        world.dynamo.call("PutItem", {"TableName": RANGED, "Item": part})
    asked = {
        "TableName": RANGED,
        "KeyConditionExpression": "item_id = :id",
        "FilterExpression": "attribute_not_exists(#text)",
        "ExpressionAttributeNames": {"#text": "text"},
        "ExpressionAttributeValues": {":id": {"S": "1"}},
        **_COSTS,
    }
    page = world.dynamo.call("Query", asked)
    assert (page["Items"], page["Count"], page["ScannedCount"]) == ([], 0, 3)
    assert page["LastEvaluatedKey"] == {"item_id": {"S": "1"}, "part": {"S": "2"}}
    assert page["ConsumedCapacity"]["CapacityUnits"] == -(-3 * 300_027 // 4096) / 2
    rest = world.dynamo.call("Query", asked | {"ExclusiveStartKey": page["LastEvaluatedKey"], "Limit": 2})
    assert (rest["ScannedCount"], rest["LastEvaluatedKey"]["part"]) == (2, {"S": "4"})
    last = world.dynamo.call("Query", asked | {"ExclusiveStartKey": rest["LastEvaluatedKey"]})
    assert "LastEvaluatedKey" not in last


def test_an_index_lists_what_has_its_keys_by_rank_and_says_where_it_stopped(world: World) -> None:
    world.put("3", group="g", rank=10)
    world.put("1", group="g", rank=9)
    world.put("2", group="g", rank=10, number=1)
    world.put("4", group="g")
    page = world.dynamo.call("Query", group("g", Limit=2))
    assert page["Items"] == [item("1", group="g", rank=9), item("2", group="g", rank=10)]
    assert page["LastEvaluatedKey"] == item("2", group="g", rank=10)
    world.dynamo.call("DeleteItem", {"TableName": PLAIN, "Key": key("2")})
    rest = world.dynamo.call("Query", group("g", ExclusiveStartKey=page["LastEvaluatedKey"]))
    assert rest["Items"] == [item("3", group="g", rank=10)]
    assert world.refused("Query", group("g", ConsistentRead=True)).message == (
        "Consistent reads are not supported on global secondary indexes"
    )
    assert world.refused("Query", group("g", ExclusiveStartKey=key("2"))).code == "ValidationException"


def test_segments_share_the_items_of_a_table(world: World) -> None:
    names = [str(number) for number in range(50)]
    for name in names:
        world.put(name)
    segments = [
        world.dynamo.call("Scan", {"TableName": PLAIN, "Segment": segment, "TotalSegments": 4})["Items"]
        for segment in range(4)
    ]
    assert all(segments)
    assert sorted(found["item_id"]["S"] for items in segments for found in items) == sorted(names)


def test_a_batch_may_be_answered_in_part_and_in_another_order(world: World) -> None:
    asked = {"RequestItems": {PLAIN: {"Keys": [key(str(number)) for number in range(9)], "ConsistentRead": True}}}
    for number in range(9):
        world.put(str(number))
    whole = world.dynamo.call("BatchGetItem", asked | _COSTS)
    assert whole["UnprocessedKeys"] == {}
    assert sorted(whole["Responses"][PLAIN], key=str) == [key(str(number)) for number in range(9)]
    assert whole["Responses"][PLAIN] != [key(str(number)) for number in range(9)]
    assert whole["ConsumedCapacity"] == [{"TableName": PLAIN, "CapacityUnits": 9.0}]
    part = world.dynamo.call("BatchGetItem", asked, most=4)
    assert len(part["Responses"][PLAIN]) == 4
    rest = world.dynamo.call("BatchGetItem", {"RequestItems": part["UnprocessedKeys"]})
    assert len(rest["Responses"][PLAIN]) == 5
    twice = {"RequestItems": {PLAIN: {"Keys": [key("1"), key("1")]}}}
    assert world.refused("BatchGetItem", twice).message == "Provided list of item keys contains duplicates"


def test_costs_are_those_of_the_documents(world: World) -> None:
    def units(operation: str, parameters: dict[str, Any]) -> float:
        consumed = world.dynamo.call(operation, parameters | _COSTS)["ConsumedCapacity"]
        (one,) = [consumed] if isinstance(consumed, dict) else consumed
        return float(one["CapacityUnits"])

    assert units("PutItem", put("1", text="x" * 1000)["Put"]) == 1
    assert units("PutItem", put("1", text="x" * 5000)["Put"]) == 5
    assert units("PutItem", put("1")["Put"]) == 5
    assert units("PutItem", put("1", group="g", rank=1)["Put"]) == 2
    assert units("PutItem", put("1", group="g", rank=2)["Put"]) == 3
    assert units("PutItem", put("1", group="g", rank=2, number=1)["Put"]) == 1
    assert units("TransactWriteItems", transaction(put("1", group="g", rank=3))) == 4
    assert units("DeleteItem", {"TableName": PLAIN, "Key": key("1")}) == 2
    assert units("GetItem", {"TableName": PLAIN, "Key": key("1")}) == 0.5
    world.put("1", text="x" * 5000)
    assert units("GetItem", {"TableName": PLAIN, "Key": key("1")}) == 1
    assert units("GetItem", {"TableName": PLAIN, "Key": key("1"), "ConsistentRead": True}) == 2
    assert units("TransactGetItems", {"TransactItems": [{"Get": {"TableName": PLAIN, "Key": key("1")}}]}) == 4
    assert units("Query", group("g")) == 0.5


def test_nothing_is_recorded_when_nothing_changed(world: World) -> None:
    world.put("1", number=1)
    world.put("1", number=1)
    world.dynamo.call("DeleteItem", {"TableName": PLAIN, "Key": key("2")})
    world.dynamo.call("DeleteItem", {"TableName": PLAIN, "Key": key("1")})
    told = [
        (change.sequence, change.event_name, change.key, change.old_image, change.new_image)
        for change in world.dynamo.changes(PLAIN)
    ]
    stored = item("1", number=1)
    assert told == [(1, "INSERT", key("1"), None, stored), (2, "REMOVE", key("1"), stored, None)]


def test_nothing_that_is_stored_is_shared(world: World) -> None:
    sent: dict[str, Any] = {**key("1"), "other": {"M": {"x": {"L": [{"S": "a"}]}}}, "tags": {"SS": ["a", "b"]}}
    world.dynamo.call("PutItem", {"TableName": PLAIN, "Item": sent})
    kept = repr(world.get("1"))
    answer = world.get("1") or {}
    images = world.dynamo.changes(PLAIN)[0].new_image or {}
    for view in (sent, answer, images, world.dynamo.items(PLAIN)[0]):
        view["other"]["M"]["x"]["L"].append({"S": "b"})
        view["tags"]["SS"].clear()
        view["item_id"]["S"] = "2"
    assert repr(world.get("1")) == repr(world.dynamo.changes(PLAIN)[0].new_image) == kept


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("ExecuteStatement", {}),
        ("PutItem", {"Expected": {}}),
        ("Query", group("g", Select="ALL_ATTRIBUTES")),
        ("Scan", {"TableName": PLAIN, "IndexName": INDEX}),
        ("GetItem", {"TableName": PLAIN, "Key": key("1"), "ProjectionExpression": "number"}),
        ("UpdateItem", {"TableName": PLAIN, "Key": key("1"), "UpdateExpression": "DELETE #a :b"}),
        ("PutItem", {"TableName": PLAIN, "Item": {**key("1"), "a": {"BS": [b"1"]}}}),
        ("PutItem", {"TableName": PLAIN, "Item": {**key("1"), "a": {"N": 1}}}),
    ],
)
def test_what_the_model_does_not_know_is_not_guessed(world: World, operation: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        world.dynamo.call(operation, parameters)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("#number =", "Syntax error"),
        ("", "can not be empty"),
        ("#number = :a and", "Syntax error"),
        ("((#number = :a))", "redundant parentheses"),
        ("#other = :a", "attribute name: #other"),
        ("#number = :b", "attribute value: :b"),
        ("attribute_exists(#number)", "unused in expressions: keys: {:a}"),
        ("attribute_exists(item_id) or :a = :a", "unused in expressions: keys: {#number}"),
        ("#number ! :a", "Syntax error"),
    ],
)
def test_expressions_that_say_nothing_are_refused(world: World, condition: str, message: str) -> None:
    asked = put("1")["Put"] | {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#number": "number"},
        "ExpressionAttributeValues": {":a": {"N": "1"}},
    }
    refused = world.refused("PutItem", asked)
    assert refused.code == "ValidationException"
    assert message in refused.message


def test_tables_are_known_or_not(world: World) -> None:
    described = world.dynamo.call("DescribeTable", {"TableName": PLAIN})["Table"]
    assert (described["TableStatus"], described["KeySchema"]) == ("ACTIVE", SCHEMAS[PLAIN]["KeySchema"])
    again = world.refused("CreateTable", {"TableName": PLAIN, **SCHEMAS[PLAIN]})
    assert again.code == "ResourceInUseException"
    assert world.refused("GetItem", {"TableName": "none", "Key": key("1")}).code == "ResourceNotFoundException"
