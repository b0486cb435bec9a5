"""`tallystick reconcile` against the deployed system, tampered with behind the API's back."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.local import cloud
from cli.local.deployment import Deployment
from cli.main import app
from cli.operate import common
from tests.local.callers import Caller, Cast, cast
from tests.local.waiting import wait_for

Item = dict[str, Any]


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@dataclass(frozen=True, slots=True)
class Intruder:
    """Change what is stored with an administrator's credentials."""

    deployment: Deployment

    def account(self, account_id: str) -> Item:
        found: Item = self._dynamodb.get_item(TableName=self._table("Accounts"), Key=_key(account_id))["Item"]
        return found

    def change(self, account_id: str, **members: Mapping[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._table("Accounts"), Item={**self.account(account_id), **members})

    def entries(self, account_id: str) -> list[Item]:
        found: list[Item] = self._dynamodb.query(
            TableName=self._table("Entries"),
            KeyConditionExpression="account_id = :id",
            ExpressionAttributeValues={":id": {"S": account_id}},
            ConsistentRead=True,
        )["Items"]
        return found

    @contextmanager
    def without(self, entry: Item, **members: Mapping[str, Any]) -> Iterator[None]:
        """Take an entry away and change its account; then put both right, for other tests judge all that is stored."""
        table, account_id = self._table("Entries"), entry["account_id"]["S"]
        key = {name: entry[name] for name in ("account_id", "entry_key")}
        self._dynamodb.delete_item(TableName=table, Key=key)
        right = self.account(account_id)
        self.change(account_id, **members)
        try:
            yield
        finally:
            self._dynamodb.put_item(TableName=table, Item=entry)
            self.change(account_id, **{name: right[name] for name in members})

    def audited(self, subject: str) -> list[Item]:
        found: list[Item] = self._dynamodb.query(
            TableName=self._table("Audit"),
            KeyConditionExpression="subject = :id",
            ExpressionAttributeValues={":id": {"S": subject}},
            ConsistentRead=True,
        )["Items"]
        return found

    def fail_withdrawal(self, withdrawal_id: str) -> None:
        """Let a withdrawal say that it was cancelled, and forget the movement."""
        key = {"flow_id": {"S": withdrawal_id}}
        item = self._dynamodb.get_item(TableName=self._table("Flows"), Key=key, ConsistentRead=True)["Item"]
        flow = json.loads(item["flow"]["S"])
        taken = {"action": "cancel", "at_ms": flow["created_at_ms"] + 1, "by": flow["owner_id"], "note": None}
        flow |= {"state": "CANCELLED", "history": [*flow["history"], taken], "version": flow.get("version", 0) + 1}
        version = {"version": {"N": str(flow["version"])}}
        self._dynamodb.put_item(
            TableName=self._table("Flows"), Item={**item, **version, "flow": {"S": json.dumps(flow)}}
        )

    @property
    def _dynamodb(self) -> Any:  # noqa: ANN401 (a client)
        return self.deployment.client("dynamodb")

    def _table(self, name: str) -> str:
        return self.deployment.outputs[f"{name}Table"]


@pytest.fixture
def intruder(deployment: Deployment) -> Intruder:
    return Intruder(deployment)


@pytest.fixture(autouse=True)
def _at_home(deployment: Deployment, local_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command find this cloud, and somebody to ask."""
    assert deployment.outputs
    monkeypatch.setattr(cloud, "DEFAULT_HOME", local_home)
    monkeypatch.setattr(common, "is_asked", lambda: True)


def command(*arguments: str, answers: str | None = None) -> Result:
    return CliRunner().invoke(app, ["reconcile", *arguments], input=answers)


def accounts(*arguments: str) -> dict[str, Item]:
    shown = command(*arguments, "--json")
    return {one["account_id"]: one for one in json.loads(shown.stdout)["accounts"]}


@pytest.fixture
def wallet_id(people: Cast) -> str:
    """Give a wallet with 15.00 in two entries."""
    wallet_id = people.ada.open_wallet()
    for amount in ("10.00", "5.00"):
        credit(people.service, wallet_id, amount)
    return wallet_id


def credit(service: Caller, wallet_id: str, amount: str) -> None:
    path = f"/v1/wallets/{wallet_id}/credit"
    wait_for(lambda: service.post(path, {"amount": amount}, f"{wallet_id}-{amount}"), lambda answer: answer.is_success)


def _key(account_id: str) -> Item:
    return {"account_id": {"S": account_id}}


def test_a_sound_wallet_is_sound(wallet_id: str, intruder: Intruder) -> None:
    before = intruder.account(wallet_id)
    for arguments in ([wallet_id], [wallet_id, "--full"]):
        shown = command(*arguments)
        assert shown.exit_code == 0, shown.output
        assert "15.00" in shown.stdout
    assert wallet_id not in accounts()
    assert intruder.account(wallet_id) == before


def test_an_altered_balance_is_found_put_right_and_audited(
    wallet_id: str, intruder: Intruder, people: Cast, deployment: Deployment
) -> None:
    right = intruder.account(wallet_id)
    intruder.change(wallet_id, balance={"N": "9999900"})
    assert command(wallet_id).exit_code == 1
    assert command("--full").exit_code == 1
    for found in (accounts(), accounts("--full")):
        assert [finding["fault"] for finding in found[wallet_id]["findings"]] == ["balance"]
    declined = command(wallet_id, "--fix", answers="n\n")
    assert declined.exit_code == 1
    assert "balance: 99999.00 → 15.00" in declined.stderr
    assert intruder.account(wallet_id)["balance"] == {"N": "9999900"}
    shown = command(wallet_id, "--fix", answers="y\n")
    assert shown.exit_code == 0, shown.output
    (record,) = intruder.audited(wallet_id)
    assert "9999900 -> 1500" in record["details"]["S"]
    assert record["actor_id"]["S"]
    now = intruder.account(wallet_id)
    assert now == {**right, "needs_reconciliation": {"BOOL": True}, **{k: now[k] for k in now.keys() & _WORDS}}
    answer = people.ada.get(f"/v1/wallets/{wallet_id}").raise_for_status().json()
    assert answer["balance"] == "15.00"
    credit(people.service, wallet_id, "1.00")
    assert command(wallet_id, "--full").exit_code == 0
    assert deployment.outputs


_WORDS = {"checked", "checked_in"}
"""What a run of reconciliation, which may come meanwhile, lets an account say of itself."""


def test_a_head_that_was_altered_is_derived_anew(wallet_id: str, intruder: Intruder) -> None:
    right = intruder.account(wallet_id)
    intruder.change(wallet_id, version={"N": "1"}, head_hash={"S": "0" * 64}, held={"N": "7"}, balance={"N": "0"})
    shown = command(wallet_id, "--fix", "--force")
    assert shown.exit_code == 0, shown.output
    now = intruder.account(wallet_id)
    for name in ("version", "head_hash", "head_time_ms", "held", "balance"):
        assert now[name] == right[name]


def test_a_broken_chain_is_refused(wallet_id: str, intruder: Intruder) -> None:
    with intruder.without(intruder.entries(wallet_id)[0]):
        before = intruder.account(wallet_id)
        shown = command(wallet_id, "--fix", "--force")
        assert shown.exit_code == 1
        assert "Entry 2 follows entry 0." in shown.stdout
        assert "not repaired: The ledger itself is broken here." in shown.stdout
        assert {name: value for name, value in intruder.account(wallet_id).items() if name not in _MARKS} == {
            name: value for name, value in before.items() if name not in _MARKS
        }
        assert intruder.audited(wallet_id) == []


_MARKS = {*_WORDS, "needs_reconciliation"}


def test_an_entry_that_was_lost_with_its_place_in_the_account_is_not_forgotten(
    wallet_id: str, intruder: Intruder
) -> None:
    """All but the balance says that there was one entry; the transfer knows better."""
    first, second = intruder.entries(wallet_id)
    head = {"version": first["sequence"], "head_hash": first["hash"], "head_time_ms": first["time_ms"]}
    with intruder.without(second, **head):
        shown = command(wallet_id, "--fix", "--force")
        assert shown.exit_code == 1
        assert "has no entry of the 500 units" in shown.stdout
        assert intruder.account(wallet_id)["balance"] == {"N": "1500"}


def test_what_was_left_on_hold_goes_back(people: Cast, wallet_id: str, intruder: Intruder) -> None:
    credit(people.service, wallet_id, "500.00")
    order = {
        "wallet_id": wallet_id,
        "provider": "stripe",
        "amount": "200.00",
        "destination": {"type": "stripe", "external_account": "ba_1MtFgV2eZvKYlo2C"},
    }
    asked = people.ada.post("/v1/withdrawals", order).raise_for_status().json()
    assert asked["state"] == "IN_REVIEW"
    hold_id = f"hold:{asked['withdrawal_id']}"
    assert command(hold_id).exit_code == 0
    intruder.fail_withdrawal(asked["withdrawal_id"])
    assert hold_id in accounts()
    shown = command(hold_id, "--fix", answers="y\n")
    assert shown.exit_code == 0, shown.output
    assert "withdrawal-release" in shown.stderr
    assert len(intruder.audited(hold_id)) == 1
    answer = people.ada.get(f"/v1/wallets/{wallet_id}").raise_for_status().json()
    assert (answer["balance"], answer["held"]) == ("515.00", "0.00")
    assert command(wallet_id, "--full").exit_code == 0
    assert command(hold_id, "--full").exit_code == 0
