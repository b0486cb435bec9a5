"""A scene where events of providers come in: ada's wallet, orders for it, and everything that handles events."""

from decimal import Decimal
from typing import Final

from tallystick.domain.deposits import Deposit
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.money import Amount
from tallystick.domain.webhooks import Fact, Failed, Notice, Paid, Pending, Provider, TakenBack
from tallystick.services.processing import Handled, Office, Providers, Retries, handle
from tallystick.services.settling import Books
from tests.support.fake_webhooks import FakeAlerts, FakeFlows, FakeInbox, FakeQueue, ScriptedGateway, no_payer
from tests.support.scene import ADA, NOW_MS, USD, Scene

DELAYS_MS: Final = (60_000, 300_000, 900_000, 1_800_000, 3_600_000)
GRACE_MS: Final = 120_000
HOUR_MS: Final = 3_600_000


def usd(text: str) -> Amount:
    """Give an amount of US dollars."""
    return Amount(Decimal(text), "USD")


def paid(payment_id: str = "pi_1", amount: str = "25.00") -> Paid:
    """Say that money has arrived."""
    return Paid(payment_id, usd(amount))


def refund(claim_id: str = "re_1", amount: str = "10.00", *, undone: bool = False) -> TakenBack:
    """Say that money was refunded, or that this failed in the end."""
    return TakenBack(claim_id, "refund", usd(amount), undone)


def chargeback(claim_id: str = "dp_1", amount: str = "25.00", *, undone: bool = False) -> TakenBack:
    """Say that a payer's bank took money back, or that we won."""
    return TakenBack(claim_id, "chargeback", usd(amount), undone)


FACTS: Final[dict[str, Fact]] = {
    "created": Pending(),
    "failed": Failed("card declined"),
    "succeeded": paid(),
    "refunded": refund(),
    "refunded more": refund("re_2", "5.00"),
    "refund failed": refund(undone=True),
    "disputed": chargeback(),
    "dispute won": chargeback(undone=True),
}
"""What a provider may say of one order, in any order and any number of times."""


class Incoming(Scene):
    """Hold the scene; `now_ms` is the time that everything is told."""

    def __init__(self) -> None:
        """Open ada's empty wallet `wal_a` and order 25.00 into it as `dep_1`."""
        super().__init__()
        self.inbox = FakeInbox(self.store)
        self.flows = FakeFlows(self.store)
        self.alerts = FakeAlerts(self.store)
        self.queue = FakeQueue(self.store)
        self.gateway = ScriptedGateway(self.store)
        self.wallet()
        self.order()

    def office(self) -> Office:
        """Start another Lambda: same stores, own memory."""
        books = Books(self.new_ledger(), self.flows, self.store.create)
        return Office(self.inbox, books, self.alerts, self.providers, Retries(DELAYS_MS, GRACE_MS))

    @property
    def providers(self) -> Providers:
        """Speak with the one provider there is, which pays nothing out."""
        return Providers(lambda _provider: self.gateway, no_payer)

    def order(self, flow_id: str = "dep_1", expected: str = "25.00", wallet_id: str = "wal_a") -> Deposit:
        """Order money into a wallet."""
        deposit = Deposit(
            flow_id=flow_id,
            owner_id=ADA.caller_id,
            wallet_id=wallet_id,
            provider=Provider.STRIPE,
            environment="test",
            asset=USD,
            expected=expected,
            currency="USD",
            fingerprint="f",
            created_at_ms=NOW_MS,
            expires_at_ms=NOW_MS + HOUR_MS,
            ready=True,
        )
        self.store.flow_items[flow_id] = deposit
        return deposit

    def event(self, name: str, *facts: Fact, order: tuple[str, ...] = ("dep_1",), confirm: bool = False) -> InboxEvent:
        """Let an event come in that says these facts of an order, by default the ones that its name stands for."""
        told = facts or (FACTS[name],)
        self.gateway.script[name] = Notice(name, order, told, confirm=confirm)
        return self.arrival(name)

    def arrival(self, name: str) -> InboxEvent:
        """Let an event come in."""
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

    def handle(self, event: InboxEvent, office: Office | None = None) -> Handled:
        """Process an event once."""
        return handle(office=office or self.office(), inbox_key=event.inbox_key, now_ms=self.now_ms)

    def handle_until_finished(self, event: InboxEvent) -> Handled:
        """Process an event as often as its retries say, and let the time pass that they ask for."""
        for _ in range(len(DELAYS_MS) + 1):
            handled = self.handle(event)
            if handled.wait_ms is None:
                return handled
            self.now_ms += handled.wait_ms
        raise AssertionError("the retries never end")

    def stored(self, event: InboxEvent) -> InboxEvent:
        """Look at an event without a call."""
        return self.inbox.events[event.inbox_key]

    def state(self, event: InboxEvent) -> EventState:
        """Look at an event's state without a call."""
        return self.stored(event).state

    def deposit(self, flow_id: str = "dep_1") -> Deposit:
        """Look at an order without a call."""
        found = self.store.flow_items[flow_id]
        assert isinstance(found, Deposit)
        return found

    def side(self, account_id: str) -> int:
        """Add up a tallied account from the transfer records, without a call."""
        postings = [p for record in self.store.records.values() for p in getattr(record, "postings", ())]
        return sum(posting.units for posting in postings if posting.account_id == account_id)

    def spend(self, amount: str, key: str = "spent") -> None:
        """Let money leave ada's wallet."""
        self.debit(key, amount, ledger=self.new_ledger())
