"""Make the ledger's tables in moto, watch and disturb the calls to them, and weigh what they write."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.hooks import BaseEventHooks
from botocore.model import OperationModel
from moto import mock_aws
from pynamodb.connection import Connection

from tallystick.adapters.dynamo.book import DynamoBook
from tallystick.adapters.dynamo.breakers import DynamoBreakers
from tallystick.adapters.dynamo.connection import connect
from tallystick.adapters.dynamo.cursors import DynamoCursors
from tallystick.adapters.dynamo.flows import DynamoFlows
from tallystick.adapters.dynamo.inbox import DynamoInbox
from tallystick.adapters.dynamo.quotas import DynamoQuotas
from tallystick.adapters.dynamo.spikes import DynamoSpikes
from tallystick.adapters.dynamo.statements import DynamoStatements
from tallystick.adapters.dynamo.tables import MODELS, AuditItem, TableNames, bind
from tallystick.adapters.dynamo.tallies import DynamoTallies
from tallystick.adapters.dynamo.wallets import DynamoWallets
from tallystick.domain.audit import AuditRecord
from tallystick.domain.times import from_rfc3339
from tallystick.services.ports.breakers import Breakers
from tallystick.services.ports.flows import Quotas, Withdrawals
from tallystick.services.ports.inbox import Cursors, Inbox
from tallystick.services.ports.ledger import Book
from tallystick.services.ports.spikes import Spikes
from tallystick.services.ports.statements import Statements
from tallystick.services.ports.tallies import Tallies
from tallystick.services.ports.wallets import Wallets
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeSpikes, FakeTallies
from tests.support.fake_webhooks import FakeCursors, FakeFlows, FakeInbox
from tests.support.leaving import FakeBreakers

REGION: Final = "us-east-1"
MAX_KEY_BYTES: Final = 2048
UNIT_BYTES: Final = 1024
"""What one write unit pays for; a transaction pays two (AWS: Read and write operations)."""

READ_UNIT_BYTES: Final = 4096
"""What one read unit pays for when the read is consistent, half of one when it is not."""


@dataclass(frozen=True)
class Ports:
    """Hold what the services work with; `audited` lists what is in the audit, oldest first."""

    book: Book
    wallets: Wallets
    statements: Statements
    flows: Withdrawals
    inbox: Inbox
    cursors: Cursors
    quotas: Quotas
    breakers: Breakers
    tallies: Tallies
    spikes: Spikes
    audited: Callable[[], list[AuditRecord]]

    @classmethod
    def of(cls, store: FakeStore) -> "Ports":
        """Take one fake store for all of them."""
        flows, inbox, tallies = FakeFlows(store), FakeInbox(store), FakeTallies(store)
        return cls(
            book=store,
            wallets=store,
            statements=store,
            flows=flows,
            inbox=inbox,
            cursors=FakeCursors(store),
            quotas=flows,
            breakers=FakeBreakers(store),
            tallies=tallies,
            spikes=FakeSpikes(store, tallies),
            audited=lambda: [*store.audited, *inbox.audited],
        )


@dataclass(frozen=True)
class Call:
    """Remember one request to DynamoDB."""

    operation: str
    body: dict[str, Any]


@dataclass
class Tables:
    """Stand between the adapters and moto."""

    connection: Connection
    calls: list[Call] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        """Give the real adapters."""
        return Ports(
            book=DynamoBook(self.connection),
            wallets=DynamoWallets(),
            statements=DynamoStatements(),
            flows=DynamoFlows(self.connection),
            inbox=DynamoInbox(self.connection),
            cursors=DynamoCursors(),
            quotas=DynamoQuotas(),
            breakers=DynamoBreakers(),
            tallies=DynamoTallies(self.connection),
            spikes=DynamoSpikes(self.connection),
            audited=_audited,
        )

    def watch(self) -> None:
        """Remember every call from now on."""
        self._events.register("before-call.dynamodb.*", self._remember)

    def _remember(self, model: OperationModel, params: dict[str, Any], **_: object) -> None:
        self.calls.append(Call(model.name, json.loads(params["body"])))

    def answering(self, operation: str, answer: Callable[..., Any]) -> AbstractContextManager[None]:
        """Answer an operation instead of the SDK and moto; what is raised is no answer at all."""
        return self._hooked(f"before-call.dynamodb.{operation}", answer)

    def sending(self, operation: str, answer: Callable[..., Any]) -> AbstractContextManager[None]:
        """Answer what the SDK sends, tries of its own included; moto gets it all the same."""
        return self._hooked(f"before-send.dynamodb.{operation}", answer)

    @contextmanager
    def _hooked(self, event: str, answer: Callable[..., Any]) -> Iterator[None]:
        self._events.register_first(event, answer)
        try:
            yield
        finally:
            self._events.unregister(event, answer)

    def refusing(self, operation: str, code: str, *reasons: str, status: int = 400) -> AbstractContextManager[None]:
        """Answer an operation with an error as DynamoDB does."""
        return self.answering(operation, lambda **_: _error(code, *reasons, status=status))

    def refuse_impossible_keys(self) -> None:
        """Refuse what DynamoDB refuses and moto does not: reading by a partition key of more than 2048 bytes."""
        self._events.register_first("before-call.dynamodb.GetItem", _refuse_impossible_key)

    def finding(self, operation: str, items: list[dict[str, Any]]) -> AbstractContextManager[None]:
        """Answer an operation with these items, as an index that lags would."""
        answer = AWSResponse("", 200, HTTPHeaders(), None)
        found = {"Items": items, "Count": len(items), "ScannedCount": len(items)}
        return self.answering(operation, lambda **_: (answer, found))

    def failing(self, operation: str, error: Exception) -> AbstractContextManager[None]:
        """Give no answer to an operation."""

        def silence(**_: object) -> None:
            raise error

        return self.answering(operation, silence)

    @property
    def _events(self) -> BaseEventHooks:
        return self.connection.client.meta.events

    def write_units(self) -> int:
        """Count what the writes seen so far cost, from the items that they wrote; what indexes cost is not in it."""
        writes = [write for call in self.calls for write in _writes(call)]
        return sum(rate * -(-self._written_bytes(part) // UNIT_BYTES) for rate, part in writes)

    def read_units(self) -> float:
        """Count what the reads seen so far cost; items are weighed as they are now, and one that is not there costs 1.

        A query of an index is counted as half a unit: its keys are short.
        """
        return sum(self._read_units(call) for call in list(self.calls))

    def _read_units(self, call: Call) -> float:
        match call.operation:
            case "GetItem":
                return self._units_to_read(call.body["TableName"], call.body["Key"])
            case "BatchGetItem":
                asked = [(name, key) for name, part in call.body["RequestItems"].items() for key in part["Keys"]]
                return sum(self._units_to_read(name, key) for name, key in asked)
            case "Query":
                return 0.5
        return 0

    def _units_to_read(self, table: str, key: dict[str, Any]) -> int:
        return max(1, -(-item_bytes(self._stored(table, key)) // READ_UNIT_BYTES))

    def _written_bytes(self, part: dict[str, Any]) -> int:
        if "Put" in part:
            return item_bytes(part["Put"]["Item"])
        return item_bytes(self._stored(part["Update"]["TableName"], part["Update"]["Key"]))

    def _stored(self, table: str, key: dict[str, Any]) -> dict[str, Any]:
        """Look at an item, unseen."""
        seen = self.calls.copy()
        found = self.connection.client._make_api_call("GetItem", {"TableName": table, "Key": key})  # noqa: SLF001 (typed so)
        self.calls[:] = seen
        item: dict[str, Any] = found.get("Item", {})
        return item


def _audited() -> list[AuditRecord]:
    found = [
        AuditRecord(item.subject, item.action, item.actor_id, from_rfc3339(item.at), item.source_ip, item.details)
        for item in AuditItem.scan(consistent_read=True)
    ]
    return sorted(found, key=lambda record: record.at_ms)


def _error(code: str, *reasons: str, status: int = 400) -> tuple[AWSResponse, dict[str, Any]]:
    parsed = {
        "Error": {"Code": code, "Message": code},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
        "ResponseMetadata": {"HTTPHeaders": {}},
    }
    return AWSResponse("", status, HTTPHeaders(), None), parsed


def _refuse_impossible_key(params: dict[str, Any], **_: object) -> Any:  # noqa: ANN401 (nothing, or an answer)
    keys = json.loads(params["body"])["Key"].values()
    possible = all(len(key.get("S", "").encode()) <= MAX_KEY_BYTES for key in keys)
    return None if possible else _error("ValidationException")


def _writes(call: Call) -> list[tuple[int, dict[str, Any]]]:
    """List what a call writes, each with what a kilobyte of it costs."""
    match call.operation:
        case "TransactWriteItems":
            return [(2, part) for part in call.body["TransactItems"]]
        case "PutItem" | "UpdateItem":
            return [(1, {call.operation.removesuffix("Item"): call.body})]
    return []


@contextmanager
def tables() -> Iterator[Tables]:
    """Make empty tables in moto and bind the models to them."""
    limit = patch("moto.dynamodb.responses.TRANSACTION_MAX_ITEMS", 100)  # as AWS has it since 2022
    with limit, mock_aws():
        connection = connect(REGION)
        bind(TableNames(**{name: name for name in MODELS}), connection)
        for model in MODELS.values():
            model.create_table(billing_mode="PAY_PER_REQUEST")
        made = Tables(connection)
        made.refuse_impossible_keys()
        yield made


@contextmanager
def open_ports(kind: str) -> Iterator[Ports]:
    """Give empty ports of the kind "fake" or "dynamo"."""
    if kind == "fake":
        yield Ports.of(FakeStore())
        return
    with tables() as made:
        yield made.ports


def item_bytes(item: dict[str, dict[str, Any]]) -> int:
    """Weigh an item as DynamoDB does: names and values in UTF-8 (AWS: DynamoDB item sizes and formats)."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(typed: dict[str, Any]) -> int:
    match typed:
        case {"S": str(text)}:
            return len(text.encode())
        case {"N": str(digits)}:
            return (len(digits.strip("-")) + 1) // 2 + 1 + digits.startswith("-")
        case {"B": str(encoded)}:
            return len(base64.b64decode(encoded))
        case {"M": dict(members)}:
            return 3 + item_bytes(members) + len(members)
        case {"L": list(elements)}:
            return 3 + sum(1 + _value_bytes(element) for element in elements)
    return 1
