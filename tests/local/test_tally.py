"""Tallied accounts on the local cloud, with IAM enforced: what the stream brings, what comes twice, what was lost."""

import json
import secrets
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from cli.local import cloud
from cli.local.deployment import Deployment
from cli.local.errors import NotRunning
from cli.main import app
from cli.operate import common
from tallystick.adapters.clock import now_ms
from tallystick.domain.tallies import bucket_of
from tests.functions.samples import EVENTS
from tests.local.callers import Caller, Cast, cast, new_key
from tests.local.changes import run as run_function
from tests.local.waiting import wait_for

Totals = dict[str, tuple[int, int]]
MOVEMENTS: Final = 24
BUSY: Final = (502, 503)


@pytest.fixture(scope="module")
def people(deployment: Deployment) -> Iterator[Cast]:
    with cast(deployment) as people:
        yield people


@pytest.fixture(scope="module")
def provider() -> str:
    """Name an account that no other test moves anything out of."""
    return f"bank-{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def moved(people: Cast, provider: str) -> str:
    """Move money in and out, many at once, and give the account on the other side."""
    wallet, other = people.ada.open_wallet(), people.eve.open_wallet()
    post(people.service, f"/v1/wallets/{wallet}/credit", {"amount": "500.00", "reference": f"{provider}:0"})

    def move(number: int) -> str:
        amount = {"amount": f"{number + 1}.{number:02d}", "reference": f"{provider}:{number}"}
        if number % 3 == 0:
            return post(people.service, f"/v1/wallets/{wallet}/debit", amount)
        if number % 3 == 1:
            return post(people.ada, "/v1/transfers", {"source": wallet, "destination": other, "amount": "1.00"})
        return post(people.service, f"/v1/wallets/{wallet}/credit", amount)

    with ThreadPoolExecutor(6) as pool:
        transfer_ids = list(pool.map(move, range(MOVEMENTS)))
    post(people.service, f"/v1/transfers/{transfer_ids[2]}/reverse", {})
    last = now_ms()
    wait_for(now_ms, lambda now: bucket_of(now) > bucket_of(last))  # so that a cut may be after all of them
    return f"external:{provider}:USD"


def post(caller: Caller, path: str, body: dict[str, Any]) -> str:
    """Move money, however busy the wallet or this machine is."""
    key = new_key()
    answer = wait_for(lambda: caller.post(path, body, key), lambda answered: answered.status_code not in BUSY)
    transfer_id: str = answer.raise_for_status().json()["transfer_id"]
    return transfer_id


def scanned(deployment: Deployment, table: str) -> list[dict[str, Any]]:
    pages = deployment.client("dynamodb").get_paginator("scan")
    read = pages.paginate(TableName=deployment.outputs[f"{table}Table"], ConsistentRead=True)
    return [item for page in read for item in page["Items"]]


def posted(deployment: Deployment) -> Totals:
    """Add up the tallied postings of all stored transfers, without the product's code.

    Other tests move amounts of 38 digits, of which two are in no total: their accounts are left out.
    """
    found: Totals = defaultdict(lambda: (0, 0))
    moved: dict[str, int] = defaultdict(int)
    for record in scanned(deployment, "Transfers"):
        for posting in record["postings"]["L"] if record["item"]["S"] == "transfer" else ():
            account, units = posting["M"]["account_id"]["S"], int(posting["M"]["units"]["N"])
            if account.startswith("external:"):
                found[account] = found[account][0] + units, found[account][1] + 1
                moved[account] += abs(units)
    return {account: both for account, both in found.items() if moved[account] < 10**38}


def tallied(deployment: Deployment) -> Totals:
    return {
        item["account_id"]["S"]: (int(item["balance"]["N"]), int(item["postings"]["N"]))
        for item in scanned(deployment, "Operations")
        if item.get("listed", {}).get("S") == "total"
    }


def settle(deployment: Deployment, account: str) -> Totals:
    """Wait until the stream has told of everything."""
    return wait_for(lambda: tallied(deployment), lambda found: found.get(account) == posted(deployment).get(account))


