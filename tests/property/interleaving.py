"""Let several Lambdas work on one store at once, in an order that is data.

Each runs in a thread of its own, but only one at a time: it holds a baton and hands it over at every call to the
store. Which one goes on, and what befalls each call, is drawn by Hypothesis, so a failure can be repeated and shrunk.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import note
from hypothesis import strategies as st

from tallystick.domain.accounts import Account
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.transfers import Record
from tallystick.services.ledger import Ledger
from tallystick.services.ports.ledger import CommitConflict
from tests.property.invariants import check
from tests.property.model import Model
from tests.property.requests import BUSY, WALLETS, Answer, Request, ask, marks, movements_of_money
from tests.support.fake_store import FakeStore, Reason
from tests.support.scene import NOW_MS, no_pause

OPENING_UNITS = 12
SKEWS_MS = (0, 3000, -5000, 7)
MOST_TRIES = 6
MOST_STEPS = 40
"""As many are drawn each time: a short list would mean that one Lambda comes after the other."""

CLOSE = Request("close", wallet="c")
FATES = ["fine", "fine", "fine", "conflict", "before", "after", "first reason only", "last reason only"]


class Baton:
    """Run jobs in threads, one step of one of them at a time."""

    def __init__(self, order: Sequence[int]) -> None:
        """Take which of the unfinished jobs takes each step; when that ends, the first of them goes on."""
        self._order = iter(order)
        self._turns: list[threading.Semaphore] = []
        self._idle = threading.Semaphore(0)
        self._unfinished: list[int] = []
        self._failures: list[BaseException] = []
        self._mine = threading.local()

    def run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run all jobs to their ends, and raise what the first of them to fail raised."""
        self._turns = [threading.Semaphore(0) for _ in jobs]
        self._unfinished = list(range(len(jobs)))
        threads = [threading.Thread(target=self._work, args=item, daemon=True) for item in enumerate(jobs)]
        for thread in threads:
            thread.start()
        while self._unfinished:
            self._turns[self._unfinished[next(self._order, 0) % len(self._unfinished)]].release()
            self._idle.acquire()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def hand_over(self) -> None:
        """Wait for the next turn; outside of a job, go on."""
        turn = getattr(self._mine, "turn", None)
        if turn is not None:
            self._idle.release()
            turn.acquire()

    def _work(self, number: int, job: Callable[[], None]) -> None:
        self._mine.turn = self._turns[number]
        self._turns[number].acquire()
        try:
            job()
        except BaseException as failure:  # noqa: BLE001 (raised again by `run`)
            self._failures.append(failure)
        self._unfinished.remove(number)
        self._idle.release()


@dataclass(frozen=True)
class Script:
    """Say who asks for what, who goes on at each step, and what befalls each call."""

    jobs: list[list[Request]]
    order: list[int]
    fates: list[str]


@dataclass(frozen=True)
class Asked:
    """Remember an answer and between which writes it was given."""

    request: Request
    answer: Answer
    first: int
    last: int


