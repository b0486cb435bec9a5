from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException, TransactGetError

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import response_code
from tallystick.adapters.dynamo.records import DynamoTransferRecords
from tallystick.adapters.dynamo.tables import OperationItem, TallyItem, TransferItem
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.spikes import SpikeRule
from tallystick.domain.tallies import Rejected, Sheet, Total, addition_of, bucket_of, sheet_of
from tallystick.domain.transfers import Tombstone, Transfer
from tallystick.services.ports.tallies import TallyConflict, TallyRefused
from tests.support.scene import NOW_MS
from tests.support.tables import Ports, Tables
from tests.support.tallying import FEES, STRIPE, credit, keys

BUCKET: Final = bucket_of(NOW_MS)


def sheet(*transfers: Transfer, rules: dict[str, SpikeRule] | None = None) -> Sheet:
    return sheet_of([addition_of(transfer, rules or {}) for transfer in transfers])


def test_nothing_is_there_before_something_is_added(ports: Ports) -> None:
    assert (ports.tallies.totals(), ports.tallies.without(STRIPE, [])) == ([], None)
    assert ports.tallies.unmarked(["a", "b"]) == {"a", "b"}
    assert ports.tallies.unmarked([]) == set()


def test_a_sheet_is_added_to_what_is_there(ports: Ports) -> None:
    ports.tallies.write(sheet(credit("a", 100), credit("b", 7, FEES)))
    ports.tallies.write(sheet(credit("c", 50), credit("d", 30, "external:stripe:EUR")))
    assert ports.tallies.totals() == [
        Total(FEES, "USD", 2, -7, 1),
        Total("external:stripe:EUR", "EUR", 2, -30, 1),
        Total(STRIPE, "USD", 2, -150, 2),
    ]
    moved = credit("a"), credit("b"), credit("c"), credit("d"), credit("e")
    assert ports.tallies.unmarked(keys(*moved)) == keys(credit("e"))


def test_a_sheet_with_a_transfer_that_was_added_is_refused_whole(ports: Ports) -> None:
    ports.tallies.write(sheet(credit("a", 100)))
    with pytest.raises(TallyRefused):
        ports.tallies.write(sheet(credit("b", 5), credit("a", 100), credit("c", 7, FEES)))
    assert ports.tallies.totals() == [Total(STRIPE, "USD", 2, -100, 1)]
    assert ports.tallies.unmarked(keys(credit("a"), credit("b"))) == keys(credit("b"))


def test_buckets_are_taken_away_from_the_total(ports: Ports) -> None:
    for number, seconds in enumerate((0, 9, 10, 25)):
        ports.tallies.write(sheet(credit(f"k{number}", 10**number, at_ms=NOW_MS + 1000 * seconds)))
    assert ports.tallies.without(STRIPE, []) == Total(STRIPE, "USD", 2, -1111, 4)
    assert ports.tallies.without(STRIPE, [BUCKET + 2]) == Total(STRIPE, "USD", 2, -111, 3)
    assert ports.tallies.without(STRIPE, [BUCKET + 1, BUCKET + 2]) == Total(STRIPE, "USD", 2, -11, 2)
    assert ports.tallies.without(STRIPE, range(BUCKET - 3, BUCKET + 20)) == Total(STRIPE, "USD", 2, 0, 0)
    assert ports.tallies.without(FEES, [BUCKET]) is None


@pytest.mark.parametrize("change", [{"scale": 3}, {"asset": "EUR"}])
def test_an_account_keeps_its_units(ports: Ports, change: dict[str, str]) -> None:
    ports.tallies.write(sheet(credit("a", 100)))
    total = replace(Total(STRIPE, "USD", 2, -5, 1), **change)  # type: ignore[arg-type]
    with pytest.raises(TallyRefused):
        ports.tallies.write(Sheet(("b",), {STRIPE: total}, {}, {}))
    assert ports.tallies.unmarked(["b"]) == {"b"}
    assert ports.tallies.totals() == [Total(STRIPE, "USD", 2, -100, 1)]


def test_a_total_has_38_digits_and_no_more(ports: Ports) -> None:
    ports.tallies.write(sheet(credit("a", MAX_UNITS - 1)))
    with pytest.raises(TallyRefused):
        ports.tallies.write(sheet(credit("b", 2)))
    ports.tallies.write(sheet(credit("c", 1)))
    assert ports.tallies.totals() == [Total(STRIPE, "USD", 2, -MAX_UNITS, 2)]
    with pytest.raises(TallyRefused):
        ports.tallies.write(sheet(credit("d", 1)))
    for back, expected in ((1, 1 - MAX_UNITS), (MAX_UNITS, 1), (MAX_UNITS - 1, MAX_UNITS)):
        ports.tallies.write(Sheet((f"back-{back}",), {STRIPE: Total(STRIPE, "USD", 2, back, 0)}, {}, {}))
        assert ports.tallies.totals() == [Total(STRIPE, "USD", 2, expected, 2)]
    with pytest.raises(TallyRefused):
        ports.tallies.write(Sheet(("e",), {STRIPE: Total(STRIPE, "USD", 2, 1, 1)}, {}, {}))