def test_totals_are_what_the_stored_transfers_add_up_to(deployment: Deployment, moved: str) -> None:
    wait_for(lambda: (posted(deployment), tallied(deployment)), lambda both: both[0].items() <= both[1].items())
    units, postings = tallied(deployment)[moved]
    assert postings == 1 + MOVEMENTS * 2 // 3 + 1
    assert units < 0


def test_buckets_hold_the_same_by_time(deployment: Deployment, moved: str) -> None:
    total = settle(deployment, moved)[moved]
    buckets = [item for item in scanned(deployment, "Operations") if f"#{moved}#" in item["operation_key"]["S"]]
    assert (
        sum(int(item["balance"]["N"]) for item in buckets),
        sum(int(item["postings"]["N"]) for item in buckets),
    ) == (total)
    assert all(int(item["expires_at_s"]["N"]) > 0 for item in buckets)


def test_a_total_and_its_buckets_are_read_at_one_moment_with_the_right_to_get_items(
    deployment: Deployment, moved: str
) -> None:
    total = settle(deployment, moved)[moved]
    names = [f"total#{moved}", *(f"total#{moved}#{bucket_of(now_ms()) + number}" for number in range(99))]
    table = deployment.outputs["OperationsTable"]
    asked = [{"Get": {"TableName": table, "Key": {"operation_key": {"S": name}}}} for name in names]
    dynamodb = deployment.acting_as("tally").client("dynamodb")
    first, *later = dynamodb.transact_get_items(TransactItems=asked)["Responses"]
    assert (int(first["Item"]["balance"]["N"]), int(first["Item"]["postings"]["N"])) == total
    assert not any("Item" in answer for answer in later)
    with pytest.raises(ClientError, match="AccessDenied"):
        dynamodb.scan(TableName=deployment.outputs["TransfersTable"])


def stream_event(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventID": f"{number:032x}",
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": {"transfer_key": record["transfer_key"]},
                    "NewImage": record,
                    "SequenceNumber": str(number),
                },
            }
            for number, record in enumerate(records)
        ]
    }


