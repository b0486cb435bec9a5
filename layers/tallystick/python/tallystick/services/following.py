"""Bring a withdrawal in line with what its provider says of the payout, whoever has asked or told."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.errors import TooMuchContention
from tallystick.domain.money import format_units
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import Transfer
from tallystick.domain.webhooks import EventRejected
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction, WithdrawalState
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.flows import Flows
from tallystick.services.ports.payouts import Payer
from tallystick.services.settling import Books
from tallystick.services.steps import Step, find_withdrawal, take

PAYOUT_FAILED: Final = "PAYOUT_FAILED"
PAYOUT_RETURNED: Final = "PAYOUT_RETURNED"
PAYOUT_UNCLEAR: Final = "PAYOUT_UNCLEAR"
PAYOUT_CONTRADICTION: Final = "PAYOUT_CONTRADICTION"
_SEVERITY: Final = {
    PAYOUT_FAILED: "medium",
    PAYOUT_RETURNED: "high",
    PAYOUT_UNCLEAR: "high",
    PAYOUT_CONTRADICTION: "critical",
}

MAX_ATTEMPTS: Final = 5
"""Tries of a step that meets other steps of the same withdrawal."""

_PROVEN: Final = (Outcome.PENDING, Outcome.PAID, Outcome.FAILED)
"""In the order in which a payout goes through them; it may leave some out, and never goes back."""

_ACTIONS: Final = {
    (WithdrawalState.SUBMITTED, Outcome.PAID): WithdrawalAction.COMPLETE,
    (WithdrawalState.SUBMITTED, Outcome.FAILED): WithdrawalAction.FAIL,
    (WithdrawalState.COMPLETED, Outcome.FAILED): WithdrawalAction.RETURN,
}
_FITTING: Final = {
    WithdrawalState.SUBMITTED: {*Outcome},
    WithdrawalState.COMPLETED: {Outcome.PENDING, Outcome.PAID, Outcome.FAILED},
    WithdrawalState.FAILED: {Outcome.FAILED},
    WithdrawalState.RETURNED: {Outcome.FAILED},
}
"""What a provider may say of a payout in each state; in the others there is none."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Hand back the withdrawal as it stands after an event, and the movements that were made now."""

    withdrawal: Withdrawal
    transfers: tuple[Transfer, ...] = ()

    @property
    def transfer_ids(self) -> list[str]:
        """Name the movements that were made for the withdrawal since its hold, now or before."""
        return self.withdrawal.transfer_ids[1:]

    @property
    def concerns(self) -> Iterator[Alert]:
        """Find what people have to know: told again with every event, for any of them may bring it to light."""
        yield from outcome_alerts(self.withdrawal)


def follow(*, books: Books, payer: Payer, withdrawal: Withdrawal, told: Report, now_ms: int) -> Followed:
    """Ask the provider what an event tells of, and take the step that it asks for.

    Raises:
        EventRejected: the provider does not bear it out (`not-confirmed`), or it cannot be (`contradiction`).
        ProviderUnavailable: not now.
        Refusal: what `ledger.post` refuses.
    """
    for _ in range(MAX_ATTEMPTS):
        report = _confirmed(payer, withdrawal, told, now_ms)
        step = advanced(withdrawal, report, now_ms)
        if step is None:
            return Followed(withdrawal)
        stepped = take(books=books, step=step, now_ms=now_ms)
        if stepped:
            return Followed(stepped.withdrawal, stepped.transfers)
        if detail := taken_name(books.flows, withdrawal, report):
            raise EventRejected("contradiction", detail)
        withdrawal = find_withdrawal(books.flows, withdrawal.flow_id) or withdrawal
    raise TooMuchContention("Other steps of the same withdrawal came first each time.")


def advanced(withdrawal: Withdrawal, report: Report, now_ms: int) -> Step | None:
    """Work out the step that a report asks for, if it asks for one."""
    action = _ACTIONS.get((withdrawal.state, report.outcome))
    if action is None:
        return None
    following, posts = withdrawal.taken(action, at_ms=now_ms, by=withdrawal.provider, note=report.reason)
    payout_id = withdrawal.payout_id or report.payout_id
    failure = report.reason or "failed" if report.outcome is Outcome.FAILED else None
    return Step(replace(following, payout_id=payout_id, failure=failure), posts, new_names(withdrawal, payout_id))


