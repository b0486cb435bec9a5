"""Drive withdrawals through any sequence of requests, decisions, payouts, events and accidents, beside a model."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallystick.domain.accounts import Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import ProviderUnavailable, Refusal, StoreUnavailable
from tallystick.domain.inbox import EventState
from tallystick.domain.payouts import Outcome
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import IdempotencyKey
from tallystick.domain.withdrawals import OPEN, Withdrawal, withdrawal_id
from tallystick.domain.withdrawals import WithdrawalState as State
from tests.property.invariants import check
from tests.property.test_deposit_events import Killed
from tests.support import profiles
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import FEES, STRIPE, SlowPayer, Told, accident, side
from tests.support.scene import ADA, ADMIN, BOB, claim
from tests.support.withdrawals import STRIPE_BANK, withdrawal

OPENING_UNITS: Final = 15_000
OWNERS: Final = {"wal_a": ADA, "wal_2": ADA, "wal_b": BOB}
AMOUNTS: Final = {
    "0.99": 99,
    "1.00": 100,
    "25.00": 2500,
    "50.00": 5000,
    "50.01": 5001,
    "60.00": 6000,
    "120.00": 12_000,
    "200.01": 20_001,
}
BOSS: Final = Caller("boss", frozenset({Role.ADMIN}))
ADA_AS_ADMIN: Final = Caller("ada", frozenset({Role.ADMIN}))
GIVEN_BACK: Final = frozenset({State.FAILED, State.CANCELLED, State.REJECTED})
ACCIDENT: Final = "accident"
ERRORS: Final[dict[str, Callable[[], BaseException]]] = {
    "killed": Killed,
    "store": lambda: StoreUnavailable("silence"),
    "provider": lambda: ProviderUnavailable("silence", provider="stripe"),
    "fault": lambda: RuntimeError("bug"),
}
MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class Trouble:
    """Say at which call from now on what happens, and whether the call was carried out."""

    moment: str = "before"
    at: int | str = 0
    error: str = "killed"


moments = st.sampled_from(["before", "after"])
fine = st.just(Trouble())
lost = st.builds(Trouble, moments, st.just("payer.send"), st.just("provider"))
troubles = st.one_of(*[fine] * 3, lost, st.builds(Trouble, moments, st.integers(1, 8), st.sampled_from(sorted(ERRORS))))
wallet_ids = st.sampled_from(sorted(OWNERS))
amounts = st.sampled_from(sorted(AMOUNTS))
numbers = st.integers(0, 7)
outcomes = st.sampled_from([Outcome.PENDING, Outcome.PAID, Outcome.PAID, Outcome.FAILED])
deciders = st.sampled_from([ADMIN, ADMIN, BOSS, ADA_AS_ADMIN, BOB])


class WithdrawalMachine(RuleBasedStateMachine):
    """Keep a scene, and of each key what was asked for under it."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Told(OPENING_UNITS)
        for wallet_id, owner in list(OWNERS.items())[1:]:
            self.scene.wallet(wallet_id, owner, OPENING_UNITS)
        self.names: list[str] = []
        self.asked: dict[IdempotencyKey, tuple[str, str]] = {}
        self.seen: dict[str, Withdrawal] = {}
        self.paid: set[str] = set()
        self.events = 0

    @initialize(
        signs=st.booleans(),
        lag_ms=st.sampled_from([0, 5 * MINUTE_MS, 50 * MINUTE_MS]),
        careful=st.booleans(),
        first=st.lists(st.tuples(st.sampled_from(["25.00", "50.01", "60.00"]), wallet_ids), min_size=3, max_size=4),
    )
    def begin(self, *, signs: bool, lag_ms: int, careful: bool, first: list[tuple[str, str]]) -> None:
        # What is signed is absent once it has expired, so such a provider has to show all it has.
        self.payer = SlowPayer(self.scene.store, signs=signs, lag_ms=0 if signs else lag_ms)
        self.scene.payer = self.payer
        self.scene.checks_ms = (20_000, MINUTE_MS, 5 * MINUTE_MS, HOUR_MS)
        self.scene.with_rules(delay_ms=HOUR_MS if careful else 0)
        for number, (amount, wallet_id) in enumerate(first):
            self.ask(number, amount, wallet_id, "1", Trouble())

    # People

    @rule(number=numbers, amount=amounts, wallet_id=wallet_ids, account=st.sampled_from("12"), trouble=troubles)
    def ask_for_one(self, number: int, amount: str, wallet_id: str, account: str, trouble: Trouble) -> None:
        self.ask(number, amount, wallet_id, account, trouble)

    def ask(self, number: int, amount: str, wallet_id: str, account: str, trouble: Trouble) -> None:
        caller, destination = OWNERS[wallet_id], STRIPE_BANK.__class__(STRIPE_BANK.type, f"ba_{account}")
        key = claim(f"w{number}", caller=caller).key
        expected = self.expected(key, amount, wallet_id)
        answer = self.attempt(
            trouble,
            lambda: self.scene.ask(f"w{number}", amount, caller=caller, wallet_id=wallet_id, destination=destination),
        )
        assert answer in {expected, ACCIDENT}, (answer, expected)
        if key.digest in self.scene.store.records:
            self.asked.setdefault(key, (amount, wallet_id))
        self.names += [withdrawal_id(key)] if withdrawal_id(key) not in self.names else []

    @rule(number=numbers, trouble=troubles, caller=st.sampled_from([ADA, ADA, BOB, ADMIN]))
    def cancel(self, number: int, caller: Caller, trouble: Trouble) -> None:
        flow_id = self.name(number)
        known = self.known(flow_id)
        if known is None or known.owner_id != caller.caller_id:
            expected = "not-found"
        else:
            free = {State.REQUESTED, State.IN_REVIEW, State.APPROVED, State.CANCELLED}
            expected = "ok" if known.state in free else "illegal-transition"
        answer = self.attempt(trouble, lambda: self.scene.cancel(self.named(flow_id), caller))
        assert answer in {expected, ACCIDENT}, (answer, expected)

    @rule(number=numbers, trouble=troubles, caller=deciders, approves=st.booleans())
    def decide(self, number: int, caller: Caller, trouble: Trouble, *, approves: bool) -> None:
        flow_id = self.name(number)
        expected = self.expected_decision(flow_id, caller, approves=approves)
        decide = self.scene.approve if approves else self.scene.reject
        answer = self.attempt(trouble, lambda: decide(self.named(flow_id), caller))
        assert answer in {*expected, ACCIDENT}, (answer, expected)

    @rule()
    def approve_all(self) -> None:
        for known in self.scene.withdrawals:
            if known.state is State.IN_REVIEW:
                self.scene.approve(known, BOSS)

    @rule(wallet_id=wallet_ids, status=st.sampled_from([Status.ACTIVE, Status.ACTIVE, Status.FROZEN]))
    def mark(self, wallet_id: str, status: Status) -> None:
        self.scene.mark(wallet_id, status)

    # The worker, the sweep and the clock

    @rule(number=numbers, trouble=troubles)
    def work(self, number: int, trouble: Trouble) -> None:
        if self.known(self.name(number)):
            assert self.attempt(trouble, lambda: self.scene.work(self.named(self.name(number)))) in {"ok", ACCIDENT}

    @rule(number=numbers, storm=st.lists(troubles, min_size=1, max_size=4))
    def wait_and_work(self, number: int, storm: list[Trouble]) -> None:
        for trouble in storm:
            known = self.known(self.name(number))
            if known:
                self.scene.now_ms = self.payer.now_ms = max(self.scene.now_ms, known.not_before_ms)
                self.work(number, trouble)

    @rule(trouble=troubles)
    def sweep_and_deliver(self, trouble: Trouble) -> None:
        def act() -> None:
            self.scene.sweep()
            self.scene.deliver()

        assert self.attempt(trouble, act) in {"ok", ACCIDENT}

    @rule(passed_ms=st.sampled_from([1, MINUTE_MS, 2 * MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 23 * HOUR_MS, 26 * HOUR_MS]))
    def wait(self, passed_ms: int) -> None:
        self.scene.now_ms += passed_ms
        self.payer.now_ms = self.scene.now_ms

    # The provider

    @rule(number=numbers, outcome=outcomes)
    def the_provider_ends_it(self, number: int, outcome: Outcome) -> None:
        flow_id = self.name(number)
        mine = [payout for payout in self.payer.payouts if payout.withdrawal_id == flow_id]
        if any(payout.outcome is Outcome.FAILED for payout in mine) or (mine and outcome is Outcome.PENDING):
            return  # what has failed stays so, and nothing is under way again
        self.payer.pay(flow_id, outcome, "bank says no" if outcome is Outcome.FAILED else None)

    @rule(refuses=st.sampled_from([None, None, "account_closed"]), drafts=st.sampled_from([None, None, "no account"]))
    def the_provider_changes_its_mind(self, refuses: str | None, drafts: str | None) -> None:
        self.payer.refuses, self.payer.rejects = refuses, drafts

    @rule(mood=st.sampled_from(["answers", "answers", "pays at once", "dawdles", "is away"]))
    def the_provider_s_mood_changes(self, mood: str) -> None:
        self.payer.away, self.payer.dawdles = mood == "is away", mood == "dawdles"
        self.payer.pays_at_once = mood == "pays at once"

    @rule(number=numbers, refuses=st.sampled_from([None, "account_closed"]), wait_ms=st.sampled_from([0, HOUR_MS // 2]))
    def a_call_takes_long_and_is_made_again(self, number: int, refuses: str | None, wait_ms: int) -> None:
        self.the_provider_s_mood_changes("dawdles")
        self.wait_and_work(number, [Trouble()])
        self.the_provider_s_mood_changes("answers")
        self.payer.refuses = refuses
        self.wait_and_work(number, [Trouble()])
        self.wait(wait_ms)
        self.payer.arrive()

    @rule()
    def what_was_on_its_way_arrives(self) -> None:
        self.payer.arrive()

    @rule(number=numbers, trouble=troubles)
    def what_was_sent_fails_and_an_event_tells(self, number: int, trouble: Trouble) -> None:
        self.the_provider_ends_it(number, Outcome.FAILED)
        self.an_event_tells(number, Outcome.FAILED, trouble, again=False)

    @rule(number=numbers, outcome=outcomes, trouble=troubles, again=st.booleans())
    def an_event_tells(self, number: int, outcome: Outcome, trouble: Trouble, *, again: bool) -> None:
        flow_id = self.name(number)
        self.events += 1
        told = self.scene.told(self.named(flow_id), outcome, f"{flow_id} {outcome}{'' if again else self.events}")
        assert self.attempt(trouble, lambda: self.scene.handle(told)) in {"ok", ACCIDENT}

    # What has to hold after every step

    @invariant()
    def the_books_are_right(self) -> None:
        check(self.scene.store)
        known = self.scene.withdrawals
        for wallet_id in OWNERS:
            gone = [one for one in known if one.wallet_id == wallet_id and one.state in {*OPEN, State.COMPLETED}]
            assert self.scene.units(wallet_id) == OPENING_UNITS - sum(one.total_units for one in gone)
        paid = [one for one in known if one.state is State.COMPLETED]
        assert side(self.scene, STRIPE) == sum(one.units for one in paid)
        assert side(self.scene, FEES) == sum(one.fee_units for one in paid)

    @invariant()
    def nothing_is_paid_twice_or_paid_and_given_back(self) -> None:
        if not hasattr(self, "payer"):
            return
        payouts = Counter(payout.withdrawal_id for payout in self.payer.payouts)
        assert set(payouts.values()) <= {1}
        self.paid |= {payout.withdrawal_id for payout in self.payer.payouts if payout.outcome is Outcome.PAID}
        for one in self.scene.withdrawals:
            assert one.state not in {*GIVEN_BACK, State.RETURNED} or self.payer.paid_units(one.flow_id) == 0
            assert one.state not in {State.COMPLETED, State.RETURNED} or one.flow_id in self.paid

    @invariant()
    def the_day_s_count_is_of_what_was_not_given_back(self) -> None:
        used: dict[str, Used] = {}
        for one in self.scene.withdrawals:
            key = f"withdrawals#{one.owner_id}#USD#{one.quota_day}"
            before = used.get(key, Used())
            counts = one.state not in GIVEN_BACK
            used[key] = Used(before.units + one.units * counts, before.count + counts)
        assert self.scene.store.quotas == used

    @invariant()
    def a_history_only_grows(self) -> None:
        for one in self.scene.withdrawals:
            before = self.seen.get(one.flow_id, one)
            assert one.history[: len(before.history)] == before.history
            assert one.version >= before.version
            self.seen[one.flow_id] = one

    def teardown(self) -> None:
        """Let the provider come back, and everybody do their part: then nothing is open, and all is told."""
        self.scene.store.before = self.scene.store.after = lambda _call: None
        if not hasattr(self, "payer"):
            return
        self.payer.away = self.payer.dawdles = False
        for wallet_id in OWNERS:
            self.scene.mark(wallet_id, Status.ACTIVE)
        self.payer.arrive()
        for known in self.scene.withdrawals:
            if known.state is State.IN_REVIEW:
                self.scene.reject(known)
        self.scene.run_until_nothing_is_open()
        self.check_all()
        for payout in self.payer.payouts[::2]:
            payout.outcome, payout.reason = Outcome.FAILED, "bank says no"
        self.hear_of_what_failed()
        self.check_all()

    def check_all(self) -> None:
        self.the_books_are_right()
        self.nothing_is_paid_twice_or_paid_and_given_back()
        self.the_day_s_count_is_of_what_was_not_given_back()
        assert not [one for one in self.scene.withdrawals if one.state in OPEN]
        for one in self.scene.withdrawals:
            event(one.state)

    def hear_of_what_failed(self) -> None:
        """Let an event tell of everything that has failed: then all of it is back, and people know."""
        for one in self.scene.withdrawals:
            mine = [payout for payout in self.payer.payouts if payout.withdrawal_id == one.flow_id]
            if mine and mine[0].outcome is Outcome.FAILED:
                told = self.scene.told(one, Outcome.FAILED, f"at last {one.flow_id}")
                handled = self.scene.handle_until_finished(told)
                assert handled.event.state is EventState.DONE
                assert self.scene.standing(one).state in {State.FAILED, State.RETURNED}
        people_know = {(alert.kind, alert.facts.get("withdrawal_id")) for alert in self.scene.alerts.raised}
        kinds = {State.FAILED: "PAYOUT_FAILED", State.RETURNED: "PAYOUT_RETURNED"}
        failed = {(kinds[one.state], one.flow_id) for one in self.scene.withdrawals if one.state in kinds}
        assert failed <= people_know
        assert "PAYOUT_CONTRADICTION" not in self.scene.alerts.kinds

    # The model

    def expected(self, key: IdempotencyKey, amount: str, wallet_id: str) -> str:
        """Say what asking should be answered with."""
        if key in self.asked:
            return "ok" if self.asked[key][0] == amount else "idempotency-key-reused"
        units, owner = AMOUNTS[amount], OWNERS[wallet_id].caller_id
        if units < 100:
            return "invalid-amount"
        if units > 20_000:
            return "limit-exceeded"
        if self.scene.store.account_items[wallet_id].status is not Status.ACTIVE:
            return "account-not-active"
        if units + 25 - (-units // 100) > self.scene.units(wallet_id):
            return "insufficient-funds"
        today = self.scene.rules["USD"].quota_day(self.scene.now_ms)
        counted = [one for one in self.scene.withdrawals if one.owner_id == owner and one.quota_day == today]
        counted = [one for one in counted if one.state not in GIVEN_BACK]
        fits = sum(one.units for one in counted) + units <= 20_000 and len(counted) < 5
        return "ok" if fits else "limit-exceeded"

    def expected_decision(self, flow_id: str, caller: Caller, *, approves: bool) -> set[str]:
        """Say what a decision may be answered with."""
        known = self.known(flow_id)
        if Role.ADMIN not in caller.roles:
            return {"forbidden"}
        if known is None:
            return {"not-found"}
        if known.owner_id == caller.caller_id:
            return {"forbidden"}
        if not approves:
            free = {State.REQUESTED, State.IN_REVIEW, State.APPROVED, State.REJECTED}
            return {"ok" if known.state in free else "illegal-transition"}
        if known.state is State.IN_REVIEW:
            return {"ok"}
        again = known.decided_by == caller.caller_id and known.state not in {State.CANCELLED, State.REJECTED}
        # Whether an admin may approve what waits for its destination is shown elsewhere.
        return {"ok" if again else "illegal-transition"} | ({"ok"} if known.state is State.REQUESTED else set())

    def attempt(self, trouble: Trouble, act: Callable[[], object]) -> str:
        """Do something, with an accident on the way or none, and say how it ends."""
        with accident(self.scene, trouble.moment, trouble.at, ERRORS[trouble.error]()):
            try:
                act()
            except Killed:
                return ACCIDENT
            except (Refusal, RuntimeError) as error:
                accidental = isinstance(error, StoreUnavailable | ProviderUnavailable | RuntimeError)
                return ACCIDENT if accidental and trouble.at else getattr(error, "code", repr(error))
        return "ok"

    def name(self, number: int) -> str:
        """Name one of those that were asked for, or that would have been."""
        return self.names[number % len(self.names)]

    def known(self, flow_id: str) -> Withdrawal | None:
        found = self.scene.store.flow_items.get(flow_id)
        return found if isinstance(found, Withdrawal) else None

    def named(self, flow_id: str) -> Withdrawal:
        """Give a withdrawal, or anything of that name."""
        return self.known(flow_id) or self.seen.get(flow_id) or nobody(flow_id)


def nobody(flow_id: str) -> Withdrawal:
    """Describe a withdrawal that is not there."""
    return withdrawal(flow_id=flow_id)


TestWithdrawalMachine = WithdrawalMachine.TestCase
TestWithdrawalMachine.settings = settings(max_examples=profiles.examples(150))
