"""Read and write the stored items as somebody does who gets at the tables behind the API's back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cli.local.deployment import Deployment

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

RawItem = dict[str, Any]

KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "Accounts": ("account_id",),
    "Entries": ("account_id", "entry_key"),
    "Transfers": ("transfer_key",),
    "Flows": ("flow_id",),
    "Audit": ("subject", "action_key"),
    "Operations": ("operation_key",),
}


class Vault:
    """Change single items; what belongs together is up to the caller."""

    def __init__(self, deployment: Deployment) -> None:
        """Take administrator's credentials."""
        self._client: DynamoDBClient = deployment.client("dynamodb")
        self._tables = {name: deployment.outputs[f"{name}Table"] for name in KEYS}

    def get(self, table: str, *key: str) -> RawItem:
        """Read an item; empty when there is none."""
        found = self._client.get_item(TableName=self._tables[table], Key=self._key(table, key), ConsistentRead=True)
        return dict(found.get("Item", {}))

    def put(self, table: str, item: RawItem) -> None:
        """Write an item over whatever is there."""
        self._client.put_item(TableName=self._tables[table], Item=item)

    def delete(self, table: str, *key: str) -> None:
        """Remove an item."""
        self._client.delete_item(TableName=self._tables[table], Key=self._key(table, key))

    def set(self, table: str, *key: str, **members: Mapping[str, Any]) -> None:
        """Replace members of an item."""
        self._update(table, key, "SET", " = ", members)

    def add(self, table: str, *key: str, **members: int) -> None:
        """Add to numbers of an item."""
        self._update(table, key, "ADD", " ", {name: {"N": str(units)} for name, units in members.items()})

    def entries(self, account_id: str) -> list[RawItem]:
        """List the entries of an account, oldest first."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._tables["Entries"],
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": {"S": account_id}},
            ConsistentRead=True,
        )
        return [dict(item) for page in pages for item in page["Items"]]

    def _update(
        self, table: str, key: tuple[str, ...], verb: str, joint: str, members: Mapping[str, Mapping[str, Any]]
    ) -> None:
        parts = [f"#{number}{joint}:{number}" for number in range(len(members))]
        self._client.update_item(
            TableName=self._tables[table],
            Key=self._key(table, key),
            UpdateExpression=f"{verb} {', '.join(parts)}",
            ExpressionAttributeNames={f"#{number}": name for number, name in enumerate(members)},
            ExpressionAttributeValues={f":{number}": value for number, value in enumerate(members.values())},
        )

    def _key(self, table: str, key: tuple[str, ...]) -> dict[str, dict[str, str]]:
        return {name: {"S": value} for name, value in zip(KEYS[table], key, strict=True)}


def text(item: RawItem, name: str) -> str:
    """Read a text."""
    return str(item[name]["S"])


def integer(item: RawItem, name: str) -> int:
    """Read a whole number."""
    return int(item[name]["N"])
