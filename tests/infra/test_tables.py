"""The tables: keys, indexes, streams, and what protects them."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.app import file_context
from tests.infra.synthesis import Synthesis

KEYS = {
    "DataAccounts": {"HASH": "account_id"},
    "DataEntries": {"HASH": "account_id", "RANGE": "entry_key"},
    "DataTransfers": {"HASH": "transfer_key"},
    "DataFlows": {"HASH": "flow_id"},
    "DataInbox": {"HASH": "inbox_key"},
    "DataAudit": {"HASH": "subject", "RANGE": "action_key"},
    "DataOperations": {"HASH": "operation_key"},
}
INDEXES = {
    "owner-index": {"HASH": "owner_id", "RANGE": "created_at"},
    "due-index": {"HASH": "open", "RANGE": "due_at_ms"},
    "dead-index": {"HASH": "dead", "RANGE": "dead_at_ms"},
    "open-index": {"HASH": "open", "RANGE": "due_at_ms"},
    "listed-index": {"HASH": "listed", "RANGE": "listed_at_ms"},
    "unreconciled-index": {"HASH": "unreconciled", "RANGE": "created_at_ms"},
}
NUMBERS = {"due_at_ms", "dead_at_ms", "listed_at_ms", "created_at_ms"}
WATCHED = {"DataEntries", "DataTransfers", "DataAudit"}
RECOVERY = {"local": False, "staging": True, "production": True}
DELETION = {"local": "Delete", "staging": "Delete", "production": "Retain"}


def test_tables_have_their_keys(synthesis: Synthesis) -> None:
    """Everything is found by these keys; all but the times are strings."""
    tables = synthesis.properties("AWS::DynamoDB::Table")

    assert {name: keys(table) for name, table in tables.items()} == KEYS
    for table in tables.values():
        for attribute in table["AttributeDefinitions"]:
            assert attribute["AttributeType"] == ("N" if attribute["AttributeName"] in NUMBERS else "S")


def test_indexes_hold_keys_only(synthesis: Synthesis) -> None:
    """With more in them, every movement and every attempt would pay for a write to an index."""
    tables = synthesis.properties("AWS::DynamoDB::Table")
    indexes = {
        (name, index["IndexName"]): index
        for name, table in tables.items()
        for index in table.get("GlobalSecondaryIndexes", [])
    }

    assert {index: keys(schema) for (_, index), schema in indexes.items()} == INDEXES
    assert set(indexes) == {
        ("DataAccounts", "owner-index"),
        ("DataFlows", "open-index"),
        ("DataFlows", "owner-index"),
        ("DataFlows", "unreconciled-index"),
        ("DataInbox", "due-index"),
        ("DataInbox", "dead-index"),
        ("DataOperations", "listed-index"),
    }
    for index in indexes.values():
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_history_streams_both_images(synthesis: Synthesis) -> None:
    """The guard reads the streams of the append-only tables; what may change needs none."""
    tables = synthesis.properties("AWS::DynamoDB::Table")

    for name, table in tables.items():
        expected = {"StreamViewType": "NEW_AND_OLD_IMAGES"} if name in WATCHED else None
        assert table.get("StreamSpecification") == expected


def test_only_what_the_system_remembers_of_its_own_work_expires(synthesis: Synthesis) -> None:
    """Money and its evidence have no end."""
    tables = synthesis.properties("AWS::DynamoDB::Table")
    expiring = {name: table["TimeToLiveSpecification"] for name, table in tables.items() if "TimeToLive" in str(table)}

    assert expiring == {"DataOperations": {"AttributeName": "expires_at_s", "Enabled": True}}


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
    """Users, logs, the key and the providers' keys belong to the data."""
    for kind in ("AWS::Cognito::UserPool", "AWS::Logs::LogGroup", "AWS::KMS::Key", "AWS::SecretsManager::Secret"):
        for resource in production.resources(kind).values():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_every_stage_is_described() -> None:
    """The stages above are all that there are."""
    assert set(file_context()["stages"]) == set(RECOVERY)


def keys(schema: dict[str, Any]) -> dict[str, str]:
    """Map key types to attribute names."""
    return {key["KeyType"]: key["AttributeName"] for key in schema["KeySchema"]}