def test_a_bucket_has_38_digits_too(ports: Ports) -> None:
    bucket = Total(STRIPE, "USD", 2, MAX_UNITS, 1)
    ports.tallies.write(Sheet(("a",), {}, {(STRIPE, BUCKET): bucket}, {}))
    with pytest.raises(TallyRefused):
        ports.tallies.write(Sheet(("b",), {}, {(STRIPE, BUCKET): replace(bucket, balance=1)}, {}))


def test_more_than_a_transaction_takes_is_refused(ports: Ports) -> None:
    with pytest.raises(TallyRefused):
        ports.tallies.write(Sheet(tuple(f"k{number}" for number in range(101)), {}, {}, {}))
    assert len(ports.tallies.unmarked(f"k{number}" for number in range(101))) == 101


def test_a_hundred_items_are_one_transaction(dynamo: Tables) -> None:
    dynamo.ports.tallies.write(sheet(*(credit(f"k{number}", 1) for number in range(98))))
    assert [len(call.body["TransactItems"]) for call in dynamo.calls] == [100]


def test_more_markers_than_one_read_takes_are_looked_up(ports: Ports) -> None:
    moved = [credit(f"k{number}", 1) for number in range(60)]
    ports.tallies.write(sheet(*moved))
    others = {f"o{number}" for number in range(150)}
    assert ports.tallies.unmarked([*keys(*moved), *others]) == others


def test_buckets_expire_and_what_is_true_for_ever_does_not(dynamo: Tables) -> None:
    dynamo.ports.tallies.write(sheet(credit("a", at_ms=NOW_MS)))
    stored = {item.operation_key: item for item in TallyItem.scan()}
    marker, total = f"tallied#{credit('a').claim.key.digest}", f"total#{STRIPE}"
    assert set(stored) == {marker, total, f"{total}#{BUCKET}"}
    assert stored[f"{total}#{BUCKET}"].expires_at_s == NOW_MS // 1000 + 10 + 2 * 86_400
    assert stored[marker].to_simple_dict() == {"operation_key": marker}
    assert "expires_at_s" not in stored[total].to_simple_dict()
    assert (stored[total].listed, stored[total].listed_at_ms) == ("total", 0)
    assert [item.operation_key for item in OperationItem.listed_index.query("total")] == [total]


# Correcting a total


RECORD: Final = AuditRecord(STRIPE, "tally-corrected", "operator:ada", NOW_MS, "local", {"why": "a test"})


def test_a_total_is_corrected_while_it_is_as_it_was_read(ports: Ports) -> None:
    ports.tallies.write(sheet(credit("a", 100)))
    (before,) = ports.tallies.totals()
    after = replace(before, balance=-93, postings=4)
    for wrong in (replace(before, balance=-99), replace(before, postings=2), None):
        assert not ports.tallies.correct(wrong, after, RECORD)
    assert (ports.tallies.totals(), ports.audited()) == ([before], [])
    assert ports.tallies.correct(before, after, RECORD)
    assert (ports.tallies.totals(), ports.audited()) == ([after], [RECORD])
    ports.tallies.write(sheet(credit("b", 7)))
    assert ports.tallies.without(STRIPE, []) == replace(after, balance=-100, postings=5)


def test_a_total_that_is_gone_is_set_anew_and_listed(ports: Ports) -> None:
    after = Total(STRIPE, "USD", 2, -5, 1)
    assert ports.tallies.correct(None, after, RECORD)
    assert ports.tallies.totals() == [after]


# All transfers


def stored(dynamo: Tables, *transfers: Transfer) -> DynamoTransferRecords:
    for transfer in transfers:
        items.transfer_item(transfer).save()
    return DynamoTransferRecords(dynamo.connection)


def test_all_transfers_are_read_and_nothing_else(dynamo: Tables) -> None:
    moved = [credit(f"k{number}", number + 1) for number in range(20)]
    records = stored(dynamo, *moved)
    items.tombstone_item(Tombstone(credit("void").claim, NOW_MS)).save()
    TransferItem(transfer_key="marker", item="reversal", reversed_by="trf_x").save()
    dynamo.calls.clear()
    found = [records.scan(segment, 3, None) for segment in range(3)]
    assert {page.next_key for page in found} == {None}
    read = [one for page in found for one in page.items if isinstance(one, Transfer)]
    assert sorted(read, key=lambda one: one.units) == moved
    assert all(call.body["ConsistentRead"] is True for call in dynamo.calls)


