"""Make up calls to DynamoDB on a few keys, so that they meet each other."""

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

Value = dict[str, Any]
Call = tuple[str, dict[str, Any]]

PLAIN: Final = "plain-table"
RANGED: Final = "ranged-table"
INDEX: Final = "group-index"

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    PLAIN: {
        "KeySchema": [{"AttributeName": "item_id", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "item_id", "AttributeType": "S"},
            {"AttributeName": "group", "AttributeType": "S"},
            {"AttributeName": "rank", "AttributeType": "N"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "group", "KeyType": "HASH"},
                    {"AttributeName": "rank", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    },
    RANGED: {
        "KeySchema": [
            {"AttributeName": "item_id", "KeyType": "HASH"},
            {"AttributeName": "part", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "item_id", "AttributeType": "S"},
            {"AttributeName": "part", "AttributeType": "S"},
        ],
    },
}

_NUMBERS: Final = (
    st.integers(-3, 12).map(str)
    | st.integers(-(10**38) + 1, 10**38 - 1).map(str)
    | st.sampled_from(["1E+2", "0.50", "-0", "007", "1e-3", "-12.5", "9" * 38, "1" + "0" * 40])
)
_TEXTS: Final = st.sampled_from(["", "a", "b", "ab", "abc", "é", "~"])
_SCALARS: Final = st.one_of(
    _NUMBERS.map(lambda number: {"N": number}),
    _TEXTS.map(lambda text: {"S": text}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    st.binary(max_size=3).map(lambda content: {"B": content}),
    st.sets(st.sampled_from("abc"), min_size=1).map(lambda members: {"SS": sorted(members)}),
    st.sets(st.sampled_from("123"), min_size=1).map(lambda members: {"NS": sorted(members)}),
)
_VALUES: Final = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda members: {"L": members})
        | st.dictionaries(st.sampled_from("xy"), inner, max_size=2).map(lambda members: {"M": members})
    ),
    max_leaves=4,
)
_ATTRIBUTES: Final = ("number", "text", "other")
_MEMBERS: Final = {
    "number": _NUMBERS.map(lambda number: {"N": number}),
    "text": _TEXTS.map(lambda text: {"S": text}),
    "other": _VALUES,
    "group": st.sampled_from("gh").map(lambda text: {"S": text}),
    "rank": st.integers(0, 3).map(lambda number: {"N": str(number)}),
}


@dataclass(slots=True)
class Expressions:
    """Collect names and values of one request."""

    names: dict[str, str]
    values: dict[str, Value]

    def name(self, name: str) -> str:
        """Stand for a name."""
        self.names[f"#{name}"] = name
        return f"#{name}"

    def value(self, value: Value) -> str:
        """Stand for a value."""
        self.values[f":{len(self.values)}"] = value
        return f":{len(self.values) - 1}"

    def parameters(self, **expressions: str | None) -> dict[str, Any]:
        """Give what belongs into the request."""
        given = {name: text for name, text in expressions.items() if text is not None}
        return (
            given
            | ({"ExpressionAttributeNames": self.names} if self.names else {})
            | ({"ExpressionAttributeValues": self.values} if self.values else {})
        )


def keys(table: str) -> st.SearchStrategy[dict[str, Value]]:
    """Make a key of a table."""
    names = {"item_id": st.sampled_from("123")}
    if table == RANGED:
        names["part"] = st.sampled_from(["a", "ab", "b", "bc", "é"])
    return st.fixed_dictionaries({name: text.map(lambda text: {"S": text}) for name, text in names.items()})


@st.composite
def items(draw: st.DrawFn, table: str) -> dict[str, Value]:
    """Make an item; only some are in the index."""
    names = draw(st.sets(st.sampled_from(sorted(_MEMBERS))))
    return draw(keys(table)) | {name: draw(_MEMBERS[name]) for name in sorted(names)}


_LOGIC: Final = ("AND", "OR", "NOT")
_FUNCTIONS: Final = ("attribute_exists", "attribute_not_exists", "begins_with", "contains")
_COMPARISONS: Final = ("BETWEEN", "IN", "=", "<>", "<", "<=", ">", ">=")


@st.composite
def _conditions(draw: st.DrawFn, said: Expressions, depth: int = 2) -> str:
    kind = draw(st.sampled_from([*_FUNCTIONS, *_COMPARISONS, *(_LOGIC if depth else ())]))
    if kind == "NOT":
        return f"(NOT {draw(_conditions(said, depth - 1))})"
    if kind in _LOGIC:
        return f"({draw(_conditions(said, depth - 1))} {kind} {draw(_conditions(said, depth - 1))})"
    return draw(_tests(kind, said))


