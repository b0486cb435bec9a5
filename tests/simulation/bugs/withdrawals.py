"""Mistakes in how money goes out: holds, payouts, and what providers say of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from pynamodb.constants import ALL_OLD
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo import book, quotas
from tallystick.adapters.dynamo import flows as flows_adapter
from tallystick.adapters.dynamo.book import DynamoBook
from tallystick.adapters.dynamo.quotas import DynamoQuotas
from tallystick.adapters.providers.payers import granted, refusal, units_of
from tallystick.adapters.providers.stellar import payouts as stellar
from tallystick.adapters.providers.stellar.payouts import StellarPayouts
from tallystick.adapters.providers.stripe import payouts as stripe
from tallystick.adapters.providers.stripe.amounts import decimals
from tallystick.adapters.providers.stripe.payouts import StripePayouts
from tallystick.adapters.providers.stripe.reports import TAG, Payout
from tallystick.domain import withdrawals as withdrawals_domain
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.flows import Flow
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.posting import Plan
from tallystick.domain.quotas import Quota
from tallystick.domain.transfers import Claim, TransferKind
from tallystick.domain.transitions import Actor, Transition
from tallystick.domain.withdrawals import TRANSITIONS, Sending, Withdrawal, WithdrawalAction, WithdrawalState
from tallystick.services import following, payouts, processing, steps
from tallystick.services.ledger import Movement
from tallystick.services.payouts import PayoutOffice
from tallystick.services.ports.alerts import Alerts
from tallystick.services.ports.ledger import CommitRefused
from tallystick.services.ports.payouts import Payer
from tallystick.services.steps import Step
from tests.simulation.bugs import commits
from tests.simulation.bugs.planting import NO_WATCHDOG, Bug, Patch

_MOVEMENT: Final = steps._movement
_CLAIM: Final = Withdrawal.claim
_SEND: Final = payouts._send
_MAY_REPEAT: Final = payouts._may_repeat
_NEW_NAMES: Final = following.new_names
_STELLAR_SEND: Final = StellarPayouts.send


def _put_over(transaction: TransactWrite, flow: Flow) -> None:
    transaction.save(flows_adapter._item(flow), return_values=ALL_OLD)


def _take_after_look(transaction: TransactWrite, quota: Quota) -> None:
    used = DynamoQuotas().used(quota.key)
    if not quota.fits(used):
        raise CommitRefused(used=used)
    quotas.take(transaction, replace(quota, max_units=None, max_count=None))


def _nothing_back(_withdrawal: Withdrawal, _kind: TransferKind) -> None:
    return None


def _release_but_shown(step: Step, kind: TransferKind, account_id: str) -> Movement:
    is_held = step.is_held and kind is not TransferKind.WITHDRAWAL_RELEASE
    return _MOVEMENT(replace(step, is_held=is_held), kind, account_id)


def _send_then_note(
    office: PayoutOffice, payer: Payer, following: Withdrawal, sending: Sending, now_ms: int
) -> Withdrawal:
    sent: Payer = _Sent(payer, payer.send(replace(following, sending=sending)))  # type: ignore[assignment]
    return _SEND(office, sent, following, sending, now_ms)


@dataclass(frozen=True, slots=True)
class _Sent:
    """Answer what was answered when it was sent."""

    payer: Payer
    report: Report

    def send(self, _withdrawal: Withdrawal) -> Report:
        return self.report


def _no_answer_is_failure(
    office: PayoutOffice, payer: Payer, following: Withdrawal, sending: Sending, now_ms: int
) -> Withdrawal:
    try:
        return _SEND(office, payer, following, sending, now_ms)
    except ProviderUnavailable as unavailable:
        failed = Report(Outcome.FAILED, reason=unavailable.detail)
        return payouts._settle(office, payouts._now(office, following), failed, now_ms)


def _send_under_lease(
    office: PayoutOffice, payer: Payer, following: Withdrawal, sending: Sending, now_ms: int
) -> Withdrawal:
    standing = payouts._now(office, following)
    if now_ms < standing.not_before_ms:
        return standing  # somebody else is at it
    return _SEND(office, payer, replace(following, version=standing.version + 1), sending, now_ms)


def _send_under_new_keys(self: StripePayouts, withdrawal: Withdrawal) -> Report:
    fields = {
        "amount": str(units_of(withdrawal, decimals(withdrawal.asset.code))),
        "currency": withdrawal.asset.code.lower(),
        "destination": withdrawal.destination.account,
        f"metadata[{TAG}]": withdrawal.flow_id,
    }
    headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(fields).encode()
    try:
        key = {"Idempotency-Key": withdrawal.flow_id}
        reply = self._http.post(stripe._PAYOUTS, headers | key, body, repeatable=False)
    except ProviderUnavailable:
        key = {"Idempotency-Key": f"{withdrawal.flow_id}-again"}
        reply = self._http.post(stripe._PAYOUTS, headers | key, body, repeatable=False)
    refused = refusal(reply, stripe._Refusal)
    if refused is not None:
        return Report(Outcome.FAILED, reason=refused.error.code or refused.error.type)
    return granted(reply, Payout).report()


def _may_always_repeat(payer: Payer, withdrawal: Withdrawal, sending: Sending, now_ms: int) -> bool:
    is_signed = sending.draft is not None and not withdrawal.payout_id and not sending.refusal
    return is_signed or _MAY_REPEAT(payer, withdrawal, sending, now_ms)


def _sign_anew(self: StellarPayouts, withdrawal: Withdrawal) -> Report:
    """Send a repeated payment with the number that the account has now."""
    sending = withdrawal.sending
    if sending is not None and sending.sends > 1:
        fresh = replace(sending, draft=self.draft(withdrawal, sending.last_ms))
        withdrawal = replace(withdrawal, sending=fresh)
    return _STELLAR_SEND(self, withdrawal)


def _named_when_seen(withdrawal: Withdrawal, payout_id: str | None) -> list[str]:
    is_signed = withdrawal.sending is not None and withdrawal.sending.draft is not None
    return [] if is_signed else _NEW_NAMES(withdrawal, payout_id)


def _not_found_is_absent(self: StellarPayouts, withdrawal: Withdrawal, now_ms: int) -> Report:
    del now_ms
    draft = stellar._draft_of(withdrawal)
    return self._told(withdrawal, draft) or self._absence(draft)


def _as_told(_payer: Payer, _withdrawal: Withdrawal, told: Report, _now_ms: int) -> Report:
    return told


def _never_another(_withdrawal: Withdrawal, _report: Report) -> None:
    return None


def _return_by_time(self: Withdrawal, kind: TransferKind) -> Claim:
    claim = _CLAIM(self, kind)
    if kind is not TransferKind.WITHDRAWAL_RETURN:
        return claim
    return replace(claim, key=replace(claim.key, reference=f"{self.flow_id}:{self.history[-1].at_ms}"))


def _is(kind: TransferKind) -> Callable[[Plan], bool]:
    return lambda plan: plan.order.kind is kind


_CANCEL_SUBMITTED: Final = Transition(
    WithdrawalState.SUBMITTED,
    WithdrawalAction.CANCEL,
    WithdrawalState.CANCELLED,
    Actor.OWNER,
    TransferKind.WITHDRAWAL_RELEASE,
)


def _ended_when_noted(alerts: Alerts, withdrawal: Withdrawal) -> None:
    if withdrawal.alerted_of is not None and not withdrawal.is_open:
        alerts.end_alert(following.PAYOUT_UNCLEAR, withdrawal.flow_id)


BUGS: Final = (
    Bug(
        name="flow-version-dropped",
        what="A flow's next version is put whatever version stands there.",
        breaks="Of steps that race one is taken: a cancellation that comes while the worker submits is overwritten, and"
        " the money is given back and paid out; facts of a deposit are lost.",
        area="withdrawals",
        patches=(Patch(book, "put_next", _put_over), Patch(flows_adapter, "put_next", _put_over)),
    ),
    Bug(
        name="hold-without-flow",
        what="The hold is posted first, then the withdrawal is put in another write.",
        breaks="What is on hold has a withdrawal: a kill or an error between the two leaves money on hold for nothing.",
        area="withdrawals",
        patches=(
            Patch(
                DynamoBook,
                "commit",
                commits.commit_in(
                    _is(TransferKind.WITHDRAWAL_HOLD),
                    (commits.record, commits.entries, commits.heads, commits.quota),
                    (commits.flow,),
                ),
            ),
        ),
    ),
    Bug(
        name="quota-looked-at-first",
        what="What is left of the day is read before the hold and is no condition of it.",
        breaks="Nobody withdraws more than the day's limit: two requests at once both see what is left.",
        area="withdrawals",
        patches=(Patch(book, "take", _take_after_look),),
    ),
    Bug(
        name="quota-apart",
        what="The day's count is written after the hold, in another write.",
        breaks="Nobody withdraws more than the day's limit: a kill or an error between the two is not counted, and who"
        " is over the limit is refused although the money is on hold.",
        area="withdrawals",
        patches=(
            Patch(
                DynamoBook,
                "commit",
                commits.commit_in(
                    lambda plan: plan.order.quota,
                    (commits.record, commits.entries, commits.heads, commits.flow, commits.audit),
                    (commits.quota,),
                ),
            ),
        ),
    ),
    Bug(
        name="quota-kept",
        what="What was not paid is not taken from the day's count.",
        breaks="Cancelled, rejected and failed withdrawals do not count: after one, the rest of the day's limit is"
        " refused.",
        area="withdrawals",
        patches=(Patch(steps, "_given_back", _nothing_back),),
    ),
    Bug(
        name="held-kept",
        what="A release gives the money back and does not take it from what the wallet shows as on hold.",
        breaks="`held` is what is on hold: after a cancellation, rejection or failure the wallet shows too much, for"
        " ever.",
        area="withdrawals",
        patches=(Patch(steps, "_movement", _release_but_shown),),
    ),
    Bug(
        name="cancelled-when-sent",
        what="A withdrawal can be cancelled while it is SUBMITTED.",
        breaks="Money is paid out or given back, not both: who cancels after the payout was sent has it twice.",
        area="withdrawals",
        patches=(Patch(withdrawals_domain, "TRANSITIONS", (*TRANSITIONS, _CANCEL_SUBMITTED)),),
    ),
    Bug(
        name="sent-before-noted",
        what="The payout is sent, then it is written down that it was.",
        breaks="Money is paid out once, and not given back as well: after a kill or an error between the two the"
        " withdrawal can still be cancelled, and Stellar is paid with a second transaction; two workers at once both"
        " send.",
        area="withdrawals",
        patches=(Patch(payouts, "_send", _send_then_note),),
    ),
    Bug(
        name="no-answer-is-failure",
        what="A payout call that gets no answer (504) counts as failed, and the money is given back.",
        breaks="Money is paid out or given back, not both: the provider has carried it out and lost the answer.",
        area="withdrawals",
        patches=(Patch(payouts, "_send", _no_answer_is_failure),),
    ),
    Bug(
        name="new-key-for-retry",
        what="A payout call that gets no answer is made again at once, under another idempotency key.",
        breaks="Money is paid out once: the provider has carried the first call out and lost the answer.",
        area="withdrawals",
        patches=(Patch(StripePayouts, "send", _send_under_new_keys),),
    ),
    Bug(
        name="signed-anew",
        what="A payment on Stellar that is not to be seen is sent again, whatever its time, and signed anew for that"
        " instead of sent as it was stored.",
        breaks="Money is paid out once: the first transaction is still valid, or in a ledger that Horizon does not show"
        " yet.",
        area="withdrawals",
        patches=(Patch(payouts, "_may_repeat", _may_always_repeat), Patch(StellarPayouts, "send", _sign_anew)),
    ),
    Bug(
        name="worry-without-end",
        what="PAYOUT_UNCLEAR is ended only when the withdrawal says that people were told, by no watchdog.",
        breaks="An alert ends with its reason: a kill between the alert and the note leaves it open for good.",
        area="withdrawals",
        patches=(
            Patch(payouts, "end_worries", _ended_when_noted),
            Patch(processing, "end_worries", _ended_when_noted),
            NO_WATCHDOG,
        ),
    ),
    Bug(
        name="twins-sent",
        what="A signed payment is sent before its hash is known to be no other withdrawal's.",
        breaks="Each withdrawal is paid by its own payment: two of one amount and destination, signed in the same"
        " second, are one transaction, and one of them is never paid.",
        area="withdrawals",
        patches=(Patch(payouts, "new_names", _named_when_seen),),
    ),
    Bug(
        name="absence-too-early",
        what="A transaction that Horizon does not know counts as absent before its time is over.",
        breaks="Money is paid out once: it is signed anew, and the first transaction comes into a ledger after all.",
        area="withdrawals",
        patches=(Patch(StellarPayouts, "look_up", _not_found_is_absent),),
    ),
    Bug(
        name="event-believed",
        what="An event about a payout is taken at its word, and the provider is not asked.",
        breaks="The provider's books decide: an event that contradicts them, or comes late, completes or fails a"
        " withdrawal that did not.",
        area="withdrawals",
        patches=(Patch(following, "_confirmed", _as_told),),
    ),
    Bug(
        name="another-payout-taken",
        what="Neither the payout's id nor its amount is compared with the withdrawal's.",
        breaks="A contradiction moves no money: an event that names another payout, or another amount, completes or"
        " fails the withdrawal.",
        area="withdrawals",
        patches=(Patch(following, "_another", _never_another),),
    ),
    Bug(
        name="returned-twice",
        what="A return is posted under the time it came at, and the withdrawal is put in another write after it.",
        breaks="What comes back is given back once: two events of one failed payout at once, or a kill between the two"
        " writes and a retry, give it back twice.",
        area="withdrawals",
        patches=(
            Patch(Withdrawal, "claim", _return_by_time),
            Patch(
                DynamoBook,
                "commit",
                commits.commit_in(
                    _is(TransferKind.WITHDRAWAL_RETURN),
                    (commits.record, commits.entries, commits.heads),
                    (commits.flow,),
                ),
            ),
        ),
    ),
    Bug(
        name="lease-by-clock",
        what="Whoever finds that `not_before_ms` is over by its own clock may send, whatever version it has read.",
        breaks="Money is paid out once: of two workers with the same message the one whose clock is a minute ahead, or"
        " that was held up for so long, sends again; on Stellar with another transaction.",
        area="withdrawals",
        patches=(Patch(payouts, "_send", _send_under_lease),),
    ),
)
