"""Let money leave on the real tables; the provider and the queue are in memory.

Ids, amounts and destinations have the lengths that they have in use.
"""

from dataclasses import replace
from typing import Final

from tallystick.domain.accounts import Account
from tallystick.domain.callers import Caller, Role
from tallystick.domain.chain import genesis
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.inbox import InboxEvent
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.transfers import client_key
from tallystick.domain.webhooks import Notice, Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services import movements, reviews, withdrawals
from tallystick.services.admin import Admin
from tallystick.services.ledger import Ledger
from tallystick.services.payouts import PayoutOffice, work
from tallystick.services.processing import Office, Providers, Retries, handle
from tallystick.services.settling import Books
from tallystick.services.withdrawals import Window, WithdrawalRequest
from tests.contract.test_dynamo_calls import KEY, SERVICE, SUB
from tests.support.fake_payer import FakePayer
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts, FakeQueue, ScriptedGateway
from tests.support.incoming import DELAYS_MS, GRACE_MS, Incoming
from tests.support.leaving import CHECKS_MS, RULES
from tests.support.scene import NOW_MS, USD, claim, no_pause
from tests.support.tables import Tables

OWNER: Final = Caller(SUB % 1)
ROOT: Final = Caller(SUB % 4, frozenset({Role.USER, Role.ADMIN}))
BANK: Final = Destination(DestinationType.IBAN, "GB29NWBK60161331926819", name="Augusta Ada King-Noel, Lovelace")
OTHER_BANK: Final = replace(BANK, account="DE89370400440532013000")
ADMIN: Final = Admin(ROOT, "203.0.113.7", NOW_MS)
NOTES: Final = "Called the customer back; the invoice fits."
FREE: Final = replace(RULES, daily_units=None, daily_count=None)


class Leaving:
    """Let money leave a wallet with 1000.00 USD on the real tables, in one Lambda that stays warm."""

    def __init__(self, dynamo: Tables, *, signs: bool = False) -> None:
        """Open the wallet."""
        memory = FakeStore()
        self.dynamo, self.now_ms, self.rules = dynamo, NOW_MS, RULES
        self.payer, self.gateway = FakePayer(memory, signs=signs), ScriptedGateway(memory)
        self.queue, self.alerts = FakeQueue(memory), FakeAlerts(memory)
        self.wallet_id = client_key(OWNER.caller_id, KEY % 1).wallet_id
        wallet = Account(self.wallet_id, OWNER.caller_id, USD, NOW_MS, genesis(self.wallet_id, "USD"), label="Savings")
        dynamo.ports.wallets.create(wallet)
        self._credit()
        self.restart()

    def restart(self) -> None:
        """Start another Lambda, which remembers nothing."""
        ports = self.dynamo.ports
        self.books = Books(Ledger(ports.book, no_pause), ports.flows, ports.wallets.create)
        self.dynamo.calls.clear()

    @property
    def window(self) -> Window:
        """Take requests."""
        return Window(
            self.books, {"USD": self.rules}, Provider.STRIPE, "test", self.payer, self.queue, self.dynamo.ports.quotas
        )

    def warm(self) -> None:
        """Keep what the Lambda remembers, and count from here."""
        self.dynamo.calls.clear()

    def ask(self, number: int = 1, destination: Destination = BANK, amount: str = "25.00") -> Withdrawal:
        """Ask for a withdrawal."""
        return withdrawals.request(
            window=self.window,
            caller=OWNER,
            claim=claim(KEY % number, body="f" * 64, caller=OWNER),
            request=WithdrawalRequest(self.wallet_id, amount, destination),
            now_ms=self.now_ms,
        )[0]

    def approve(self, withdrawal: Withdrawal) -> Withdrawal:
        """Let it go out."""
        return reviews.approve(books=self.books, queue=self.queue, admin=ADMIN, flow_id=withdrawal.flow_id, notes=NOTES)

    def reject(self, withdrawal: Withdrawal) -> Withdrawal:
        """Refuse it."""
        return reviews.reject(books=self.books, admin=ADMIN, flow_id=withdrawal.flow_id, notes=NOTES)

    def cancel(self, withdrawal: Withdrawal) -> Withdrawal:
        """Take it back."""
        return withdrawals.cancel(books=self.books, caller=OWNER, flow_id=withdrawal.flow_id, now_ms=self.now_ms)

    def work(self, withdrawal: Withdrawal) -> Withdrawal:
        """Do what is next, when its time has come."""
        known = self.stored(withdrawal)
        self.now_ms = self.payer.now_ms = max(self.now_ms, known.not_before_ms)
        ports = self.dynamo.ports
        office = PayoutOffice(
            self.books, lambda _: self.payer, ports.breakers, self.alerts, {"USD": self.rules}, CHECKS_MS
        )
        self.warm()
        return work(office=office, flow_id=withdrawal.flow_id, now_ms=self.now_ms)

    def end(self, withdrawal: Withdrawal, outcome: Outcome = Outcome.PAID) -> None:
        """Let the provider pay, or fail to."""
        self.payer.pay(withdrawal.flow_id, outcome, "account_closed" if outcome is Outcome.FAILED else None)

    def told(self, withdrawal: Withdrawal, outcome: Outcome, *, by: str) -> InboxEvent:
        """Let an event say how a payout stands, and let it be so."""
        self.end(withdrawal, outcome)
        self.gateway.script[outcome] = Notice(outcome, (by,), payout=Report(outcome, "po_1"))
        return self.dynamo.ports.inbox.store(Incoming().arrival(outcome))

    def handle(self, event: InboxEvent) -> None:
        """Process an event."""
        providers = Providers(lambda _: self.gateway, lambda _: self.payer)
        retries = Retries(DELAYS_MS, GRACE_MS)
        office = Office(self.dynamo.ports.inbox, self.books, self.alerts, providers, retries)
        self.warm()
        handle(office=office, inbox_key=event.inbox_key, now_ms=self.now_ms)

    def stored(self, withdrawal: Withdrawal) -> Withdrawal:
        """Look at it."""
        found = self.dynamo.ports.flows.get(withdrawal.flow_id)
        assert isinstance(found, Withdrawal)
        return found

    def _credit(self) -> None:
        movements.credit(
            ledger=Ledger(self.dynamo.ports.book, no_pause),
            caller=SERVICE,
            claim=claim(KEY % 99, caller=SERVICE),
            request=movements.ServiceMovement(self.wallet_id, "1000.00"),
            now_ms=NOW_MS,
        )
