"""`tallystick reconcile` on tables in moto: what it shows, asks, writes and exits with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from pynamodb.models import Model
from typer.testing import CliRunner, Result

from cli.local import cloud
from cli.main import app
from cli.operate import reconcile, site, surveying
from cli.operate.site import Site
from tallystick.adapters.dynamo.checkpoints import DynamoCheckpoints
from tallystick.adapters.dynamo.journal import DynamoJournal
from tallystick.adapters.dynamo.tables import MODELS, AccountItem, AuditItem, EntryItem
from tallystick.adapters.dynamo.tallies import DynamoTallies
from tallystick.domain.posting import Leg, Order, plan
from tallystick.domain.reconciliation import Checkpoint
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawals import WithdrawalAction
from tallystick.services import surveying as survey_service
from tallystick.services.ledger import Ledger
from tallystick.services.tallying import add
from tests.support.repairing import OPERATOR
from tests.support.scene import BOB, NOW_MS, Desk, account, claim, no_pause
from tests.support.tables import Ports, Tables, tables
from tests.support.withdrawals import withdrawal

FAILING = [(WithdrawalAction.APPROVE, "rule"), (WithdrawalAction.SUBMIT, "rule"), (WithdrawalAction.FAIL, "stripe")]
TABLES: tuple[type[Model], ...] = tuple(MODELS.values())


@dataclass
class Bench:
    """Hold a ledger in moto and call the command on it."""

    made: Tables
    ports: Ports

    def run(self, *arguments: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(app, ["reconcile", *arguments], input=answers)

    def json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json").stdout)
        return found

    def tamper(self, account_id: str = "wal_a", **members: Any) -> None:  # noqa: ANN401 (any member)
        actions = [getattr(AccountItem, name).set(value) for name, value in members.items()]
        AccountItem(account_id).update(actions=actions)

    def balance(self, account_id: str = "wal_a") -> int:
        return int(AccountItem.get(account_id).balance)

    def vouch(self, account_id: str = "wal_a") -> None:
        head = DynamoJournal(self.made.connection, consistent=True).head(account_id)
        assert head is not None
        DynamoCheckpoints(self.made.connection).vouch(Checkpoint.of(head, "run_1"))

    def stored(self) -> list[Any]:
        return [sorted(map(str, (item.serialize() for item in model.scan()))) for model in TABLES]

    def tally(self) -> None:
        """Let the stream add up all transfers."""
        page = DynamoJournal(self.made.connection, consistent=True).transfers(0, 1, None, 100)
        transfers = [record for _, record in page.items if isinstance(record, Transfer)]
        add(tallies=DynamoTallies(self.made.connection), pause=no_pause, transfers=transfers)

    def delete_entry(self, number: int, account_id: str = "wal_a") -> None:
        entries = {entry.sequence: entry for entry in EntryItem.query(account_id)}
        entries[number].delete()

    def hold_left_over(self) -> str:
        """Leave the money of a failed withdrawal on hold: 1.10 USD of wal_a."""
        hold_claim = claim("w1")
        wanted = withdrawal(units=100, fee_units=10, hold_transfer_id=hold_claim.key.transfer_id)
        order = Order(
            claim=hold_claim,
            kind=TransferKind.WITHDRAWAL_HOLD,
            asset=wanted.asset,
            legs=(Leg("wal_a", -110), Leg(wanted.hold_id, 110)),
            opens=(wanted.hold,),
            flow=replace(wanted, version=0),
            held={"wal_a": 110},
        )
        book = self.ports.book
        book.commit(plan(order, book.accounts(["wal_a"]), NOW_MS))
        following = replace(wanted, version=0)
        for action, by in FAILING:
            following = following.taken(action, at_ms=NOW_MS, by=by)[0]
            assert self.ports.flows.save(following)
        return wanted.hold_id


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with tables() as made:
        ports = made.ports
        monkeypatch.setattr(surveying, "SEGMENTS", 2)
        monkeypatch.setattr(survey_service, "MARGIN_MS", 60_000)  # moto reads 25 items at one moment, AWS 100
        monkeypatch.setattr(site, "open_site", lambda _stack, _region: Site(made.connection, OPERATOR))
        ports.wallets.create(account("wal_a"))
        ports.wallets.create(account("wal_b", BOB))
        desk = Desk(Ledger(ports.book, no_pause))
        desk.credit("c1", "10.00")
        desk.transfer("t1", "2.50")
        desk.transfer("t2", "1.25")
        yield Bench(made, ports)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody be there to be asked."""
    monkeypatch.setattr(reconcile, "is_asked", lambda: True)