@st.composite
def _tests(draw: st.DrawFn, kind: str, said: Expressions) -> str:
    """Ask one thing of one attribute."""
    name = "text" if kind == "begins_with" else draw(st.sampled_from([*_ATTRIBUTES, "rank"]))
    known, values = said.name(name), [said.value(value) for value in draw(_compared(kind, name))]
    if kind in _FUNCTIONS:
        return f"{kind} ({', '.join([known, *values])})"
    if kind == "IN":
        return f"{known} IN ({', '.join(values)})"
    return f"{known} {kind} {' AND '.join(values)}"


def _compared(kind: str, name: str) -> st.SearchStrategy[list[Value]]:
    match kind:
        case "attribute_exists" | "attribute_not_exists":
            return st.just([])
        case "BETWEEN":
            bounds = st.lists(st.integers(-3, 12), min_size=2, max_size=2).map(sorted)
            return bounds.map(lambda both: [{"N": str(bound)} for bound in both])
        case "IN":
            return st.lists(_MEMBERS[name], min_size=1, max_size=3)
    values = {
        "=": _MEMBERS[name],
        "<>": _MEMBERS[name],
        "begins_with": _MEMBERS["text"],
        "contains": st.sampled_from([{"S": "a"}, {"N": "1"}]),
    }
    return values.get(kind, _MEMBERS["number"] | _MEMBERS["text"]).map(lambda value: [value])


_WAYS: Final = {
    "set": ("SET", "{0} = {1}"),
    "remove": ("REMOVE", "{0}"),
    "keep": ("SET", "{0} = if_not_exists ({0}, {1})"),
    "copy": ("SET", "{2} = {0}"),
    "add": ("ADD", "{0} {1}"),
    "plus": ("SET", "{0} = {0} + {1}"),
    "minus": ("SET", "{0} = {0} - {1}"),
}
_OF_ALL: Final = ("set", "set", "remove", "keep", "copy")


@st.composite
def _updates(draw: st.DrawFn, said: Expressions) -> str:
    """Change some attributes, each in one way."""
    clauses: dict[str, list[str]] = {}
    for name in draw(st.lists(st.sampled_from(["number", "text", "other", "rank", "group"]), unique=True, min_size=1)):
        way = draw(st.sampled_from(tuple(_WAYS) if name in ("number", "rank") else _OF_ALL))
        clause, form = _WAYS[way]
        value = said.value(draw(_MEMBERS[name])) if "{1}" in form else ""
        copied = said.name(f"copied_{name}") if "{2}" in form else ""
        clauses.setdefault(clause, []).append(form.format(said.name(name), value, copied))
    return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items())


_ALL_OLD: Final = st.sampled_from([{}, {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}])


@st.composite
def _puts(draw: st.DrawFn, table: str) -> dict[str, Any]:
    said = Expressions({}, {})
    condition = draw(st.none() | _conditions(said))
    return {"TableName": table, "Item": draw(items(table)), **said.parameters(ConditionExpression=condition)}


@st.composite
def _changes(draw: st.DrawFn, table: str) -> dict[str, Any]:
    said = Expressions({}, {})
    update, condition = draw(_updates(said)), draw(st.none() | _conditions(said))
    expressions = said.parameters(UpdateExpression=update, ConditionExpression=condition)
    return {"TableName": table, "Key": draw(keys(table)), **expressions}


@st.composite
def _keyed(draw: st.DrawFn, table: str, *, is_check: bool) -> dict[str, Any]:
    said = Expressions({}, {})
    condition = draw(_conditions(said) if is_check else st.none() | _conditions(said))
    return {"TableName": table, "Key": draw(keys(table)), **said.parameters(ConditionExpression=condition)}


@st.composite
def writes(draw: st.DrawFn) -> Call:
    """Write one item."""
    table = draw(st.sampled_from([PLAIN, RANGED]))
    operation = draw(st.sampled_from(["PutItem", "PutItem", "UpdateItem", "UpdateItem", "DeleteItem"]))
    returned = st.sampled_from(["NONE", "ALL_OLD"] + ["ALL_NEW"] * (operation == "UpdateItem"))
    parts = {"PutItem": _puts(table), "UpdateItem": _changes(table), "DeleteItem": _keyed(table, is_check=False)}
    return operation, {**draw(parts[operation]), **draw(_ALL_OLD), "ReturnValues": draw(returned)}


