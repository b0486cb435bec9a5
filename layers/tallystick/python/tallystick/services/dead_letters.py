"""Let admins see what could not be processed, try it again, or close it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.audit import AuditRecord
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import IllegalTransition, NotFound, Refusal, TooMuchContention
from tallystick.domain.inbox import DEAD_LETTER_PREFIX, EventState, InboxEvent, reopened, resolved
from tallystick.domain.transfers import Transfer
from tallystick.domain.webhooks import EventRejected
from tallystick.services.admin import Admin
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.alerts import Alerts
from tallystick.services.ports.flows import Flows
from tallystick.services.ports.inbox import Inbox
from tallystick.services.ports.ledger import Book
from tallystick.services.ports.paging import Page
from tallystick.services.processing import WEBHOOK_FAILURE, Providers, carry_out
from tallystick.services.rehearsal import Rehearsal

MAX_ATTEMPTS: Final = 3
"""Tries of a change that meets other changes of the same event."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Show what a redrive would move now, or why it would move nothing."""

    transfers: tuple[Transfer, ...] = ()
    reason: str | None = None
    detail: str | None = None


def list_dead(*, inbox: Inbox, caller: Caller, limit: int, after: str | None) -> Page[InboxEvent]:
    """List dead letters, newest first. For ADMIN.

    Raises:
        Forbidden: no ADMIN.
    """
    caller.require(Role.ADMIN)
    return inbox.dead(limit, after)


def get(*, inbox: Inbox, caller: Caller, dead_letter_id: str) -> InboxEvent:
    """Show an event that is, or once was, a dead letter. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such dead letter.
    """
    caller.require(Role.ADMIN)
    known = dead_letter_id.startswith(DEAD_LETTER_PREFIX)
    event = inbox.get(dead_letter_id.removeprefix(DEAD_LETTER_PREFIX)) if known else None
    if event is None or event.dead_at_ms is None:
        raise NotFound("dead letter")
    return event


def preview(
    *,
    inbox: Inbox,
    book: Book,
    flows: Flows,
    providers: Providers,
    admin: Admin,
    dead_letter_id: str,
    accept_amount: bool,
) -> Preview:
    """Work out what a redrive would move, with the code that would move it; nothing is written. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such dead letter.
    """
    event = get(inbox=inbox, caller=admin.caller, dead_letter_id=dead_letter_id)
    event = replace(event, accepted=event.accepted or accept_amount)
    books = Rehearsal(book, flows).books()
    try:
        result = carry_out(books=books, providers=providers, event=event, now_ms=admin.now_ms)
    except EventRejected as rejected:
        return Preview(reason=rejected.reason, detail=rejected.detail)
    except Refusal as refusal:
        return Preview(reason=refusal.code, detail=refusal.detail)
    return Preview(result.transfers if result else ())


def redrive(
    *, inbox: Inbox, queue: Queue, admin: Admin, dead_letter_id: str, accept_amount: bool, grace_ms: int
) -> InboxEvent:
    """Queue a dead letter to be processed anew; one that is open or done already stays as it is. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such dead letter.
        IllegalTransition: it was resolved.
    """
    event = _change(
        inbox,
        admin,
        dead_letter_id,
        unless=frozenset({EventState.OPEN, EventState.DONE}),
        change=lambda dead: reopened(
            dead, accepted=accept_amount, now_ms=admin.now_ms, due_at_ms=admin.now_ms + grace_ms
        ),
        record=lambda dead: _record(admin, dead, "dead-letter-redriven", accept_amount=str(accept_amount).lower()),
    )
    if event.state is EventState.OPEN:
        queue.send([event.inbox_key])
    return event


def resolve(*, inbox: Inbox, alerts: Alerts, admin: Admin, dead_letter_id: str, notes: str) -> InboxEvent:
    """Close a dead letter that shall not be processed; resolving it again changes nothing. For ADMIN.

    Raises:
        Forbidden, NotFound: no ADMIN, no such dead letter.
        IllegalTransition: it is being processed, or was.
    """
    event = _change(
        inbox,
        admin,
        dead_letter_id,
        unless=frozenset({EventState.RESOLVED}),
        change=lambda dead: resolved(dead, notes),
        record=lambda dead: _record(admin, dead, "dead-letter-resolved", notes=notes),
    )
    alerts.end_alert(WEBHOOK_FAILURE, dead_letter_id)
    return event


def _record(admin: Admin, dead: InboxEvent, action: str, **details: str) -> AuditRecord:
    return admin.record(dead.dead_letter_id, action, reason=dead.reason or "", **details)


def _change(
    inbox: Inbox,
    admin: Admin,
    dead_letter_id: str,
    *,
    unless: frozenset[EventState],
    change: Callable[[InboxEvent], InboxEvent],
    record: Callable[[InboxEvent], AuditRecord],
) -> InboxEvent:
    for _ in range(MAX_ATTEMPTS):
        event = get(inbox=inbox, caller=admin.caller, dead_letter_id=dead_letter_id)
        if event.state in unless:
            return event
        if event.state is not EventState.DEAD:
            raise IllegalTransition(f"The event is {event.state}.", state=event.state)
        changed = change(event)
        if inbox.save(changed, record(event)):
            return changed
    raise TooMuchContention("The event changed each time; send the same request again.")
