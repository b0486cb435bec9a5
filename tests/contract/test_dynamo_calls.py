"""How many calls the adapters make, what they cost, and that every read of money is consistent."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.accounts import Account, Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.chain import genesis
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.transfers import client_key
from tallystick.domain.webhooks import Delivery, Fact, Notice, Provider
from tallystick.services import idempotency, movements, statements, wallets
from tallystick.services.admin import Admin
from tallystick.services.dead_letters import resolve
from tallystick.services.ledger import Ledger, Receipt
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.processing import Office, Providers, Retries, handle
from tallystick.services.receiving import Gate, Received, receive
from tallystick.services.settling import Books
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts, FakeQueue, ScriptedGateway, no_payer
from tests.support.incoming import DELAYS_MS, GRACE_MS, Incoming, paid, refund
from tests.support.scene import ADMIN, BOB, NOW_MS, Desk, account, claim, no_pause
from tests.support.tables import UNIT_BYTES, Tables

SUB = "f4687488-40d1-70c0-3b3a-5c1c8a4a%04d"
KEY = "018f2b9e-7c1a-7e63-9d4f-3b2a1c0d%04d"
AMOUNT = "99.999999999999999999"
"""20 digits of units."""

ETH = DEFAULT_ASSETS["ETH"]
OWNER, PAYEE = Caller(SUB % 1), Caller(SUB % 2)
SERVICE = Caller(SUB % 3, frozenset({Role.USER, Role.SERVICE}))


def open_wallet(dynamo: Tables, owner: Caller) -> str:
    wallet_id = client_key(owner.caller_id, KEY % 1).wallet_id
    opened = Account(wallet_id, owner.caller_id, ETH, NOW_MS, genesis(wallet_id, "ETH"), label="My savings account")
    dynamo.ports.wallets.create(opened)
    return wallet_id


@pytest.fixture
def desk(dynamo: Tables) -> Desk:
    return Desk(Ledger(dynamo.ports.book, no_pause))


def operations(dynamo: Tables) -> list[str]:
    return [call.operation for call in dynamo.calls]


def credit(desk: Desk, wallet: str, number: int) -> Receipt:
    return movements.credit(
        ledger=desk.ledger,
        caller=SERVICE,
        claim=claim(KEY % number, body="f" * 64, caller=SERVICE),
        request=movements.ServiceMovement(wallet, AMOUNT, "stripe:pi_3MtwBwLkdIwHu7ix28a3tqPa"),
        now_ms=NOW_MS,
    )


def transfer(desk: Desk, source: str, destination: str, number: int) -> Receipt:
    return movements.transfer(
        ledger=desk.ledger,
        caller=OWNER,
        claim=claim(KEY % number, body="f" * 64, caller=OWNER),
        request=movements.WalletTransfer(source, destination, "0.999999999999999999"),
        now_ms=NOW_MS,
    )


def test_a_credit_of_a_known_account_is_one_call_of_6_write_units(dynamo: Tables, desk: Desk) -> None:
    wallet = open_wallet(dynamo, OWNER)
    credit(desk, wallet, 1)
    dynamo.calls.clear()
    credit(desk, wallet, 2)
    assert operations(dynamo) == ["TransactWriteItems"]
    assert dynamo.write_units() == 6


def test_a_credit_of_an_unknown_account_is_two_calls(dynamo: Tables, desk: Desk) -> None:
    wallet = open_wallet(dynamo, OWNER)
    dynamo.calls.clear()
    credit(desk, wallet, 1)
    assert operations(dynamo) == ["GetItem", "TransactWriteItems"]
    assert dynamo.write_units() == 6


def test_a_transfer_between_known_wallets_is_one_call_of_10_write_units(dynamo: Tables, desk: Desk) -> None:
    source, destination = open_wallet(dynamo, OWNER), open_wallet(dynamo, PAYEE)
    credit(desk, source, 1)
    transfer(desk, source, destination, 2)
    dynamo.calls.clear()
    transfer(desk, source, destination, 3)
    assert operations(dynamo) == ["TransactWriteItems"]
    assert dynamo.write_units() == 10


def test_a_transfer_between_unknown_wallets_is_two_calls(dynamo: Tables, desk: Desk) -> None:
    source, destination = open_wallet(dynamo, OWNER), open_wallet(dynamo, PAYEE)
    credit(Desk(Ledger(dynamo.ports.book, no_pause)), source, 1)
    dynamo.calls.clear()
    transfer(desk, source, destination, 2)
    assert operations(dynamo) == ["BatchGetItem", "TransactWriteItems"]
    assert dynamo.write_units() == 10


def test_a_stale_memory_costs_one_more_call(dynamo: Tables, desk: Desk) -> None:
    wallet = open_wallet(dynamo, OWNER)
    credit(desk, wallet, 1)
    credit(Desk(Ledger(dynamo.ports.book, no_pause)), wallet, 2)
    dynamo.calls.clear()
    credit(desk, wallet, 3)
    assert operations(dynamo) == ["TransactWriteItems"] * 2


def test_every_read_of_a_table_is_consistent_and_the_index_tells_ids_only(dynamo: Tables, desk: Desk) -> None:
    ports = dynamo.ports
    for opened in (account("wal_a"), account("wal_b", BOB)):
        ports.wallets.create(opened)
    desk.credit("k1", "5.00")
    moved = desk.transfer("k2", "1.00").transfer
    desk.reverse("r1", moved.transfer_id)
    desk.credit("k1", "5.00", ledger=Ledger(ports.book, no_pause))
    movements.get_transfer(book=ports.book, caller=ADMIN, transfer_id=moved.transfer_id)
    idempotency.find(book=ports.book, key=claim("k1").key)
    idempotency.void(ledger=desk.ledger, key=claim("k3").key, now_ms=NOW_MS)
    ports.wallets.create(account("wal_a"))
    wallets.list_owned(wallets=ports.wallets, caller=BOB, limit=5, after=None)
    wallets.close(wallets=ports.wallets, caller=BOB, wallet_id="wal_b")
    statements.entries(
        wallets=ports.wallets, statements=ports.statements, caller=ADMIN, query=StatementQuery("wal_a", 5, "debit")
    )
    statements.balance(
        wallets=ports.wallets, statements=ports.statements, caller=ADMIN, wallet_id="wal_a", at_ms=NOW_MS
    )
    reads = [consistency(call.operation, call.body) for call in dynamo.calls]
    assert {read for read in reads if read} == {"GetItem", "BatchGetItem", "Query", "Query of the index"}


def consistency(operation: str, body: dict[str, Any]) -> str | None:
    if operation in {"TransactWriteItems", "PutItem", "UpdateItem"}:
        return None
    if "IndexName" in body:
        return "Query of the index"
    asked = list(body["RequestItems"].values()) if operation == "BatchGetItem" else [body]
    assert all(part["ConsistentRead"] is True for part in asked), (operation, body)
    return operation


def test_a_movement_asks_for_the_images_of_all_that_may_stand_in_the_way(dynamo: Tables, desk: Desk) -> None:
    dynamo.ports.wallets.create(account("wal_a"))
    moved = desk.credit("k1", "5.00").transfer
    desk.reverse("r1", moved.transfer_id)
    (parts,) = [call.body["TransactItems"] for call in dynamo.calls[-1:]]
    told = {
        (part.get("TableName"), "Put" in outer, part.get("ReturnValuesOnConditionCheckFailure"))
        for outer in parts
        for part in outer.values()
    }
    assert told == {("transfers", True, "ALL_OLD"), ("entries", True, None), ("accounts", False, "ALL_OLD")}
    assert all(part["ConditionExpression"] for outer in parts for part in outer.values())


class Nothing:
    """Be the body of an answer without one."""

    def stream(self, *_: object, **__: object) -> list[bytes]:
        return [b""]


def test_the_sdk_repeats_a_transaction_whose_answer_was_lost_under_one_token(
    dynamo: Tables, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str] = []

    def lose_the_first(request: Any, **_: object) -> AWSResponse | None:  # noqa: ANN401 (botocore's)
        tokens.append(json.loads(request.body)["ClientRequestToken"])
        return AWSResponse("", 500, HTTPHeaders(), Nothing()) if len(tokens) == 1 else None

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    dynamo.ports.wallets.create(account("wal_a"))
    with dynamo.sending("TransactWriteItems", lose_the_first):
        desk.credit("k1", "5.00")
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
    assert len(dynamo.ports.statements.entries(StatementQuery("wal_a", 5)).items) == 1


def test_one_page_of_a_statement_is_one_query(dynamo: Tables, desk: Desk) -> None:
    dynamo.ports.wallets.create(account("wal_a"))
    for number in range(5):
        desk.credit(f"k{number}", "1.00")
    dynamo.calls.clear()
    for limit in (2, 5, 10):
        dynamo.ports.statements.entries(StatementQuery("wal_a", limit))
    dynamo.ports.statements.entry_at("wal_a", NOW_MS)
    assert operations(dynamo) == ["Query"] * 4


def test_a_status_is_changed_in_one_call(dynamo: Tables) -> None:
    dynamo.ports.wallets.create(account("wal_a"))
    dynamo.calls.clear()
    wallets.freeze(wallets=dynamo.ports.wallets, caller=ADMIN, wallet_id="wal_a", reason="why")
    assert operations(dynamo) == ["GetItem", "UpdateItem"]
    assert dynamo.ports.book.accounts(["wal_a"])["wal_a"].status is Status.FROZEN


# Events of providers

ORDER = Incoming().deposit()
TYPICAL_BODY = json.dumps({f"member_{n}": hashlib.sha256(b"%d" % n).hexdigest()[: n % 24] for n in range(160)}).encode()
"""4.5 kilobytes of names that repeat and values that do not, as Stripe's are; stored compressed."""