def test_a_scan_goes_on_where_a_page_ended(dynamo: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = [credit(f"k{number}", number + 1) for number in range(5)]
    records = stored(dynamo, *moved)
    original = Connection.scan

    def scan(connection: Connection, table_name: str, **options: Any) -> Any:  # noqa: ANN401 (as it is)
        return original(connection, table_name, **{**options, "limit": 2})

    monkeypatch.setattr(Connection, "scan", scan)
    read, after = list[Transfer | Rejected](), None
    for _ in range(2):
        page = records.scan(0, 1, after)
        read, after = [*read, *page.items], page.next_key
        assert after is not None
    assert keys(*(one for one in [*read, *records.scan(0, 1, after).items] if isinstance(one, Transfer))) == keys(
        *moved
    )


def test_a_record_that_cannot_be_read_is_named(dynamo: Tables) -> None:
    TransferItem(transfer_key="odd", item="transfer", kind="credit").save()
    (odd,) = DynamoTransferRecords(dynamo.connection).scan(0, 1, None).items
    assert isinstance(odd, Rejected)
    assert (odd.transfer_key, odd.reason.startswith("the record lacks key_source")) == ("odd", True)


def test_trouble_while_scanning_is_told_as_such(dynamo: Tables) -> None:
    with dynamo.refusing("Scan", "InternalServerError", status=500), pytest.raises(StoreUnavailable):
        DynamoTransferRecords(dynamo.connection).scan(0, 1, None)


# What DynamoDB answers


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["None", "ConditionalCheckFailed"], TallyRefused),
        (["TransactionConflict", "ConditionalCheckFailed"], TallyRefused),
        (["ValidationError", "None"], TallyRefused),
        (["TransactionConflict", "None"], TallyConflict),
        (["ThrottlingError"], TallyConflict),
    ],
)
def test_why_nothing_was_written_is_told_apart(dynamo: Tables, reasons: list[str], expected: type[Exception]) -> None:
    refusing = dynamo.refusing("TransactWriteItems", "TransactionCanceledException", *reasons)
    with refusing, pytest.raises(expected):
        dynamo.ports.tallies.write(sheet(credit("a")))


CALLS: Final[dict[str, Callable[[Ports], object]]] = {
    "TransactWriteItems": lambda ports: ports.tallies.write(sheet(credit("a"))),
    "TransactGetItems": lambda ports: ports.tallies.without(STRIPE, [BUCKET]),
    "BatchGetItem": lambda ports: ports.tallies.unmarked(["a"]),
    "Query": lambda ports: ports.tallies.totals(),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError"])
def test_trouble_of_the_store_is_told_as_such(dynamo: Tables, operation: str, code: str) -> None:
    with dynamo.refusing(operation, code, status=500), pytest.raises(StoreUnavailable):
        CALLS[operation](dynamo.ports)


@pytest.mark.parametrize("operation", CALLS)
def test_a_mistake_of_ours_is_no_trouble_and_no_poison(dynamo: Tables, operation: str) -> None:
    with dynamo.refusing(operation, "AccessDeniedException"), pytest.raises(PynamoDBException) as told:
        CALLS[operation](dynamo.ports)
    assert response_code(told.value) == "AccessDeniedException"


def test_what_cannot_be_written_at_all_is_refused(dynamo: Tables) -> None:
    with dynamo.refusing("TransactWriteItems", "ValidationException"), pytest.raises(TallyRefused):
        dynamo.ports.tallies.write(sheet(credit("a")))


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [(["TransactionConflict", "None"], TallyConflict), (["ValidationError"], TransactGetError)],
)
def test_a_read_meets_a_write(dynamo: Tables, reasons: list[str], expected: type[Exception]) -> None:
    refusing = dynamo.refusing("TransactGetItems", "TransactionCanceledException", *reasons)
    with refusing, pytest.raises(expected):
        dynamo.ports.tallies.without(STRIPE, [BUCKET])


def test_a_hundred_items_are_read_at_one_moment(dynamo: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.dynamodb.responses.TRANSACTION_MAX_ITEMS", 100)  # as AWS has it since 2022
    moved = [credit(f"k{number}", 1, at_ms=NOW_MS + 10_000 * number) for number in range(40)]
    for transfer in moved:
        dynamo.ports.tallies.write(sheet(transfer))
    dynamo.calls.clear()
    assert dynamo.ports.tallies.without(STRIPE, range(BUCKET + 1, BUCKET + 100)) == Total(STRIPE, "USD", 2, -1, 1)
    assert [(call.operation, len(call.body["TransactItems"])) for call in dynamo.calls] == [("TransactGetItems", 100)]