@st.composite
def transactions(draw: st.DrawFn) -> Call:
    """Write some items at once; now and then one of them twice."""
    members = []
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from([PLAIN, RANGED]))
        kind = draw(st.sampled_from(["Put", "Put", "Update", "Update", "Delete", "ConditionCheck"]))
        parts = {"Put": _puts(table), "Update": _changes(table)}
        part = draw(parts.get(kind, _keyed(table, is_check=kind == "ConditionCheck")))
        members.append({kind: part | draw(_ALL_OLD)})
    return "TransactWriteItems", {"TransactItems": members}


@st.composite
def gets(draw: st.DrawFn) -> Call:
    """Read items by their keys."""
    table = draw(st.sampled_from([PLAIN, RANGED]))
    said = Expressions({}, {})
    names = draw(st.none() | st.lists(st.sampled_from(_ATTRIBUTES), min_size=1, unique=True))
    projection = said.parameters(ProjectionExpression=", ".join(map(said.name, names)) if names else None)
    several = draw(st.lists(keys(table), min_size=1, max_size=4, unique_by=lambda key: str(sorted(key.items()))))
    match draw(st.sampled_from(["GetItem", "BatchGetItem", "TransactGetItems"])):
        case "GetItem":
            return "GetItem", {"TableName": table, "Key": several[0], "ConsistentRead": True, **projection}
        case "BatchGetItem":
            return "BatchGetItem", {"RequestItems": {table: {"Keys": several, "ConsistentRead": True, **projection}}}
    members = [{"Get": {"TableName": table, "Key": key, **projection}} for key in several]
    return "TransactGetItems", {"TransactItems": members}


_RANGES: Final = ("=", "<", "<=", ">", ">=", "BETWEEN", "begins_with")


@st.composite
def queries(draw: st.DrawFn) -> Call:
    """Query a table or the index."""
    said = Expressions({}, {})
    table, hash_name, range_name, values, ways = draw(
        st.sampled_from(
            [
                (PLAIN, "item_id", None, st.nothing(), ()),
                (RANGED, "item_id", "part", st.sampled_from(["a", "ab", "abc", "b", "é"]), _RANGES),
                (PLAIN, "group", "rank", st.integers(-1, 4).map(str), _RANGES[:-1]),
            ]
        )
    )
    kind = "N" if range_name == "rank" else "S"
    wanted = draw(st.sampled_from("gh" if hash_name == "group" else "123"))
    key = f"{said.name(hash_name)} = {said.value({'S': wanted})}"
    if range_name and draw(st.booleans()):
        way = draw(st.sampled_from(ways))
        limits = [said.value({kind: limit}) for limit in sorted(draw(st.lists(values, min_size=2, max_size=2)))]
        used = {"BETWEEN": f"{said.name(range_name)} BETWEEN {' AND '.join(limits)}"}
        if way != "BETWEEN":
            said.values.pop(limits.pop())
        used["begins_with"] = f"begins_with ({said.name(range_name)}, {limits[0]})"
        key += f" AND {used.get(way, f'{said.name(range_name)} {way} {limits[0]}')}"
    index = {"IndexName": INDEX} if hash_name == "group" else {"ConsistentRead": True}
    return "Query", {
        "TableName": table,
        "ScanIndexForward": draw(st.booleans()),
        **index,
        **draw(_pages(said, KeyConditionExpression=key, may_filter=hash_name != "group")),
    }


@st.composite
def _pages(draw: st.DrawFn, /, said: Expressions, *, may_filter: bool, **expressions: str) -> dict[str, Any]:
    condition = draw(st.none() | _conditions(said)) if may_filter else None
    limit = draw(st.none() | st.integers(1, 4))
    return said.parameters(FilterExpression=condition, **expressions) | ({"Limit": limit} if limit else {})


@st.composite
def scans(draw: st.DrawFn) -> Call:
    """Scan a table."""
    table = draw(st.sampled_from([PLAIN, RANGED]))
    return "Scan", {
        "TableName": table,
        "ConsistentRead": True,
        **draw(_pages(Expressions({}, {}), may_filter=True)),
    }


CALLS: Final = st.one_of(writes(), writes(), transactions(), gets(), queries(), scans())
