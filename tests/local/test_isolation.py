"""Who can reach what: people through the API, functions through their roles, and what happens when somebody could."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from cli.local.deployment import Deployment
from infra.routes import FUNCTIONS
from tests.local.callers import Cast, cast, new_key, outcome

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PATIENCE_S = 15.0


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture(scope="module")
def adas(people: Cast) -> dict[str, str]:
    """Give ada a wallet, a transfer between two of her wallets and the key of it."""
    wallet, savings, key = people.ada.open_wallet(), people.ada.open_wallet(), new_key()
    people.service.post(f"/v1/wallets/{wallet}/credit", {"amount": "100.00"}).raise_for_status()
    moved = people.ada.post("/v1/transfers", {"source": wallet, "destination": savings, "amount": "40.00"}, key)
    return {"wallet": wallet, "savings": savings, "key": key, "transfer": moved.json()["transfer_id"]}


class TestOtherPeople:
    """Eve reaches nothing of Ada's."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/wallets/{wallet}"),
            ("GET", "/v1/wallets/{wallet}/entries"),
            ("GET", "/v1/wallets/{wallet}/entries?limit=1&kind=credit"),
            ("GET", "/v1/wallets/{wallet}/balance"),
            ("GET", "/v1/wallets/{wallet}/balance?at=2020-01-01T00:00:00Z"),
            ("POST", "/v1/wallets/{wallet}/close"),
            ("GET", "/v1/transfers/{transfer}"),
        ],
    )
    def test_finds_nothing(self, people: Cast, adas: dict[str, str], method: str, path: str) -> None:
        theirs = people.eve.call(method, path.format(**adas))
        none = people.eve.call(method, path.format(wallet="wal_none", transfer="trf_none"))
        assert outcome(theirs) == outcome(none) == "404 not-found"
        assert theirs.json()["detail"] == none.json()["detail"]

    def test_moves_nothing_of_hers(self, people: Cast, adas: dict[str, str]) -> None:
        own = people.eve.open_wallet()
        theft = {"source": adas["wallet"], "destination": own, "amount": "1.00"}
        assert outcome(people.eve.post("/v1/transfers", theft)) == "404 not-found"
        assert outcome(people.eve.post(f"/v1/transfers/{adas['transfer']}/reverse")) == "403 forbidden"

    @pytest.mark.parametrize("call", ["credit", "debit", "freeze", "unfreeze"])
    def test_does_nothing_that_needs_a_role(self, people: Cast, adas: dict[str, str], call: str) -> None:
        body = {"reason": "none"} if call.endswith("freeze") else {"amount": "1.00"}
        for caller in (people.eve, people.ada):
            assert outcome(caller.post(f"/v1/wallets/{adas['wallet']}/{call}", body)) == "403 forbidden"

    def test_knows_nothing_of_her_keys(self, people: Cast, adas: dict[str, str]) -> None:
        assert people.eve.get(f"/v1/idempotency/{adas['key']}").json()["state"] == "unknown"
        assert people.ada.get(f"/v1/idempotency/{adas['key']}").json()["state"] == "committed"
        people.eve.post(f"/v1/idempotency/{adas['key']}/void").raise_for_status()
        assert people.ada.get(f"/v1/idempotency/{adas['key']}").json()["state"] == "committed"

    def test_lists_her_own_only(self, people: Cast, adas: dict[str, str]) -> None:
        listed = {wallet["wallet_id"] for wallet in people.eve.get("/v1/wallets").json()["items"]}
        assert not listed & set(adas.values())

    def test_sees_the_balance_of_her_side_only(self, people: Cast, adas: dict[str, str]) -> None:
        own = people.eve.open_wallet()
        gift = {"source": adas["wallet"], "destination": own, "amount": "1.00"}
        moved = people.ada.post("/v1/transfers", gift).json()
        seen = {p["account"]: p for p in people.eve.get(f"/v1/transfers/{moved['transfer_id']}").json()["postings"]}
        assert (seen[own]["balance_after"], seen[adas["wallet"]]["balance_after"]) == ("1.00", None)


class TestRoles:
    """No function's role can change what is written once, nor write it outside of a transaction."""

    @pytest.mark.parametrize("function", FUNCTIONS)
    @pytest.mark.parametrize("output", ["EntriesTable", "TransfersTable"])
    def test_is_refused(self, deployment: Deployment, function: str, output: str) -> None:
        dynamodb: DynamoDBClient = deployment.acting_as(function).client("dynamodb")
        allowed = [name for name, call in _writes(dynamodb, deployment.outputs[output]).items() if _is_allowed(call)]
        assert allowed == []

    def test_refusal_is_no_accident(self, deployment: Deployment, adas: dict[str, str]) -> None:
        dynamodb: DynamoDBClient = deployment.acting_as("credit").client("dynamodb")
        key = {"transfer_key": {"S": adas["transfer"].removeprefix("trf_")}}
        assert "Item" in dynamodb.get_item(TableName=deployment.outputs["TransfersTable"], Key=key)
        with pytest.raises(dynamodb.exceptions.TransactionCanceledException, match="ConditionalCheckFailed"):
            dynamodb.transact_write_items(
                TransactItems=[
                    {
                        "Put": {
                            "TableName": deployment.outputs["TransfersTable"],
                            "Item": key,
                            "ConditionExpression": "attribute_not_exists(transfer_key)",
                        }
                    }
                ]
            )


