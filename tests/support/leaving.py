"""Set a scene for money that leaves: a wallet with 100.00 USD, rules, a provider that pays out."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

from tallystick.domain.breaker import Breaker
from tallystick.domain.callers import Caller
from tallystick.domain.destinations import Destination
from tallystick.domain.errors import NotYet
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawal_rules import WithdrawalRules
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services import reviews, withdrawals
from tallystick.services.admin import Admin
from tallystick.services.payouts import PayoutOffice, work
from tallystick.services.settling import Books
from tallystick.services.withdrawals import Window, WithdrawalRequest
from tests.support.fake_payer import FakePayer
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts, FakeFlows, FakeQueue, call
from tests.support.scene import ADA, ADMIN, USD, Scene, claim
from tests.support.withdrawals import STRIPE_BANK

CHECKS_MS: Final = (60_000, 120_000, 300_000)
RULES: Final = WithdrawalRules(
    USD,
    automatic_units=5000,
    min_units=100,
    max_units=100_000,
    daily_units=20_000,
    daily_count=5,
    fee_units=25,
    fee_rate=Fraction(1, 100),
)


class FakeBreakers:
    """Implement the port Breakers."""

    def __init__(self, backing: FakeStore) -> None:
        """Start with all closed."""
        self.backing = backing
        self.breakers: dict[str, Breaker] = {}

    def get(self, name: str) -> Breaker:
        """Read one."""
        with call(self.backing, "breakers.get"):
            return self.breakers.get(name, Breaker(name))

    def save(self, breaker: Breaker) -> bool:
        """Write the next version."""
        with call(self.backing, "breakers.save"):
            if self.breakers.get(breaker.name, Breaker(breaker.name)).version != breaker.version - 1:
                return False
            self.breakers[breaker.name] = breaker
            return True


class Leaving(Scene):
    """Ask for withdrawals, decide about them and pay them out, each by a Lambda of its own."""

    def __init__(self, units: int = 10_000, *, signs: bool = False) -> None:
        """Open ada's wallet `wal_a`."""
        super().__init__()
        self.flows = FakeFlows(self.store)
        self.alerts = FakeAlerts(self.store)
        self.queue = FakeQueue(self.store)
        self.breakers = FakeBreakers(self.store)
        self.payer = FakePayer(self.store, signs=signs)
        self.rules = {"USD": RULES}
        self.wallet(units=units)

    def books(self) -> Books:
        """Start another Lambda: same stores, own memory."""
        return Books(self.new_ledger(), self.flows, self.store.create)

    def window(self) -> Window:
        """Take requests."""
        return Window(self.books(), self.rules, Provider.STRIPE, "test", self.payer, self.queue, self.flows)

    def office(self) -> PayoutOffice:
        """Pay out."""
        return PayoutOffice(
            self.books(), lambda _provider: self.payer, self.breakers, self.alerts, self.rules, CHECKS_MS
        )

    def ask(
        self,
        key: str = "w1",
        amount: str = "25.00",
        *,
        caller: Caller = ADA,
        wallet_id: str = "wal_a",
        destination: Destination = STRIPE_BANK,
    ) -> tuple[Withdrawal, bool]:
        """Ask for a withdrawal; the body of the request is its amount."""
        return withdrawals.request(
            window=self.window(),
            caller=caller,
            claim=claim(key, body=amount, caller=caller),
            request=WithdrawalRequest(wallet_id, amount, destination),
            now_ms=self.now_ms,
        )

    def asked(self, key: str = "w1", amount: str = "25.00") -> Withdrawal:
        """Ask for a withdrawal and give it."""
        return self.ask(key, amount)[0]

    def cancel(self, withdrawal: Withdrawal, caller: Caller = ADA) -> Withdrawal:
        """Take it back."""
        return withdrawals.cancel(books=self.books(), caller=caller, flow_id=withdrawal.flow_id, now_ms=self.now_ms)

    def admin(self, caller: Caller = ADMIN) -> Admin:
        """Act as an admin."""
        return Admin(caller, "203.0.113.7", self.now_ms)

    def approve(self, withdrawal: Withdrawal, caller: Caller = ADMIN) -> Withdrawal:
        """Let it go out."""
        return reviews.approve(
            books=self.books(), queue=self.queue, admin=self.admin(caller), flow_id=withdrawal.flow_id, notes="fine"
        )

    def reject(self, withdrawal: Withdrawal, caller: Caller = ADMIN) -> Withdrawal:
        """Refuse it."""
        return reviews.reject(books=self.books(), admin=self.admin(caller), flow_id=withdrawal.flow_id, notes="no")

    def work(self, withdrawal: Withdrawal) -> Withdrawal:
        """Do what is next, now, unless somebody else may be at it."""
        self.payer.now_ms = self.now_ms
        try:
            return work(office=self.office(), flow_id=withdrawal.flow_id, now_ms=self.now_ms)
        except NotYet:
            return self.standing(withdrawal)

    def work_when_due(self, withdrawal: Withdrawal) -> Withdrawal:
        """Wait until its time has come, then do what is next."""
        self.now_ms = max(self.now_ms, self.standing(withdrawal).not_before_ms)
        return self.work(withdrawal)

    def standing(self, withdrawal: Withdrawal) -> Withdrawal:
        """Look at it without a call."""
        found = self.store.flow_items[withdrawal.flow_id]
        assert isinstance(found, Withdrawal)
        return found

    def held(self, withdrawal: Withdrawal) -> int:
        """Look at what its hold account has."""
        return self.store.account_items[withdrawal.hold_id].balance

    def with_rules(self, **changes: object) -> None:
        """Change the rules for USD."""
        self.rules = {"USD": replace(RULES, **changes)}  # type: ignore[arg-type] # by name
