"""A scene where money leaves, providers tell of it, and time passes until every withdrawal has come to its end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.money import Amount, from_minor
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.webhooks import Notice, Provider
from tallystick.domain.withdrawals import OPEN, Sending, Withdrawal, WithdrawalState
from tallystick.services.payouts import PayoutOffice
from tallystick.services.processing import Handled, Office, Providers, Retries, handle
from tallystick.services.sweeping import sweep
from tests.support.fake_payer import HOUR_MS, FakePayer, Payout
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeInbox, ScriptedGateway, call
from tests.support.incoming import DELAYS_MS, GRACE_MS
from tests.support.leaving import CHECKS_MS, Leaving
from tests.support.scene import USD, Scene, once

WORKED_ON: Final = (WithdrawalState.REQUESTED, WithdrawalState.APPROVED, WithdrawalState.SUBMITTED)
MOST_ROUNDS: Final = 400
STRIPE: Final = "external:stripe:USD"
FEES: Final = "external:fees:USD"
SILENCE: Final = ProviderUnavailable("silence", provider="stripe")


class ScriptedPayer(FakePayer):
    """Play a provider that says what a test wants: `shown` when it is asked, `answer` when something is sent."""

    shown: Report | None = None
    answer: Report | None = None
    lifetime_ms: int | None = 23 * HOUR_MS

    @property
    def key_lifetime_ms(self) -> int | None:
        """Know keys for so long."""
        return self.lifetime_ms

    def send(self, withdrawal: Withdrawal) -> Report:
        """Make a payout, and answer something."""
        made = super().send(withdrawal)
        return self.answer or made

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Tell something of it."""
        seen = super().look_up(withdrawal, now_ms)
        return self.shown or seen


