"""Set scenes where a provider's books and ours are compared, each with what comparing has to come to."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeVar

from tallystick.domain.deposits import Claim, Deposit, Payment
from tallystick.domain.differences import Run
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import ProviderRecord
from tallystick.domain.webhooks import Failed, Paid, Pending, Provider, TakenBack
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction
from tallystick.services.provider_reconciliation import Desk, Terms, reconcile
from tests.support.fake_records import BookedPayer, FakeBooks, FakeDifferences, FakeRuns
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts, FakeFlows
from tests.support.scene import ADA, NOW_MS, USD
from tests.support.withdrawals import submitted

HOUR_MS: Final = 3_600_000
AGEING_MS: Final = 2 * HOUR_MS
OLD_MS: Final = NOW_MS - 3 * HOUR_MS
YOUNG_MS: Final = NOW_MS - HOUR_MS

F = TypeVar("F", Deposit, Withdrawal)
Truth = dict[str, Match]
"""What has to be found, by the names of records."""


def usd(text: str) -> Amount:
    """Give an amount of US dollars."""
    return Amount(Decimal(text), "USD")


class Comparing:
    """Hold both sides; it is NOW_MS unless that is changed."""

    def __init__(self) -> None:
        """Begin with nothing on either."""
        self.store = FakeStore()
        self.flows = FakeFlows(self.store)
        self.books = FakeBooks(self.store)
        self.differences = FakeDifferences(self.store)
        self.runs = FakeRuns(self.store)
        self.alerts = FakeAlerts(self.store)
        self.now_ms = NOW_MS
        self.unlisted = False
        self.budget = 10**9

    def desk(self) -> Desk:
        """Start another Lambda."""
        return Desk(
            flows=self.flows,
            records_of=lambda _provider: None if self.unlisted else self.books,
            payer_of=lambda _provider: BookedPayer(self.books),
            differences=self.differences,
            runs=self.runs,
            alerts=self.alerts,
            terms={Provider.STRIPE: Terms("test", AGEING_MS)},
        )

    def run(self) -> Run:
        """Compare once; the budget is a number of looks at the clock."""
        looks = iter(range(self.budget))
        (run,) = reconcile(desk=self.desk(), now_ms=self.now_ms, is_over=lambda: next(looks, None) is None)
        return run

    @property
    def found(self) -> Truth:
        """Give the differences that are listed."""
        return {one.name: one.match for one in self.differences.items.values()}

    def deposit(self, number: int, **members: Any) -> Deposit:  # noqa: ANN401 (any member)
        """Order 25.00 USD, two days ago unless something else is said."""
        deposit = Deposit(
            flow_id=f"dep_{number}",
            owner_id=ADA.caller_id,
            wallet_id="wal_a",
            provider=Provider.STRIPE,
            environment="test",
            asset=USD,
            expected="25.00",
            currency="USD",
            fingerprint="f",
            created_at_ms=NOW_MS - 48 * HOUR_MS,
            expires_at_ms=NOW_MS - 24 * HOUR_MS,
        )
        return self.put(replace(deposit, **members))

    def paid_deposit(self, number: int, *payment_ids: str, **members: Any) -> Deposit:  # noqa: ANN401
        """Order 25.00 USD, credited for these payments."""
        payments = {payment_id: Payment(2500, "wal_a") for payment_id in payment_ids or (f"pi_{number}",)}
        return self.deposit(number, payments=payments, **members)

    def withdrawal(self, number: int, *actions: WithdrawalAction, **members: Any) -> Withdrawal:  # noqa: ANN401
        """Send 25.00 USD out as `po_<number>`, a day ago; then take these steps."""
        members = {"flow_id": f"wdr_{number}", "payout_id": f"po_{number}", **members}
        withdrawal = submitted(at_ms=NOW_MS - 24 * HOUR_MS, **members)
        withdrawal = replace(withdrawal, created_at_ms=NOW_MS - 24 * HOUR_MS, not_before_ms=NOW_MS - 5 * HOUR_MS)
        for action in actions:
            withdrawal, _ = withdrawal.taken(action, at_ms=NOW_MS - 20 * HOUR_MS, by="stripe")
        return self.put(withdrawal)

    def put(self, flow: F) -> F:
        """Write a flow as it is."""
        self.store.flow_items[flow.flow_id] = flow
        return flow

    def next(self, flow: F, **changes: Any) -> F:  # noqa: ANN401
        """Write a flow's next version."""
        return self.put(replace(flow, version=flow.version + 1, **changes))

    def pay(self, number: int, record_id: str = "", **members: Any) -> ProviderRecord:  # noqa: ANN401
        """Let the provider list a payment of 25.00 USD."""
        record_id = record_id or f"pi_{number}"
        amount = usd(members.pop("amount", "25.00"))
        told = members.pop("told", Paid(record_id, amount))
        references = (f"dep_{number}", f"stripe:{record_id}")
        return self.list(ProviderRecord(Provider.STRIPE, record_id, references, told, OLD_MS), **members)

    def refund(self, number: int, amount: str = "10.00", *, undone: bool = False, **members: Any) -> ProviderRecord:  # noqa: ANN401
        """Let the provider list a refund of an order's payment."""
        told = TakenBack(f"re_{number}", "refund", usd(amount), undone, f"pi_{number}")
        references = (f"dep_{number}", f"stripe:pi_{number}")
        return self.list(ProviderRecord(Provider.STRIPE, f"re_{number}", references, told, OLD_MS), **members)

    def pay_out(self, number: int, outcome: Outcome, record_id: str = "", **members: Any) -> ProviderRecord:  # noqa: ANN401
        """Let the provider list a payout of 25.00 USD."""
        record_id = record_id or f"po_{number}"
        told = Report(outcome, record_id, usd(members.pop("amount", "25.00")))
        references = members.pop("references", (f"wdr_{number}", f"stripe:{record_id}"))
        return self.list(ProviderRecord(Provider.STRIPE, record_id, references, told, OLD_MS), **members)

    def list(self, record: ProviderRecord, **members: Any) -> ProviderRecord:  # noqa: ANN401
        """Let the provider list something."""
        record = replace(record, **members)
        self.books.records.append(record)
        return record


