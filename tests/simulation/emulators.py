"""Ask the model, moto and MiniStack the same, and write their answers down in one way."""

import asyncio
import base64
import decimal
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import boto3
from botocore.exceptions import ClientError

from cli.local.repairs import DYNAMODB_DIGITS
from tests.simulation.dynamo import Dynamo, Refused

REGION: Final = "us-east-1"
_HANDLED: Final = "DynamoDB_20120810"
_UNASKED: Final = frozenset({"ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics"})

Answer = dict[str, Any]


class Store(Protocol):
    """Is something that answers calls as DynamoDB's low-level client takes them."""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer one call."""


class Model:
    """Ask the model."""

    def __init__(self) -> None:
        """Begin empty."""
        self.dynamo = Dynamo(lambda: 0)

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer one call."""
        try:
            return self.dynamo.call(operation, parameters)
        except Refused as refused:
            return _refusal(refused.code, refused.message, refused.reasons, refused.item)

    def changes(self, table: str) -> list[Answer]:
        """Show the stream of a table."""
        return [
            {
                "event": change.event_name,
                "Keys": change.key,
                "OldImage": change.old_image,
                "NewImage": change.new_image,
            }
            for change in self.dynamo.changes(table)
        ]


class Moto:
    """Ask moto, which has to be switched on."""

    def __init__(self) -> None:
        """Make a client."""
        client = boto3.client(
            "dynamodb", region_name=REGION, aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        # There is no other way to name an operation, and PynamoDB does the same.
        self._call: Callable[[str, dict[str, Any]], Answer] = client._make_api_call  # type: ignore[attr-defined] # noqa: SLF001

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer one call."""
        try:
            answer = self._call(operation, dict(parameters))
        except ClientError as error:
            said: Mapping[str, Any] = error.response
            reasons, item = _with_numbers(said.get("CancellationReasons", ())), _with_numbers(said.get("Item"))
            return _refusal(said["Error"]["Code"], said["Error"]["Message"], reasons, item)
        except (TypeError, decimal.Rounded) as error:
            return {"broken": str(error)}
        # It tells the costs also to who does not ask for them.
        told: Answer = _with_numbers({name: member for name, member in answer.items() if name not in _UNASKED})
        return told


class MiniStack:
    """Ask the emulator's DynamoDB within this process, without a server."""

    def __init__(self) -> None:
        """Import it, and do not before: it starts a thread."""
        from ministack.services import dynamodb

        self._handle: Callable[..., Any] = dynamodb.handle_request
        self._records: Callable[[str], list[Answer]] = dynamodb.stream_live_records

    def call(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        """Answer one call; adding with 38 digits is one of our repairs of it."""
        with decimal.localcontext(prec=DYNAMODB_DIGITS):
            status, _, body = asyncio.run(self._asked(operation, parameters))
        answer: Answer = _with_numbers(json.loads(body, object_hook=_decoded))
        if status == 200:
            return answer
        reasons = answer.get("CancellationReasons", ())
        return _refusal(answer["__type"], answer["message"], reasons, answer.get("Item"))

    def changes(self, table: str) -> list[Answer]:
        """Show the stream of a table."""
        records = _with_numbers(json.loads(json.dumps(self._records(table)), object_hook=_decoded))
        return [
            {"event": record["eventName"]}
            | {name: record["dynamodb"].get(name) for name in ("Keys", "OldImage", "NewImage")}
            for record in records
        ]

    async def _asked(self, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 (has no types)
        body = json.dumps(parameters, default=_encoded).encode()
        return await self._handle("POST", "/", {"x-amz-target": f"{_HANDLED}.{operation}"}, body, {})


def _refusal(code: str, message: str, reasons: Any, item: Any) -> Answer:  # noqa: ANN401 (as they answer)
    told = [(reason["Code"], reason.get("Item")) for reason in reasons]
    messages = [message, *(reason.get("Message") for reason in reasons)]
    return {"refused": code.rpartition("#")[2], "reasons": told, "item": item, "messages": messages}


def _with_numbers(answer: Any) -> Any:  # noqa: ANN401 (as it answers)
    """Write all numbers in one form: the emulators keep some as they were written."""
    if isinstance(answer, list):
        return [_with_numbers(member) for member in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: _number(member) if name == "N" and isinstance(member, str) else _with_numbers(member)
        for name, member in answer.items()
    }


def _number(text: str) -> str:
    number = decimal.Decimal(text).normalize(decimal.Context(prec=2 * DYNAMODB_DIGITS))
    return format(number, "f") if number else "0"


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(answer: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(answer["B"])} if answer.keys() == {"B"} else answer
