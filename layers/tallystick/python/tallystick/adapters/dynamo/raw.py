"""Read items as they are stored, without models: what cannot be read has to be told, too, and reading is quick."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import ClientError
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException

from tallystick.adapters.dynamo.connection import troubles

RawItem = Mapping[str, Mapping[str, Any]]

MAX_KEYS: Final = 100
"""Items that one BatchGetItem or TransactGetItems reads (AWS)."""

_BEFORE_PARSE: Final = "before-parse.dynamodb.Scan"

MALFORMED: Final = (KeyError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading an item raises that is not as it should be."""


class Reader:
    """Send reads through one connection, consistent ones or not."""

    def __init__(self, connection: Connection, *, consistent: bool) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection
        self._consistent = consistent

    def one(self, table: str, key: RawItem) -> RawItem | None:
        """Read an item by its key."""
        answer = self._send("GetItem", {"TableName": table, "Key": key, "ConsistentRead": self._consistent})
        item: RawItem | None = answer.get("Item")
        return item

    def several(self, table: str, keys: Sequence[RawItem]) -> Iterator[RawItem]:
        """Read items by their keys, in no order; those that do not exist are left out."""
        for start in range(0, len(keys), MAX_KEYS):
            asked: dict[str, Any] = {
                table: {"Keys": keys[start : start + MAX_KEYS], "ConsistentRead": self._consistent}
            }
            while asked:
                answer = self._send("BatchGetItem", {"RequestItems": asked})
                yield from answer["Responses"].get(table, ())
                asked = answer.get("UnprocessedKeys", {})

    def scanned(
        self, table: str, *, segment: int, segments: int, start: RawItem | None, limit: int
    ) -> tuple[list[RawItem], RawItem | None]:
        """Read a page of a segment; answer where the next one begins."""
        parameters: dict[str, Any] = {"TableName": table, "Segment": segment, "TotalSegments": segments, "Limit": limit}
        if start is not None:
            parameters["ExclusiveStartKey"] = start
        # Once for each client, however often it is said.
        self._connection.client.meta.events.register(_BEFORE_PARSE, _read_as_it_is, unique_id=_BEFORE_PARSE)
        answer = self._send("Scan", parameters | {"ConsistentRead": self._consistent})
        return answer["Items"], answer.get("LastEvaluatedKey")

    def queried(self, table: str, condition: str, values: RawItem, *, forward: bool, limit: int) -> Iterator[RawItem]:
        """Query page by page, as long as items are asked for."""
        parameters: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": self._consistent,
            "ScanIndexForward": forward,
            "Limit": limit,
        }
        while True:
            answer = self._send("Query", parameters)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def at_once(self, keys: Sequence[tuple[str, RawItem]]) -> list[RawItem | None]:
        """Read items of several tables as they are at one moment.

        Raises:
            PynamoDBException: TransactionCanceledException: one of them is being written.
        """
        gets = [{"Get": {"TableName": table, "Key": key}} for table, key in keys]
        answer = self._send("TransactGetItems", {"TransactItems": gets})
        return [response.get("Item") or None for response in answer["Responses"]]

    def _send(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with troubles():
            try:
                answer: dict[str, Any] = self._connection.dispatch(operation, parameters)
            except ClientError as error:
                raise PynamoDBException(f"{operation} failed", error) from error
        return answer


def _read_as_it_is(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take a page as the JSON that it is: walking it along the SDK's model costs more than all that is done with it.

    Only binary members differ, which stay encoded; what is scanned has none.
    """
    if response_dict["status_code"] == HTTPStatus.OK:
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"


def text(item: RawItem, name: str) -> str:
    """Read a text; raises one of MALFORMED."""
    value = item[name]["S"]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def integer(item: RawItem, name: str) -> int:
    """Read a whole number with all its digits; raises one of MALFORMED."""
    number = Decimal(item[name]["N"])
    if number != number.to_integral_value():
        raise ValueError(name)
    return int(number)
