"""Process events of the inbox: find out what each says and whose order it is, and settle that."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.domain.deposits import PREFIX, Deposit
from tallystick.domain.errors import InvariantViolated, Refusal
from tallystick.domain.flows import Flow
from tallystick.domain.inbox import EventState, InboxEvent, buried, done, postponed
from tallystick.domain.webhooks import EventRejected, Notice, Paid, Provider, TakenBack
from tallystick.domain.withdrawals import PREFIX as WITHDRAWAL_PREFIX
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.following import Followed, end_worries, follow
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.inbox import Inbox
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.providers import Gateway
from tallystick.services.settling import Books, Settled, settle

WEBHOOK_FAILURE: Final = "WEBHOOK_FAILURE"
WEBHOOK_CONFLICT: Final = "WEBHOOK_CONFLICT"

CONFIRM_AFTER_MS: Final = 3_600_000
"""An event without a signed time that is older than this when it arrives is confirmed with its provider."""

_MONEY: Final = (Paid, TakenBack)


@dataclass(frozen=True, slots=True)
class Retries:
    """Say after how long a failed event is tried again, time after time, and how late that may happen."""

    delays_ms: Sequence[int]
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Providers:
    """Speak with providers: about what they are paid, and about what they pay out."""

    gateway_of: Callable[[Provider], Gateway]
    payer_of: Callable[[Provider], Payer]


@dataclass(frozen=True, slots=True)
class Office:
    """Hold what processing needs."""

    inbox: Inbox
    books: Books
    alerts: Alerts
    providers: Providers
    retries: Retries


@dataclass(frozen=True, slots=True)
class Handled:
    """Tell what became of an event: when to try again, and the fault that nobody expected, if there was one."""

    event: InboxEvent
    wait_ms: int | None = None
    fault: Exception | None = None


def handle(*, office: Office, inbox_key: str, now_ms: int) -> Handled:
    """Process an event if it is open and its time has come.

    A failure is counted with the event and tried again later; the last one, and one that no time will heal, make it a
    dead letter, after people were told.

    Raises:
        StoreUnavailable: not even the failure could be counted; the queue will bring the event again.
        InvariantViolated: there is no such event.
    """
    event = office.inbox.get(inbox_key)
    if event is None:
        raise InvariantViolated(f"there is no event {inbox_key} in the inbox")
    if event.state is not EventState.OPEN:
        _end_failure(office, event)
        return Handled(event)
    if now_ms < event.not_before_ms:
        return Handled(event, wait_ms=event.not_before_ms - now_ms)
    return _try(office, event, now_ms)


def _try(office: Office, event: InboxEvent, now_ms: int) -> Handled:
    try:
        result = carry_out(books=office.books, providers=office.providers, event=event, now_ms=now_ms)
        return _finish(office, event, result)
    except EventRejected as rejected:
        give_up = _bury if rejected.final else _try_later
        return give_up(office, event, rejected.reason, rejected.detail, now_ms)
    except Refusal as refusal:
        return _try_later(office, event, refusal.code, refusal.detail, now_ms)
    except Exception as fault:  # noqa: BLE001 (a fault of ours must neither lose an event nor hold up others)
        handled = _try_later(office, event, "fault", type(fault).__name__, now_ms)
        return Handled(handled.event, handled.wait_ms, fault)


def carry_out(*, books: Books, providers: Providers, event: InboxEvent, now_ms: int) -> Settled | Followed | None:
    """Read an event, ask the provider where that is needed, and settle its order or follow its payout.

    Nothing comes back when it needs no action.

    Raises:
        EventRejected: it can never be processed as it is.
        Refusal: not now.
    """
    gateway = providers.gateway_of(event.provider)
    notice = gateway.read(event.body, event.query)
    if notice.environment not in {None, event.environment}:
        raise EventRejected("wrong-environment", f"The event is of {notice.environment}, we are {event.environment}.")
    if notice.payout is not None:
        withdrawal = _withdrawal_of(books, event, notice)
        if withdrawal is None:
            return None
        payer = providers.payer_of(event.provider)
        return follow(books=books, payer=payer, withdrawal=withdrawal, told=notice.payout, now_ms=now_ms)
    if notice.confirm or (notice.facts and _is_stale(event, notice)):
        notice = gateway.confirm(notice)
    deposit = _order_of(books, event, notice)
    if deposit is None:
        return None
    return settle(books=books, deposit=deposit, notice=notice, accept_any_amount=event.accepted, now_ms=now_ms)


def _is_stale(event: InboxEvent, notice: Notice) -> bool:
    late = notice.occurred_at_ms is not None and event.received_at_ms - notice.occurred_at_ms > CONFIRM_AFTER_MS
    return event.confirm or late


def _withdrawal_of(books: Books, event: InboxEvent, notice: Notice) -> Withdrawal | None:
    """Find whose payout it is; one that does not name a withdrawal and is not known is the house's own business."""
    for reference in notice.references:
        withdrawal = _find(books, reference)
        if isinstance(withdrawal, Withdrawal) and _is_of(event, withdrawal):
            return withdrawal
    named = [reference for reference in notice.references if reference.startswith(WITHDRAWAL_PREFIX)]
    if not named:
        return None
    raise EventRejected("unknown-withdrawal", f"No withdrawal of ours is meant by {', '.join(named)}.")


