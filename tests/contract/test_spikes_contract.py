from collections.abc import Callable
from fractions import Fraction
from typing import Final

import pytest

from tallystick.adapters.dynamo.tables import OperationItem, SpikeItem, TallyItem
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.spikes import Spike, SpikeRule
from tallystick.domain.tallies import addition_of, sheet_of
from tallystick.domain.transfers import Transfer
from tests.support.scene import NOW_MS
from tests.support.tables import Ports, Tables
from tests.support.tallying import credit

RULES: Final = {"USD": SpikeRule(1000, 500, Fraction(5))}
WINDOW_MS: Final = 300_000
OPEN: Final = Spike("USD:ada", NOW_MS)


def count(ports: Ports, *transfers: Transfer) -> None:
    ports.tallies.write(sheet_of([addition_of(transfer, RULES) for transfer in transfers]))


def test_credits_are_counted_in_their_windows(ports: Ports) -> None:
    count(ports, credit("a", 70), credit("b", 7, owner="bob"), credit("c", 5, at_ms=NOW_MS + WINDOW_MS))
    count(ports, credit("d", 1000))
    asked = [("USD", NOW_MS), ("USD:ada", NOW_MS), ("USD:bob", NOW_MS), ("USD", NOW_MS + WINDOW_MS), ("EUR", NOW_MS)]
    assert ports.spikes.counts(asked) == dict(zip(asked, (1077, 1070, 7, 5, 0), strict=True))
    assert ports.spikes.counts([]) == {}


def test_more_windows_than_one_read_takes_are_read(ports: Ports) -> None:
    count(ports, *(credit(f"k{number}", number + 1, at_ms=NOW_MS + number * WINDOW_MS) for number in range(20)))
    asked = [("USD", NOW_MS + number * WINDOW_MS) for number in range(150)]
    assert list(ports.spikes.counts(asked).values()) == [*range(1, 21), *[0] * 130]


def test_a_spike_is_stored_and_listed_until_it_is_over(ports: Ports) -> None:
    assert (ports.spikes.get("USD:ada"), ports.spikes.open()) == (None, [])
    assert ports.spikes.save(OPEN)
    assert (ports.spikes.get("USD:ada"), ports.spikes.open()) == (OPEN, [OPEN])
    seen = OPEN.seen(NOW_MS + WINDOW_MS)
    assert ports.spikes.save(seen)
    assert ports.spikes.open() == [seen]
    over = seen.over(NOW_MS + 2 * WINDOW_MS)
    assert ports.spikes.save(over)
    assert (ports.spikes.get("USD:ada"), ports.spikes.open()) == (over, [])
    again = over.seen(NOW_MS + 3 * WINDOW_MS)
    assert ports.spikes.save(again)
    assert ports.spikes.open() == [again]


@pytest.mark.parametrize("version", [-1, 0, 1, 3])
def test_only_the_next_version_is_written(ports: Ports, version: int) -> None:
    ports.spikes.save(OPEN)
    assert not ports.spikes.save(Spike("USD:ada", 0, version=version))
    assert ports.spikes.get("USD:ada") == OPEN


def test_each_subject_has_its_own(ports: Ports) -> None:
    others = {Spike("USD", NOW_MS), OPEN, Spike("EUR:ada", NOW_MS + 1)}
    assert all(ports.spikes.save(spike) for spike in others)
    assert set(ports.spikes.open()) == others


def test_counts_and_what_is_over_expire_and_an_open_spike_does_not(dynamo: Tables) -> None:
    count(dynamo.ports, credit("a", 70))
    counts = {item.operation_key: item for item in TallyItem.scan() if item.units}
    assert set(counts) == {f"credits#USD#{NOW_MS}", f"credits#USD:ada#{NOW_MS}"}
    assert {item.expires_at_s for item in counts.values()} == {NOW_MS // 1000 + 2 * 86_400}
    dynamo.ports.spikes.save(OPEN)
    item = SpikeItem.get("spike#USD:ada")
    assert (item.listed, item.listed_at_ms, "expires_at_s" in item.to_simple_dict()) == ("spike", NOW_MS, False)
    dynamo.ports.spikes.save(OPEN.over(NOW_MS + WINDOW_MS))
    item = SpikeItem.get("spike#USD:ada")
    assert (item.expires_at_s, "listed" in item.to_simple_dict()) == (NOW_MS // 1000 + 300 + 2 * 86_400, False)


def test_what_the_index_still_lists_though_it_is_over_is_left_out(dynamo: Tables) -> None:
    dynamo.ports.spikes.save(OPEN)
    dynamo.ports.spikes.save(OPEN.over(NOW_MS))
    with dynamo.finding("Query", [{"operation_key": {"S": "spike#USD:ada"}, "listed": {"S": "spike"}}]):
        assert dynamo.ports.spikes.open() == []


def test_totals_and_spikes_are_listed_apart(dynamo: Tables) -> None:
    count(dynamo.ports, credit("a", 70))
    dynamo.ports.spikes.save(OPEN)
    assert [total.account_id for total in dynamo.ports.tallies.totals()] == ["external:stripe:USD"]
    assert dynamo.ports.spikes.open() == [OPEN]
    assert len(list(OperationItem.listed_index.query("total"))) == 1


def test_a_spike_costs_two_units_and_a_batch_counts_for_two_units_a_subject(dynamo: Tables) -> None:
    dynamo.calls.clear()
    count(dynamo.ports, *(credit(f"k{number}", 5) for number in range(10)))
    assert dynamo.write_units() == 10 * 2 + 2 * 2 + 2 * 2
    dynamo.calls.clear()
    dynamo.ports.spikes.save(OPEN)
    assert ([call.operation for call in dynamo.calls], dynamo.write_units()) == (["TransactWriteItems"], 2)


@pytest.mark.parametrize("operation", ["BatchGetItem", "GetItem", "Query", "TransactWriteItems"])
def test_trouble_of_the_store_is_told_as_such(dynamo: Tables, operation: str) -> None:
    spikes = dynamo.ports.spikes
    calls: dict[str, Callable[[], object]] = {
        "BatchGetItem": lambda: spikes.counts([("USD", NOW_MS)]),
        "GetItem": lambda: spikes.get("USD"),
        "Query": spikes.open,
        "TransactWriteItems": lambda: spikes.save(OPEN),
    }
    with dynamo.refusing(operation, "InternalServerError", status=500), pytest.raises(StoreUnavailable):
        calls[operation]()
