from dataclasses import replace

import pytest

from tallystick.domain.accounts import Account, Status
from tallystick.services.ports.wallets import StatusChange
from tests.support.scene import BOB, NOW_MS, account
from tests.support.tables import Ports

ACTIVE = frozenset({Status.ACTIVE})
ANY = frozenset(Status)


def test_an_account_is_stored_with_all_it_says(ports: Ports) -> None:
    full = replace(account("wal_a"), label="Größer 😀", needs_reconciliation=True)
    assert ports.wallets.create(full) == full == ports.wallets.get("wal_a")


def test_an_account_without_label_has_none(ports: Ports) -> None:
    ports.wallets.create(account("wal_a"))
    assert ports.wallets.get("wal_a") == account("wal_a")


def test_an_account_that_does_not_exist_is_none(ports: Ports) -> None:
    assert ports.wallets.get("wal_nowhere") is None


def test_a_taken_id_answers_the_account_that_stands_there(ports: Ports) -> None:
    first = replace(account("wal_a"), balance=5)
    ports.wallets.create(first)
    assert ports.wallets.create(account("wal_a", BOB)) == first == ports.wallets.get("wal_a")


def listed(ports: Ports, limit: int) -> list[str]:
    found: list[Account] = []
    after: str | None = None
    for _ in range(10):
        page = ports.wallets.owned_by("ada", limit, after)
        assert len(page.items) <= limit
        found += page.items
        after = page.next_key
        if after is None:
            return [owned.account_id for owned in found]
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("limit", range(1, 8))
def test_an_owners_accounts_come_newest_first_on_pages_of_any_size(ports: Ports, limit: int) -> None:
    for number in (3, 1, 5, 2, 4, 6):
        ports.wallets.create(account(f"wal_{number}", created_at_ms=NOW_MS + number))
    ports.wallets.create(account("wal_bob", BOB, created_at_ms=NOW_MS + 3))
    assert listed(ports, limit) == ["wal_6", "wal_5", "wal_4", "wal_3", "wal_2", "wal_1"]


@pytest.mark.parametrize("limit", range(1, 5))
def test_accounts_opened_in_the_same_millisecond_are_all_listed_once(ports: Ports, limit: int) -> None:
    for number in range(4):
        ports.wallets.create(account(f"wal_{number}"))
    assert sorted(listed(ports, limit)) == ["wal_0", "wal_1", "wal_2", "wal_3"]


def test_an_owner_without_accounts_has_an_empty_list(ports: Ports) -> None:
    assert ports.wallets.owned_by("nobody", 10, None).items == []


def test_a_listed_account_is_as_it_is_now(ports: Ports) -> None:
    ports.wallets.create(account("wal_a"))
    ports.wallets.change_status(StatusChange("wal_a", ACTIVE, Status.FROZEN, "why"))
    assert [owned.status for owned in ports.wallets.owned_by("ada", 10, None).items] == [Status.FROZEN]


def test_a_status_is_changed_with_its_reason(ports: Ports) -> None:
    ports.wallets.create(account("wal_a"))
    changed = replace(account("wal_a"), status=Status.FROZEN, status_reason="why")
    assert ports.wallets.change_status(StatusChange("wal_a", ACTIVE, Status.FROZEN, "why")) == (True, changed)
    assert ports.wallets.get("wal_a") == changed


def test_without_a_reason_the_last_one_stays(ports: Ports) -> None:
    ports.wallets.create(account("wal_a"))
    ports.wallets.change_status(StatusChange("wal_a", ACTIVE, Status.FROZEN, "why"))
    _, closed = ports.wallets.change_status(StatusChange("wal_a", ANY, Status.CLOSED))
    assert (closed.status, closed.status_reason) == (Status.CLOSED, "why")


def test_a_change_from_another_status_is_refused_with_the_account_as_it_stands(ports: Ports) -> None:
    ports.wallets.create(account("wal_a"))
    refused = ports.wallets.change_status(StatusChange("wal_a", frozenset({Status.FROZEN}), Status.ACTIVE, "why"))
    assert refused == (False, account("wal_a"))


@pytest.mark.parametrize(("money", "closes"), [({}, True), ({"balance": 1}, False), ({"held": 1}, False)])
def test_an_account_closes_only_when_nothing_is_in_it_or_held_for_it(
    ports: Ports,
    money: dict[str, int],
    closes: bool,  # noqa: FBT001
) -> None:
    opened = replace(account("wal_a"), **money)  # type: ignore[arg-type]
    ports.wallets.create(opened)
    change = StatusChange("wal_a", ACTIVE, Status.CLOSED, only_empty=True)
    expected = replace(opened, status=Status.CLOSED) if closes else opened
    assert ports.wallets.change_status(change) == (closes, expected)


def test_money_does_not_hinder_freezing(ports: Ports) -> None:
    ports.wallets.create(replace(account("wal_a"), balance=1, held=1))
    assert ports.wallets.change_status(StatusChange("wal_a", ACTIVE, Status.FROZEN, "why"))[0]