# --- looking ---


def test_a_sound_ledger_is_summarized(bench: Bench) -> None:
    before = bench.stored()
    shown = bench.run()
    assert shown.exit_code == 0, shown.output
    assert "2 accounts, 2 examined with 5 entries" in shown.stdout
    assert "wal_a" not in shown.stdout
    assert bench.stored() == before


def test_a_sound_wallet_is_shown(bench: Bench) -> None:
    bench.vouch()
    shown = bench.run("wal_a")
    assert shown.exit_code == 0, shown.output
    for part in ("wal_a", "ada", "USD", "6.25", "sound", "entry 3 of 2026-01-01T00:00:00.002Z, by run_1"):
        assert part in shown.stdout
    assert "entries read 0" in shown.stdout
    assert "entries read 3" in bench.run("wal_a", "--full").stdout


def test_what_was_checked_is_not_read_again_unless_all_is_asked_for(bench: Bench) -> None:
    bench.vouch()
    bench.vouch("wal_b")
    assert bench.json()["counted"]["checked"] == 0
    full = bench.json("--full")
    assert (full["counted"]["checked"], full["counted"]["entries"], full["counted"]["transfers"]) == (2, 5, 3)


def test_all_is_told_as_json(bench: Bench) -> None:
    bench.tamper(balance=99)
    shown = bench.run("--json")
    told = json.loads(shown.stdout)
    assert (shown.exit_code, told["sound"], told["mode"], told["cut"]) == (1, False, "changed", None)
    (found,) = told["accounts"]
    assert (found["account_id"], found["owner_id"], found["balance"], found["state"]) == (
        "wal_a",
        "ada",
        "0.99",
        "differs",
    )
    assert [finding["fault"] for finding in found["findings"]] == ["balance"]
    assert found["remedy"] == {"possible": True, "changes": {"balance": {"before": "99", "after": "625"}}}
    assert told["read_units"] > 0
    assert told["counted"]["findings"] == 1


def test_what_differs_is_listed_with_what_could_be_done(bench: Bench) -> None:
    bench.tamper(balance=99)
    before = bench.stored()
    for arguments in ([], ["wal_a"], ["--full"]):
        shown = bench.run(*arguments)
        assert shown.exit_code == 1
        assert "The balance is 99 units; its entries make 625." in shown.stdout
        assert "balance: 0.99 → 6.25" in shown.stdout
        assert max(map(len, shown.stdout.splitlines())) <= 100
    assert bench.stored() == before


def test_a_transfer_without_its_entry_is_found_by_going_through_all(bench: Bench) -> None:
    """The other account looks sound by itself, but its neighbour's transfer is not borne out."""
    entries = list(EntryItem.query("wal_b"))
    for entry in entries:
        entry.delete()
    fresh = account("wal_b")
    bench.tamper("wal_b", balance=0, version=0, head_hash=fresh.head_hash, head_time_ms=0)
    told = bench.json("--full")
    assert not told["sound"]
    assert {one["transfer_id"] for one in told["transfers"]["wal_b"]} == {entry.transfer_id for entry in entries}
    shown = bench.run("--full", "--fix", "--force")
    assert shown.exit_code == 1
    assert bench.balance("wal_b") == 0


def test_sums_are_compared_at_a_cut(bench: Bench) -> None:
    """Nobody has added up the totals yet, so those of the accounts outside differ."""
    told = bench.json("--full")
    assert told["totals_judged"]
    assert told["differences"] == {"external:adjustment:USD": "1000"}
    assert told["cut"]
    shown = bench.run("--full")
    assert shown.exit_code == 1
    assert "external:adjustment:USD: 1000 units differ; see `tallystick tally`" in shown.stdout
    bench.tally()
    assert bench.run("--full").exit_code == 0
    bench.tamper(balance=99)
    assert bench.json("--full")["differences"] == {"conservation:USD": "-526"}


