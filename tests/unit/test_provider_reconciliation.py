"""Comparing goes on from where it was, tells once, and raises no alarm about what is only under way."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tallystick.domain.deposits import Deposit, Payment
from tallystick.domain.differences import Run
from tallystick.domain.errors import ProviderUnavailable, StoreUnavailable
from tallystick.domain.payouts import Outcome
from tallystick.domain.provider_matching import Match
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import WithdrawalAction
from tallystick.services import provider_reconciliation
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.provider_records import ProviderRecords
from tallystick.services.provider_reconciliation import (
    FIRST_WINDOW_MS,
    LEASE_MS,
    PROVIDER_MISMATCH,
    Desk,
    ReconciliationFailed,
    Terms,
    last_runs,
    reconcile,
)
from tests.support.comparing import AGEING_MS, HOUR_MS, OLD_MS, YOUNG_MS, Comparing, arrange
from tests.support.scene import NOW_MS

TOLD = [("WEBHOOK_FAILURE", "stripe:pi_1")]


@pytest.fixture
def both() -> Comparing:
    return Comparing()


def alerts(both: Comparing) -> list[tuple[str, str]]:
    return [(alert.kind, alert.subject) for alert in both.alerts.raised]


class TestAlerts:
    def test_each_kind_of_difference_has_its_subject(self, both: Comparing) -> None:
        arrange(both, ["paid-untold", "paid-otherwise", "credited-for-nothing", "paid-twice", "payout-for-nothing"])
        both.run()
        assert sorted(alerts(both)) == [
            (PROVIDER_MISMATCH, "stripe:amount-differs:pi_1"),
            (PROVIDER_MISMATCH, "stripe:duplicate:pi_3"),
            (PROVIDER_MISMATCH, "stripe:missing-at-provider:payout-po_4"),
            (PROVIDER_MISMATCH, "stripe:missing-at-provider:pi_2"),
            ("WEBHOOK_FAILURE", "stripe:pi_0"),
        ]
        assert {alert.severity for alert in both.alerts.raised} == {"high"}

    def test_says_what_is_ours_and_what_is_theirs(self, both: Comparing) -> None:
        arrange(both, ["paid-otherwise", "payout-of-another-amount", "money-of-nobody"])
        both.run()
        told = {
            alert.facts["difference_id"]: (alert.facts["ours"], alert.facts["theirs"]) for alert in both.alerts.raised
        }
        assert told == {
            "stripe:pi_0": ("25.00 USD", "24.99 USD"),
            "stripe:payout-po_1": ("25.00 USD", "24.99 USD"),
            "stripe:pi_2": ("", "25.00 USD"),
        }

    def test_a_condition_is_told_once_over_many_runs_and_ended_when_it_is_gone(self, both: Comparing) -> None:
        order = both.deposit(1)
        both.pay(1)
        for hour in range(30):
            both.now_ms = NOW_MS + hour * HOUR_MS
            both.run()
        assert alerts(both) == TOLD
        (difference,) = both.differences.items.values()
        assert (difference.first_seen_ms, difference.last_seen_ms) == (NOW_MS, both.now_ms)
        both.next(order, payments={"pi_1": Payment(2500, "wal_a")})
        both.run()
        assert (both.found, both.alerts.ended, alerts(both)) == ({}, TOLD, TOLD)
        assert both.flows.agreed == {"dep_1": 1}

    def test_of_more_than_are_known_beforehand_each_is_told_once(
        self, both: Comparing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both.deposit(1)
        both.pay(1)
        both.run()
        monkeypatch.setattr(both.differences, "open", lambda _provider: [])
        both.now_ms += HOUR_MS
        both.run()
        (difference,) = both.differences.items.values()
        assert (alerts(both), difference.first_seen_ms) == (TOLD, NOW_MS)

    def test_one_that_becomes_another_ends_and_begins(self, both: Comparing) -> None:
        order = both.deposit(1)
        both.pay(1)
        both.run()
        both.next(order, payments={"pi_2": Payment(2500, "wal_a")})
        both.pay(1, "pi_2")
        both.run()
        assert alerts(both) == [*TOLD, (PROVIDER_MISMATCH, "stripe:duplicate:pi_1")]
        assert both.alerts.ended == TOLD

    def test_one_that_was_gone_and_comes_again_is_told_again(self, both: Comparing) -> None:
        paid = both.paid_deposit(1)
        both.run()
        listed = both.pay(1)
        both.run()
        both.books.records.remove(listed)
        both.next(paid)
        both.run()
        assert alerts(both) == [(PROVIDER_MISMATCH, "stripe:missing-at-provider:pi_1")] * 2

    def test_an_alert_that_could_not_be_sent_is_sent_by_the_next_run(self, both: Comparing) -> None:
        both.deposit(1)
        both.pay(1)
        both.store.before = _failing("alerts.raise")
        with pytest.raises(ReconciliationFailed, match="StoreUnavailable while stripe was compared"):
            both.run()
        assert both.found == {}
        both.store.before = lambda _call: None
        both.run()
        assert alerts(both) == TOLD


class TestUnderWay:
    """What is processed while it is compared raises no alarm."""

    @pytest.mark.parametrize("moment", ["books.listed", "flows.get", "flows.find", "books.retrieve"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_webhook_that_is_processed_meanwhile(self, both: Comparing, moment: str, when: str) -> None:
        order = both.deposit(1)
        both.pay(1)
        credited: list[Deposit] = []

        def process(call: str) -> None:
            if call == moment and not credited:
                credited.append(both.next(order, payments={"pi_1": Payment(2500, "wal_a")}))

        setattr(both.store, when, process)
        both.run()
        if moment == "flows.find":
            assert credited == []  # the record names our id
        else:
            assert (both.found, alerts(both)) == ({}, [])

    def test_a_payment_that_is_refused_between_list_and_look(self, both: Comparing) -> None:
        """The list says paid, we say completed; then a bank sends it back, and both say so."""
        paid = both.withdrawal(1, WithdrawalAction.COMPLETE)
        listed = both.pay_out(1, Outcome.PAID)

        def send_back(call: str) -> None:
            if call == "books.listed" and listed in both.books.records:
                both.books.records.remove(listed)
                both.pay_out(1, Outcome.FAILED)
                both.put(paid.taken(WithdrawalAction.RETURN, at_ms=NOW_MS, by="stripe")[0])

        both.store.after = send_back
        both.run()
        assert (both.found, alerts(both)) == ({}, [])

    def test_a_flow_that_never_stands_still_is_left_to_the_next_run(self, both: Comparing) -> None:
        order = both.deposit(1)
        both.pay(1)

        def change(call: str) -> None:
            nonlocal order
            if call == "books.retrieve":
                order = both.next(order)

        both.store.before = change
        both.run()
        assert (both.found, len(both.books.asked)) == ({}, provider_reconciliation.MAX_TRIES)

    def test_what_we_credit_while_the_provider_is_asked_is_not_missing(self, both: Comparing) -> None:
        paid = both.paid_deposit(1)

        def credit(call: str) -> None:
            if call == "books.retrieve":
                both.next(paid)

        both.store.after = credit
        both.run()
        assert (both.found, alerts(both)) == ({}, [])

    def test_what_is_in_transit_becomes_a_difference_in_time(self, both: Comparing) -> None:
        both.deposit(1)
        both.pay(1, at_ms=YOUNG_MS)
        both.run()
        assert both.found == {}
        both.now_ms = YOUNG_MS + AGEING_MS - 1
        both.run()
        assert both.found == {}
        both.now_ms += 1
        both.run()
        assert both.found == {"pi_1": Match.MISSING_WEBHOOK}


class TestWindows:
    def test_the_first_run_looks_a_day_back(self, both: Comparing) -> None:
        run = both.run()
        assert (run.since_ms, run.until_ms) == (NOW_MS - FIRST_WINDOW_MS, NOW_MS)
        assert run.reached_ms == NOW_MS - AGEING_MS

    def test_a_run_begins_where_everything_is_settled(self, both: Comparing) -> None:
        both.books.overlap_ms = HOUR_MS
        both.run()
        both.now_ms += HOUR_MS
        run = both.run()
        assert (run.since_ms, run.until_ms) == (NOW_MS - AGEING_MS - HOUR_MS, NOW_MS + HOUR_MS)

    def test_what_is_old_and_agreed_costs_nothing_more(self, both: Comparing) -> None:
        arrange(both, ["paid"] * 50)
        both.run()
        both.store.calls.clear()
        both.now_ms += 2 * HOUR_MS
        both.run()
        both.store.calls.clear()
        both.now_ms += HOUR_MS
        both.run()
        assert (both.store.calls.count("flows.get"), both.store.calls.count("books.listed")) == (0, 1)

    def test_after_a_long_time_all_of_it_is_read(self, both: Comparing) -> None:
        both.run()
        both.now_ms += 100 * HOUR_MS
        for hour in range(100):
            both.pay(hour, at_ms=NOW_MS + hour * HOUR_MS)
        run = both.run()
        assert run.counts["missing-webhook"] + run.counts["in-transit"] == 100

    def test_a_run_that_is_cut_off_is_gone_on_with(self, both: Comparing) -> None:
        both.run()
        both.now_ms += 100 * HOUR_MS
        for hour in range(100):
            both.pay(hour, at_ms=NOW_MS + hour * HOUR_MS)
        both.budget = 5
        cut = both.run()
        assert cut.failure == "cut-off"
        assert NOW_MS - AGEING_MS < cut.reached_ms < both.now_ms - AGEING_MS
        both.budget = 10**9
        whole = both.run()
        assert (whole.since_ms, whole.failure) == (cut.reached_ms, None)
        assert len(both.found) == 99
        assert len(alerts(both)) == 99

    @pytest.mark.parametrize("budget", range(1, 40))
    def test_wherever_it_is_cut_off_nothing_is_lost_and_nothing_invented(self, both: Comparing, budget: int) -> None:
        truth = arrange(both, ["paid", "paid-untold", "credited-for-nothing", "paid-twice", "payout-for-nothing"])
        both.budget = budget
        both.run()
        both.budget = 10**9
        both.run()
        assert both.found == {name: match for name, match in truth.items() if match is not Match.MATCHED}
        assert len(alerts(both)) == len(set(alerts(both))) == 4

    def test_with_no_time_left_nothing_is_begun(self, both: Comparing) -> None:
        assert reconcile(desk=both.desk(), now_ms=NOW_MS, is_over=lambda: True) == []
        assert both.runs.items == {}

    def test_a_slice_with_too_much_in_it_is_halved(self, both: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(provider_reconciliation, "MAX_RECORDS", 3)
        for number in range(40):
            both.pay(number, at_ms=OLD_MS - 20 * HOUR_MS + number * HOUR_MS // 10)
        run = both.run()
        assert run.counts == {"missing-webhook": 40}

    def test_of_one_thing_that_is_listed_twice_the_newest_counts(self, both: Comparing) -> None:
        both.withdrawal(1, WithdrawalAction.COMPLETE, WithdrawalAction.RETURN)
        both.pay_out(1, Outcome.FAILED, at_ms=OLD_MS + 5)
        both.pay_out(1, Outcome.PENDING, at_ms=OLD_MS)
        assert both.run().counts == {"matched": 1}


class TestOthers:
    def test_an_old_difference_is_looked_at_again_though_its_list_is_settled(self, both: Comparing) -> None:
        order = both.deposit(1)
        both.pay(1)
        both.run()
        both.now_ms += 300 * HOUR_MS
        both.run()
        assert both.found == {"pi_1": Match.MISSING_WEBHOOK}
        both.next(order, payments={"pi_1": Payment(2500, "wal_a")})
        both.run()
        assert both.found == {}

    def test_a_duplicate_is_one_also_when_the_first_was_found_long_ago(self, both: Comparing) -> None:
        both.deposit(1)
        both.pay(1)
        both.run()
        both.now_ms += 300 * HOUR_MS
        both.pay(1, "pi_2", at_ms=both.now_ms - 3 * HOUR_MS)
        both.run()
        assert both.found == {"pi_1": Match.MISSING_WEBHOOK, "pi_2": Match.DUPLICATE}

    def test_what_is_missing_at_the_provider_ends_when_it_is_not_claimed_any_more(self, both: Comparing) -> None:
        paid = both.paid_deposit(1)
        both.run()
        both.flows.agreed["dep_1"] = paid.version + 1
        both.next(paid, payments={})
        both.run()
        assert both.found == {}

    def test_what_is_missing_at_the_provider_stays_while_it_is_claimed(self, both: Comparing) -> None:
        paid = both.paid_deposit(1)
        both.run()
        both.flows.agreed["dep_1"] = paid.version
        both.now_ms += HOUR_MS
        both.run()
        (difference,) = both.differences.items.values()
        assert difference.last_seen_ms == both.now_ms
        assert len(both.alerts.raised) == 1

    def test_what_the_list_leaves_out_is_asked_for(self, both: Comparing) -> None:
        both.paid_deposit(1)
        both.books.unlisted.append(both.pay(1))
        both.books.records.clear()
        run = both.run()
        assert (run.counts, both.books.asked, both.flows.agreed) == ({"matched": 1}, ["pi_1"], {"dep_1": 0})

    def test_what_cannot_be_asked_for_is_taken_as_it_is(self, both: Comparing) -> None:
        both.books.asks = frozenset()
        arrange(both, ["refunded-for-nothing", "paid-untold"])
        both.run()
        assert both.found == {"pi_1": Match.MISSING_WEBHOOK}
        both.run()
        assert (both.found, both.books.asked) == ({"pi_1": Match.MISSING_WEBHOOK}, [])

    def test_an_order_that_may_still_be_paid_is_not_settled(self, both: Comparing) -> None:
        both.deposit(1, expires_at_ms=NOW_MS)
        both.deposit(2, expires_at_ms=NOW_MS - AGEING_MS)
        both.run()
        assert both.flows.agreed == {"dep_2": 0}

    def test_a_flow_that_changes_is_compared_again(self, both: Comparing) -> None:
        paid = both.paid_deposit(1)
        both.pay(1)
        both.run()
        assert both.flows.agreed == {"dep_1": 0}
        both.next(paid, failure="late")
        both.run()
        assert both.flows.agreed == {"dep_1": 1}

    def test_more_than_a_page_of_flows_is_compared(self, both: Comparing) -> None:
        for number in range(250):
            both.paid_deposit(number)
            both.pay(number)
        both.run()
        assert len(both.flows.agreed) == 250

    def test_flows_of_another_environment_are_not_ours(self, both: Comparing) -> None:
        both.paid_deposit(1, environment="live")
        both.pay(1)
        both.run()
        assert (both.found, both.flows.agreed) == ({"pi_1": Match.MISSING_WEBHOOK}, {})

    def test_a_record_that_names_no_flow_of_its_kind_is_nobodys(self, both: Comparing) -> None:
        both.deposit(1)
        both.pay_out(1, Outcome.PAID, references=("dep_1", "stripe:po_1"))
        assert both.run().counts == {"matched": 1}

    def test_a_name_that_the_provider_has_is_looked_up(self, both: Comparing) -> None:
        both.paid_deposit(1)
        both.store.references["stripe:pi_1"] = "dep_1"
        both.pay(1, references=("stripe:unknown", "stripe:pi_1"))
        assert both.run().counts == {"matched": 1}

    def test_a_payout_whose_answer_was_lost_is_found_by_our_id(self, both: Comparing) -> None:
        both.withdrawal(1, payout_id=None)
        both.pay_out(1, Outcome.PAID)
        both.run()
        assert both.found == {"payout-po_1": Match.MISSING_WEBHOOK}

    def test_a_payout_that_nobody_looks_after_is_asked_for(self, both: Comparing) -> None:
        both.withdrawal(1)
        both.books.unlisted.append(both.pay_out(1, Outcome.PAID))
        both.books.records.clear()
        both.run()
        assert both.found == {"payout-po_1": Match.MISSING_WEBHOOK}

    def test_a_payout_that_is_not_there_yet_is_nothing(self, both: Comparing) -> None:
        both.withdrawal(1)
        assert both.run().counts == {"in-transit": 1}
        assert both.flows.agreed == {}

    def test_another_payout_of_a_withdrawal_is_what_the_list_says(self, both: Comparing) -> None:
        """Asked for by our id, the provider may tell of the other one."""
        paid = both.withdrawal(1, WithdrawalAction.COMPLETE)
        both.pay_out(1, Outcome.PAID)
        both.pay_out(1, Outcome.PAID, "po_2")
        both.next(paid)
        both.run()
        assert both.found == {"payout-po_2": Match.DUPLICATE}

    def test_a_withdrawal_that_was_never_sent_is_not_asked_for(self, both: Comparing) -> None:
        both.put(replace(both.withdrawal(1), sending=None))
        both.pay_out(1, Outcome.PAID, "po_9", references=("wdr_1",))
        both.run()
        assert both.store.calls.count("payer.look_up") == 0

    def test_a_provider_that_has_no_books_is_only_counted(self, both: Comparing) -> None:
        both.unlisted = True
        both.paid_deposit(1)
        both.deposit(2, expires_at_ms=NOW_MS)
        run = both.run()
        assert (run.counts, both.flows.agreed) == ({"not-listed": 1}, {"dep_1": 0})
        assert both.alerts.raised == []


class TestRuns:
    def test_a_run_says_what_it_came_to(self, both: Comparing) -> None:
        arrange(both, ["paid", "paid-untold", "paid-just-now"])
        run = both.run()
        assert run.counts == {"matched": 1, "missing-webhook": 1, "in-transit": 1}
        assert (run.started_ms, run.ended_ms, run.busy_until_ms, run.failure) == (NOW_MS, NOW_MS, 0, None)
        assert run.pages > 1
        assert last_runs(runs=both.runs, providers={Provider.STRIPE: 1, Provider.RAMP: 1}) == [run, Run(Provider.RAMP)]

    def test_a_second_tick_at_the_same_time_does_nothing(self, both: Comparing) -> None:
        both.deposit(1)
        both.pay(1)
        second: list[list[Run]] = []

        def tick(call: str) -> None:
            if call == "books.listed" and not second:
                second.append(reconcile(desk=both.desk(), now_ms=NOW_MS + 1, is_over=lambda: False))

        both.store.before = tick
        both.run()
        assert (second, alerts(both)) == ([[]], TOLD)

    def test_of_two_that_begin_at_once_one_does(self, both: Comparing) -> None:
        begun: list[bool] = []

        def begin(call: str) -> None:
            if call == "runs.get" and not begun:
                begun.append(True)
                reconcile(desk=both.desk(), now_ms=NOW_MS, is_over=lambda: False)

        both.store.after = begin
        assert reconcile(desk=both.desk(), now_ms=NOW_MS, is_over=lambda: False) == []

    def test_a_run_that_died_is_made_up_for_when_its_time_is_over(self, both: Comparing) -> None:
        both.runs.items[Provider.STRIPE] = Run(Provider.STRIPE, busy_until_ms=NOW_MS + LEASE_MS, version=1)
        assert reconcile(desk=both.desk(), now_ms=NOW_MS + LEASE_MS - 1, is_over=lambda: False) == []
        assert len(reconcile(desk=both.desk(), now_ms=NOW_MS + LEASE_MS, is_over=lambda: False)) == 1

    def test_one_that_took_too_long_does_not_write_over_the_next(self, both: Comparing) -> None:
        others = Run(Provider.STRIPE, reached_ms=5, version=99)

        def overtake(call: str) -> None:
            if call == "books.listed":
                both.runs.items[Provider.STRIPE] = others

        both.store.before = overtake
        both.run()
        assert both.runs.items == {Provider.STRIPE: others}

    def test_a_provider_that_is_away_does_not_hold_up_the_others(self, both: Comparing) -> None:
        other = Comparing()
        both.books.away = True
        other.paid_deposit(1)
        books = {Provider.STRIPE: both.books, Provider.PAYSTACK: other.books}
        desk = Desk(
            flows=both.flows,
            records_of=lambda provider: _books(books[provider]),
            payer_of=_no_payer,
            differences=both.differences,
            runs=both.runs,
            alerts=both.alerts,
            terms=dict.fromkeys(books, Terms("test", AGEING_MS)),
        )
        with pytest.raises(ReconciliationFailed, match="ProviderUnavailable while stripe was compared") as caught:
            reconcile(desk=desk, now_ms=NOW_MS, is_over=lambda: False)
        assert isinstance(caught.value.__cause__, ExceptionGroup)
        assert isinstance(caught.value.__cause__.exceptions[0], ProviderUnavailable)
        stripe, paystack = last_runs(runs=both.runs, providers=books)
        assert (stripe.failure, stripe.busy_until_ms, stripe.reached_ms) == ("ProviderUnavailable", 0, 0)
        assert (paystack.failure, paystack.reached_ms) == (None, NOW_MS - AGEING_MS)


def _books(books: ProviderRecords) -> ProviderRecords:
    return books


def _no_payer(_provider: Provider) -> Payer:
    raise AssertionError("nobody is paid")


def _failing(name: str) -> Callable[[str], None]:
    def fail(call: str) -> None:
        if call == name:
            raise StoreUnavailable("no")

    return fail
