"""Reconcile while money moves and transactions are seen item by item: never a false alarm, and every run ends."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final

from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from tallystick.domain.errors import NotYet, Refusal, StoreUnavailable
from tallystick.domain.reconciliation import Finding
from tallystick.domain.runs import Mode
from tallystick.domain.withdrawals import OPEN, Withdrawal
from tallystick.services.ports.ledger import CommitConflict
from tallystick.services.reconciling import begin, tick, work
from tests.property.interleaving import Baton
from tests.property.invariants import check
from tests.property.test_deposit_events import Killed
from tests.property.visibility import View, Visibility, VisibleJournal
from tests.support import profiles
from tests.support.fake_webhooks import FakeFlows
from tests.support.reconciling import Reconciled, never

A, B = "wal_a", "wal_b"
MOST_STEPS: Final = 150
MOST_MESSAGES: Final = 40
MOST_RUNS: Final = 6


class Crowd(Reconciled):
    """Hold two wallets with money, one withdrawal under way, and a checked past."""

    def __init__(self) -> None:
        """Let something happen, look at it, and let something happen again."""
        super().__init__(segments=2, page_size=2)
        self.wallet(B)
        self.rules = {"USD": replace(self.rules["USD"], daily_units=None, daily_count=None)}
        self.credit("c1", "100.00", A)
        self.credit("c2", "50.00", B)
        self.asked("w0", "20.00")
        self.reconcile()
        self.transfer("t0", "1.00")
        self.settle()
        self.acts = 0

    def act(self, name: str) -> None:
        """Move money in one way."""
        self.acts += 1
        key, ledger = f"k{self.acts}", self.new_ledger()
        match name:
            case "credit":
                self.credit(key, "3.00", B, ledger=ledger)
            case "debit":
                self.debit(key, "2.00", B, ledger=ledger)
            case "there":
                self.transfer(key, "1.00", A, B, ledger=ledger)
            case "back":
                self.transfer(key, "0.50", B, A, ledger=ledger)
            case "withdraw":
                self.ask(key, "1.50")
            case "pay":
                self.pay()
            case "cancel":
                self.cancel(self.withdrawals()[-1])

    def pay(self) -> None:
        """Send the oldest open withdrawal, or look at it: it is paid at once."""
        self.payer.pays_at_once = True
        for found in [one for one in self.withdrawals() if one.state in OPEN][:1]:
            self.work(found)

    def withdrawals(self) -> list[Withdrawal]:
        """List all withdrawals, the oldest first."""
        return [flow for flow in self.store.flow_items.values() if isinstance(flow, Withdrawal)]


ACTS: Final = ("credit", "debit", "there", "back", "withdraw", "withdraw", "pay", "pay", "cancel")


@dataclass(frozen=True)
class Script:
    """Say who does what, who goes on at each step, what befalls calls, and what is seen of them."""

    movers: Sequence[Sequence[str]]
    workers: int
    mode: Mode
    order: Sequence[int]
    fates: Sequence[str]
    seed: int


def survive(act: Callable[[], object]) -> None:
    """Act, and end as a Lambda ends."""
    with contextlib.suppress(Refusal, StoreUnavailable, Killed):
        act()


def move(crowd: Crowd, names: Sequence[str]) -> None:
    for name in names:
        survive(partial(crowd.act, name))


def work_on(crowd: Crowd) -> None:
    """Work as a Lambda of the queue does: what fails comes back, and each message may come twice."""
    for _ in range(MOST_MESSAGES):
        if not crowd.messages.sent:
            return
        key = crowd.messages.sent.pop(0)
        try:
            work(bureau=crowd.bureau, key=key, is_time_up=never, now_ms=lambda: crowd.now_ms)
        except (NotYet, StoreUnavailable, Killed):
            crowd.messages.sent.append(key)


def plan(crowd: Crowd) -> None:
    for _ in range(3):
        survive(lambda: tick(bureau=crowd.bureau, now_ms=crowd.now_ms))


@contextmanager
def disturbed(crowd: Crowd, script: Script, baton: Baton) -> Iterator[None]:
    """Hand over at each call, show commits item by item, and let things befall calls."""
    visibility, fates = Visibility(crowd.store, Random(script.seed)), iter(script.fates)  # noqa: S311 (no secret)
    fate: dict[str, str] = {}
    cover = crowd.bureau.cover

    def before(call: str) -> None:
        baton.hand_over()
        fate[call] = next(fates, "fine")
        if fate[call] == "before":
            raise StoreUnavailable("not reached")
        if fate[call] == "killed":
            raise Killed
        if call == "commit" and visibility.writing:
            raise CommitConflict

    def after(call: str) -> None:
        if call == "commit":
            visibility.reveal(baton.hand_over)
        visibility.show_all()
        if fate.get(call) == "after":
            raise StoreUnavailable("answer lost")

    quick, exact = (View(visibility, lagging=lagging) for lagging in (True, False))
    desk = replace(
        crowd.desk,
        quick=VisibleJournal(quick, crowd.vouched, "quick", visibility),
        exact=VisibleJournal(exact, crowd.vouched, "exact", visibility),
    )
    crowd.bureau = replace(crowd.bureau, cover=replace(cover, desk=desk, flows=FakeFlows(exact)))
    crowd.store.before, crowd.store.after = before, after
    yield
    crowd.store.before = crowd.store.after = lambda _call: None
    crowd.bureau = replace(crowd.bureau, cover=cover)


def play(crowd: Crowd, script: Script) -> None:
    """Reconcile while money moves, then let the run end."""
    baton = Baton(script.order)
    assert begin(bureau=crowd.bureau, mode=script.mode, reason="test", now_ms=crowd.now_ms)
    crowd.messages.sent += crowd.messages.sent  # SQS delivers at least once
    with disturbed(crowd, script, baton):
        movers = [partial(move, crowd, names) for names in script.movers]
        workers = [partial(work_on, crowd)] * script.workers
        baton.run([*movers, *workers, partial(plan, crowd)])
    check(crowd.store)


def end(crowd: Crowd) -> None:
    """Let the clock tick until what was begun has ended."""
    for _ in range(MOST_RUNS):
        crowd.settle()
        crowd.work_off()
        if crowd.run.ended_at_ms is not None:
            return
        tick(bureau=crowd.bureau, now_ms=crowd.now_ms)
    raise AssertionError("it never ends")


def findings(crowd: Crowd) -> list[Finding]:
    verdicts = crowd.runs.verdicts.values()
    found = [finding for verdict in verdicts for finding in verdict.sums.findings]
    segments = crowd.runs.segments.values()
    return [*found, *(finding for segment in segments for finding in segment.sums.findings)]


def check_sound(crowd: Crowd) -> None:
    """Check that nothing was found by then, nobody was told, and that soon nothing is even suspected."""
    note(str(crowd.store.calls[-400:]))
    assert not findings(crowd)
    assert not [verdict.differences for verdict in crowd.runs.verdicts.values() if verdict.differences]
    crowd.reconcile()
    verdict = crowd.reconcile()
    assert (verdict.is_sound, verdict.run.mode) == (True, Mode.CHANGED)
    assert crowd.reconcile(Mode.FULL).is_sound
    assert not crowd.told
    assert not [account for account in crowd.store.account_items.values() if account.needs_reconciliation]


acts = st.lists(st.sampled_from(ACTS), min_size=1, max_size=4)


steps = st.lists(st.integers(0, 4), min_size=MOST_STEPS, max_size=MOST_STEPS)
strides = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=6, max_size=12).map(
    lambda parts: [job for job, length in parts for _ in range(length)]
)
"""Let one after the other go on for a while: a worker has many calls, and what it sees has to change between two."""


def scripts(fates: Sequence[str]) -> st.SearchStrategy[Script]:
    return st.builds(
        Script,
        st.lists(acts, min_size=1, max_size=2),
        st.integers(1, 2),
        st.sampled_from(Mode),
        st.one_of(steps, strides),
        st.lists(st.sampled_from(fates), max_size=60),
        st.integers(0, 2**32),
    )


@settings(max_examples=profiles.examples(150))
@given(scripts(["fine"]))
def test_money_that_moves_meanwhile_is_no_fault(script: Script) -> None:
    crowd = Crowd()
    play(crowd, script)
    end(crowd)
    event(f"{len(crowd.runs.verdicts)} runs")
    check_sound(crowd)


@settings(max_examples=profiles.examples(100))
@given(scripts([*["fine"] * 8, "before", "after", "killed"]))
def test_accidents_meanwhile_are_no_fault(script: Script) -> None:
    crowd = Crowd()
    play(crowd, script)
    end(crowd)
    check_sound(crowd)
