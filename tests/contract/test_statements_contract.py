from collections.abc import Iterator
from dataclasses import replace

import pytest

from tallystick.adapters.dynamo import statements as dynamo_statements
from tallystick.domain.accounts import Entry
from tallystick.services.ledger import Ledger
from tallystick.services.ports.statements import StatementQuery
from tests.support.fake_store import FakeStore
from tests.support.scene import NOW_MS, Desk, account, no_pause
from tests.support.tables import Ports, open_ports

ALL = StatementQuery("wal_a", limit=100)
DEBITS = (3, 4, 9)


@pytest.fixture(scope="module", params=["fake", "dynamo"])
def ports(request: pytest.FixtureRequest) -> Iterator[Ports]:
    """Give a wallet with 10 entries, one a second, and one beside it; these tests only read."""
    with open_ports(request.param) as opened:
        desk = Desk(Ledger(opened.book, no_pause))
        for account_id in ("wal_a", "wal_a2"):
            opened.wallets.create(account(account_id))
            desk.now_ms = NOW_MS + 1000
            desk.credit(f"{account_id}-1", "10.00", account_id)
        for number in range(2, 11):
            desk.now_ms = NOW_MS + 1000 * number
            (desk.debit if number in DEBITS else desk.credit)(f"k{number}", "1.00")
        yield opened


def pages(ports: Ports, query: StatementQuery) -> list[list[Entry]]:
    found: list[list[Entry]] = []
    while True:
        page = ports.statements.entries(query)
        found.append(page.items)
        if page.next_key is None:
            return found
        assert query.before_ms is None or int(page.next_key) < query.before_ms, "the pages never end"
        query = replace(query, before_ms=int(page.next_key))


def sequences(ports: Ports, query: StatementQuery) -> list[int]:
    return [entry.sequence for page in pages(ports, query) for entry in page]


def test_entries_of_one_account_come_newest_first(ports: Ports) -> None:
    assert sequences(ports, ALL) == list(range(10, 0, -1))


def test_an_account_without_entries_has_an_empty_page(ports: Ports) -> None:
    page = ports.statements.entries(StatementQuery("wal_nowhere", 5))
    assert (page.items, page.next_key) == ([], None)


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 11])
def test_pages_are_full_and_end_without_an_empty_one(ports: Ports, limit: int) -> None:
    found = pages(ports, StatementQuery("wal_a", limit))
    assert [entry.sequence for page in found for entry in page] == list(range(10, 0, -1))
    assert {len(page) for page in found[:-1]} <= {limit}
    assert found[-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_kind_is_picked_out_on_pages_of_any_size(ports: Ports, limit: int) -> None:
    assert sequences(ports, StatementQuery("wal_a", limit, "debit")) == [9, 4, 3]
    assert sequences(ports, StatementQuery("wal_a", limit, "reversal")) == []


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("examined", [1, 2, 3])
def test_a_search_for_a_kind_is_bounded_and_goes_on_from_where_it_stopped(
    ports: Ports, limit: int, examined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo_statements, "_READ_SIZE", 1)
    monkeypatch.setattr(dynamo_statements, "MAX_READS", examined)
    if isinstance(ports.statements, FakeStore):
        monkeypatch.setattr(ports.statements, "most_examined", examined)
    assert sequences(ports, StatementQuery("wal_a", limit, "debit")) == [9, 4, 3]
    in_vain = ports.statements.entries(StatementQuery("wal_a", limit, "reversal"))
    assert (in_vain.items, in_vain.next_key) == ([], str(NOW_MS + 1000 * (11 - examined)))


@pytest.mark.parametrize(
    ("from_s", "before_s", "expected"),
    [
        (3, None, [10, 9, 8, 7, 6, 5, 4, 3]),
        (3.001, None, [10, 9, 8, 7, 6, 5, 4]),
        (None, 3, [2, 1]),
        (None, 3.001, [3, 2, 1]),
        (3, 5, [4, 3]),
        (5, 3, []),
        (5, 5, []),
        (11, None, []),
        (None, 0, []),
    ],
)
def test_a_statement_begins_at_a_time_and_ends_before_another(
    ports: Ports, from_s: float | None, before_s: float | None, expected: list[int]
) -> None:
    from_ms, before_ms = (None if time is None else NOW_MS + round(time * 1000) for time in (from_s, before_s))
    for limit in (1, 3, 100):
        assert sequences(ports, StatementQuery("wal_a", limit, None, from_ms, before_ms)) == expected


@pytest.mark.parametrize("before_ms", [99_999_999_999_999, 253_402_300_799_999])
def test_the_last_time_there_is_leaves_everything(ports: Ports, before_ms: int) -> None:
    assert sequences(ports, replace(ALL, before_ms=before_ms)) == list(range(10, 0, -1))


@pytest.mark.parametrize("before_ms", [0, -62_135_596_800_000])
def test_a_time_before_everything_leaves_nothing(ports: Ports, before_ms: int) -> None:
    assert sequences(ports, replace(ALL, before_ms=before_ms)) == []


@pytest.mark.parametrize(
    ("at_s", "sequence"), [(0.999, None), (1, 1), (1.001, 1), (9.999, 9), (10, 10), (10.001, 10), (1e6, 10)]
)
def test_the_newest_entry_not_later_than_a_time_is_found(ports: Ports, at_s: float, sequence: int | None) -> None:
    entry = ports.statements.entry_at("wal_a", NOW_MS + round(at_s * 1000))
    assert (entry.sequence if entry else None) == sequence


def test_an_account_without_entries_has_none_at_any_time(ports: Ports) -> None:
    assert ports.statements.entry_at("wal_nowhere", NOW_MS) is None