class SlowPayer(FakePayer):
    """Play a provider that shows a payout `lag_ms` after it was made, and knows a key for a day after its first use.

    While it `dawdles`, a call gets no answer, and is carried out when it arrives, within half an hour or never.
    """

    def __init__(self, backing: FakeStore, *, signs: bool = False, lag_ms: int = 0) -> None:
        """Remember when what was made, and what is still on its way."""
        super().__init__(backing, signs=signs)
        self.lag_ms = lag_ms
        self.made_ms: dict[str, int] = {}
        self.dawdles = False
        self.on_its_way: list[tuple[int, Withdrawal]] = []

    def send(self, withdrawal: Withdrawal) -> Report:
        """Make a payout, now or later."""
        if not self.dawdles:
            return super().send(withdrawal)
        with call(self.backing, "payer.send"):
            self.on_its_way += [] if self.refuses else [(self.now_ms, withdrawal)]
            raise ProviderUnavailable("It takes long.", provider="stripe")

    def arrive(self) -> None:
        """Carry out what was on its way; what is refused by now was not when it was sent."""
        arriving, self.on_its_way = self.on_its_way, []
        refuses, self.refuses = self.refuses, None
        for sent_ms, withdrawal in arriving:
            if self.now_ms - sent_ms <= HOUR_MS // 2:
                self._made(withdrawal)
        self.refuses = refuses

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Leave out what it does not show yet."""
        shown = [one for one in self.payouts if now_ms >= self._made_ms(one) + self.lag_ms]
        everything, self.payouts = self.payouts, shown
        try:
            return super().look_up(withdrawal, now_ms)
        finally:
            self.payouts = everything

    def _made(self, withdrawal: Withdrawal) -> Report:
        self.keys = {key: one for key, one in self.keys.items() if self.now_ms < self._made_ms(one) + 24 * HOUR_MS}
        report = super()._made(withdrawal)
        self.made_ms |= {one.payout_id: self._made_ms(one) for one in self.payouts}
        return report

    def _made_ms(self, payout: Payout) -> int:
        return self.made_ms.get(payout.payout_id, self.now_ms)


class Told(Leaving):
    """Let events of the provider come in, and let everybody do their part until nothing is left to do."""

    def __init__(self, units: int = 10_000, *, signs: bool = False) -> None:
        """Open ada's wallet `wal_a`."""
        super().__init__(units, signs=signs)
        self.payer = self.scripted = ScriptedPayer(self.store, signs=signs)
        self.inbox = FakeInbox(self.store)
        self.gateway = ScriptedGateway(self.store)
        self.checks_ms: Sequence[int] = CHECKS_MS

    def office(self) -> PayoutOffice:
        """Pay out, and look again after other times."""
        return replace(super().office(), checks_ms=self.checks_ms)

    def processor(self) -> Office:
        """Process events."""
        providers = Providers(lambda _provider: self.gateway, lambda _provider: self.payer)
        return Office(self.inbox, self.books(), self.alerts, providers, Retries(DELAYS_MS, GRACE_MS))

    def says(
        self,
        name: str,
        outcome: Outcome,
        *references: str,
        payout_id: str | None = None,
        amount: Amount | None = None,
        reason: str | None = None,
    ) -> InboxEvent:
        """Let an event come in that says so of a payout."""
        report = Report(outcome, payout_id, amount, reason)
        self.gateway.script[name] = Notice(name, references, payout=report)
        event = InboxEvent(
            provider=Provider.STRIPE,
            environment="test",
            external_id=name,
            body=name.encode(),
            headers={},
            query={},
            received_at_ms=self.now_ms,
            due_at_ms=self.now_ms + GRACE_MS,
        )
        return self.inbox.events.setdefault(event.inbox_key, event)

    def told(self, withdrawal: Withdrawal, outcome: Outcome, name: str | None = None) -> InboxEvent:
        """Let an event come in that says so of a withdrawal's newest payout, as the provider would say it."""
        made = [payout for payout in self.payer.payouts if payout.withdrawal_id == withdrawal.flow_id]
        newest = made[-1] if made else None
        return self.says(
            name or f"{withdrawal.flow_id} {outcome}",
            outcome,
            withdrawal.flow_id,
            payout_id=newest.payout_id if newest else None,
            amount=Amount(from_minor(newest.units, USD.scale), USD.code) if newest else None,
            reason=newest.reason if newest else None,
        )

    def handle(self, event: InboxEvent) -> Handled:
        """Process an event once."""
        self.payer.now_ms = self.now_ms
        return handle(office=self.processor(), inbox_key=event.inbox_key, now_ms=self.now_ms)

    def handle_until_finished(self, event: InboxEvent) -> Handled:
        """Process an event as often as its retries say, and let the time pass that they ask for."""
        for _ in range(len(DELAYS_MS) + 2):
            handled = self.handle(event)
            if handled.wait_ms is None:
                return handled
            self.now_ms += handled.wait_ms
        raise AssertionError("the retries never end")

    def sweep(self) -> int:
        """Queue what is overdue."""
        return sweep(agenda=self.flows, queue=self.queue, names=WORKED_ON, now_ms=self.now_ms, grace_ms=GRACE_MS)

    def deliver(self) -> None:
        """Work on all that is queued, once; a message stays until that is done."""
        for flow_id in dict.fromkeys(self.queue.sent):
            self.work(self.withdrawal(flow_id))
            self.queue.sent = [queued for queued in self.queue.sent if queued != flow_id]

    def run_until_nothing_is_open(self) -> None:
        """Deliver, sweep and wait until no withdrawal is left to be worked on; the provider pays what is pending."""
        for _ in range(MOST_ROUNDS):
            self.deliver()
            for payout in self.payer.payouts:
                payout.outcome = Outcome.PAID if payout.outcome is Outcome.PENDING else payout.outcome
            waiting = [known for known in self.withdrawals if known.state in WORKED_ON]
            if not waiting:
                return
            self.now_ms = max(self.now_ms, min(known.not_before_ms for known in waiting) + 1)
            self.sweep()
            self.now_ms += 0 if self.queue.sent else GRACE_MS
        raise AssertionError("it never comes to its end")

    @property
    def withdrawals(self) -> list[Withdrawal]:
        """List all there are, without a call."""
        return [flow for flow in self.store.flow_items.values() if isinstance(flow, Withdrawal)]

    def withdrawal(self, flow_id: str) -> Withdrawal:
        """Look at one without a call."""
        found = self.store.flow_items[flow_id]
        assert isinstance(found, Withdrawal)
        return found

    def wallet_held(self, wallet_id: str = "wal_a") -> int:
        """Look at what a wallet shows as on hold."""
        return self.store.account_items[wallet_id].held

    def put_in_state(self, withdrawal: Withdrawal, **changes: object) -> Withdrawal:
        """Change what is stored of a withdrawal, behind the services' back."""
        changed = replace(self.standing(withdrawal), **changes)  # type: ignore[arg-type] # by name
        self.store.flow_items[withdrawal.flow_id] = changed
        return changed


