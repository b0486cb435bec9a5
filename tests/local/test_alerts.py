"""An alert on the deployed system, from what went wrong to the people who are told, and to the one who lets it rest."""

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from cli.local.deployment import Deployment
from tests.local.callers import Cast, cast
from tests.local.waiting import wait_for
from tests.support.sandbox import RunningSandbox

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KIND = "LEDGER_OVERWRITTEN"


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture
def overwritten(deployment: Deployment) -> Iterator[str]:
    """Overwrite an entry that belongs to no wallet, then take it away."""
    dynamodb: DynamoDBClient = deployment.client("dynamodb")
    table, account_id = deployment.outputs["EntriesTable"], f"wal_none_{secrets.token_hex(4)}"
    key = {"account_id": {"S": account_id}, "entry_key": {"S": "k"}}
    for units in ("1", "2"):
        dynamodb.put_item(TableName=table, Item={**key, "units": {"N": units}})
    yield account_id
    dynamodb.delete_item(TableName=table, Key=key)


def incident(sandbox: RunningSandbox, account_id: str) -> list[dict[str, Any]]:
    return [one for key, one in sandbox.things("pagerduty").items() if f":{account_id}:" in key]


def test_people_are_told_and_an_admin_lets_it_rest(people: Cast, sandbox: RunningSandbox, overwritten: str) -> None:
    (opened,) = wait_for(lambda: incident(sandbox, overwritten), bool)
    assert (opened["status"], opened["severity"]) == ("triggered", "critical")
    wait_for(lambda: [one for one in sandbox.things("slack").values() if overwritten in one["text"]], bool)

    listed = people.admin.get(f"/v1/admin/alerts/unresolved?alert_type={KIND}").json()["items"]
    (alert,) = [one for one in listed if one["facts"].get("account_id") == overwritten]
    assert people.ada.get(f"/v1/admin/alerts/{alert['alert_id']}").status_code == 403
    resolved = people.admin.post(f"/v1/admin/alerts/{alert['alert_id']}/resolve", {"notes": "a test"})
    assert (resolved.status_code, resolved.json()["state"]) == (200, "RESOLVED")
    wait_for(lambda: incident(sandbox, overwritten), lambda found: found[0]["status"] == "resolved")
