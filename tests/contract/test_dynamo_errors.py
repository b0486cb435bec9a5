"""What the adapters make of DynamoDB's errors."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from pynamodb.exceptions import PynamoDBException

from tallystick.domain.accounts import Status
from tallystick.domain.audit import AuditRecord
from tallystick.domain.breaker import Breaker
from tallystick.domain.errors import Busy, InvariantViolated, StoreUnavailable
from tallystick.domain.inbox import buried, done
from tallystick.domain.posting import Leg, Order, plan
from tallystick.domain.quotas import Quota
from tallystick.domain.transfers import Tombstone, TransferKind
from tallystick.domain.webhooks import Provider
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.ledger import CommitConflict, CommitRefused
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.ports.wallets import StatusChange
from tests.support.incoming import Incoming
from tests.support.scene import NOW_MS, USD, account, claim
from tests.support.tables import Ports, Tables
from tests.support.withdrawals import withdrawal

A = account("wal_a")
PLAN = plan(
    Order(claim(), TransferKind.CREDIT, USD, (Leg("wal_a", 1), Leg("external:x:USD", -1))), {"wal_a": A}, NOW_MS
)
FLOW = Incoming().deposit()
NEXT = replace(FLOW, version=1)
EVENT = Incoming().event("succeeded")
AUDIT = AuditRecord(EVENT.dead_letter_id, "dead-letter-resolved", "root", NOW_MS, "203.0.113.7", {})
STEP = replace(PLAN, order=replace(PLAN.order, flow=NEXT))
WITHDRAWAL = replace(withdrawal(), version=0)
HELD = WITHDRAWAL.total_units
HOLD = plan(
    Order(
        claim(),
        TransferKind.WITHDRAWAL_HOLD,
        USD,
        (Leg("wal_a", -HELD), Leg(WITHDRAWAL.hold_id, HELD)),
        opens=(WITHDRAWAL.hold,),
        flow=WITHDRAWAL,
        references=("destination:x",),
        held={"wal_a": HELD},
        quota=Quota("q", USD, 1, 1, NOW_MS, max_units=5, max_count=5),
        audit=AUDIT,
    ),
    {"wal_a": replace(A, balance=HELD)},
    NOW_MS,
)
PAID = replace(HOLD, order=replace(HOLD.order, held={"wal_b": -HELD}, opens=()))
BROKEN = Breaker("stripe").failed(NOW_MS)
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
    "commit of a step": ("TransactWriteItems", lambda ports: ports.book.commit(STEP)),
    "flows.create": ("PutItem", lambda ports: ports.flows.create(FLOW)),
    "flows.get": ("GetItem", lambda ports: ports.flows.get("dep_1")),
    "flows.find": ("GetItem", lambda ports: ports.flows.find("stripe:pi_1")),
    "flows.save": ("TransactWriteItems", lambda ports: ports.flows.save(NEXT)),
    "flows.save with a name": ("TransactWriteItems", lambda ports: ports.flows.save(NEXT, ["stripe:pi_1"])),
    "commit of a hold": ("TransactWriteItems", lambda ports: ports.book.commit(HOLD)),
    "commit of a payout": ("TransactWriteItems", lambda ports: ports.book.commit(PAID)),
    "flows.save with an audit": ("TransactWriteItems", lambda ports: ports.flows.save(WITHDRAWAL, [], AUDIT)),
    "flows.overdue": ("Query", lambda ports: ports.flows.overdue("REQUESTED", NOW_MS, 5)),
    "flows.postpone": ("UpdateItem", lambda ports: ports.flows.postpone(Overdue("x", 1), 2)),
    "flows.in_state": ("Query", lambda ports: ports.flows.in_state("IN_REVIEW", 5, None)),
    "flows.owned_by": ("Query", lambda ports: ports.flows.owned_by("ada", 5, None)),
    "quotas.used": ("GetItem", lambda ports: ports.quotas.used("q")),
    "breakers.get": ("GetItem", lambda ports: ports.breakers.get("stripe")),
    "breakers.save": ("PutItem", lambda ports: ports.breakers.save(BROKEN)),
    "inbox.store": ("PutItem", lambda ports: ports.inbox.store(EVENT)),
    "inbox.get": ("GetItem", lambda ports: ports.inbox.get("x")),
    "inbox.save": ("UpdateItem", lambda ports: ports.inbox.save(done(EVENT, ()))),
    "inbox.save with an audit": ("TransactWriteItems", lambda ports: ports.inbox.save(done(EVENT, ()), AUDIT)),
    "inbox.overdue": ("Query", lambda ports: ports.inbox.overdue(Provider.STRIPE, NOW_MS, 5)),
    "inbox.postpone": ("UpdateItem", lambda ports: ports.inbox.postpone(Overdue("x", 1), 2)),
    "inbox.dead": ("Query", lambda ports: ports.inbox.dead(5, None)),
    "cursors.get": ("GetItem", lambda ports: ports.cursors.get("x")),
    "cursors.advance": ("PutItem", lambda ports: ports.cursors.advance("x", None, "1")),
}
MOVEMENTS = {
    name: CALLS[name] for name in ("commit", "void", "commit of a step", "commit of a hold", "commit of a payout")
}
CHANGES = {
    name: CALLS[name]
    for name in ("flows.save", "flows.save with a name", "flows.save with an audit", "inbox.save with an audit")
}
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
every_movement = pytest.mark.parametrize(("operation", "call"), MOVEMENTS.values(), ids=MOVEMENTS.keys())
every_change = pytest.mark.parametrize(("operation", "call"), CHANGES.values(), ids=CHANGES.keys())
every_transaction = pytest.mark.parametrize(
    ("operation", "call"), [*MOVEMENTS.values(), *CHANGES.values()], ids=[*MOVEMENTS, *CHANGES]
)
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


CONFLICTS = [
    ["None", "TransactionConflict"],
    ["TransactionConflict", "TransactionConflict"],
    ["None", "ThrottlingError"],
    ["ProvisionedThroughputExceeded", "TransactionConflict"],
    [],
]


@every_movement
@pytest.mark.parametrize("reasons", CONFLICTS)
def test_another_transaction_in_the_way_is_a_conflict(
    dynamo: Tables, operation: str, call: Call, reasons: list[str]
) -> None:
    with dynamo.refusing(operation, "TransactionCanceledException", *reasons), pytest.raises(CommitConflict):
        call(dynamo.ports)


@every_movement
def test_the_same_transaction_still_under_way_is_a_conflict(dynamo: Tables, operation: str, call: Call) -> None:
    with dynamo.refusing(operation, "TransactionInProgressException"), pytest.raises(CommitConflict):
        call(dynamo.ports)


@every_transaction
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


@every_movement
def test_a_failed_condition_outranks_a_conflict_and_needs_no_image(dynamo: Tables, operation: str, call: Call) -> None:
    reasons = ("TransactionConflict", "ConditionalCheckFailed")
    with (
        dynamo.refusing(operation, "TransactionCanceledException", *reasons),
        pytest.raises(CommitRefused) as refused,
    ):
        call(dynamo.ports)
    assert (refused.value.record, refused.value.accounts, refused.value.reversed_by) == (None, {}, None)
    assert (refused.value.flow_changed, refused.value.used) == (False, None)


@every_change
@pytest.mark.parametrize(
    "reasons", [*CONFLICTS, ["ConditionalCheckFailed"], ["TransactionConflict", "ConditionalCheckFailed"]]
)
def test_a_change_that_another_one_hinders_is_not_written_whatever_the_reason(
    dynamo: Tables, operation: str, call: Call, reasons: list[str]
) -> None:
    with dynamo.refusing(operation, "TransactionCanceledException", *reasons):
        assert call(dynamo.ports) is False
    with dynamo.refusing(operation, "TransactionInProgressException"):
        assert call(dynamo.ports) is False


def test_a_status_change_while_a_movement_is_under_way_means_try_again(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(A)
    with dynamo.refusing("UpdateItem", "TransactionConflictException"), pytest.raises(Busy):
        dynamo.ports.wallets.change_status(FREEZE)
    assert dynamo.ports.wallets.get("wal_a") == A


def test_an_event_that_a_transaction_holds_for_a_moment_means_try_again(dynamo: Tables) -> None:
    dynamo.ports.inbox.store(EVENT)
    with dynamo.refusing("UpdateItem", "TransactionConflictException"), pytest.raises(StoreUnavailable):
        dynamo.ports.inbox.save(done(EVENT, ()))
    assert dynamo.ports.inbox.get(EVENT.inbox_key) == EVENT


def test_reading_what_a_list_names_fails_like_the_list_itself(dynamo: Tables) -> None:
    dead = buried(EVENT, reason="x", detail="y", now_ms=NOW_MS)
    dynamo.ports.inbox.store(EVENT)
    dynamo.ports.inbox.save(dead)
    with dynamo.refusing("BatchGetItem", "ThrottlingException"), pytest.raises(StoreUnavailable):
        dynamo.ports.inbox.dead(5, None)
    with dynamo.refusing("BatchGetItem", "AccessDeniedException"), pytest.raises(PynamoDBException):
        dynamo.ports.inbox.dead(5, None)


@pytest.mark.parametrize(
    "listed",
    [lambda ports: ports.flows.in_state("REQUESTED", 5, None), lambda ports: ports.flows.owned_by("ada", 5, None)],
)
def test_reading_the_withdrawals_of_a_list_fails_like_the_list_itself(dynamo: Tables, listed: Call) -> None:
    dynamo.ports.flows.create(WITHDRAWAL)
    with dynamo.refusing("BatchGetItem", "ThrottlingException"), pytest.raises(StoreUnavailable):
        listed(dynamo.ports)
    with dynamo.refusing("BatchGetItem", "AccessDeniedException"), pytest.raises(PynamoDBException):
        listed(dynamo.ports)


def test_a_withdrawal_that_a_transaction_holds_for_a_moment_means_try_again(dynamo: Tables) -> None:
    dynamo.ports.flows.create(WITHDRAWAL)
    seen = Overdue(WITHDRAWAL.flow_id, WITHDRAWAL.not_before_ms)
    with dynamo.refusing("UpdateItem", "TransactionConflictException"), pytest.raises(StoreUnavailable):
        dynamo.ports.flows.postpone(seen, NOW_MS * 2)
    assert dynamo.ports.flows.overdue("REQUESTED", NOW_MS * 2, 5) == [seen]


STANDING: dict[str, Call] = {
    "flows.create": lambda ports: ports.flows.create(FLOW),
    "flows.create of a withdrawal": lambda ports: ports.flows.create(WITHDRAWAL),
    "inbox.store": lambda ports: ports.inbox.store(EVENT),
}


@pytest.mark.parametrize("call", STANDING.values(), ids=STANDING.keys())
def test_what_stands_in_the_way_is_read_in_a_call_of_its_own_that_may_fail(dynamo: Tables, call: Call) -> None:
    call(dynamo.ports)
    with dynamo.refusing("GetItem", "ThrottlingException"), pytest.raises(StoreUnavailable):
        call(dynamo.ports)


@pytest.mark.parametrize("call", STANDING.values(), ids=STANDING.keys())
def test_what_stood_in_the_way_and_is_gone_is_a_bug(dynamo: Tables, call: Call) -> None:
    with dynamo.refusing("PutItem", "ConditionalCheckFailedException"), pytest.raises(InvariantViolated):
        call(dynamo.ports)


@pytest.mark.parametrize("name", ["cursors.advance", "breakers.save"])
def test_a_cursor_or_breaker_that_is_in_the_way_is_no_trouble(dynamo: Tables, name: str) -> None:
    with dynamo.refusing("PutItem", "ConditionalCheckFailedException"):
        assert CALLS[name][1](dynamo.ports) is False


@pytest.mark.parametrize("call", [CALLS[name][1] for name in ("inbox.save", "inbox.postpone", "flows.postpone")])
def test_what_changed_meanwhile_is_no_trouble(dynamo: Tables, call: Call) -> None:
    with dynamo.refusing("UpdateItem", "ConditionalCheckFailedException"):
        assert call(dynamo.ports) is False
