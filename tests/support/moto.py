"""The ledger's tables in memory, for single-threaded tests: moto forgets writes under threads."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from moto import mock_aws
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType

from tallystick import wiring
from tallystick.adapters.dynamo.tables import MODELS
from tallystick.wiring import alerting, provider_reconciliation, reconciliation, tallies, webhooks, withdrawals

REGION: Final = "us-east-1"
_SCALARS: Final = frozenset({"S", "N", "B", "BOOL", "NULL"})
MAX_KEY_BYTES: Final = 2048
ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "POWERTOOLS_METRICS_NAMESPACE": "Tallystick",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_TRACE_DISABLED": "1",
    "TALLYSTICK_STAGE": "local",
    **{f"TALLYSTICK_{name.upper()}_TABLE": name for name in MODELS},
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold all items of all tables, to go back to them."""

    items: dict[str, Any]

    @classmethod
    def take(cls) -> "Snapshot":
        """Copy what is stored now."""
        return cls({name: copy.deepcopy(table.items) for name, table in _stored_tables().items()})

    def as_json(self) -> dict[str, Any]:
        """Show the items as plain data, to compare."""
        return {name: _plain(items) for name, items in self.items.items()}

    def restore(self) -> None:
        """Make it as it was."""
        for name, table in _stored_tables().items():
            table.items = copy.deepcopy(self.items[name])


@contextmanager
def ledger_tables(**environment: str) -> Iterator[None]:
    """Make empty tables and an environment that names them, as a function's would; then take it all away again."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in {**ENVIRONMENT, **environment}.items():
            patch.setenv(name, value)
        _refuse_long_keys(patch)
        _share_scalars(patch)
        patch.setattr("moto.dynamodb.responses.TRANSACTION_MAX_ITEMS", 100)  # as AWS has it since 2022
        forget_wiring()
        wiring.ledger()
        for model in MODELS.values():
            model.create_table(billing_mode="PAY_PER_REQUEST", wait=True)
        yield
        forget_wiring()


def forget_wiring() -> None:
    """Let everything be built anew, from the environment as it is."""
    for module in (wiring, alerting, provider_reconciliation, reconciliation, tallies, webhooks, withdrawals):
        for built in vars(module).values():
            if hasattr(built, "cache_clear"):
                built.cache_clear()


def _stored_tables() -> dict[str, Any]:
    tables: dict[str, Any] = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION].tables
    return tables


def _refuse_long_keys(patch: pytest.MonkeyPatch) -> None:
    """Refuse what DynamoDB refuses and moto does not: reading by a partition key of more than 2048 bytes."""
    original = DynamoDBBackend.get_item

    def get_item(backend: DynamoDBBackend, table_name: str, keys: dict[str, Any], *rest: Any) -> Any:  # noqa: ANN401
        if any(len(value.get("S", "").encode()) > MAX_KEY_BYTES for value in keys.values()):
            raise MockValidationException("Size of hashkey has exceeded the maximum size limit of 2048 bytes")
        return original(backend, table_name, keys, *rest)

    patch.setattr(DynamoDBBackend, "get_item", get_item)


def _share_scalars(patch: pytest.MonkeyPatch) -> None:
    """Copy no texts and numbers: moto copies whole tables for each transaction, and never changes a value in place."""
    original = DynamoType.__deepcopy__

    def deepcopy(value: DynamoType, memo: dict[int, Any]) -> DynamoType:
        return value if value.type in _SCALARS else original(value, memo)

    patch.setattr(DynamoType, "__deepcopy__", deepcopy)


def _plain(items: Any) -> Any:  # noqa: ANN401 (hash keys to items or to range keys)
    return items.to_json() if hasattr(items, "to_json") else {str(key): _plain(value) for key, value in items.items()}
