"""The ledger's tables: keys, streams, and what protects them."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.app import file_context
from tests.infra.synthesis import Synthesis

KEYS = {
    "DataAccounts": {"HASH": "account_id"},
    "DataEntries": {"HASH": "account_id", "RANGE": "entry_key"},
    "DataTransfers": {"HASH": "transfer_key"},
}
RECOVERY = {"local": False, "staging": True, "production": True}
DELETION = {"local": "Delete", "staging": "Delete", "production": "Retain"}


def test_tables_have_their_keys(synthesis: Synthesis) -> None:
    """Everything is found by these keys; all of them are strings."""
    tables = synthesis.properties("AWS::DynamoDB::Table")

    assert {name: keys(table) for name, table in tables.items()} == KEYS
    for table in tables.values():
        assert {attribute["AttributeType"] for attribute in table["AttributeDefinitions"]} == {"S"}


def test_the_owner_index_holds_keys_only(synthesis: Synthesis) -> None:
    """With more in it, every movement would pay for a write to the index."""
    (index,) = synthesis.properties("AWS::DynamoDB::Table")["DataAccounts"]["GlobalSecondaryIndexes"]

    assert index["IndexName"] == "owner-index"
    assert keys(index) == {"HASH": "owner_id", "RANGE": "created_at"}
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_history_streams_both_images(synthesis: Synthesis) -> None:
    """The guard reads the streams of the append-only tables; the account heads need none."""
    tables = synthesis.properties("AWS::DynamoDB::Table")
    streams = {name: table.get("StreamSpecification") for name, table in tables.items()}

    both_images = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert streams == {"DataAccounts": None, "DataEntries": both_images, "DataTransfers": both_images}


@pytest.mark.parametrize("stage", RECOVERY)
def test_tables_are_protected(synthesis_of: Callable[[str], Synthesis], stage: str) -> None:
    """Money is recoverable to any second, and in production survives the stack."""
    for table in synthesis_of(stage).resources("AWS::DynamoDB::Table").values():
        properties = table["Properties"]
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": RECOVERY[stage]}
        assert properties["SSESpecification"] == {"SSEEnabled": True}
        assert properties["DeletionProtectionEnabled"] is (stage == "production")
        assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == (DELETION[stage], DELETION[stage])


def test_tables_are_paid_on_demand_and_named_by_cloudformation(synthesis: Synthesis) -> None:
    """A fixed name would stand in the way of a restored or replaced table."""
    for table in synthesis.properties("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert "TableName" not in table


def test_nothing_with_data_is_deleted_in_production(production: Synthesis) -> None:
    """Users, logs and the key belong to the data."""
    for kind in ("AWS::Cognito::UserPool", "AWS::Logs::LogGroup", "AWS::KMS::Key"):
        for resource in production.resources(kind).values():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_every_stage_is_described() -> None:
    """The stages above are all that there are."""
    assert set(file_context()["stages"]) == set(RECOVERY)


def keys(schema: dict[str, Any]) -> dict[str, str]:
    """Map key types to attribute names."""
    return {key["KeyType"]: key["AttributeName"] for key in schema["KeySchema"]}
