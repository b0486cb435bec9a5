from dataclasses import replace

import pytest

from tallystick.domain.accounts import Entry
from tallystick.domain.callers import Caller
from tallystick.domain.errors import NotFound
from tallystick.services import statements
from tallystick.services.ports.paging import Page
from tallystick.services.ports.statements import StatementQuery
from tests.support.scene import ADA, ADMIN, BOB, EVE, NOW_MS, SERVICE, Scene

QUERY = StatementQuery("wal_a", limit=50)


@pytest.fixture
def scene() -> Scene:
    """Give a wallet with 12 entries, one a second, each third a debit."""
    scene = Scene()
    scene.wallet("wal_a")
    for number in range(12):
        scene.now_ms = NOW_MS + 1000 * number
        if number % 3 == 2:
            scene.debit(f"k{number}", "1.00")
        else:
            scene.credit(f"k{number}", "2.00")
    return scene


def page(scene: Scene, query: StatementQuery, caller: Caller = ADA) -> Page[Entry]:
    return statements.entries(wallets=scene.store, statements=scene.store, caller=caller, query=query)


def read_all(scene: Scene, query: StatementQuery) -> list[Entry]:
    found: list[Entry] = []
    while True:
        part = page(scene, query)
        assert len(part.items) <= query.limit
        found += part.items
        if part.next_key is None:
            return found
        assert query.before_ms is None or int(part.next_key) < query.before_ms, "the pages never end"
        query = replace(query, before_ms=int(part.next_key))


def sequences(entries: list[Entry]) -> list[int]:
    return [entry.sequence for entry in entries]


def test_entries_come_newest_first(scene: Scene) -> None:
    assert sequences(page(scene, QUERY).items) == list(range(12, 0, -1))


@pytest.mark.parametrize("limit", range(1, 14))
@pytest.mark.parametrize("kind", [None, "credit", "debit", "reversal"])
def test_every_size_of_page_gives_the_same_list(scene: Scene, limit: int, kind: str | None) -> None:
    expected = [entry for entry in page(scene, QUERY).items if kind in (None, entry.kind)]
    assert read_all(scene, StatementQuery("wal_a", limit, kind)) == expected


@pytest.mark.parametrize("examined", [1, 2, 5])
def test_pages_that_stop_early_in_search_of_a_kind_give_the_same_list(scene: Scene, examined: int) -> None:
    expected = [entry for entry in page(scene, QUERY).items if entry.kind == "debit"]
    scene.store.most_examined = examined
    assert read_all(scene, StatementQuery("wal_a", 3, "debit")) == expected


def test_entries_written_while_pages_are_read_do_not_shift_them(scene: Scene) -> None:
    before = sequences(page(scene, QUERY).items)
    found: list[int] = []
    query: StatementQuery | None = StatementQuery("wal_a", 5)
    while query is not None:
        part = page(scene, query)
        found += sequences(part.items)
        scene.credit(f"new-{len(found)}", "1.00")
        query = None if part.next_key is None else replace(query, before_ms=int(part.next_key))
    assert found == before


def test_a_statement_may_be_bounded_in_time_from_and_before(scene: Scene) -> None:
    query = StatementQuery("wal_a", 50, from_ms=NOW_MS + 2000, before_ms=NOW_MS + 5000)
    assert sequences(page(scene, query).items) == [5, 4, 3]


@pytest.mark.parametrize(
    ("at_ms", "units", "sequence"),
    [
        (NOW_MS - 1, 0, 0),
        (NOW_MS, 200, 1),
        (NOW_MS + 999, 200, 1),
        (NOW_MS + 1000, 400, 2),
        (NOW_MS + 2000, 300, 3),
        (NOW_MS + 10**9, 1200, 12),
        (None, 1200, 12),
    ],
)
def test_the_balance_as_of_a_time_is_that_after_the_last_entry_not_later(
    scene: Scene, at_ms: int | None, units: int, sequence: int
) -> None:
    balance = statements.balance(
        wallets=scene.store, statements=scene.store, caller=ADA, wallet_id="wal_a", at_ms=at_ms
    )
    assert (balance.units, balance.sequence, balance.account.account_id) == (units, sequence, "wal_a")


def test_an_admin_reads_everybodys_statements(scene: Scene) -> None:
    assert len(page(scene, QUERY, ADMIN).items) == 12


@pytest.mark.parametrize("caller", [BOB, EVE, SERVICE])
def test_nobody_else_does(scene: Scene, caller: Caller) -> None:
    with pytest.raises(NotFound):
        page(scene, QUERY, caller)
    with pytest.raises(NotFound):
        statements.balance(wallets=scene.store, statements=scene.store, caller=caller, wallet_id="wal_a", at_ms=None)


def test_there_are_no_statements_of_a_missing_wallet(scene: Scene) -> None:
    with pytest.raises(NotFound):
        page(scene, StatementQuery("wal_nowhere", 50), ADMIN)
