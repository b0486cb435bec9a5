"""DynamoDB, as the product sees it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from tests.simulation.dynamo import reads
from tests.simulation.dynamo.errors import Refused
from tests.simulation.dynamo.tables import Change, Order, Schema, Table
from tests.simulation.dynamo.transactions import Commit, Transactions
from tests.simulation.dynamo.values import Item
from tests.simulation.dynamo.writes import DELETE, PUT, UPDATE, write_alone

_EXPRESSION: Final = frozenset({"ExpressionAttributeNames", "ExpressionAttributeValues", "ReturnConsumedCapacity"})
_READ: Final = _EXPRESSION | {"TableName", "ProjectionExpression", "ConsistentRead"}
_WRITE: Final = _EXPRESSION | {
    "TableName",
    "ConditionExpression",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
}
_PAGED: Final = _READ | {"IndexName", "FilterExpression", "Limit", "ExclusiveStartKey", "Select"}

PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "GetItem": _READ | {"Key"},
    "BatchGetItem": frozenset({"RequestItems", "ReturnConsumedCapacity"}),
    "TransactGetItems": frozenset({"TransactItems", "ReturnConsumedCapacity"}),
    "Query": _PAGED | {"KeyConditionExpression", "ScanIndexForward"},
    "Scan": _PAGED | {"Segment", "TotalSegments"},
    "PutItem": _WRITE | {"Item"},
    "UpdateItem": _WRITE | {"Key", "UpdateExpression"},
    "DeleteItem": _WRITE | {"Key"},
    "TransactWriteItems": frozenset({"TransactItems", "ReturnConsumedCapacity", "ClientRequestToken"}),
    "CreateTable": frozenset(
        {
            "TableName",
            "KeySchema",
            "AttributeDefinitions",
            "GlobalSecondaryIndexes",
            "BillingMode",
            "StreamSpecification",
        }
    ),
    "DescribeTable": frozenset({"TableName"}),
}
"""What may be asked of each operation; anything else raises NotImplementedError."""


class Dynamo:
    """Hold tables, and answer calls as botocore's low-level client would see them answered, without metadata."""

    def __init__(self, clock: Callable[[], float], hide: Callable[[int], bool] = lambda _: False) -> None:
        """Take the time in seconds, and who decides which reasons of a cancelled transaction are not told."""
        self._tables: dict[str, Table] = {}
        self._transactions = Transactions(self._find, clock, hide)

    def call(
        self, operation: str, parameters: Mapping[str, Any], *, lag: int = 0, most: int | None = None
    ) -> dict[str, Any]:
        """Answer one call, or refuse it.

        Reads that need not be consistent miss the newest `lag` changes of their table; of a batch `most` items are
        read, the rest of the keys is unprocessed.
        """
        _check(operation, parameters)
        find = self._find
        match operation:
            case "TransactWriteItems":
                return self.begin(parameters).finish()
            case "BatchGetItem":
                return reads.batch_get_item(find, parameters, lag, most)
            case "TransactGetItems":
                return reads.transact_get_items(find, parameters)
        if operation in _READS:
            return _READS[operation](find, parameters, lag)
        if operation in _WRITES:
            return write_alone(_WRITES[operation], find, parameters)
        return self._create(parameters) if operation == "CreateTable" else self._describe(parameters)

    def begin(self, parameters: Mapping[str, Any]) -> Commit:
        """Check a TransactWriteItems and lock its items; what it writes is shown bit by bit, or when it is finished."""
        _check("TransactWriteItems", parameters)
        return self._transactions.begin(parameters)

    def items(self, table: str) -> list[Item]:
        """List all items of a table as they are visible now, in the order of their keys."""
        rows = self._find(table).rows
        return [rows[key].copied() for key in sorted(rows)]

    def changes(self, table: str) -> Sequence[Change]:
        """Show a table's stream from its beginning; it grows as the table changes."""
        return self._find(table).changes

    def names(self) -> Iterable[str]:
        """Name the tables."""
        return self._tables

    def _find(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise Refused("ResourceNotFoundException", "Requested resource not found")
        return table

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["TableName"]
        if name in self._tables:
            raise Refused("ResourceInUseException", f"Table already exists: {name}")
        types = {part["AttributeName"]: part["AttributeType"] for part in parameters["AttributeDefinitions"]}
        indexes = {}
        for index in parameters.get("GlobalSecondaryIndexes", ()):
            if index["Projection"]["ProjectionType"] != "KEYS_ONLY":
                raise NotImplementedError(index["Projection"])
            indexes[index["IndexName"]] = Order(Schema.read(index["KeySchema"], types))
        order = Order(Schema.read(parameters["KeySchema"], types))
        description = {name: deepcopy(parameters[name]) for name in _DESCRIBED if name in parameters}
        description["TableStatus"] = "ACTIVE"
        self._tables[name] = Table(name, order, indexes, description)
        return {"TableDescription": deepcopy(description)}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"Table": deepcopy(self._find(parameters["TableName"]).description)}


_DESCRIBED: Final = ("TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
_READS: Final = {"GetItem": reads.get_item, "Query": reads.query, "Scan": reads.scan}
_WRITES: Final = {"PutItem": PUT, "UpdateItem": UPDATE, "DeleteItem": DELETE}


def _check(operation: str, parameters: Mapping[str, Any]) -> None:
    if operation not in PARAMETERS or not parameters.keys() <= PARAMETERS[operation]:
        unknown = parameters.keys() - PARAMETERS.get(operation, frozenset())
        raise NotImplementedError(f"{operation} with {sorted(unknown)}")