def test_what_comes_again_changes_nothing(deployment: Deployment, moved: str) -> None:
    settle(deployment, moved)
    mine = [
        record
        for record in scanned(deployment, "Transfers")
        if moved in [posting["M"]["account_id"]["S"] for posting in record.get("postings", {}).get("L", ())]
    ]
    before = tallied(deployment)[moved]
    lambdas, name = deployment.client("lambda"), deployment.function_name("tally")

    def redeliver(records: list[dict[str, Any]]) -> dict[str, Any]:
        answered = lambdas.invoke(FunctionName=name, Payload=json.dumps(stream_event(records)).encode())
        assert "FunctionError" not in answered
        document: dict[str, Any] = json.loads(answered["Payload"].read())
        return document

    with ThreadPoolExecutor(3) as pool:
        for answer in pool.map(redeliver, [mine, mine[::-1], mine[: len(mine) // 2]]):
            assert answer == {"batchItemFailures": []}
    assert tallied(deployment)[moved] == before


@pytest.fixture
def without_transfers(deployment: Deployment, provider: str) -> Iterator[str]:
    """Name an account whose total is of records alone, and take that away in the end."""
    account = f"external:{provider}:XP"
    yield account
    table = deployment.outputs["OperationsTable"]
    for item in scanned(deployment, "Operations"):
        if item["operation_key"]["S"].startswith(f"total#{account}"):
            deployment.client("dynamodb").delete_item(TableName=table, Key={"operation_key": item["operation_key"]})


def test_a_total_holds_38_digits_and_what_is_too_much_does_not_hold_up_the_rest(
    deployment: Deployment, without_transfers: str
) -> None:
    account, most = without_transfers, 10**38 - 1
    sample = (EVENTS / "tally" / "1-39-digits.json").read_text().replace("external:adjustment:XP", account)
    name = deployment.function_name("tally")
    for _ in range(2):
        answered = deployment.client("lambda").invoke(FunctionName=name, Payload=sample.encode())
        assert json.loads(answered["Payload"].read()) == {"batchItemFailures": []}
        assert tallied(deployment)[account] == (-most, 1)


# Spikes of credits


def test_a_spike_of_credits_is_noted_and_ends(deployment: Deployment, people: Cast) -> None:
    wallet = people.ada.open_wallet("JPY")
    post(people.service, f"/v1/wallets/{wallet}/credit", {"amount": "600000"})
    found = wait_for(lambda: spikes(deployment), lambda found: len(found) == 2)
    assert found.keys() == {"JPY", next(name for name in found if name.startswith("JPY:"))}
    run_function(deployment, "spike_sweep")
    assert spikes(deployment) == found
    for subject, begins_ms in found.items():
        begin(deployment, subject, begins_ms - 3_600_000)
    run_function(deployment, "spike_sweep")
    assert spikes(deployment) == {}


def spikes(deployment: Deployment) -> dict[str, int]:
    """Give the spikes that are open, and when their windows begin."""
    items = scanned(deployment, "Operations")
    return {
        item["subject"]["S"]: int(item["begins_ms"]["N"])
        for item in items
        if item.get("listed", {}).get("S") == "spike"
    }


def begin(deployment: Deployment, subject: str, begins_ms: int) -> None:
    """Let a spike have been in another window."""
    deployment.client("dynamodb").update_item(
        TableName=deployment.outputs["OperationsTable"],
        Key={"operation_key": {"S": f"spike#{subject}"}},
        UpdateExpression="SET begins_ms = :b",
        ExpressionAttributeValues={":b": {"N": str(begins_ms)}},
    )


# The command


@pytest.fixture
def attached(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "attach", lambda: deployment)
    monkeypatch.setattr(common, "is_asked", lambda: True)


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["tally", *arguments, "--settled", "0"], input=answer)


def compared(account: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(account, "--json").stdout)
    return document


def change(deployment: Deployment, account: str, units: int, postings: int) -> None:
    """Change a total behind the product's back."""
    deployment.client("dynamodb").update_item(
        TableName=deployment.outputs["OperationsTable"],
        Key={"operation_key": {"S": f"total#{account}"}},
        UpdateExpression="ADD balance :u, postings :p",
        ExpressionAttributeValues={":u": {"N": str(units)}, ":p": {"N": str(postings)}},
    )


def lose(deployment: Deployment, account: str) -> None:
    """Make it so that the stream never told of one transfer."""
    records = scanned(deployment, "Transfers")
    record, units = next(
        (record, int(posting["M"]["units"]["N"]))
        for record in records
        for posting in record.get("postings", {}).get("L", ())
        if posting["M"]["account_id"]["S"] == account
    )
    deployment.client("dynamodb").delete_item(
        TableName=deployment.outputs["OperationsTable"],
        Key={"operation_key": {"S": f"tallied#{record['transfer_key']['S']}"}},
    )
    change(deployment, account, -units, -1)


@pytest.mark.usefixtures("attached")
def test_the_command_shows_that_the_totals_are_right(deployment: Deployment, moved: str) -> None:
    settle(deployment, moved)
    shown = run(moved)
    assert shown.exit_code == 0, shown.output
    assert "The totals are right" in shown.stdout
    found = compared(moved)
    assert (found["right"], found["lost"], found["accounts"][0]["difference"]) == (True, 0, "0.00")


@pytest.mark.usefixtures("attached")
def test_the_command_finds_what_was_lost_and_what_is_wrong_and_mends_it(deployment: Deployment, moved: str) -> None:
    right = settle(deployment, moved)[moved]
    change(deployment, moved, 700, 0)
    lose(deployment, moved)
    found = compared(moved)
    assert (found["right"], found["lost"]) == (False, 1)
    refused = run(moved, "--fix", answer="n\n")
    assert (refused.exit_code, tallied(deployment)[moved] == right) == (1, False)
    mended = run(moved, "--fix", "--force")
    assert mended.exit_code == 0, mended.output
    assert tallied(deployment)[moved] == right
    records = [item for item in scanned(deployment, "Audit") if item["subject"]["S"] == moved]
    assert [record["action"]["S"] for record in records] == ["tally-corrected"]
    assert (
        json.loads(records[0]["details"]["S"])["after_balance"]
        != json.loads(records[0]["details"]["S"])["before_balance"]
    )


def test_the_command_says_when_it_cannot_run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def attach() -> Deployment:
        raise NotRunning

    assert deployment
    monkeypatch.setattr(cloud, "attach", attach)
    shown = run()
    assert (shown.exit_code, "not running" in shown.output) == (2, True)