@dataclass
class Stage:
    """Play a script."""

    script: Script
    store: FakeStore = field(default_factory=FakeStore)
    asked: list[Asked] = field(default_factory=list)

    def play(self) -> None:
        """Run all jobs at once, then ask again for what was left undone, and check everything."""
        note(str(self.script))
        for account in WALLETS.values():
            self.store.create(account)
        for number in range(len(WALLETS)):
            self._ask(opening(number), self._ledger(), NOW_MS)
        self._disturb(Baton(self.script.order))
        self._settle()
        check(self.store)
        self._check_answers()

    def _disturb(self, baton: Baton) -> None:
        fates = iter(self.script.fates)
        fate = "fine"

        def before(call: str) -> None:
            nonlocal fate
            baton.hand_over()
            fate = next(fates, "fine")
            if fate == "before":
                raise StoreUnavailable("not reached")
            if fate == "conflict" and call in {"commit", "void"}:
                raise CommitConflict

        def after(_call: str) -> None:
            if fate == "after":
                raise StoreUnavailable("answer lost")

        def reported(reasons: list[Reason]) -> list[Reason]:
            return {"first reason only": reasons[:1], "last reason only": reasons[-1:]}.get(fate, reasons)

        self.store.before, self.store.after, self.store.reported = before, after, reported
        baton.run([self._job(number, baton) for number in range(len(self.script.jobs))])

    def _job(self, number: int, baton: Baton) -> Callable[[], None]:
        ledger = self._ledger()

        def work() -> None:
            for request in self.script.jobs[number]:
                for _ in range(MOST_TRIES):
                    baton.hand_over()
                    if self._ask(request, ledger, NOW_MS + SKEWS_MS[number]) != BUSY:
                        break

        return work

    def _settle(self) -> None:
        """Ask once more for everything, undisturbed: now nothing is busy."""
        fresh = FakeStore()
        self.store.before, self.store.after, self.store.reported = fresh.before, fresh.after, fresh.reported
        for request in [request for job in self.script.jobs for request in job]:
            assert self._ask(request, self._ledger(), NOW_MS) != BUSY

    def _ask(self, request: Request, ledger: Ledger, now_ms: int) -> str:
        first = len(self.store.written)
        answer = ask(request, self.store, ledger, now_ms)
        self.asked.append(Asked(request, answer, first, len(self.store.written)))
        return answer.code

    def _ledger(self) -> Ledger:
        return Ledger(self.store, no_pause)

    def _check_answers(self) -> None:
        """Check that each answer is what the plain model says at some moment between question and answer."""
        moments = [_model_after(self.store.written[:count]) for count in range(len(self.store.written) + 1)]
        for asked in self.asked:
            expected = {model.expected(asked.request) for model in moments[asked.first : asked.last + 1]}
            assert asked.answer.code in expected | {BUSY}, (asked, expected)
            if asked.answer.transfer:
                assert asked.answer.transfer == moments[-1].records[asked.request.claim.key]


def opening(number: int) -> Request:
    """Ask for the first money of a wallet."""
    return Request("credit", f"open-{number}", list(WALLETS)[number], units=OPENING_UNITS)


def _model_after(written: Sequence[Record | Account]) -> Model:
    model = Model(dict(WALLETS))
    for done in written:
        model.apply(done)
    return model


def _key_of(request: Request) -> str:
    return request.key


keys = st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"])
near_the_balance = st.integers(1, OPENING_UNITS + 3)
on_one_wallet = st.builds(
    Request, st.sampled_from(["credit", "debit"]), keys, st.sampled_from("aac"), st.just(""), near_the_balance
)
between_two = st.builds(
    lambda key, pair, units: Request("transfer", key, pair[0], pair[1], units),
    keys,
    st.sampled_from(["ab", "ba", "ac", "ca"]),
    near_the_balance,
)
reversals = st.builds(
    lambda key, number: Request("reverse", key, reverses=opening(number).claim.key.transfer_id), keys, st.integers(0, 1)
)
voids = st.builds(Request, st.just("void"), keys)
requests = st.one_of(
    *[on_one_wallet] * 4, *[between_two] * 2, reversals, voids, movements_of_money(keys), marks, st.just(CLOSE)
)


def scripts_of(pool: list[Request]) -> st.SearchStrategy[Script]:
    """Let everybody ask for the same few things, so that they get in each other's way."""
    job = st.lists(st.sampled_from(pool), min_size=2, max_size=3)
    return st.builds(
        Script,
        st.lists(job, min_size=2, max_size=len(SKEWS_MS)),
        st.lists(st.integers(0, 11), min_size=MOST_STEPS, max_size=MOST_STEPS),
        st.lists(st.sampled_from(FATES), max_size=20),
    )


crowd = st.builds(Request, st.sampled_from(["credit", "debit"]), keys, st.just("a"), st.just(""), near_the_balance)
traffic = st.one_of(between_two, crowd)
scripts = st.one_of(
    st.lists(requests, min_size=2, max_size=5, unique=True).flatmap(scripts_of),
    *[st.lists(some, min_size=3, max_size=6, unique_by=_key_of).flatmap(scripts_of) for some in (crowd, traffic)],
)
