"""Read everything that a deployment has stored, with an administrator's credentials and without the product's code."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import httpx

from cli.local.deployment import Deployment

Item = Mapping[str, Any]

ENTRY_KEY: Final = itemgetter("account_id", "entry_key")
NUMBER_BYTES: Final = 2
NESTING_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold all items as plain data, entries in the order of their keys."""

    accounts: tuple[Item, ...]
    entries: tuple[Item, ...]
    records: tuple[Item, ...]
    events: tuple[Item, ...] = ()
    flows: tuple[Item, ...] = ()
    operations: tuple[Item, ...] = ()
    payouts: tuple[Item, ...] = ()

    @classmethod
    def read(cls, deployment: Deployment) -> "Stored":
        """Scan the tables consistently."""
        dynamodb = deployment.client("dynamodb")

        def scan(output: str) -> list[Item]:
            pages = dynamodb.get_paginator("scan").paginate(TableName=deployment.outputs[output], ConsistentRead=True)
            return [plain(item) for page in pages for item in page["Items"]]

        entries = sorted(scan("EntriesTable"), key=ENTRY_KEY)
        names = ("Accounts", "Transfers", "Inbox", "Flows", "Operations")
        accounts, transfers, events, flows, operations = (tuple(scan(f"{name}Table")) for name in names)
        payouts = tuple(_payouts(deployment.sandbox_url))
        return cls(accounts, tuple(entries), transfers, events, flows, operations, payouts)

    @property
    def transfers(self) -> list[Item]:
        """List the movements."""
        return self._records("transfer")

    @property
    def tombstones(self) -> list[Item]:
        """List the voided keys."""
        return self._records("void")

    @property
    def markers(self) -> dict[str, Item]:
        """Find what marks a transfer as reversed by the marker's key."""
        return {marker["transfer_key"]: marker for marker in self._records("reversal")}

    def entries_of(self, account_id: str) -> Iterable[Item]:
        """List an account's entries, oldest first."""
        of_account = itemgetter("account_id")
        first = bisect_left(self.entries, account_id, key=of_account)
        return self.entries[first : bisect_right(self.entries, account_id, lo=first, key=of_account)]

    def _records(self, kind: str) -> list[Item]:
        return [record for record in self.records if record["item"] == kind]


def _payouts(sandbox_url: str) -> Iterable[Item]:
    """Read what the providers of the sandbox have paid out, or are about to."""

    def things(provider: str) -> Mapping[str, Any]:
        query = {"provider": provider}
        answer = httpx.get(f"{sandbox_url}/_control/resources", params=query, trust_env=False).raise_for_status()
        kept: Mapping[str, Any] = answer.json()
        return kept

    for thing in (*things("stripe").values(), *things("truelayer").values()):
        if "withdrawal_id" in thing.get("metadata", ()):
            yield {"name": thing["metadata"]["withdrawal_id"], "status": thing["status"]}
    for name, thing in things("paystack").items():
        if name.startswith("transfer/"):
            yield {"name": thing["transfer_code"], "status": thing["status"]}
    for thing in things("stellar").values():
        if "transaction_hash" in thing:
            yield {"name": thing["transaction_hash"], "status": "paid"}


def plain(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """Read an item that is in the form of DynamoDB's API."""
    return {name: _plain(value) for name, value in item.items()}


def size(item: Item) -> int:
    """Estimate an item's bytes as DynamoDB counts them ("Item sizes and formats", rounded up)."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:  # noqa: ANN401 (plain data)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int):
        return NUMBER_BYTES + len(str(abs(value))) // 2
    members = value.values() if isinstance(value, dict) else value
    names = sum(len(name.encode()) for name in value) if isinstance(value, dict) else 0
    return NESTING_BYTES + names + sum(1 + _size(member) for member in members)


def _plain(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 (plain data)
    """Read a typed value; all numbers are whole, and Python's own integers keep every digit."""
    ((kind, content),) = value.items()
    if kind == "N":
        return int(content)
    if kind == "L":
        return [_plain(member) for member in content]
    if kind == "M":
        return {name: _plain(member) for name, member in content.items()}
    return None if kind == "NULL" else content