_C, _F, _R = WithdrawalAction.COMPLETE, WithdrawalAction.FAIL, WithdrawalAction.RETURN
_M = Match
_OUTCOMES: Final = {
    "payout-paid": ((_C,), Outcome.PAID, _M.MATCHED),
    "payout-under-way": ((), Outcome.PENDING, _M.IN_TRANSIT),
    "payout-paid-untold": ((), Outcome.PAID, _M.MISSING_WEBHOOK),
    "payout-failed-untold": ((), Outcome.FAILED, _M.MISSING_WEBHOOK),
    "payout-failed": ((_F,), Outcome.FAILED, _M.MATCHED),
    "payout-returned": ((_C, _R), Outcome.FAILED, _M.MATCHED),
    "payout-returned-untold": ((_C,), Outcome.FAILED, _M.MISSING_WEBHOOK),
    "payout-paid-though-failed": ((_F,), Outcome.PAID, _M.STATUS_DIFFERS),
    "payout-paid-though-returned": ((_C, _R), Outcome.PAID, _M.STATUS_DIFFERS),
    "payout-pending-though-paid": ((_C,), Outcome.PENDING, _M.STATUS_DIFFERS),
    "payout-of-no-known-state": ((_C,), Outcome.UNCLEAR, _M.IN_TRANSIT),
}


def _payout(steps: tuple[WithdrawalAction, ...], outcome: Outcome, match: Match) -> Callable[[Comparing, int], Truth]:
    def arrange(both: Comparing, number: int) -> Truth:
        both.withdrawal(number, *steps)
        both.pay_out(number, outcome)
        return {f"payout-po_{number}": match}

    return arrange


