"""How many calls it takes to add transfers to the totals, and what that costs."""

from typing import Final

import pytest

from tallystick.domain.tallies import Tallied, Total
from tallystick.domain.transfers import Posting, Transfer, TransferKind
from tallystick.services import tallying
from tests.support.scene import NOW_MS, no_pause
from tests.support.tables import Tables
from tests.support.tallying import FEES, STRIPE, between_wallets, credit, transfer_of, wallet

BATCH: Final = 100
"""Records that the stream hands over at once."""


def add(dynamo: Tables, *transfers: Transfer) -> Tallied:
    dynamo.calls.clear()
    return tallying.add(tallies=dynamo.ports.tallies, pause=no_pause, transfers=transfers)


def operations(dynamo: Tables) -> list[str]:
    return [call.operation for call in dynamo.calls]


def credits_of(count: int, *, within_ms: int = 0) -> list[Transfer]:
    return [credit(f"k{number}", number + 1, at_ms=NOW_MS + number * within_ms // count) for number in range(count)]


def test_a_credit_alone_is_one_call_of_6_write_units(dynamo: Tables) -> None:
    add(dynamo, credit("a"))
    assert operations(dynamo) == ["TransactWriteItems"]
    assert dynamo.write_units() == 6


def test_a_withdrawal_with_a_fee_alone_costs_10(dynamo: Tables) -> None:
    postings = wallet(-105, "hold:wdr_1"), Posting(STRIPE, 100), Posting(FEES, 5)
    add(dynamo, transfer_of("w", *postings, kind=TransferKind.WITHDRAWAL))
    assert (operations(dynamo), dynamo.write_units()) == (["TransactWriteItems"], 10)


def test_a_transfer_between_wallets_costs_nothing(dynamo: Tables) -> None:
    add(dynamo, between_wallets("t"))
    assert operations(dynamo) == []


@pytest.mark.parametrize(("count", "calls", "units"), [(98, 1, 200), (BATCH, 2, 208)])
def test_a_full_batch_costs_two_units_a_transfer_and_little_more(
    dynamo: Tables, count: int, calls: int, units: int
) -> None:
    add(dynamo, *credits_of(count))
    assert operations(dynamo) == ["TransactWriteItems"] * calls
    assert dynamo.write_units() == units


def test_a_batch_of_five_seconds_writes_two_buckets_at_most(dynamo: Tables) -> None:
    add(dynamo, *credits_of(90, within_ms=5_000))
    assert (operations(dynamo), dynamo.write_units()) == (["TransactWriteItems"], 2 * 90 + 2 + 2)
    add(dynamo, *[credit(f"o{number}", at_ms=NOW_MS + 7_000 + number * 50) for number in range(90)])
    assert (operations(dynamo), dynamo.write_units()) == (["TransactWriteItems"], 2 * 90 + 2 + 4)


def test_a_batch_that_comes_again_is_refused_once_and_read_once(dynamo: Tables) -> None:
    batch = credits_of(98)
    add(dynamo, *batch)
    assert add(dynamo, *batch).known == frozenset(transfer.claim.key.digest for transfer in batch)
    assert operations(dynamo) == ["TransactWriteItems", "BatchGetItem"]


def test_one_poison_in_a_batch_takes_so_many_calls(dynamo: Tables) -> None:
    add(dynamo, credit("known"))
    batch = credits_of(90)
    batch[37] = credit("poison", 10**38 - 1)
    tallied = add(dynamo, *batch)
    assert (len(tallied.added), len(tallied.rejected)) == (89, 1)
    assert len(dynamo.calls) <= 25


def test_a_total_at_a_cut_is_one_transaction_whatever_is_written_meanwhile(dynamo: Tables) -> None:
    add(dynamo, *credits_of(3, within_ms=30_000))
    dynamo.calls.clear()
    port = dynamo.ports.tallies
    total = tallying.total_at(
        tallies=port, pause=no_pause, account_id=STRIPE, cut_ms=NOW_MS + 10_000, now_ms=NOW_MS + 20_000
    )
    assert total == Total(STRIPE, "USD", 2, -1, 1)
    (call,) = dynamo.calls
    assert (call.operation, len(call.body["TransactItems"])) == ("TransactGetItems", 1 + 35)


def test_every_read_is_consistent_and_the_index_tells_keys_only(dynamo: Tables) -> None:
    add(dynamo, credit("a"))
    dynamo.calls.clear()
    dynamo.ports.tallies.totals()
    dynamo.ports.tallies.unmarked(["a"])
    query, *reads = dynamo.calls
    assert query.body["IndexName"] == "listed-index"
    for read in reads:
        assert all(part["ConsistentRead"] is True for part in read.body["RequestItems"].values())