class Outside:
    """Handle events on the real tables; what is not DynamoDB's is in memory."""

    def __init__(self, dynamo: Tables) -> None:
        """Open ada's wallet and order 25.00 into it."""
        memory = FakeStore()
        self.dynamo = dynamo
        self.queue, self.alerts, self.gateway = FakeQueue(memory), FakeAlerts(memory), ScriptedGateway(memory)
        dynamo.ports.wallets.create(account("wal_a"))
        dynamo.ports.flows.create(ORDER)
        dynamo.calls.clear()

    def told(self, name: str, *facts: Fact, references: tuple[str, ...] = ("dep_1",)) -> InboxEvent:
        """Store an event that says these facts."""
        self.gateway.script[name] = Notice(name, references, facts)
        event = self.dynamo.ports.inbox.store(Incoming().arrival(name))
        self.dynamo.calls.clear()
        return event

    def office(self) -> Office:
        """Start a Lambda."""
        ports = self.dynamo.ports
        books = Books(Ledger(ports.book, no_pause), ports.flows, ports.wallets.create)
        providers = Providers(lambda _: self.gateway, no_payer)
        return Office(ports.inbox, books, self.alerts, providers, Retries(DELAYS_MS, GRACE_MS))

    def calls_of(self, office: Office, event: InboxEvent) -> list[str]:
        """Handle an event, and list the operations that it takes."""
        self.dynamo.calls.clear()
        handle(office=office, inbox_key=event.inbox_key, now_ms=NOW_MS)
        return operations(self.dynamo)

    def receive(self, body: bytes, external_id: str = "evt_1") -> Received:
        """Take a genuine call, and list the operations that it takes."""
        self.dynamo.calls.clear()
        headers = {"stripe-signature": f"t={NOW_MS // 1000},v1={'0' * 64}", "user-agent": "Stripe/1.0"}
        delivery = Delivery(Provider.STRIPE, "host", "/", headers, {}, body, "203.0.113.7", NOW_MS)
        gate = Gate("test", Open(external_id), Open(external_id))
        return receive(gate=gate, inbox=self.dynamo.ports.inbox, queue=self.queue, delivery=delivery, grace_ms=GRACE_MS)