def _paid(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    both.pay(number)
    return {f"pi_{number}": _M.MATCHED}


def _not_paid(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    return {}


def _tried(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    both.pay(number, told=Failed("card_declined"))
    both.pay(number, f"pending_{number}", told=Pending())
    return {f"pi_{number}": _M.MATCHED, f"pending_{number}": _M.IN_TRANSIT}


def _paid_untold(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    both.pay(number)
    return {f"pi_{number}": _M.MISSING_WEBHOOK}


def _paid_just_now(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    both.pay(number, at_ms=YOUNG_MS)
    return {f"pi_{number}": _M.IN_TRANSIT}


def _paid_otherwise(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    both.pay(number, amount="24.99")
    return {f"pi_{number}": _M.AMOUNT_DIFFERS}


def _credited_otherwise(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    both.pay(number, amount="26.00")
    return {f"pi_{number}": _M.AMOUNT_DIFFERS}


def _paid_twice(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number, f"more_{number}")
    both.pay(number, f"more_{number}", at_ms=OLD_MS + 1)
    both.pay(number, at_ms=OLD_MS)
    return {f"more_{number}": _M.MATCHED, f"pi_{number}": _M.DUPLICATE}


def _paid_twice_untold(both: Comparing, number: int) -> Truth:
    both.deposit(number)
    both.pay(number, f"more_{number}", at_ms=OLD_MS + 1)
    both.pay(number, at_ms=OLD_MS)
    return {f"pi_{number}": _M.MISSING_WEBHOOK, f"more_{number}": _M.DUPLICATE}


def _paid_twice_and_given_back(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    both.pay(number)
    both.pay(number, f"more_{number}", given_back=True)
    return {f"pi_{number}": _M.MATCHED, f"more_{number}": _M.MATCHED}


def _credited_for_nothing(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    return {f"pi_{number}": _M.MISSING_AT_PROVIDER}


def _credited_for_nothing_just_now(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number, created_at_ms=YOUNG_MS)
    return {f"pi_{number}": _M.IN_TRANSIT}


def _credited_for_what_failed(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    both.pay(number, told=Failed("card_declined"))
    return {f"pi_{number}": _M.STATUS_DIFFERS}


def _refunded(both: Comparing, number: int) -> Truth:
    claims = {f"re_{number}": Claim("refund", 1000, f"pi_{number}", covered=True)}
    both.paid_deposit(number, claims=claims)
    both.pay(number)
    both.refund(number)
    return {f"pi_{number}": _M.MATCHED, f"refund-re_{number}": _M.MATCHED}


def _refunded_untold(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number)
    both.pay(number)
    both.refund(number)
    return {f"pi_{number}": _M.MATCHED, f"refund-re_{number}": _M.MISSING_WEBHOOK}


def _refunded_for_nothing(both: Comparing, number: int) -> Truth:
    both.paid_deposit(number, claims={f"re_{number}": Claim("refund", 1000, f"pi_{number}", covered=True)})
    both.pay(number)
    return {f"pi_{number}": _M.MATCHED, f"refund-re_{number}": _M.MISSING_AT_PROVIDER}


def _refund_of_another_amount(both: Comparing, number: int) -> Truth:
    truth = _refunded_for_nothing(both, number)
    both.refund(number, "9.99")
    return {**truth, f"refund-re_{number}": _M.AMOUNT_DIFFERS}


def _money_of_nobody(both: Comparing, number: int) -> Truth:
    both.pay(number)
    both.pay(number, f"tried_{number}", told=Failed("card_declined"))
    both.refund(number)
    return {
        f"pi_{number}": _M.MISSING_WEBHOOK,
        f"tried_{number}": _M.MATCHED,
        f"refund-re_{number}": _M.MATCHED,
    }


def _payout_for_nothing(both: Comparing, number: int) -> Truth:
    both.withdrawal(number, _C)
    return {f"payout-po_{number}": _M.MISSING_AT_PROVIDER}


def _refused_payout(both: Comparing, number: int) -> Truth:
    both.withdrawal(number, _F)
    return {f"payout-po_{number}": _M.MATCHED}


def _payout_of_another_amount(both: Comparing, number: int) -> Truth:
    both.withdrawal(number, _C)
    both.pay_out(number, Outcome.PAID, amount="24.99")
    return {f"payout-po_{number}": _M.AMOUNT_DIFFERS}


def _paid_out_twice(both: Comparing, number: int) -> Truth:
    both.withdrawal(number, _C)
    both.pay_out(number, Outcome.PENDING, f"more_{number}")
    both.pay_out(number, Outcome.PAID)
    both.pay_out(number, Outcome.FAILED, f"failed_{number}")
    return {
        f"payout-po_{number}": _M.MATCHED,
        f"payout-more_{number}": _M.DUPLICATE,
        f"payout-failed_{number}": _M.MATCHED,
    }


def _payout_of_the_house(both: Comparing, number: int) -> Truth:
    both.pay_out(number, Outcome.PAID, references=(f"stripe:po_{number}",))
    return {f"payout-po_{number}": _M.MATCHED}


def _payout_of_no_withdrawal(both: Comparing, number: int) -> Truth:
    both.pay_out(number, Outcome.PAID)
    return {f"payout-po_{number}": _M.MISSING_WEBHOOK}


def _payout_that_is_looked_after(both: Comparing, number: int) -> Truth:
    both.put(replace(both.withdrawal(number), not_before_ms=NOW_MS + HOUR_MS))
    both.pay_out(number, Outcome.PAID)
    return {f"payout-po_{number}": _M.IN_TRANSIT}


SITUATIONS: Final[dict[str, Callable[[Comparing, int], Truth]]] = {
    **{name: _payout(*outcome) for name, outcome in _OUTCOMES.items()},
    "paid": _paid,
    "not-paid": _not_paid,
    "tried": _tried,
    "paid-untold": _paid_untold,
    "paid-just-now": _paid_just_now,
    "paid-otherwise": _paid_otherwise,
    "credited-otherwise": _credited_otherwise,
    "paid-twice": _paid_twice,
    "paid-twice-untold": _paid_twice_untold,
    "paid-twice-and-given-back": _paid_twice_and_given_back,
    "credited-for-nothing": _credited_for_nothing,
    "credited-for-nothing-just-now": _credited_for_nothing_just_now,
    "credited-for-what-failed": _credited_for_what_failed,
    "refunded": _refunded,
    "refunded-untold": _refunded_untold,
    "refunded-for-nothing": _refunded_for_nothing,
    "refund-of-another-amount": _refund_of_another_amount,
    "money-of-nobody": _money_of_nobody,
    "payout-for-nothing": _payout_for_nothing,
    "refused-payout": _refused_payout,
    "payout-of-another-amount": _payout_of_another_amount,
    "paid-out-twice": _paid_out_twice,
    "payout-of-the-house": _payout_of_the_house,
    "payout-of-no-withdrawal": _payout_of_no_withdrawal,
    "payout-that-is-looked-after": _payout_that_is_looked_after,
}
"""What may have happened to an order or withdrawal of that number, each with what comparing has to come to."""


def arrange(both: Comparing, names: Iterable[str]) -> Truth:
    """Let these happen, each to an order or withdrawal of its own."""
    truth: Truth = {}
    for number, name in enumerate(names):
        truth |= SITUATIONS[name](both, number)
    return truth
