"""Count what calls to DynamoDB cost, from what they bring and write: the emulator's own figures for reads are wrong."""

import json
from collections import Counter
from typing import Any

from botocore.hooks import BaseEventHooks
from botocore.model import OperationModel

from tests.support.tables import READ_UNIT_BYTES, UNIT_BYTES, item_bytes


class Meter:
    """Add up calls, read and write units (AWS: "DynamoDB read and write operations").

    An update is counted as one unit: an account has less than a kilobyte.
    """

    def __init__(self, events: BaseEventHooks) -> None:
        """Listen to a client from now on."""
        self.calls: Counter[str] = Counter()
        self.read_units = 0.0
        self.write_units = 0
        self._asked: dict[str, Any] = {}
        events.register("before-call.dynamodb.*", self._on_call)
        events.register("after-call.dynamodb.*", self._on_answer)

    def reset(self) -> None:
        """Begin anew."""
        self.calls.clear()
        self.read_units, self.write_units = 0.0, 0

    def _on_call(self, model: OperationModel, params: dict[str, Any], **_: object) -> None:
        self._asked = json.loads(params["body"])
        self.calls[model.name] += 1
        writes = {"UpdateItem": 1, "PutItem": 1}.get(model.name, 0)
        if model.name == "TransactWriteItems":
            puts = [part.get("Put") for part in self._asked["TransactItems"]]
            writes = sum(2 * (-(-item_bytes(put["Item"]) // UNIT_BYTES) if put else 1) for put in puts)
        self.write_units += writes

    def _on_answer(self, model: OperationModel, parsed: dict[str, Any], **_: object) -> None:
        match model.name:
            case "Query" | "Scan":
                self._read([parsed.get("Items", [])], self._asked.get("ConsistentRead", False))
            case "GetItem":
                self._read([[parsed["Item"]] if "Item" in parsed else []], self._asked.get("ConsistentRead", False))
            case "BatchGetItem":
                for table, items in parsed.get("Responses", {}).items():
                    consistent = self._asked["RequestItems"][table].get("ConsistentRead", False)
                    self._read([[item] for item in items], consistent)
            case "TransactGetItems":
                found = [[one["Item"]] for one in parsed["Responses"] if one.get("Item")]
                self._read(found, consistent=True)
                self._read(found, consistent=True)

    def _read(self, groups: list[list[dict[str, Any]]], consistent: bool) -> None:  # noqa: FBT001 (as DynamoDB has it)
        """Pay for each group what it weighs together, at least one unit; half when it need not be consistent."""
        units = sum(max(1, -(-sum(map(item_bytes, group)) // READ_UNIT_BYTES)) for group in groups)
        self.read_units += units if consistent else units / 2