def new_names(withdrawal: Withdrawal, payout_id: str | None) -> list[str]:
    """Name a withdrawal by its payout, once that is known: no other one can have the name then."""
    return [f"{withdrawal.provider}:{payout_id}"] if payout_id and not withdrawal.payout_id else []


def contradiction(withdrawal: Withdrawal, report: Report) -> str | None:
    """Say how what a provider says cannot be, if that is so."""
    if report.outcome not in _FITTING.get(withdrawal.state, set()):
        return f"The withdrawal is {withdrawal.state}, and its provider says of a payout that it is {report.outcome}."
    return _another(withdrawal, report)


def _another(withdrawal: Withdrawal, report: Report) -> str | None:
    """Say how a report is of another payout, if that is so."""
    if withdrawal.payout_id and report.payout_id not in {None, withdrawal.payout_id}:
        return f"Its payout is {withdrawal.payout_id}, and there is {report.payout_id} too."
    if report.amount is None:
        return None
    told = report.amount
    if told != withdrawal.amount:
        return f"It is over {_shown(withdrawal)}, and its payout over {told.value:f} {told.asset}."
    return None


def taken_name(flows: Flows, withdrawal: Withdrawal, report: Report) -> str | None:
    """Say that a payout is another withdrawal's, if that is so; asked when a step could not be written."""
    known = flows.find(f"{withdrawal.provider}:{report.payout_id}") if report.payout_id else None
    return f"Its payout {report.payout_id} is that of {known} too." if known not in {None, withdrawal.flow_id} else None


def outcome_alerts(withdrawal: Withdrawal) -> Iterator[Alert]:
    """Tell of a payout that failed."""
    if withdrawal.state is WithdrawalState.FAILED:
        yield alert_of(PAYOUT_FAILED, withdrawal, detail=withdrawal.failure or "failed")
    if withdrawal.state is WithdrawalState.RETURNED:
        yield alert_of(PAYOUT_RETURNED, withdrawal, detail=withdrawal.failure or "failed")


def end_worries(alerts: Alerts, withdrawal: Withdrawal) -> None:
    """Say that nothing is unclear any more about a withdrawal that is at its end.

    Whether people were told the withdrawal may not know: whoever told them may have died before writing it down.
    """
    if not withdrawal.is_open:
        alerts.end_alert(PAYOUT_UNCLEAR, withdrawal.flow_id)


def alert_of(kind: str, withdrawal: Withdrawal, *, detail: str) -> Alert:
    """Tell people about a withdrawal."""
    facts = {
        "withdrawal_id": withdrawal.flow_id,
        "wallet_id": withdrawal.wallet_id,
        "provider": withdrawal.provider,
        "payout_id": withdrawal.payout_id or "",
        "amount": _shown(withdrawal),
        "detail": detail,
    }
    return Alert(kind, _SEVERITY[kind], facts, subject=withdrawal.flow_id)


def _confirmed(payer: Payer, withdrawal: Withdrawal, told: Report, now_ms: int) -> Report:
    """Ask how the payout stands that an event tells of: events come late, and out of order."""
    if withdrawal.sending is None:
        raise EventRejected("contradiction", f"The withdrawal is {withdrawal.state}: no payout of it was ever sent.")
    if detail := _another(withdrawal, told):
        raise EventRejected("contradiction", detail)
    asked = replace(withdrawal, payout_id=withdrawal.payout_id or told.payout_id)
    report = payer.look_up(asked, now_ms)
    if report.outcome not in _PROVEN or _PROVEN.index(report.outcome) < _PROVEN.index(told.outcome):
        detail = f"The provider says that the payout is {report.outcome}, its event that it is {told.outcome}."
        raise EventRejected("not-confirmed", detail, final=False)
    if detail := contradiction(asked, report):
        raise EventRejected("contradiction", detail)
    return report


def _shown(withdrawal: Withdrawal) -> str:
    return f"{format_units(withdrawal.units, withdrawal.asset.scale)} {withdrawal.asset.code}"