def _writes(dynamodb: "DynamoDBClient", table: str) -> dict[str, Callable[[], Any]]:
    """List every way to write, but one: a Put inside a transaction."""
    key: Any = {name: {"S": "intruder"} for name in ("account_id", "entry_key", "transfer_key")}
    key = {name: key[name] for name in _key_names(table)}
    update: Any = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "SET x = :x",
        "ExpressionAttributeValues": {":x": {"S": "1"}},
    }
    insert, change, delete = _statements(table, list(key))
    return {
        "PutItem": lambda: dynamodb.put_item(TableName=table, Item=key),
        "UpdateItem": lambda: dynamodb.update_item(**update),
        "DeleteItem": lambda: dynamodb.delete_item(TableName=table, Key=key),
        "BatchWriteItem put": lambda: dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": key}}]}),
        "BatchWriteItem delete": lambda: dynamodb.batch_write_item(
            RequestItems={table: [{"DeleteRequest": {"Key": key}}]}
        ),
        "transaction's update": lambda: dynamodb.transact_write_items(TransactItems=[{"Update": update}]),
        "transaction's delete": lambda: dynamodb.transact_write_items(
            TransactItems=[{"Delete": {"TableName": table, "Key": key}}]
        ),
        "PartiQL insert": lambda: dynamodb.execute_statement(Statement=insert),
        "PartiQL update": lambda: dynamodb.execute_statement(Statement=change),
        "PartiQL delete": lambda: dynamodb.execute_statement(Statement=delete),
        "PartiQL transaction": lambda: dynamodb.execute_transaction(TransactStatements=[{"Statement": delete}]),
        "PartiQL batch": lambda: _batch(dynamodb, delete),
        "DeleteTable": lambda: dynamodb.delete_table(TableName=table),
    }


def _key_names(table: str) -> tuple[str, ...]:
    return ("account_id", "entry_key") if "Entries" in table else ("transfer_key",)


def _statements(table: str, names: list[str]) -> tuple[str, str, str]:
    """Write an insert, an update and a delete of one item in PartiQL."""
    document = "{" + ", ".join(f"'{name}': 'intruder'" for name in names) + "}"
    where = " AND ".join(f"{name} = 'intruder'" for name in names)
    return (
        f'INSERT INTO "{table}" VALUE {document}',
        f"UPDATE \"{table}\" SET x = '1' WHERE {where}",  # noqa: S608 (names of our own)
        f'DELETE FROM "{table}" WHERE {where}',  # noqa: S608
    )


def _batch(dynamodb: "DynamoDBClient", statement: str) -> None:
    """Raise the error that a batch of statements hides in its answer."""
    (answer,) = dynamodb.batch_execute_statement(Statements=[{"Statement": statement}])["Responses"]
    if "Error" in answer:
        raise ClientError({"Error": answer["Error"]}, "BatchExecuteStatement")  # type: ignore[typeddict-item]


def _is_allowed(call: Callable[[], Any]) -> bool:
    """Tell whether anything but a refusal of access came back."""
    try:
        call()
    except ClientError as error:
        return "AccessDenied" not in error.response["Error"]["Code"]
    return True


@pytest.fixture
def alerts(deployment: Deployment) -> Iterator[Callable[[], list[dict[str, str]]]]:
    """Subscribe a queue to the topic of what is urgent; reads what has arrived."""
    sqs, sns = deployment.client("sqs"), deployment.client("sns")
    queue = sqs.create_queue(QueueName=f"alerts-{secrets.token_hex(4)}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    subscription = sns.subscribe(
        TopicArn=deployment.outputs["AlertsTopicP0Arn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]

    def receive() -> list[dict[str, str]]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        told = [json.loads(message["Body"]) for message in messages]
        return [{**one["facts"], "kind": one["kind"], "severity": one["severity"]} for one in told]

    yield receive
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


def test_overwriting_put_raises_an_alert(
    deployment: Deployment, adas: dict[str, str], alerts: Callable[[], list[dict[str, str]]]
) -> None:
    dynamodb: DynamoDBClient = deployment.client("dynamodb")
    table = deployment.outputs["EntriesTable"]
    entry = dynamodb.query(
        TableName=table,
        KeyConditionExpression="account_id = :wallet",
        ExpressionAttributeValues={":wallet": {"S": adas["wallet"]}},
        Limit=1,
    )["Items"][0]
    dynamodb.put_item(TableName=table, Item={**entry, "units": {"N": "1000000"}})
    dynamodb.put_item(TableName=table, Item=entry)  # as it was, for other tests judge everything that is stored
    raised = _wait_for(alerts, 2)
    for alert in raised:
        assert (alert["kind"], alert["severity"]) == ("LEDGER_OVERWRITTEN", "critical")
        assert (alert["table"], alert["event"]) == (table, "MODIFY")
        assert alert["account_id"] == adas["wallet"]
    assert len(raised) == 2


def _wait_for(receive: Callable[[], list[dict[str, str]]], count: int) -> list[dict[str, str]]:
    received: list[dict[str, str]] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(received) < count and time.monotonic() < deadline:
        received += receive()
    return received