# --- what cannot be done ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wal_none"], "There is no account wal_none."),
        (["external:stripe:USD"], "tallystick tally"),
        (["--force"], "--force goes with --fix."),
        (["--fix"], "needs a terminal"),
    ],
)
def test_what_cannot_be_done_is_said(bench: Bench, arguments: list[str], words: str) -> None:
    before = bench.stored()
    shown = bench.run(*arguments)
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert words in shown.stderr
    assert bench.stored() == before


def test_a_store_that_does_not_answer_is_no_difference(bench: Bench) -> None:
    with bench.made.refusing("GetItem", "InternalServerError", status=500):
        shown = bench.run("wal_a")
    assert shown.exit_code == 2
    assert "did not answer" in shown.stderr
    with bench.made.refusing("Scan", "AccessDeniedException"):
        shown = bench.run()
    assert shown.exit_code == 2
    assert "AccessDeniedException" in shown.stderr


def test_an_account_that_is_always_being_written_is_no_difference(bench: Bench) -> None:
    bench.tamper(balance=99)
    with bench.made.refusing("TransactGetItems", "TransactionCanceledException", "TransactionConflict"):
        assert bench.run("wal_a").exit_code == 2
        shown = bench.run()
    assert shown.exit_code == 2
    assert "1 were being written" in shown.stdout


def _interrupt(**_: object) -> None:
    raise KeyboardInterrupt


def test_who_has_had_enough_stops_it(bench: Bench) -> None:
    before = bench.stored()
    with bench.made.answering("Scan", _interrupt):
        shown = bench.run()
    assert shown.exit_code == 2
    assert "Stopped." in shown.stderr
    assert bench.stored() == before


def test_nothing_runs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 (a path)
    monkeypatch.setattr(cloud, "DEFAULT_HOME", tmp_path / "home")
    shown = CliRunner().invoke(app, ["reconcile"])
    assert shown.exit_code == 2
    assert "tallystick local up" in shown.stderr


# --- putting right ---


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("arguments", [[], ["wal_a"], ["--full"]])
def test_what_is_agreed_to_is_done_and_audited(bench: Bench, arguments: list[str]) -> None:
    bench.tally()
    bench.tamper(balance=99)
    shown = bench.run(*arguments, "--fix", answers="y\n")
    assert shown.exit_code == 0, shown.output
    assert "balance: 0.99 → 6.25" in shown.stderr
    assert "Do this? [y/N]" in shown.stderr
    assert "wal_a: repaired" in shown.stdout
    assert bench.balance() == 625
    (record,) = AuditItem.scan()
    assert (record.subject, record.actor_id, record.source_ip) == ("wal_a", OPERATOR.name, OPERATOR.source)
    assert record.details["balance"] == "99 -> 625"


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("answers", ["n\n", "\n"])
def test_what_is_not_agreed_to_is_not_done(bench: Bench, answers: str) -> None:
    bench.tamper(balance=99)
    before = bench.stored()
    shown = bench.run("--fix", answers=answers)
    assert shown.exit_code == 1
    assert "wal_a: declined" in shown.stdout
    assert bench.stored() == before


@pytest.mark.usefixtures("asked")
def test_who_leaves_instead_of_answering_stops_it(bench: Bench) -> None:
    bench.tamper(balance=99)
    before = bench.stored()
    shown = bench.run("wal_a", "--fix", answers="")
    assert (shown.exit_code, bench.stored()) == (2, before)
    assert "Stopped." in shown.stderr


@pytest.mark.usefixtures("asked")
def test_each_is_asked_for(bench: Bench) -> None:
    bench.tamper(balance=99)
    bench.tamper("wal_b", held=5)
    shown = bench.run("--fix", answers="y\nn\n")
    assert shown.exit_code == 1
    states = {found["account_id"]: found["state"] for found in bench.json()["accounts"]}
    assert len(states) == 1
    assert set(states.values()) == {"differs"}


