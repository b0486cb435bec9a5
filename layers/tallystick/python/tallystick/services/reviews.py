"""Let admins decide about withdrawals."""

from collections.abc import Callable
from typing import Final

from tallystick.domain.audit import AuditRecord
from tallystick.domain.callers import Role
from tallystick.domain.errors import Forbidden, NotFound, TooMuchContention
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction, WithdrawalState
from tallystick.services.admin import Admin
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.flows import Withdrawals
from tallystick.services.ports.paging import Page
from tallystick.services.settling import Books
from tallystick.services.steps import Step, announce, find_withdrawal, take

MAX_ATTEMPTS: Final = 3
"""Tries of a decision that meets other steps of the same withdrawal."""

_GIVEN_BACK: Final = frozenset({WithdrawalState.CANCELLED, WithdrawalState.REJECTED})


def list_open(
    *, flows: Withdrawals, admin: Admin, state: WithdrawalState, limit: int, after: str | None
) -> Page[Withdrawal]:
    """List withdrawals that are not at their end, those first that wait for longest. For ADMIN.

    Raises:
        Forbidden: no ADMIN.
    """
    admin.caller.require(Role.ADMIN)
    return flows.in_state(state, limit, after)


def approve(*, books: Books, queue: Queue, admin: Admin, flow_id: str, notes: str) -> Withdrawal:
    """Let a withdrawal that is in review go out; approving it again changes nothing. For ADMIN, not for one's own.

    Raises:
        Forbidden, NotFound: no ADMIN or one's own; no such withdrawal.
        IllegalTransition: it is not in review; carries `state`.
    """
    withdrawal = _decide(
        books,
        admin,
        flow_id,
        action=WithdrawalAction.APPROVE,
        notes=notes,
        unless=lambda known: known.decided_by == admin.caller.caller_id and known.state not in _GIVEN_BACK,
    )
    announce(queue, withdrawal)
    return withdrawal


def reject(*, books: Books, admin: Admin, flow_id: str, notes: str) -> Withdrawal:
    """Refuse a withdrawal that was not sent, and give the money back; again nothing changes. For ADMIN, not one's own.

    Raises:
        Forbidden, NotFound: no ADMIN or one's own; no such withdrawal.
        IllegalTransition: it was submitted, or it is at its end; carries `state`.
    """
    return _decide(
        books,
        admin,
        flow_id,
        action=WithdrawalAction.REJECT,
        notes=notes,
        unless=lambda known: known.state is WithdrawalState.REJECTED,
    )


def _decide(
    books: Books,
    admin: Admin,
    flow_id: str,
    *,
    action: WithdrawalAction,
    notes: str,
    unless: Callable[[Withdrawal], bool],
) -> Withdrawal:
    admin.caller.require(Role.ADMIN)
    for _ in range(MAX_ATTEMPTS):
        withdrawal = find_withdrawal(books.flows, flow_id)
        if withdrawal is None:
            raise NotFound("withdrawal")
        if admin.caller.owns(withdrawal.owner_id):
            raise Forbidden("Nobody decides about an own withdrawal.")
        if unless(withdrawal):
            return withdrawal
        following, posts = withdrawal.taken(action, at_ms=admin.now_ms, by=admin.caller.caller_id, note=notes)
        step = Step(following, posts, audit=_record(admin, withdrawal, action, notes))
        stepped = take(books=books, step=step, now_ms=admin.now_ms)
        if stepped:
            return stepped.withdrawal
    raise TooMuchContention("The withdrawal changed each time; send the same request again.")


def _record(admin: Admin, withdrawal: Withdrawal, action: WithdrawalAction, notes: str) -> AuditRecord:
    verb = {WithdrawalAction.APPROVE: "approved", WithdrawalAction.REJECT: "rejected"}[action]
    return admin.record(
        withdrawal.flow_id,
        f"withdrawal-{verb}",
        notes=notes,
        state=withdrawal.state,
        owner_id=withdrawal.owner_id,
        units=str(withdrawal.units),
        asset=withdrawal.asset.code,
    )
