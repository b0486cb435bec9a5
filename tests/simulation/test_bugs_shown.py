"""Show that some bugs are wrong that other tests do not notice: a promise holds until one is planted."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectTimeoutError

from functions.stellar_poller import handler as poller
from functions.webhook_sweep import handler as webhook_sweep
from functions.webhooks import handler as webhooks_handler
from tallystick import http
from tallystick.adapters.providers.stripe.gateway import StripeGateway
from tallystick.domain.accounts import Account, Status
from tallystick.domain.errors import IllegalTransition, Refusal, StoreUnavailable, TallystickError
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import Transfer
from tallystick.domain.webhooks import EventRejected
from tallystick.domain.withdrawals import WithdrawalAction
from tallystick.services import idempotency, payouts, steps, wallets
from tallystick.services.following import follow
from tallystick.services.ledger import Ledger
from tallystick.services.polling import Poll
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.settling import Books
from tests.simulation.bugs.bank import BUGS
from tests.support.incoming import GRACE_MS, Incoming
from tests.support.leaving import Leaving
from tests.support.moto import Snapshot
from tests.support.scene import ADA, NOW_MS, Desk, Scene, account, claim, no_pause, once
from tests.support.tables import Tables, tables
from tests.support.withdrawals import submitted
from tests.unit.test_polling import NAME, Poller

HOUR_MS: Final = 3_600_000


class Lambda(Desk):
    """Move money in moto, with a memory of its own."""

    def __init__(self, made: Tables) -> None:
        """Start cold."""
        self.made = made
        super().__init__(Ledger(made.ports.book, no_pause))

    def open(self, units: str = "") -> None:
        """Open ada's wallets."""
        for name in ("wal_a", "wal_b"):
            self.made.ports.wallets.create(account(name))
        if units:
            Lambda(self.made).credit("open", units)

    def stored(self, wallet: str = "wal_a") -> Account:
        """Look at a wallet."""
        found = self.made.ports.wallets.get(wallet)
        assert found is not None
        return found

    def times(self) -> list[int]:
        """Give the times of the wallet's entries in the order of their numbers."""
        entries = self.made.ports.statements.entries(StatementQuery("wal_a", limit=10)).items
        return [entry.time_ms for entry in sorted(entries, key=lambda entry: entry.sequence)]


def at_call(number: int, act: Callable[[], object]) -> Callable[..., object]:
    """Do something at the n-th call; it is the answer if it gives one, as a pair."""
    left = [act] + [lambda: None] * (number - 1)

    def hook(**_: object) -> object:
        done = left.pop()() if left else None
        return done if isinstance(done, tuple) else None

    return hook


def silence() -> None:
    raise ConnectTimeoutError(endpoint_url="dynamodb")


def unavailable(_name: str) -> NoReturn:
    raise StoreUnavailable("not kept")


