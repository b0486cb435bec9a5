"""Pay withdrawals out: once, whatever is lost, and find out what became of it.

Whoever sends writes that down before. So a call whose end is unknown is never forgotten: the provider is asked, and
the same call is made again only where it is carried out once, or when it is proved that nothing came of the others.
Events of the provider and the schedule both end in `follow`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.accounts import Status
from tallystick.domain.errors import InvariantViolated, NotYet, ProviderRefused, ProviderUnavailable
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawal_rules import WithdrawalRules
from tallystick.domain.withdrawals import RULE, Sending, Withdrawal, WithdrawalAction, WithdrawalState
from tallystick.services.breaking import CircuitOpen, protected
from tallystick.services.following import (
    PAYOUT_CONTRADICTION,
    PAYOUT_UNCLEAR,
    advanced,
    alert_of,
    contradiction,
    end_worries,
    new_names,
    outcome_alerts,
    taken_name,
)
from tallystick.services.ports.alerts import Alerts
from tallystick.services.ports.breakers import Breakers
from tallystick.services.ports.payouts import Payer
from tallystick.services.settling import Books
from tallystick.services.steps import find_withdrawal, take

STUCK_MS: Final = 5 * 86_400_000
"""A payout that is under way for longer than this is told of: banks take three working days at most."""

UNCLEAR_MS: Final = 90 * 60_000
"""What nothing is to be seen of for so long is told of."""

ALERT_EVERY_MS: Final = 86_400_000
"""People are told again of what is still unclear."""


@dataclass(frozen=True, slots=True)
class PayoutOffice:
    """Hold what paying out needs; `checks_ms` says after how long it is looked at again, time after time."""

    books: Books
    payer_of: Callable[[Provider], Payer]
    breakers: Breakers
    alerts: Alerts
    rules: Mapping[str, WithdrawalRules]
    checks_ms: Sequence[int]


def work(*, office: PayoutOffice, flow_id: str, now_ms: int) -> Withdrawal:
    """Do what is next for a withdrawal, if its time has come; answer it as it stands then.

    Raises:
        InvariantViolated: there is no such withdrawal.
        StoreUnavailable, TooMuchContention: not now; it is looked at again.
        NotYet: somebody may be at it, who may end it and die before telling; the message must come back.
    """
    withdrawal = find_withdrawal(office.books.flows, flow_id)
    if withdrawal is None:
        raise InvariantViolated(f"there is no withdrawal {flow_id}")
    if withdrawal.state is WithdrawalState.SUBMITTED and now_ms < withdrawal.not_before_ms:
        raise NotYet(withdrawal.not_before_ms - now_ms)
    standing = _do_next(office, withdrawal, now_ms)
    # Told when it is so, not before; whoever dies in between leaves the message, which comes back.
    for alert in outcome_alerts(standing):
        office.alerts.raise_alert(alert)
    end_worries(office.alerts, standing)
    return standing


def _do_next(office: PayoutOffice, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    if now_ms < withdrawal.not_before_ms:
        return withdrawal
    if withdrawal.state is WithdrawalState.REQUESTED:
        withdrawal = _decided(office, withdrawal, now_ms)
    if withdrawal.state not in {WithdrawalState.APPROVED, WithdrawalState.SUBMITTED}:
        return withdrawal
    if withdrawal.state is WithdrawalState.APPROVED and _is_frozen(office, withdrawal):
        return _saved(office, withdrawal, replace(_next(withdrawal), not_before_ms=now_ms + office.checks_ms[-1]))
    return _pay(office, withdrawal, now_ms)


def _is_frozen(office: PayoutOffice, withdrawal: Withdrawal) -> bool:
    """Tell whether the wallet was frozen since: what was not sent waits then, for an admin to reject or unfreeze."""
    wallet_id = withdrawal.wallet_id
    return office.books.ledger.book.accounts([wallet_id])[wallet_id].status is Status.FROZEN


def _decided(office: PayoutOffice, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    """Decide about what had to wait; an asset that has no rules any more is for a person to look at."""
    rules = office.rules.get(withdrawal.asset.code) or WithdrawalRules(withdrawal.asset)
    return _saved(office, withdrawal, rules.decide(withdrawal, now_ms))


def _pay(office: PayoutOffice, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    provider = withdrawal.provider
    payer = office.payer_of(provider)
    try:
        with protected(breakers=office.breakers, alerts=office.alerts, name=provider, now_ms=now_ms):
            if withdrawal.state is WithdrawalState.APPROVED:
                return _submit(office, payer, withdrawal, now_ms)
            return _ask(office, payer, withdrawal, now_ms)
    except CircuitOpen as circuit:
        return _saved(office, withdrawal, replace(_next(withdrawal), not_before_ms=circuit.until_ms))
    except ProviderUnavailable:
        return _later(office, _now(office, withdrawal), now_ms)


def _submit(office: PayoutOffice, payer: Payer, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    """Write that it is sent, then send it."""
    submitted, _ = withdrawal.taken(WithdrawalAction.SUBMIT, at_ms=now_ms, by=RULE)
    try:
        draft = payer.draft(withdrawal, now_ms)
    except ProviderRefused as refused:
        unsent = replace(submitted, sending=Sending(0, now_ms, now_ms))
        if not office.books.flows.save(unsent):
            return _now(office, withdrawal)  # somebody else may have sent it
        return _settle(office, unsent, Report(Outcome.FAILED, reason=refused.detail), now_ms)
    return _send(office, payer, submitted, Sending(1, now_ms, now_ms, draft), now_ms)


def _ask(office: PayoutOffice, payer: Payer, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    """Find out how a payout stands, and send it again where that can do no harm."""
    sending = _sending(withdrawal)
    report = payer.look_up(withdrawal, now_ms) if sending.sends else Report(Outcome.ABSENT)
    if report.outcome is Outcome.ABSENT:
        return _begin_anew(office, payer, withdrawal, now_ms)
    if report.outcome is Outcome.UNCLEAR and _may_repeat(payer, withdrawal, sending, now_ms):
        again = replace(sending, sends=sending.sends + 1, last_ms=now_ms)
        told = _told(office, withdrawal, PAYOUT_UNCLEAR, report.reason, now_ms) if report.reason else withdrawal
        return _send(office, payer, _next(told), again, now_ms)
    return _settle(office, withdrawal, report, now_ms)


def _begin_anew(office: PayoutOffice, payer: Payer, withdrawal: Withdrawal, now_ms: int) -> Withdrawal:
    """Send it as if for the first time: nothing came of the calls so far, and nothing can."""
    sending = _sending(withdrawal)
    if sending.refusal:
        return _settle(office, withdrawal, Report(Outcome.FAILED, reason=sending.refusal), now_ms)
    try:
        draft = payer.draft(withdrawal, now_ms)
    except ProviderRefused as refused:
        return _settle(office, withdrawal, Report(Outcome.FAILED, reason=refused.detail), now_ms)
    return _send(office, payer, _next(withdrawal), Sending(sending.sends + 1, now_ms, now_ms, draft), now_ms)


def _may_repeat(payer: Payer, withdrawal: Withdrawal, sending: Sending, now_ms: int) -> bool:
    """Tell whether the same call would still be carried out once."""
    if withdrawal.payout_id or sending.refusal:
        return False
    if sending.draft is not None:
        return now_ms < sending.draft.expires_at_ms
    return payer.key_lifetime_ms is None or now_ms < sending.key_since_ms + payer.key_lifetime_ms


def _send(office: PayoutOffice, payer: Payer, following: Withdrawal, sending: Sending, now_ms: int) -> Withdrawal:
    """Write down that it is sent, and what; then send it once.

    What is signed may be what another withdrawal has signed in the same second, and would be carried out once for both.
    So its id is a name of the first that writes it down; the other one is swept, and signed anew.
    """
    following = replace(following, sending=sending, not_before_ms=now_ms + office.checks_ms[0])
    names = new_names(following, sending.draft.payout_id) if sending.draft else []
    if not office.books.flows.save(following, names):
        return _now(office, following)
    report = payer.send(following)
    if report.outcome is Outcome.UNCLEAR:
        return _later(office, following, now_ms, None if sending.draft else report)
    if report.outcome is Outcome.FAILED and (sending.sends > 1 or sending.draft is not None):
        # An earlier call may have been carried out, or this one be carried out yet: only its absence settles it.
        refused = replace(_next(following), sending=replace(sending, refusal=report.reason or "refused"))
        return _saved(office, following, refused)
    return _settle(office, following, report, now_ms)


def _settle(office: PayoutOffice, withdrawal: Withdrawal, report: Report, now_ms: int) -> Withdrawal:
    """Take the step that a report asks for."""
    if detail := contradiction(withdrawal, report):
        return _worry(office, withdrawal, PAYOUT_CONTRADICTION, detail, now_ms)
    step = advanced(withdrawal, report, now_ms)
    if step is not None:
        stepped = take(books=office.books, step=step, now_ms=now_ms)
        return stepped.withdrawal if stepped else _overtaken(office, withdrawal, report, now_ms)
    if report.outcome is Outcome.UNCLEAR and (report.reason or now_ms - _sending(withdrawal).last_ms > UNCLEAR_MS):
        return _worry(office, withdrawal, PAYOUT_UNCLEAR, report.reason or "nothing is to be seen of it", now_ms)
    return _later(office, withdrawal, now_ms, report if report.outcome is Outcome.PENDING else None)


def _overtaken(office: PayoutOffice, withdrawal: Withdrawal, report: Report, now_ms: int) -> Withdrawal:
    """Answer what stands there instead of what was to be written; unless that can never be written."""
    standing = _now(office, withdrawal)
    detail = taken_name(office.books.flows, standing, report)
    return _worry(office, standing, PAYOUT_CONTRADICTION, detail, now_ms) if detail else standing


def _worry(office: PayoutOffice, withdrawal: Withdrawal, kind: str, detail: str, now_ms: int) -> Withdrawal:
    """Tell people of what no rule can decide, and look again."""
    return _later(office, _told(office, withdrawal, kind, detail, now_ms), now_ms)


def _told(office: PayoutOffice, withdrawal: Withdrawal, kind: str, detail: str, now_ms: int) -> Withdrawal:
    """Tell people, at most once a day of the same kind."""
    if withdrawal.alerted_of == kind and now_ms - withdrawal.alerted_at_ms < ALERT_EVERY_MS:
        return withdrawal
    office.alerts.raise_alert(alert_of(kind, withdrawal, detail=detail))
    return replace(withdrawal, alerted_of=kind, alerted_at_ms=now_ms)


def _later(office: PayoutOffice, withdrawal: Withdrawal, now_ms: int, seen: Report | None = None) -> Withdrawal:
    """Look again after a while, longer each time; keep the id of a payout that was seen."""
    if withdrawal.state not in {WithdrawalState.APPROVED, WithdrawalState.SUBMITTED}:
        return withdrawal  # it came to its end meanwhile
    since_ms = now_ms - max(withdrawal.history[-1].at_ms, withdrawal.submit_after_ms)
    payout_id = withdrawal.payout_id or (seen.payout_id if seen else None)
    if since_ms > (STUCK_MS if payout_id else UNCLEAR_MS) and withdrawal.alerted_at_ms <= now_ms - ALERT_EVERY_MS:
        withdrawal = _told(office, withdrawal, PAYOUT_UNCLEAR, "it is under way for long", now_ms)
    wait_ms = office.checks_ms[min(withdrawal.checks, len(office.checks_ms) - 1)]
    following = replace(
        _next(withdrawal), payout_id=payout_id, checks=withdrawal.checks + 1, not_before_ms=now_ms + wait_ms
    )
    if office.books.flows.save(following, new_names(withdrawal, payout_id)):
        return following
    return _overtaken(office, withdrawal, seen, now_ms) if seen else _now(office, withdrawal)


def _next(withdrawal: Withdrawal) -> Withdrawal:
    return replace(withdrawal, version=withdrawal.version + 1)


def _saved(office: PayoutOffice, withdrawal: Withdrawal, following: Withdrawal) -> Withdrawal:
    """Write what it becomes, if it becomes anything else; answer what stands there then."""
    if following == withdrawal or office.books.flows.save(following):
        return following
    return _now(office, withdrawal)


def _now(office: PayoutOffice, withdrawal: Withdrawal) -> Withdrawal:
    return find_withdrawal(office.books.flows, withdrawal.flow_id) or withdrawal


def _sending(withdrawal: Withdrawal) -> Sending:
    if withdrawal.sending is None:
        raise InvariantViolated(f"{withdrawal.flow_id} was submitted and nothing says how")
    return withdrawal.sending
