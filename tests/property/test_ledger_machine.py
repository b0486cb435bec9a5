"""Drive the services through any sequence of requests, beside a model that is too simple to be wrong."""

import itertools
from dataclasses import replace

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from tallystick.domain.errors import StoreUnavailable
from tallystick.services import idempotency, statements
from tallystick.services.ledger import Ledger, Memory
from tallystick.services.ports.ledger import CommitConflict
from tallystick.services.ports.statements import StatementQuery
from tests.property.invariants import check
from tests.property.model import MOVED, Model
from tests.property.requests import (
    BUSY,
    WALLETS,
    Answer,
    Request,
    amounts,
    ask,
    marks,
    movements_of_money,
    wallet_ids,
)
from tests.support import profiles
from tests.support.fake_store import FakeStore
from tests.support.scene import ADMIN, NOW_MS, no_pause, once

SKEWS_MS = (0, -5000, 3000)
"""How far the clock of each Lambda is off."""

lambdas = st.integers(0, len(SKEWS_MS) - 1)
reports = st.sampled_from([slice(None), slice(None), slice(1), slice(-1, None)])
troubles = st.sampled_from(["none", "none", "none", "none", "before", "after", "conflict"])


class LedgerMachine(RuleBasedStateMachine):
    """Keep a store, some Lambdas with a small memory each, and the model."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.store = FakeStore()
        self.model = Model(dict(WALLETS))
        self.ledgers = [Ledger(self.store, no_pause, Memory(capacity=3)) for _ in SKEWS_MS]
        self.clock_ms = NOW_MS
        self.keys = map(str, itertools.count())
        for account in WALLETS.values():
            self.store.create(account)

    @initialize(target=requests)
    def start_with_some_money(self) -> Request:
        first = [Request("credit", self.new_key(), wallet, units=20) for wallet in WALLETS]
        for request in first:
            self.ask_and_compare(request, 0)
        return first[0]

    def new_key(self) -> str:
        return f"key-{next(self.keys)}"

    @rule(target=requests, request=movements_of_money(st.just("")), at=lambdas, report=reports, trouble=troubles)
    def move(self, request: Request, at: int, report: slice, trouble: str) -> Request:
        keyed = replace(request, key=self.new_key())
        self.ask_and_compare(keyed, at, report, trouble)
        return keyed

    @rule(target=requests, wallet=wallet_ids, at=lambdas)
    def empty_a_wallet(self, wallet: str, at: int) -> Request:
        request = Request("debit", self.new_key(), wallet, units=self.model.balances[wallet] or 1)
        self.ask_and_compare(request, at)
        return request

    @rule(request=requests, at=lambdas, report=reports, trouble=troubles)
    def ask_again(self, request: Request, at: int, report: slice, trouble: str) -> None:
        self.ask_and_compare(request, at, report, trouble)

    @rule(target=requests, request=requests, units=amounts, at=lambdas, report=reports)
    def use_the_key_for_another_amount(self, request: Request, units: int, at: int, report: slice) -> Request:
        other = replace(request, units=units)
        self.ask_and_compare(other, at, report)
        return other

    @rule(target=requests, request=requests, at=lambdas, report=reports, trouble=troubles)
    def reverse(self, request: Request, at: int, report: slice, trouble: str) -> Request:
        reversal = Request("reverse", self.new_key(), reverses=request.claim.key.transfer_id)
        self.ask_and_compare(reversal, at, report, trouble)
        return reversal

    @rule(target=requests, request=requests, at=lambdas, report=reports)
    def reverse_under_a_used_key(self, request: Request, at: int, report: slice) -> Request:
        reversal = Request("reverse", request.key, reverses=request.claim.key.transfer_id)
        self.ask_and_compare(reversal, at, report)
        return reversal

    @rule(request=requests, at=lambdas, trouble=troubles)
    def void_a_used_key(self, request: Request, at: int, trouble: str) -> None:
        self.ask_and_compare(Request("void", request.key), at, slice(None), trouble)

    @rule(target=requests, request=movements_of_money(st.just("")), at=lambdas, trouble=troubles)
    def void_a_key_before_its_use(self, request: Request, at: int, trouble: str) -> Request:
        keyed = replace(request, key=self.new_key())
        self.ask_and_compare(Request("void", keyed.key), at, slice(None), trouble)
        return keyed

    @rule(request=marks, at=lambdas)
    def mark(self, request: Request, at: int) -> None:
        self.ask_and_compare(request, at)

    @rule(passed_ms=st.sampled_from([0, 1, 1000, 60_000]))
    def wait(self, passed_ms: int) -> None:
        self.clock_ms += passed_ms

    @rule(wallet=wallet_ids, limit=st.integers(1, 5), kind=st.sampled_from([None, "credit", "reversal"]))
    def read_a_statement(self, wallet: str, limit: int, kind: str | None) -> None:
        found, before_ms = [], None
        while True:
            query = StatementQuery(wallet, limit, kind, None, before_ms)
            page = statements.entries(wallets=self.store, statements=self.store, caller=ADMIN, query=query)
            found += [(entry.time_ms, entry.balance_after) for entry in page.items]
            if page.next_key is None:
                break
            assert before_ms is None or int(page.next_key) < before_ms, "the pages never end"
            before_ms = int(page.next_key)
        history = [moment for moment in self.model.history[wallet] if kind in (None, self.kind_at(wallet, moment[0]))]
        assert found == history[::-1]

    @rule(wallet=wallet_ids, choice=st.integers(0, 10**6), offset_ms=st.integers(-1, 1))
    def read_a_balance_in_the_past(self, wallet: str, choice: int, offset_ms: int) -> None:
        times = [time_ms for time_ms, _ in self.model.history[wallet]] or [NOW_MS]
        at_ms = times[choice % len(times)] + offset_ms
        balance = statements.balance(
            wallets=self.store, statements=self.store, caller=ADMIN, wallet_id=wallet, at_ms=at_ms
        )
        assert balance.units == self.model.balance_at(wallet, at_ms)

    @rule(request=requests)
    def look_up_a_key(self, request: Request) -> None:
        key = request.claim.key
        assert idempotency.find(book=self.store, key=key) == self.model.records.get(key)

    @invariant()
    def the_books_are_right(self) -> None:
        check(self.store)
        for wallet, account in self.store.account_items.items():
            assert (account.balance, account.status) == (self.model.balances[wallet], self.model.statuses[wallet])

    def ask_and_compare(self, request: Request, at: int, report: slice = slice(None), trouble: str = "none") -> None:
        expected, legs = self.model.expected(request), []
        if expected == MOVED:
            legs = self.model.legs(request)
        answer = self.ask(request, at, report, trouble)
        if answer.code == BUSY:
            answer = self.ask(request, at, report, "none")
        event(f"{request.kind}: {answer.code}")
        lost = trouble == "after" and (expected, answer.code) == (MOVED, "replayed")
        assert answer.code == expected or lost, (answer.code, expected)
        for written in self.store.written:
            self.model.apply(written)
        self.store.written.clear()
        if answer.transfer:
            assert answer.transfer == self.model.records[request.claim.key]
        if legs and answer.transfer:
            assert [(posting.account_id, posting.units) for posting in answer.transfer.postings] == legs

    def ask(self, request: Request, at: int, report: slice, trouble: str) -> Answer:
        self.store.reported = lambda reasons: reasons[report]
        call = "void" if request.kind == "void" else "commit"
        error = CommitConflict() if trouble == "conflict" else StoreUnavailable("trouble")
        hook = once(error, call) if trouble != "none" else once(error, "never")
        self.store.before, self.store.after = (
            (once(error, "never"), hook) if trouble == "after" else (hook, lambda _: None)
        )
        return ask(request, self.store, self.ledgers[at], self.clock_ms + SKEWS_MS[at])

    def kind_at(self, wallet: str, time_ms: int) -> str:
        return next(entry.kind for entry in self.store.entries_of(wallet) if entry.time_ms == time_ms)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=profiles.examples(250))
