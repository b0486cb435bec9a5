"""Compare what a provider's books say with what ours do. Nothing here corrects anything."""

from enum import StrEnum
from typing import Final

from tallystick.domain.deposits import Deposit, with_facts
from tallystick.domain.flows import Flow
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_records import Direction, ProviderRecord, Unusable, Wanted
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Paid, Pending, TakenBack
from tallystick.domain.withdrawals import PREFIX, Withdrawal, WithdrawalState


class Match(StrEnum):
    """Say what comparing came to.

    IN_TRANSIT: it does not agree yet, and is too young to be a difference. MISSING_WEBHOOK: the provider has money, or
    an outcome, that we do not show. MISSING_AT_PROVIDER: we credited or paid what the provider does not know.
    DUPLICATE: an order was paid, or a withdrawal paid out, a second time. NOT_LISTED: the provider cannot be asked.
    """

    MATCHED = "matched"
    IN_TRANSIT = "in-transit"
    MISSING_WEBHOOK = "missing-webhook"
    MISSING_AT_PROVIDER = "missing-at-provider"
    AMOUNT_DIFFERS = "amount-differs"
    STATUS_DIFFERS = "status-differs"
    DUPLICATE = "duplicate"
    NOT_LISTED = "not-listed"


_M, _S, _O = Match, WithdrawalState, Outcome

DIFFERENCES: Final = frozenset(
    {_M.MISSING_WEBHOOK, _M.MISSING_AT_PROVIDER, _M.AMOUNT_DIFFERS, _M.STATUS_DIFFERS, _M.DUPLICATE}
)
"""What people have to look at."""

SENT: Final = frozenset({_S.SUBMITTED, _S.COMPLETED, _S.FAILED, _S.RETURNED})
"""A payout of these may exist."""

ENDED: Final = SENT - {_S.SUBMITTED}

_OF_LIVE_PAYOUTS: Final = {
    (_S.SUBMITTED, _O.PENDING): _M.IN_TRANSIT,
    (_S.SUBMITTED, _O.PAID): _M.MISSING_WEBHOOK,
    (_S.COMPLETED, _O.PAID): _M.MATCHED,
}
_OF_FAILED_PAYOUTS: Final = {_S.SUBMITTED: _M.MISSING_WEBHOOK, _S.COMPLETED: _M.MISSING_WEBHOOK}


def is_compared(flow: Flow) -> bool:
    """Tell whether a provider may have something that a flow has to be compared with."""
    return isinstance(flow, Deposit) or flow.state in SENT


def is_success(record: ProviderRecord) -> bool:
    """Tell whether money went, and was not all given back."""
    if isinstance(record.told, Report):
        return record.told.outcome in {_O.PENDING, _O.PAID}
    return isinstance(record.told, Paid) and not record.given_back


def judge(flow: Flow | None, record: ProviderRecord, *, first: str | None, aged_before_ms: int) -> Match:
    """Compare one record with the flow that it belongs to, if there is one.

    `first` is the id of the first successful record of the same flow. A difference younger than the ageing time is in
    transit: its event may still come, or somebody of ours is still asking.
    """
    match = _judge(flow, record, first)
    if match in DIFFERENCES and max(record.at_ms, _looked_after_until_ms(flow)) > aged_before_ms:
        return _M.IN_TRANSIT
    return match


def _looked_after_until_ms(flow: Flow | None) -> int:
    """Say when a payout that is under way is asked for next: until then we learn of its outcome without an event."""
    under_way = isinstance(flow, Withdrawal) and flow.state is _S.SUBMITTED
    return flow.not_before_ms if under_way and isinstance(flow, Withdrawal) else 0


def _judge(flow: Flow | None, record: ProviderRecord, first: str | None) -> Match:
    match flow, record.told:
        case Deposit(), Paid() | Pending() | Failed() | TakenBack() | Unusable() as told:
            return _of_deposit(flow, record, told, first)
        case Withdrawal(), Report() as report:
            return _of_withdrawal(flow, record, report, first)
    return _of_nobody(record)


def _of_nobody(record: ProviderRecord) -> Match:
    """Judge money that belongs to no flow; payouts that name no withdrawal are the house's own business."""
    if isinstance(record.told, Report):
        named = any(reference.startswith(PREFIX) for reference in record.references)
        return _M.MISSING_WEBHOOK if named and is_success(record) else _M.MATCHED
    if isinstance(record.told, TakenBack):
        return _M.MATCHED  # what was never credited cannot be taken back; the payment itself is told of
    return _M.MISSING_WEBHOOK if is_success(record) else _M.MATCHED