@dataclass(frozen=True)
class Open(WholeBody):
    """Take any call for one event's."""

    external_id: str

    def keys(self, provider: Provider) -> list[str]:
        return [provider]

    renewed = keys

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int:  # noqa: ARG002 (any will do)
        return delivery.received_at_ms

    def event_id(self, delivery: Delivery) -> str:  # noqa: ARG002 (all have one)
        return self.external_id


@pytest.fixture
def outside(dynamo: Tables) -> Outside:
    return Outside(dynamo)


def test_a_new_event_is_kept_in_one_call_of_2_write_units(dynamo: Tables, outside: Outside) -> None:
    assert outside.receive(TYPICAL_BODY).new
    assert operations(dynamo) == ["PutItem"]
    assert len(TYPICAL_BODY) > 4 * UNIT_BYTES
    assert dynamo.write_units() == 2


def test_a_duplicate_is_one_call_more_and_writes_nothing(dynamo: Tables, outside: Outside) -> None:
    outside.receive(TYPICAL_BODY)
    assert outside.receive(TYPICAL_BODY).event.state is EventState.OPEN
    assert operations(dynamo) == ["PutItem", "GetItem"]


def test_a_second_body_under_one_id_is_three_calls(dynamo: Tables, outside: Outside) -> None:
    outside.receive(TYPICAL_BODY)
    assert outside.receive(b"another").event.conflicts
    assert operations(dynamo) == ["PutItem", "GetItem", "PutItem"]


EVENT_READ, FLOW_READ, ACCOUNT_READ, EVENT_WRITTEN = "GetItem", "GetItem", "GetItem", "UpdateItem"
POSTED = "TransactWriteItems"


