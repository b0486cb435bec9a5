"""What the adapters make of DynamoDB's errors."""

from collections.abc import Callable

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from pynamodb.exceptions import PynamoDBException

from tallystick.domain.accounts import Status
from tallystick.domain.errors import Busy, StoreUnavailable
from tallystick.domain.posting import Leg, Order, plan
from tallystick.domain.transfers import Tombstone, TransferKind
from tallystick.services.ports.ledger import CommitConflict, CommitRefused
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.ports.wallets import StatusChange
from tests.support.scene import NOW_MS, USD, account, claim
from tests.support.tables import Ports, Tables

A = account("wal_a")
PLAN = plan(
    Order(claim(), TransferKind.CREDIT, USD, (Leg("wal_a", 1), Leg("external:x:USD", -1))), {"wal_a": A}, NOW_MS
)
FREEZE = StatusChange("wal_a", frozenset({Status.ACTIVE}), Status.FROZEN, "why")
CALLS: dict[str, tuple[str, Callable[[Ports], object]]] = {
    "accounts of one": ("GetItem", lambda ports: ports.book.accounts(["wal_a"])),
    "accounts of two": ("BatchGetItem", lambda ports: ports.book.accounts(["wal_a", "wal_b"])),
    "record": ("GetItem", lambda ports: ports.book.record("x")),
    "reversed_by": ("GetItem", lambda ports: ports.book.reversed_by("x")),
    "commit": ("TransactWriteItems", lambda ports: ports.book.commit(PLAN)),
    "void": ("TransactWriteItems", lambda ports: ports.book.void(Tombstone(claim(), NOW_MS))),
    "create": ("PutItem", lambda ports: ports.wallets.create(A)),
    "get": ("GetItem", lambda ports: ports.wallets.get("wal_a")),
    "owned_by": ("Query", lambda ports: ports.wallets.owned_by("ada", 5, None)),
    "change_status": ("UpdateItem", lambda ports: ports.wallets.change_status(FREEZE)),
    "entries": ("Query", lambda ports: ports.statements.entries(StatementQuery("wal_a", 5))),
    "entry_at": ("Query", lambda ports: ports.statements.entry_at("wal_a", NOW_MS)),
}
WRITES = {name: call for name, call in CALLS.items() if call[0] == "TransactWriteItems"}
TROUBLES = [
    ("ProvisionedThroughputExceededException", 400),
    ("ThrottlingException", 400),
    ("RequestLimitExceeded", 400),
    ("InternalServerError", 500),
    ("ServiceUnavailable", 503),
]
SILENCES = [
    ReadTimeoutError(endpoint_url="x"),
    ConnectTimeoutError(endpoint_url="x"),
    EndpointConnectionError(endpoint_url="x"),
    ConnectionClosedError(endpoint_url="x"),
]

every_call = pytest.mark.parametrize(("operation", "call"), CALLS.values(), ids=CALLS.keys())
every_write = pytest.mark.parametrize(("operation", "call"), WRITES.values(), ids=WRITES.keys())
Call = Callable[[Ports], object]


@every_call
def test_throttling_and_failures_mean_try_again(dynamo: Tables, operation: str, call: Call) -> None:
    for code, status in TROUBLES:
        with dynamo.refusing(operation, code, status=status), pytest.raises(StoreUnavailable):
            call(dynamo.ports)


@every_call
def test_silence_means_try_again(dynamo: Tables, operation: str, call: Call) -> None:
    for silence in SILENCES:
        with dynamo.failing(operation, silence), pytest.raises(StoreUnavailable):
            call(dynamo.ports)


@every_call
def test_other_codes_are_not_hidden(dynamo: Tables, operation: str, call: Call) -> None:
    for code in ("ValidationException", "AccessDeniedException", "ResourceNotFoundException"):
        with dynamo.refusing(operation, code), pytest.raises(PynamoDBException) as error:
            call(dynamo.ports)
        assert error.value.cause_response_code == code


@every_write
@pytest.mark.parametrize(
    "reasons",
    [
        ["None", "TransactionConflict"],
        ["TransactionConflict", "TransactionConflict"],
        ["None", "ThrottlingError"],
        ["ProvisionedThroughputExceeded", "TransactionConflict"],
        [],
    ],
)
def test_another_transaction_in_the_way_is_a_conflict(
    dynamo: Tables, operation: str, call: Call, reasons: list[str]
) -> None:
    with dynamo.refusing(operation, "TransactionCanceledException", *reasons), pytest.raises(CommitConflict):
        call(dynamo.ports)


@every_write
def test_the_same_transaction_still_under_way_is_a_conflict(dynamo: Tables, operation: str, call: Call) -> None:
    with dynamo.refusing(operation, "TransactionInProgressException"), pytest.raises(CommitConflict):
        call(dynamo.ports)


@every_write
@pytest.mark.parametrize("reason", ["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied"])
def test_a_cancellation_for_any_other_reason_is_not_hidden(
    dynamo: Tables, operation: str, call: Call, reason: str
) -> None:
    reasons = ("TransactionConflict", reason)
    with (
        dynamo.refusing(operation, "TransactionCanceledException", *reasons),
        pytest.raises(PynamoDBException) as error,
    ):
        call(dynamo.ports)
    assert error.value.cause_response_code == "TransactionCanceledException"


@every_write
def test_a_failed_condition_outranks_a_conflict_and_needs_no_image(dynamo: Tables, operation: str, call: Call) -> None:
    reasons = ("TransactionConflict", "ConditionalCheckFailed")
    with (
        dynamo.refusing(operation, "TransactionCanceledException", *reasons),
        pytest.raises(CommitRefused) as refused,
    ):
        call(dynamo.ports)
    assert (refused.value.record, refused.value.accounts, refused.value.reversed_by) == (None, {}, None)


def test_a_status_change_while_a_movement_is_under_way_means_try_again(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(A)
    with dynamo.refusing("UpdateItem", "TransactionConflictException"), pytest.raises(Busy):
        dynamo.ports.wallets.change_status(FREEZE)
    assert dynamo.ports.wallets.get("wal_a") == A