def entries_make_the_balance(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    with made.answering("TransactWriteItems", at_call(2, silence)), suppress(StoreUnavailable):
        it.credit("k", "1.00")
    assert len(it.times()) == it.stored().version


def a_key_moves_money_once(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    with made.answering("TransactWriteItems", at_call(2, silence)), suppress(StoreUnavailable):
        it.credit("k", "1.00")
    Lambda(made).credit("k", "1.00")
    assert it.stored().balance == 100


def a_key_moves_money_once_for_ever(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    it.credit("k", "1.00")
    it.now_ms += 2 * HOUR_MS
    it.credit("k", "1.00")
    assert it.stored().balance == 100


def a_conflict_is_no_refusal(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    error = {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "ResponseMetadata": {"HTTPHeaders": {}}}
    told = {**error, "CancellationReasons": [{"Code": "TransactionConflict"}]}
    conflict = at_call(1, lambda: (AWSResponse("", 400, HTTPHeaders(), None), told))
    with made.answering("TransactWriteItems", conflict):
        assert not it.credit("k", "1.00").replayed


def what_was_answered_has_happened(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    with made.answering("TransactWriteItems", at_call(1, silence)), suppress(StoreUnavailable):
        it.credit("k", "1.00")
        assert it.stored().balance == 100


def a_record_is_written_once(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    with (
        made.answering("TransactWriteItems", at_call(1, lambda: it.credit("k", "1.00"))),
        suppress(Refusal),
    ):
        idempotency.void(ledger=it.ledger, key=claim("k").key, now_ms=NOW_MS)
    assert isinstance(idempotency.find(book=it.ledger.book, key=claim("k").key), Transfer)


def a_closed_wallet_is_empty(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    with made.answering("UpdateItem", at_call(1, lambda: it.credit("k", "1.00"))), suppress(Refusal):
        wallets.close(wallets=made.ports.wallets, caller=ADA, wallet_id="wal_a")
    assert it.stored().status is Status.ACTIVE


def entries_do_not_go_back_in_time(made: Tables) -> None:
    it, behind = Lambda(made), Lambda(made)
    it.open("1.00")
    behind.now_ms -= 60_000
    behind.credit("k", "1.00")
    assert it.times() == sorted(it.times())


def a_wallet_that_is_not_answered_is_asked_for_again(made: Tables) -> None:
    it = Lambda(made)
    it.open("1.00")
    keys = {"Keys": [{"account_id": {"S": name}} for name in ("wal_a", "wal_b")], "ConsistentRead": True}
    partial = {"Responses": {"accounts": []}, "UnprocessedKeys": {"accounts": keys}}
    answer = AWSResponse("", 200, HTTPHeaders(), None), partial
    with made.answering("BatchGetItem", at_call(1, lambda: answer)):
        assert it.transfer("k", "1.00").transfer.units == 100


def a_replica_may_lag(made: Tables) -> None:
    def nothing(params: dict[str, str], **_: object) -> object:
        is_consistent = json.loads(params["body"]).get("ConsistentRead")
        return None if is_consistent else (AWSResponse("", 200, HTTPHeaders(), None), {})

    Lambda(made).open("1.00")
    Lambda(made).debit("k", "1.00")
    with made.answering("GetItem", nothing):
        assert Lambda(made).debit("k", "1.00").replayed
        assert not Lambda(made).credit("k2", "1.00").replayed


def what_comes_back_is_given_back_once(made: Tables) -> None:
    it = Lambda(made)
    it.open()
    books = Books(it.ledger, made.ports.flows, made.ports.wallets.create)
    completed, _ = submitted().taken(WithdrawalAction.COMPLETE, at_ms=NOW_MS, by="stripe")
    completed = replace(completed, version=0)
    made.ports.flows.create(completed)
    for at_ms in (NOW_MS + 1, NOW_MS + 2):
        returned, posts = completed.taken(WithdrawalAction.RETURN, at_ms=at_ms, by="stripe")
        lost = at_call(2, silence if at_ms == NOW_MS + 1 else lambda: None)
        with made.answering("TransactWriteItems", lost), suppress(StoreUnavailable):
            steps.take(books=books, step=steps.Step(returned, posts), now_ms=at_ms)
    assert it.stored().balance == completed.total_units


def keys_are_each_callers_own(_made: Tables) -> None:
    client_key = vars(http)["client_key"]
    assert client_key("ada", "k") != client_key("bob", "k")


def what_is_acknowledged_is_kept(_made: Tables) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webhooks_handler, "_provider", unavailable)
        assert webhooks_handler._answer({}, "stripe", "r")[0].status_code == 503  # noqa: SLF001


def a_refund_is_known_by_its_own_id(_made: Tables) -> None:
    gateway: Any = None
    refund = {"id": "re_1", "amount": 100, "currency": "usd", "status": "succeeded", "payment_intent": "pi_1"}
    told = [
        {"id": f"evt_{name}", "type": f"refund.{name}", "livemode": False, "data": {"object": refund}}
        for name in ("created", "updated")
    ]
    created, updated = (StripeGateway.read(gateway, json.dumps(event).encode(), {}) for event in told)
    assert created.facts == updated.facts


def a_retry_is_a_replay_when_the_money_is_spent(_made: Tables) -> None:
    it = Scene()
    it.wallet(units=100)
    it.debit("k", "1.00")
    assert it.debit("k", "1.00", ledger=it.new_ledger()).replayed


def nothing_is_refused_from_memory(_made: Tables) -> None:
    it = Scene()
    it.wallet(units=100)
    it.debit("k1", "1.00")
    it.credit("k2", "1.00", ledger=it.new_ledger())
    it.debit("k3", "1.00")


def what_is_given_back_is_not_on_hold(_made: Tables) -> None:
    it = Leaving()
    it.cancel(it.asked())
    assert it.store.account_items["wal_a"].held == 0


def what_was_sent_cannot_be_cancelled(_made: Tables) -> None:
    it = Leaving()
    sent = it.work(it.asked())
    with pytest.raises(IllegalTransition):
        it.cancel(sent)


def another_payout_decides_nothing(_made: Tables) -> None:
    it = Leaving()
    first, other = it.asked("w1"), it.asked("w2", "30.00")
    it.payer.now_ms = it.now_ms
    sent, _ = it.work(first), it.work(other)
    told = Report(Outcome.PENDING, "po_2")
    with pytest.raises(EventRejected):
        follow(books=it.books(), payer=it.payer, withdrawal=sent, told=told, now_ms=it.now_ms)


def of_two_workers_one_sends(_made: Tables) -> None:
    it = Leaving(signs=True)
    asked = it.asked()
    it.work(asked)
    it.payer.now_ms = ahead_ms = it.now_ms + 61_000
    payouts._do_next(it.office(), asked, ahead_ms)  # noqa: SLF001 (it has read before the other one wrote)
    assert len(it.payer.payouts) == 1


def what_was_not_queued_is_queued_later(_made: Tables) -> None:
    it = Incoming()
    event = it.event("succeeded")
    it.store.before = once(StoreUnavailable("no queue"), "queue.send")
    for _ in range(2):
        it.now_ms += HOUR_MS
        with suppress(StoreUnavailable):
            vars(webhook_sweep)["sweep"](
                agenda=it.inbox, queue=it.queue, names=["stripe"], now_ms=it.now_ms, grace_ms=GRACE_MS
            )
    assert it.queue.sent == [event.inbox_key]


def what_has_arrived_is_kept(_made: Tables) -> None:
    it = Poller(count=2)
    it.store.before = once(StoreUnavailable("not kept"), "inbox.store")
    prepared = Poll(NAME, "test", it.chain, it.inbox, it.queue, it.cursors, GRACE_MS)
    for _ in range(2):
        with suppress(StoreUnavailable):
            vars(poller)["poll"](poll=prepared, now_ms=it.now_ms)
    assert len(it.kept()) == 2


SHOWN: Final[dict[str, Callable[[Tables], None]]] = {
    "entries-after": entries_make_the_balance,
    "credit-then-mark": a_key_moves_money_once,
    "claim-then-credit": a_key_moves_money_once,
    "key-forgotten": a_key_moves_money_once_for_ever,
    "conflict-is-final": a_conflict_is_no_refusal,
    "any-cancel-is-duplicate": a_conflict_is_no_refusal,
    "no-answer-is-success": what_was_answered_has_happened,
    "void-after-look": a_record_is_written_once,
    "close-after-look": a_closed_wallet_is_empty,
    "time-of-this-clock": entries_do_not_go_back_in_time,
    "unprocessed-wallets-missing": a_wallet_that_is_not_answered_is_asked_for_again,
    "record-from-replica": a_replica_may_lag,
    "account-from-replica": a_replica_may_lag,
    "returned-twice": what_comes_back_is_given_back_once,
    "key-without-caller": keys_are_each_callers_own,
    "acknowledged-unkept": what_is_acknowledged_is_kept,
    "refund-by-event-id": a_refund_is_known_by_its_own_id,
    "replay-after-overdraw": a_retry_is_a_replay_when_the_money_is_spent,
    "refused-from-memory": nothing_is_refused_from_memory,
    "held-kept": what_is_given_back_is_not_on_hold,
    "cancelled-when-sent": what_was_sent_cannot_be_cancelled,
    "another-payout-taken": another_payout_decides_nothing,
    "lease-by-clock": of_two_workers_one_sends,
    "sweep-marks-first": what_was_not_queued_is_queued_later,
    "cursor-before-kept": what_has_arrived_is_kept,
}


@pytest.fixture(scope="module")
def built() -> Iterator[tuple[Tables, Snapshot]]:
    with tables() as made:
        yield made, Snapshot.take()


@pytest.mark.parametrize("name", SHOWN)
def test_a_promise_holds_until_the_bug_is_planted(name: str, built: tuple[Tables, Snapshot]) -> None:
    (bug,) = (bug for bug in BUGS if bug.name == name)
    (made, empty), promise = built, SHOWN[name]
    empty.restore()
    promise(made)
    empty.restore()
    with bug.plant(), pytest.raises((AssertionError, TallystickError, pytest.fail.Exception)):
        promise(made)