def _of_deposit(deposit: Deposit, record: ProviderRecord, told: Fact | Unusable, first: str | None) -> Match:
    match told:
        case Paid():
            return _of_payment(deposit, record, told, first)
        case TakenBack():
            return _of_claim(deposit, told)
        case Unusable():
            return _M.STATUS_DIFFERS
    if record.record_id in deposit.payments:
        return _M.STATUS_DIFFERS
    return _M.IN_TRANSIT if isinstance(told, Pending) else _M.MATCHED


def _of_payment(deposit: Deposit, record: ProviderRecord, paid: Paid, first: str | None) -> Match:
    known = deposit.payments.get(record.record_id)
    if known is None and record.given_back:
        return _M.MATCHED
    try:
        with_facts(deposit, [paid])
    except EventRejected as rejected:
        return _M.DUPLICATE if rejected.reason == "paid-twice" else _M.AMOUNT_DIFFERS
    if known is not None and known.account_id is not None:
        return _M.MATCHED
    return _M.DUPLICATE if first not in {None, record.record_id} else _M.MISSING_WEBHOOK


def _of_claim(deposit: Deposit, told: TakenBack) -> Match:
    known = deposit.claims.get(told.claim_id)
    if known is None:
        credited = told.payment_id in deposit.payments if told.payment_id else bool(deposit.payments)
        return _M.MISSING_WEBHOOK if credited and not told.undone else _M.MATCHED
    try:
        joined = with_facts(deposit, [told])
    except EventRejected:
        return _M.AMOUNT_DIFFERS
    if known.undone and not told.undone:
        return _M.STATUS_DIFFERS
    settled = known.given_back_to if known.covered and known.undone else known.covered or known.undone
    return _M.MATCHED if joined == deposit and settled else _M.MISSING_WEBHOOK


def _of_withdrawal(withdrawal: Withdrawal, record: ProviderRecord, report: Report, first: str | None) -> Match:
    is_another = (withdrawal.payout_id or first) not in {None, record.record_id}
    if report.outcome is _O.FAILED:
        return _M.MATCHED if is_another else _OF_FAILED_PAYOUTS.get(withdrawal.state, _M.MATCHED)
    if not is_success(record):
        return _M.IN_TRANSIT
    if is_another:
        return _M.DUPLICATE
    if report.amount not in {None, withdrawal.amount}:
        return _M.AMOUNT_DIFFERS
    return _OF_LIVE_PAYOUTS.get((withdrawal.state, report.outcome), _M.STATUS_DIFFERS)


def claimed(flow: Flow) -> list[Wanted]:
    """Name what a flow says that its provider did: payments and what was taken back of them, or a payout."""
    if isinstance(flow, Withdrawal):
        payout_id = flow.payout_id or flow.flow_id
        wanted = Wanted(Direction.PAYOUT, payout_id, (flow.flow_id, f"{flow.provider}:{payout_id}"))
        return [wanted] if flow.state in SENT else []
    names = (flow.flow_id, *flow.references)
    payments = [payment_id for payment_id, payment in flow.payments.items() if payment.account_id]
    claims = {claim_id: claim for claim_id, claim in flow.claims.items() if claim.covered}
    return [Wanted(Direction.PAYMENT, payment_id, names) for payment_id in payments] + [
        Wanted(Direction.REFUND, claim_id, (*names, f"{flow.provider}:{claim.payment_id}"))
        for claim_id, claim in claims.items()
        if claim.kind == "refund"
    ]


def is_final(flow: Flow, *, aged_before_ms: int) -> bool:
    """Tell whether a flow stays as it is, unless its provider tells something new."""
    if isinstance(flow, Withdrawal):
        return flow.state in ENDED
    credited = [payment.account_id for payment in flow.payments.values()]
    return all(credited) if credited else flow.expires_at_ms <= aged_before_ms


def changed_at_ms(flow: Flow) -> int:
    """Say when a flow came to where it is; of a deposit only its beginning is known."""
    return flow.history[-1].at_ms if isinstance(flow, Withdrawal) else flow.created_at_ms


def is_money_claimed(flow: Flow) -> bool:
    """Tell whether a flow would be wrong if its provider knew nothing of it."""
    return isinstance(flow, Deposit) or flow.state is _S.COMPLETED