def side(scene: Scene, account_id: str) -> int:
    """Add up a tallied account from the transfer records, without a call."""
    postings = [posting for record in scene.store.records.values() for posting in getattr(record, "postings", ())]
    return sum(posting.units for posting in postings if posting.account_id == account_id)


def aside(scene: Scene) -> int:
    """Look at what was put aside because its wallet is closed, without a call."""
    suspense = scene.store.account_items.get("suspense:USD")
    return suspense.balance if suspense else 0


def kinds(scene: Scene) -> list[TransferKind]:
    """Name the movements that were made for withdrawals, in their order."""
    made = [record for record in scene.store.written if isinstance(record, Transfer)]
    return [transfer.kind for transfer in made if transfer.kind.startswith("withdrawal")]


def record_of(scene: Scene, withdrawal: Withdrawal, kind: TransferKind) -> Transfer:
    """Look at the one movement of a kind that was made for a withdrawal."""
    record = scene.store.records[withdrawal.claim(kind).key.digest]
    assert isinstance(record, Transfer)
    return record


def sending_of(scene: Told, withdrawal: Withdrawal) -> Sending:
    """Look at how a payout was sent."""
    sending = scene.standing(withdrawal).sending
    assert sending is not None
    return sending


def ends(scene: Told, withdrawal: Withdrawal, outcome: Outcome) -> InboxEvent:
    """Let its payout come to an end, and an event tell of it."""
    scene.payer.pay(withdrawal.flow_id, outcome, "bank says no" if outcome is Outcome.FAILED else None)
    return scene.told(withdrawal, outcome)


def done(scene: Told, event: InboxEvent) -> InboxEvent:
    """Process an event that is done with that."""
    handled = scene.handle(event).event
    assert handled.state is EventState.DONE, (handled.reason, handled.detail)
    return handled


def rejected(scene: Told, event: InboxEvent) -> tuple[EventState, str | None]:
    """Process an event, and say what came of it and why."""
    handled = scene.handle(event).event
    return handled.state, handled.reason


def lost(scene: Told, withdrawal: Withdrawal, *, heard: bool) -> Withdrawal:
    """Send it and get no answer, whether the provider has heard of it or not."""
    setattr(scene.store, "after" if heard else "before", once(SILENCE, "payer.send"))
    return scene.work(withdrawal)


def check_endings(scene: Told, opening_units: int = 10_000) -> None:
    """Check that each withdrawal was paid once or returned in full, and that nothing else happened to any money."""
    done = [known for known in scene.withdrawals if known.state not in OPEN]
    for known in done:
        paid = known.state is WithdrawalState.COMPLETED
        assert scene.payer.paid_units(known.flow_id) == (known.units if paid else 0), known
        assert scene.held(known) == 0
    kept = sum(known.total_units for known in scene.withdrawals if known.state in OPEN)
    gone = [known for known in done if known.state is WithdrawalState.COMPLETED]
    assert scene.wallet_held() == kept
    assert scene.units() + aside(scene) == opening_units - kept - sum(known.total_units for known in gone)
    assert side(scene, STRIPE) == sum(known.units for known in gone)
    assert side(scene, FEES) == sum(known.fee_units for known in gone)


@contextmanager
def accident(scene: Scene, moment: str, at: int | str, error: BaseException) -> Iterator[list[str]]:
    """Raise at the n-th call from now on, or the first of a name, before or after it is carried out; list all calls."""
    seen: list[str] = []

    def is_now() -> bool:
        return len(seen) == at or (seen[-1] == at and seen.count(seen[-1]) == 1)

    def note(call: str) -> None:
        seen.append(call)
        if moment == "before" and is_now():
            raise error

    def strike(_call: str) -> None:
        if moment == "after" and is_now():
            raise error

    before, after = scene.store.before, scene.store.after
    scene.store.before, scene.store.after = note, strike
    try:
        yield seen
    finally:
        scene.store.before, scene.store.after = before, after