def test_a_payment_is_five_calls_cold_and_four_warm(dynamo: Tables, outside: Outside) -> None:
    office = outside.office()
    event = outside.told("succeeded", paid())
    cold = [EVENT_READ, FLOW_READ, ACCOUNT_READ, POSTED, EVENT_WRITTEN]
    assert outside.calls_of(office, event) == cold
    dynamo.ports.flows.create(replace(ORDER, flow_id="dep_2"))
    event = outside.told("again", paid("pi_2"), references=("dep_2",))
    warm = [EVENT_READ, FLOW_READ, POSTED, EVENT_WRITTEN]
    assert outside.calls_of(office, event) == warm


def test_a_movement_of_a_flow_is_8_write_units_and_its_event_1(dynamo: Tables, outside: Outside) -> None:
    outside.calls_of(outside.office(), outside.told("succeeded", paid()))
    assert dynamo.write_units() == 8 + 1


def test_an_order_found_by_its_providers_name_is_one_read_more(outside: Outside) -> None:
    outside.dynamo.ports.flows.save(replace(ORDER, references=("stripe:pi_1",), version=1), ["stripe:pi_1"])
    event = outside.told("succeeded", paid(), references=("stripe:pi_1",))
    found = [EVENT_READ, "GetItem", FLOW_READ, ACCOUNT_READ, POSTED, EVENT_WRITTEN]
    assert outside.calls_of(outside.office(), event) == found


def test_a_providers_name_that_is_new_is_one_transaction_more(outside: Outside) -> None:
    event = outside.told("succeeded", paid(), references=("dep_1", "stripe:pi_1"))
    learned = [EVENT_READ, FLOW_READ, POSTED, ACCOUNT_READ, POSTED, EVENT_WRITTEN]
    assert outside.calls_of(outside.office(), event) == learned


def test_an_event_that_says_what_is_known_is_read_and_written_once(outside: Outside) -> None:
    office = outside.office()
    outside.calls_of(office, outside.told("succeeded", paid()))
    told_otherwise = outside.told("charge.succeeded", paid())
    assert outside.calls_of(office, told_otherwise) == [EVENT_READ, FLOW_READ, EVENT_WRITTEN]


def test_an_event_that_is_done_is_read_once(outside: Outside) -> None:
    event = outside.told("succeeded", paid())
    outside.calls_of(outside.office(), event)
    assert outside.calls_of(outside.office(), event) == [EVENT_READ]


def test_an_event_that_needs_no_action_is_read_and_written_once(outside: Outside) -> None:
    assert outside.calls_of(outside.office(), outside.told("noise")) == [EVENT_READ, EVENT_WRITTEN]


def test_a_claim_is_posted_like_a_payment(outside: Outside) -> None:
    office = outside.office()
    outside.calls_of(office, outside.told("succeeded", paid()))
    warm = [EVENT_READ, FLOW_READ, POSTED, EVENT_WRITTEN]
    assert outside.calls_of(office, outside.told("refunded", refund())) == warm


def test_a_change_of_an_admin_is_one_transaction_with_its_audit(dynamo: Tables, outside: Outside) -> None:
    event = outside.told("gibberish")
    outside.gateway.script.clear()
    outside.calls_of(outside.office(), event)
    dynamo.calls.clear()
    admin = Admin(ADMIN, "203.0.113.7", NOW_MS)
    resolve(
        inbox=dynamo.ports.inbox, alerts=outside.alerts, admin=admin, dead_letter_id=event.dead_letter_id, notes="n"
    )
    assert operations(dynamo) == ["GetItem", "TransactWriteItems"]
    written = {
        (verb, part["TableName"]) for outer in dynamo.calls[-1].body["TransactItems"] for verb, part in outer.items()
    }
    assert written == {("Update", "inbox"), ("Put", "audit")}


def test_every_read_of_flows_events_and_cursors_is_consistent_and_the_indexes_tell_keys_only(
    dynamo: Tables, outside: Outside
) -> None:
    ports = dynamo.ports
    event = outside.told("succeeded", paid(), references=("dep_1", "stripe:pi_1"))
    ports.inbox.overdue(Provider.STRIPE, NOW_MS * 2, 5)
    outside.gateway.script.clear()
    handle(office=outside.office(), inbox_key=event.inbox_key, now_ms=NOW_MS)
    assert ports.inbox.dead(5, None).items
    ports.flows.create(ORDER)
    ports.flows.find("stripe:pi_1")
    ports.cursors.get("x")
    reads = [consistency(call.operation, call.body) for call in dynamo.calls]
    assert {read for read in reads if read} == {"GetItem", "BatchGetItem", "Query of the index"}
