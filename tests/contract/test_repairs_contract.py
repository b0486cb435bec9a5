"""An account is put right under the condition that it is exactly as it was seen; the audit says so, or nothing does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pynamodb.expressions.update import Action

from tallystick.adapters.dynamo.journal import DynamoJournal
from tallystick.adapters.dynamo.repairs import DynamoRepairs
from tallystick.adapters.dynamo.tables import AccountItem
from tallystick.domain.accounts import Account
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import MAX_UNITS, Asset
from tallystick.domain.repairing import Rederive
from tallystick.services.ports.repairs import Repairs
from tests.support.fake_journal import FakeRepairs, head_of
from tests.support.fake_store import FakeStore
from tests.support.scene import NOW_MS, account
from tests.support.tables import Ports, Tables

WALLET = replace(account("wal_a"), balance=1000, held=7, version=3, head_time_ms=NOW_MS, label="Mine")
AUDIT = AuditRecord("wal_a", "account-repaired", "grace", NOW_MS, "workstation-7", {"balance": "1000 -> 900"})
SEEN = head_of(WALLET)
RIGHT = replace(SEEN, balance=900, held=0, version=2, head_hash="a" * 64, head_time_ms=NOW_MS - 1)

Change = Callable[..., None]


@pytest.fixture(params=["fake", "dynamo"])
def kit(request: pytest.FixtureRequest) -> tuple[Ports, Repairs, Change]:
    """Give the ports, what repairs, and a way to change the wallet behind their back."""
    if request.param == "fake":
        store = FakeStore()
        store.create(WALLET)
        return Ports.of(store), FakeRepairs(store), lambda **members: _change_fake(store, members)
    made: Tables = request.getfixturevalue("dynamo")
    made.ports.wallets.create(WALLET)
    return made.ports, DynamoRepairs(made.connection), _change_stored


def _change_fake(store: FakeStore, members: dict[str, Any]) -> None:
    asset = Asset(members.pop("asset", "USD"), members.pop("scale", 2))
    store.account_items["wal_a"] = replace(store.account_items["wal_a"], asset=asset, **members)


def _change_stored(**members: Any) -> None:  # noqa: ANN401 (any member)
    actions: list[Action] = [getattr(AccountItem, name).set(value) for name, value in members.items()]
    AccountItem("wal_a").update(actions=actions)


def stored(ports: Ports) -> Account:
    found = ports.wallets.get("wal_a")
    assert found is not None
    return found


def test_all_that_is_derived_is_written_with_the_audit(kit: tuple[Ports, Repairs, Change]) -> None:
    ports, repairs, _ = kit
    assert repairs.rederive(Rederive(SEEN, RIGHT), AUDIT)
    expected = replace(
        WALLET,
        balance=900,
        held=0,
        version=2,
        head_hash="a" * 64,
        head_time_ms=NOW_MS - 1,
        needs_reconciliation=True,
    )
    assert stored(ports) == expected
    assert ports.audited() == [AUDIT]


def test_every_digit_is_written(kit: tuple[Ports, Repairs, Change]) -> None:
    ports, repairs, _ = kit
    assert repairs.rederive(Rederive(SEEN, replace(RIGHT, balance=MAX_UNITS)), AUDIT)
    assert stored(ports).balance == MAX_UNITS


@pytest.mark.parametrize(
    "members",
    [
        {"balance": 999},
        {"held": 6},
        {"version": 4},
        {"head_hash": "b"},
        {"head_time_ms": 1},
        {"owner_id": "eve"},
        {"kind": "system"},
        {"asset": "EUR"},
        {"scale": 3},
    ],
    ids=str,
)
def test_what_is_not_as_it_was_seen_stays(kit: tuple[Ports, Repairs, Change], members: dict[str, Any]) -> None:
    ports, repairs, change = kit
    change(**members)
    before = stored(ports)
    assert not repairs.rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert (stored(ports), ports.audited()) == (before, [])


@pytest.mark.parametrize("members", [{"label": "Other"}, {"needs_reconciliation": True}, {"status": "FROZEN"}], ids=str)
def test_what_a_repair_is_not_about_is_not_in_its_way(
    kit: tuple[Ports, Repairs, Change], members: dict[str, Any]
) -> None:
    ports, repairs, change = kit
    change(**members)
    assert repairs.rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert stored(ports).balance == 900


def test_a_repair_is_written_once(kit: tuple[Ports, Repairs, Change]) -> None:
    ports, repairs, _ = kit
    assert repairs.rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert not repairs.rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert len(ports.audited()) == 1


def test_the_journal_sees_what_was_written(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(WALLET)
    assert DynamoRepairs(dynamo.connection).rederive(Rederive(SEEN, RIGHT), AUDIT)
    found = DynamoJournal(dynamo.connection, consistent=True).head("wal_a")
    assert found == replace(RIGHT, needs_reconciliation=True)


def test_one_call_writes_it(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(WALLET)
    dynamo.calls.clear()
    DynamoRepairs(dynamo.connection).rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert [call.operation for call in dynamo.calls] == ["TransactWriteItems"]


def test_another_transaction_in_the_way_is_no_repair(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(WALLET)
    with dynamo.refusing("TransactWriteItems", "TransactionCanceledException", "TransactionConflict", "None"):
        assert not DynamoRepairs(dynamo.connection).rederive(Rederive(SEEN, RIGHT), AUDIT)
    assert stored(dynamo.ports) == WALLET


def test_silence_says_nothing(dynamo: Tables) -> None:
    with (
        dynamo.refusing("TransactWriteItems", "InternalServerError", status=500),
        pytest.raises(StoreUnavailable),
    ):
        DynamoRepairs(dynamo.connection).rederive(Rederive(SEEN, RIGHT), AUDIT)