def test_who_forces_is_not_asked(bench: Bench) -> None:
    bench.tamper(balance=99)
    bench.tamper("wal_b", held=5)
    told = json.loads(bench.run("--fix", "--force", "--json").stdout)
    assert told["sound"]
    assert {one["account_id"]: (one["repair"], one["state"]) for one in told["accounts"]} == {
        "wal_a": ("repaired", "sound"),
        "wal_b": ("repaired", "sound"),
    }
    assert bench.json()["sound"]


def test_a_broken_chain_is_refused_with_the_place(bench: Bench) -> None:
    bench.delete_entry(2)
    before = bench.stored()
    shown = bench.run("wal_a", "--fix", "--force")
    assert shown.exit_code == 1
    assert "Entry 3 follows entry 1." in shown.stdout
    assert "not repaired: The ledger itself is broken here." in shown.stdout
    assert "wal_a: refused" in shown.stdout
    assert bench.stored() == before
    told = bench.json("wal_a")
    assert told["accounts"][0]["remedy"]["possible"] is False


def test_what_was_left_on_hold_goes_where_it_belongs(bench: Bench) -> None:
    hold_id = bench.hold_left_over()
    shown = bench.run()
    assert shown.exit_code == 1
    assert "movement: none → withdrawal-release" in shown.stdout
    told = json.loads(bench.run("--fix", "--force", "--json").stdout)
    assert told["sound"]
    assert {one["account_id"]: one["repair"] for one in told["accounts"]} == {hold_id: "repaired", "wal_a": "sound"}
    assert (bench.balance(), bench.balance(hold_id), AccountItem.get("wal_a").held) == (625, 0, 0)
    (record,) = AuditItem.scan()
    assert record.subject == hold_id


def test_a_hold_waits_for_its_wallet(bench: Bench) -> None:
    hold_id = bench.hold_left_over()
    bench.tamper("wal_a", held=7)
    shown = bench.run(hold_id)
    assert shown.exit_code == 1
    assert "first: tallystick reconcile wal_a --fix" in shown.stdout
    told = json.loads(bench.run(hold_id, "--fix", "--force", "--json").stdout)
    assert {one["account_id"]: (one["repair"], one["state"]) for one in told["accounts"]} == {
        "wal_a": ("repaired", "sound"),
        hold_id: ("repaired", "sound"),
    }
    assert (bench.balance(), bench.balance(hold_id), AccountItem.get("wal_a").held) == (625, 0, 0)


def test_unnamed_findings_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "MAX_NAMED", 1)
    bench.tamper(balance=99)
    bench.tamper("wal_b", balance=99)
    shown = bench.run()
    assert shown.exit_code == 1
    assert "1 findings more" in shown.stdout


# --- a stack on AWS ---


@dataclass
class _Session:
    """Stand in for boto3's session: CloudFormation and STS answer from here, DynamoDB is moto's."""

    dynamodb: Any
    outputs: dict[str, str]

    def client(self, name: str, config: Any = None) -> Any:  # noqa: ANN401, ARG002 (some client)
        if name == "dynamodb":
            return self.dynamodb
        return SimpleNamespace(describe_stacks=self._stacks, get_caller_identity=lambda: {"Arn": "arn:of:grace"})

    def _stacks(self, **_: str) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": outputs}]}


@pytest.mark.parametrize("complete", [True, False])
def test_a_stack_is_reached_by_its_outputs(monkeypatch: pytest.MonkeyPatch, *, complete: bool) -> None:
    with tables() as made:
        made.ports.wallets.create(account("wal_a"))
        names = [name for name in MODELS if complete or name != "audit"]
        outputs = {f"{name.title()}Table": name for name in names}
        session = _Session(boto3.client("dynamodb", region_name="us-east-1"), outputs)
        monkeypatch.setattr(boto3, "Session", lambda **_: session)
        shown = CliRunner().invoke(app, ["reconcile", "wal_a", "--stack", "Tallystick-x", "--region", "us-east-1"])
    assert shown.exit_code == (0 if complete else 2), shown.output
    assert ("sound" in shown.stdout) == complete
    assert ("no table for audit" in shown.stderr) == (not complete)
