"""Mistakes in how money comes in: events, orders, refunds and disputes."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pynamodb.transactions import TransactWrite

from functions.stellar_poller import handler as poller
from functions.webhook_processor import handler as processor
from functions.webhook_sweep import handler as webhook_sweep
from functions.webhooks import handler as webhooks_handler
from functions.withdrawal_sweep import handler as withdrawal_sweep
from tallystick.adapters import queue as queue_adapter
from tallystick.adapters.dynamo import book
from tallystick.adapters.dynamo import flows as flows_adapter
from tallystick.adapters.dynamo.tables import FlowItem
from tallystick.adapters.providers.stripe.events import read_event
from tallystick.adapters.providers.stripe.gateway import StripeGateway
from tallystick.adapters.queue import SqsQueue
from tallystick.domain import deposits as deposits_domain
from tallystick.domain.accounts import Account, Status
from tallystick.domain.chain import digest
from tallystick.domain.deposits import Deposit, Step, covered, due
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.inbox import InboxEvent, buried, done, postponed
from tallystick.domain.posting import Order
from tallystick.domain.transfers import CLAIMS, RETURNS, IdempotencyKey, TransferKind
from tallystick.domain.webhooks import EventRejected, Notice, Paid, TakenBack
from tallystick.services import polling, processing, settling
from tallystick.services.following import Followed, end_worries
from tallystick.services.polling import MAX_PAGES, Poll
from tallystick.services.ports.agenda import Agenda, Queue
from tallystick.services.processing import Handled, Office
from tallystick.services.settling import Books, Settled
from tallystick.services.sweeping import MAX_KEYS, sweep
from tallystick.wiring import now_ms, webhooks
from tests.simulation.bugs.planting import NO_WATCHDOG, Bug, Patch

YEAR_MS: Final = 365 * 86_400_000

_TRY: Final = processing._try
_BURY: Final = processing._bury
_END: Final = processing._end
_ORDER_OF: Final = processing._order_of
_WITH_CLAIM: Final = deposits_domain._with_claim
_CLAIM: Final = settling._claim
_RECEIVE: Final = webhooks_handler._receive


def _done_first(office: Office, event: InboxEvent, now_ms: int) -> Handled:
    office.inbox.save(done(event, ()))
    return _TRY(office, replace(event, version=event.version + 1), now_ms)


def _buried_first(office: Office, event: InboxEvent, reason: str, detail: str, now_ms: int) -> Handled:
    office.inbox.save(buried(event, reason=reason, detail=detail, now_ms=now_ms))
    return _BURY(office, event, reason, detail, now_ms)


def _as_told_last(deposit: Deposit, told: TakenBack) -> Deposit:
    joined = _WITH_CLAIM(deposit, told)
    claim = replace(joined.claims[told.claim_id], undone=told.undone)
    return replace(joined, claims={**joined.claims, told.claim_id: claim})


def _read_by_event(_self: StripeGateway, body: bytes, _query: Mapping[str, str]) -> Notice:
    notice, event_id = read_event(body), json.loads(body)["id"]
    facts = [replace(fact, claim_id=event_id) if isinstance(fact, TakenBack) else fact for fact in notice.facts]
    return replace(notice, facts=tuple(facts))


def _key_of_order(self: Deposit, step: Step) -> IdempotencyKey:
    return IdempotencyKey(self.provider, self.environment, self.flow_id, action=step.kind)


def _due_even_unpaid(deposit: Deposit) -> Step | None:
    for claim_id, claim in sorted(deposit.claims.items()):
        if not claim.covered and not claim.undone:
            return Step(TransferKind(claim.kind), claim_id, claim.units)
    return due(deposit)


def _claim_what_is_there(order: Order, known: Deposit, step: Step, account: Account) -> Order:
    taken = min(account.balance, step.units)
    if not taken:
        return _CLAIM(order, known, step, account)
    return replace(
        order, legs=settling._legs(known, -taken, 0, account.account_id), flow=covered(known, step, step.units)
    )


def _any_amount(_deposit: Deposit, _paid: Paid) -> None:
    """Let every payment pass."""


def _put_names(transaction: TransactWrite, flow_id: str, references: Sequence[str]) -> None:
    for reference in references:
        transaction.save(FlowItem(reference, refers_to=flow_id))


def _order_known_now(books: Books, event: InboxEvent, notice: Notice) -> Deposit | None:
    try:
        return _ORDER_OF(books, event, notice)
    except EventRejected as rejected:
        raise EventRejected(rejected.reason, rejected.detail) from rejected


def _key_without_variant(event: InboxEvent) -> str:
    return digest("tallystick/inbox/1", event.provider, event.environment, event.external_id)


def _receive_anyway(event: dict[str, Any], name: str) -> dict[str, Any]:
    try:
        return _RECEIVE(event, name)
    except StoreUnavailable:
        return {"new": False}


def _poll_cursor_first(*, poll: Poll, now_ms: int) -> int:
    cursor, count = poll.cursors.get(poll.name), 0
    for _ in range(MAX_PAGES):
        page = poll.payments.after(cursor)
        if not page or not poll.cursors.advance(poll.name, cursor, page[-1].cursor):
            break
        events = [polling._event(poll, arrival, now_ms) for arrival in page if arrival.to_us]
        for event in events:
            poll.inbox.store(event)
        poll.queue.send([event.inbox_key for event in events])
        count += len(events)
        cursor = page[-1].cursor
    return count


def _accepted_by_closed(order: Order) -> frozenset[Status]:
    if order.kind in {*CLAIMS, TransferKind.DEPOSIT}:
        return frozenset(Status)
    return frozenset({Status.ACTIVE, Status.FROZEN} if order.kind in RETURNS else {Status.ACTIVE})


def _finished_unless_put_off(record: dict[str, Any], deadline: float) -> bool:
    if time.monotonic() > deadline:
        return False
    started = time.perf_counter()
    try:
        handled = processing.handle(office=webhooks.office(), inbox_key=record["body"], now_ms=now_ms())
    except StoreUnavailable:
        return False
    processor._report(handled, record["body"], started)
    if handled.wait_ms is None:
        return True
    try:
        webhooks.queue().put_off(record["receiptHandle"], handled.wait_ms)
    except StoreUnavailable:
        return True  # it was noted when to try again
    return False


def _postponed_for_the_queue(
    event: InboxEvent, *, reason: str, detail: str, not_before_ms: int, due_at_ms: int
) -> InboxEvent:
    return postponed(event, reason=reason, detail=detail, not_before_ms=not_before_ms, due_at_ms=due_at_ms + YEAR_MS)


def _send_batch(self: SqsQueue, keys: Sequence[str]) -> None:
    entries = [{"Id": str(number), "MessageBody": key} for number, key in enumerate(keys)]
    with queue_adapter._troubles():
        self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)


def _sweep_for_good(*, agenda: Agenda, queue: Queue, names: Iterable[str], now_ms: int, grace_ms: int) -> int:
    return sweep(agenda=agenda, queue=queue, names=names, now_ms=now_ms, grace_ms=grace_ms + YEAR_MS)


def _sweep_marks_first(*, agenda: Agenda, queue: Queue, names: Iterable[str], now_ms: int, grace_ms: int) -> int:
    count = 0
    for name in names:
        overdue = agenda.overdue(name, now_ms, MAX_KEYS)
        taken = [one.key for one in overdue if agenda.postpone(one, now_ms + grace_ms + YEAR_MS)]
        queue.send(taken)
        count += len(taken)
    return count


def _end_if_it_failed(office: Office, event: InboxEvent, result: Settled | Followed | None) -> None:
    if event.attempts:
        _END(office, event, result)
    elif isinstance(result, Followed):
        end_worries(office.alerts, result.withdrawal)


BUGS: Final = (
    Bug(
        name="alert-of-the-living",
        what="The alert of a failed event is ended only when the event counts tries that failed, by no watchdog.",
        breaks="WEBHOOK_FAILURE ends with its reason: a redrive begins to count anew, so it stays open although the"
        " event succeeds.",
        area="deposits",
        patches=(Patch(processing, "_end", _end_if_it_failed), NO_WATCHDOG),
    ),
    Bug(
        name="done-before-money",
        what="An event is marked DONE before its order is settled.",
        breaks="What a provider was paid is credited: a kill or an error between the two leaves an event"
        " that nobody looks at again.",
        area="deposits",
        patches=(Patch(processing, "_try", _done_first),),
    ),
    Bug(
        name="buried-before-told",
        what="A dead letter is written before people are told of it.",
        breaks="Every dead letter raises WEBHOOK_FAILURE: a kill between the two leaves one that nobody hears of.",
        area="deposits",
        patches=(Patch(processing, "_bury", _buried_first),),
    ),
    Bug(
        name="last-event-wins",
        what="Whether a refund or dispute is undone is what its newest event says, not what any has said.",
        breaks="Events may come in any order: when `refund.failed` or a won dispute comes before the event that began"
        " it, the money is taken and not given back.",
        area="deposits",
        patches=(Patch(deposits_domain, "_with_claim", _as_told_last),),
    ),
    Bug(
        name="refund-by-event-id",
        what="A refund or dispute is known by the id of the event that tells of it.",
        breaks="A refund is posted once: Stripe tells of one with several events (`refund.created`, `refund.updated`),"
        " and each takes the money.",
        area="deposits",
        patches=(Patch(StripeGateway, "read", _read_by_event),),
    ),
    Bug(
        name="key-of-the-order",
        what="The key of an order's movement is the order and the kind, not the provider's id of the money.",
        breaks="Every refund is posted: the second partial refund of one order meets the first one's record and becomes"
        " a dead letter.",
        area="deposits",
        patches=(Patch(Deposit, "key", _key_of_order),),
    ),
    Bug(
        name="refund-before-payment",
        what="A refund is posted even when the payment that it is of was not credited yet.",
        breaks="What was never credited cannot be taken back: when the refund's event comes first, other money in the"
        " wallet is taken, or the wallet is frozen and the payment cannot be credited.",
        area="deposits",
        patches=(Patch(settling, "due", _due_even_unpaid),),
    ),
    Bug(
        name="shortfall-forgotten",
        what="A refund takes what the wallet has, and what it lacks is owed by nobody.",
        breaks="The provider's side in the ledger is what the provider has: a refund after part of the money was spent"
        " is posted with less than was refunded.",
        area="deposits",
        patches=(Patch(settling, "_claim", _claim_what_is_there),),
    ),
    Bug(
        name="any-amount",
        what="A payment is not compared with what was ordered.",
        breaks="Only what was ordered is credited: another amount, or a second payment of one order, is credited"
        " without an admin.",
        area="deposits",
        patches=(Patch(deposits_domain, "_check_ordered", _any_amount),),
    ),
    Bug(
        name="name-taken-over",
        what="A provider's name for an order is written without the condition that it leads to no other.",
        breaks="A name means one order for ever: an event that contradicts an earlier one moves the name, and refunds"
        " of the first order are posted for the second.",
        area="deposits",
        patches=(Patch(book, "put_references", _put_names), Patch(flows_adapter, "put_references", _put_names)),
    ),
    Bug(
        name="unknown-name-is-final",
        what="An event whose order is not known becomes a dead letter at once.",
        breaks="Events may come in any order: a refund or dispute that comes before the payment's own event is never"
        " posted.",
        area="deposits",
        patches=(Patch(processing, "_order_of", _order_known_now),),
    ),
    Bug(
        name="second-body-dropped",
        what="A second body under the id of an event that is there counts as a duplicate.",
        breaks="A contradiction is told: of two events with one id the second is answered 200 and never seen again.",
        area="deposits",
        patches=(Patch(InboxEvent, "inbox_key", property(_key_without_variant)),),
    ),
    Bug(
        name="acknowledged-unkept",
        what="A webhook is answered 200 when the store did not answer.",
        breaks="What is answered 200 is kept: an error before the event was stored loses it, for the provider does not"
        " send it again.",
        area="deposits",
        patches=(Patch(webhooks_handler, "_receive", _receive_anyway),),
    ),
    Bug(
        name="cursor-before-kept",
        what="The poller's cursor moves on before the payments of the page are kept.",
        breaks="What arrives on Stellar is credited: a kill or an error between the two loses a page of payments.",
        area="deposits",
        patches=(Patch(poller, "poll", _poll_cursor_first),),
    ),
    Bug(
        name="closed-wallet-credited",
        what="A deposit passes any status of the wallet, as a refund does.",
        breaks="A closed wallet is empty: a payment of an order whose wallet was closed meanwhile is locked in, and is"
        " not in suspense.",
        area="deposits",
        patches=(Patch(Order, "accepted_statuses", property(_accepted_by_closed)),),
    ),
    Bug(
        name="deleted-though-not-put-off",
        what="A message whose wait could not be set is deleted, and a postponed event is left to its message.",
        breaks="Every event is finished: after a failed try and a ChangeMessageVisibility that fails, nobody looks at"
        " it again.",
        area="deposits",
        patches=(
            Patch(processor, "_is_finished", _finished_unless_put_off),
            Patch(processing, "postponed", _postponed_for_the_queue),
        ),
    ),
    Bug(
        name="partial-batch-believed",
        what="What SendMessageBatch lists under Failed is ignored, and the sweep looks no more at what it has sent.",
        breaks="Every event and withdrawal is finished: what was overdue and could not be queued is never looked at"
        " again.",
        area="deposits",
        patches=(
            Patch(SqsQueue, "_send_batch", _send_batch),
            Patch(webhook_sweep, "sweep", _sweep_for_good),
            Patch(withdrawal_sweep, "sweep", _sweep_for_good),
        ),
    ),
    Bug(
        name="sweep-marks-first",
        what="The sweep takes what is overdue off its list, then sends the message.",
        breaks="Every event and withdrawal is finished: a kill or a queue that does not answer between the two leaves"
        " one that nobody looks at again.",
        area="deposits",
        patches=(
            Patch(webhook_sweep, "sweep", _sweep_marks_first),
            Patch(withdrawal_sweep, "sweep", _sweep_marks_first),
        ),
    ),
)