def _order_of(books: Books, event: InboxEvent, notice: Notice) -> Deposit | None:
    """Find the order; without one an event matters only when it is about money."""
    if not notice.facts:
        return None
    for reference in notice.references:
        deposit = _find(books, reference)
        if isinstance(deposit, Deposit) and _is_of(event, deposit):
            return deposit
    if not any(isinstance(fact, _MONEY) for fact in notice.facts):
        return None
    # A provider's own name may become known by an event that is still to come.
    names = [reference for reference in notice.references if not reference.startswith(PREFIX)]
    meant = ", ".join(notice.references) or "it"
    raise EventRejected("unknown-order", f"No order of ours is meant by {meant}.", final=not names)


def _find(books: Books, reference: str) -> Flow | None:
    flow_id = reference if reference.startswith((PREFIX, WITHDRAWAL_PREFIX)) else books.flows.find(reference)
    return books.flows.get(flow_id) if flow_id else None


def _is_of(event: InboxEvent, flow: Flow) -> bool:
    return (flow.provider, flow.environment) == (event.provider, event.environment)


def _finish(office: Office, event: InboxEvent, result: Settled | Followed | None) -> Handled:
    if event.conflicts:
        office.alerts.raise_alert(_alert(WEBHOOK_CONFLICT, "medium", event))
    for alert in result.concerns if result else ():
        office.alerts.raise_alert(Alert(alert.kind, alert.severity, {**_facts(event), **alert.facts}, alert.subject))
    _end(office, event, result)
    finished = done(event, result.transfer_ids if result else ())
    office.inbox.save(finished)
    return Handled(finished)


def _try_later(office: Office, event: InboxEvent, reason: str, detail: str, now_ms: int) -> Handled:
    if event.attempts >= len(office.retries.delays_ms):
        return _bury(office, event, reason, detail, now_ms)
    wait_ms = office.retries.delays_ms[event.attempts]
    not_before_ms = now_ms + wait_ms
    due_at_ms = not_before_ms + office.retries.grace_ms
    later = postponed(event, reason=reason, detail=detail, not_before_ms=not_before_ms, due_at_ms=due_at_ms)
    office.inbox.save(later)
    return Handled(later, wait_ms)


def _bury(office: Office, event: InboxEvent, reason: str, detail: str, now_ms: int) -> Handled:
    dead = buried(event, reason=reason, detail=detail, now_ms=now_ms)
    if event.dead_at_ms is not None:  # that somebody tried it again in vain is news
        office.alerts.end_alert(WEBHOOK_FAILURE, event.dead_letter_id)
    # Before it is written: an alert that is lost would be worse than one that comes twice.
    office.alerts.raise_alert(_alert(WEBHOOK_FAILURE, "high", dead, reason=reason, detail=detail))
    if not office.inbox.save(dead):
        _end_failure(office, office.inbox.get(event.inbox_key) or event)
    return Handled(dead)


def _end(office: Office, event: InboxEvent, result: Settled | Followed | None) -> None:
    """Say what is over by an event that was processed."""
    office.alerts.end_alert(WEBHOOK_FAILURE, event.dead_letter_id)
    if isinstance(result, Followed):
        end_worries(office.alerts, result.withdrawal)


def _end_failure(office: Office, event: InboxEvent) -> None:
    """Take back what was told of an event that is over after all: who told it may have died before writing it down."""
    if event.is_over:
        office.alerts.end_alert(WEBHOOK_FAILURE, event.dead_letter_id)


def _alert(kind: str, severity: str, event: InboxEvent, **facts: str) -> Alert:
    return Alert(kind, severity, {**_facts(event), **facts}, subject=event.dead_letter_id)


def _facts(event: InboxEvent) -> dict[str, str]:
    return {
        "provider": event.provider,
        "external_id": event.external_id,
        "dead_letter_id": event.dead_letter_id,
        "attempts": str(event.attempts),
    }
