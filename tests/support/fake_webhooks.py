"""Keep flows and events in memory, beside the ledger of `fake_store`, under the same conditions as DynamoDB's.

Every call goes through the store's hooks, so what interrupts or interleaves the ledger does so here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tallystick.domain.audit import AuditRecord
from tallystick.domain.deposits import Deposit
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import EventRejected, Notice, Provider
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.inbox import Overdue
from tallystick.services.ports.paging import Page
from tallystick.services.ports.providers import Checkout
from tests.support.fake_store import FakeStore


@contextmanager
def call(store: FakeStore, name: str) -> Iterator[None]:
    """Let the store's hooks see a call."""
    store.calls.append(name)
    store.before(name)
    yield
    store.after(name)


@dataclass
class FakeFlows:
    """Implement the port Flows on the flows of a store."""

    backing: FakeStore

    def create(self, flow: Deposit) -> Deposit:
        """Write a new flow, or answer the one under its id."""
        with call(self.backing, "flows.create"):
            return self.backing.flow_items.setdefault(flow.flow_id, flow)

    def get(self, flow_id: str) -> Deposit | None:
        """Read a flow."""
        with call(self.backing, "flows.get"):
            return self.backing.flow_items.get(flow_id)

    def find(self, reference: str) -> str | None:
        """Find what a reference leads to."""
        with call(self.backing, "flows.find"):
            return self.backing.references.get(reference)

    def save(self, flow: Deposit, references: Sequence[str] = ()) -> bool:
        """Write the next version and its references, or nothing."""
        with call(self.backing, "flows.save"):
            stored = self.backing.flow_items.get(flow.flow_id)
            known = {**self.backing.references, **dict.fromkeys(self.backing.flow_items)}
            taken = any(known.get(name, flow.flow_id) != flow.flow_id for name in references)
            if stored is None or stored.version != flow.version - 1 or taken:
                return False
            self.backing.flow_items[flow.flow_id] = flow
            self.backing.references |= dict.fromkeys(references, flow.flow_id)
            return True


@dataclass
class FakeInbox:
    """Implement the port Inbox; `audited` lists what was written to the audit."""

    backing: FakeStore
    events: dict[str, InboxEvent] = field(default_factory=dict)
    audited: list[AuditRecord] = field(default_factory=list)

    def store(self, event: InboxEvent) -> InboxEvent:
        """Write a new event, or answer the one under its key."""
        with call(self.backing, "inbox.store"):
            return self.events.setdefault(event.inbox_key, event)

    def get(self, inbox_key: str) -> InboxEvent | None:
        """Read an event."""
        with call(self.backing, "inbox.get"):
            return self.events.get(inbox_key)

    def save(self, event: InboxEvent, audit: AuditRecord | None = None) -> bool:
        """Write the next version and its audit record, or nothing."""
        with call(self.backing, "inbox.save"):
            stored = self.events.get(event.inbox_key)
            if stored is None or stored.version != event.version - 1:
                return False
            self.events[event.inbox_key] = replace(event)
            self.audited += [audit] if audit else []
            return True

    def overdue(self, provider: Provider, now_ms: int, limit: int) -> list[Overdue]:
        """List open events that are overdue."""
        with call(self.backing, "inbox.overdue"):
            late = [event for event in self.events.values() if _is_late(event, provider, now_ms)]
            listed = sorted(late, key=lambda event: event.due_at_ms)[:limit]
            return [Overdue(event.inbox_key, event.due_at_ms) for event in listed]

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give an event more time, if nothing was done about it."""
        with call(self.backing, "inbox.postpone"):
            event = self.events[overdue.inbox_key]
            if event.state is not EventState.OPEN or event.due_at_ms != overdue.due_at_ms:
                return False
            self.events[overdue.inbox_key] = replace(event, due_at_ms=due_at_ms)
            return True

    def dead(self, limit: int, after: str | None) -> Page[InboxEvent]:
        """List dead letters, newest first."""
        with call(self.backing, "inbox.dead"):
            dead = [event for event in self.events.values() if event.state is EventState.DEAD]
            listed = sorted(dead, key=_position, reverse=True)
            rest = [event for event in listed if after is None or _position(event) < _padded(after)]
            return Page(rest[:limit], _name(rest[limit - 1]) if len(rest) > limit else None)


def _is_late(event: InboxEvent, provider: Provider, now_ms: int) -> bool:
    return event.provider is provider and event.state is EventState.OPEN and event.due_at_ms < now_ms


def _name(event: InboxEvent) -> str:
    return f"{event.dead_at_ms}#{event.inbox_key}"


def _position(event: InboxEvent) -> str:
    return _padded(_name(event))


def _padded(name: str) -> str:
    return name.rjust(100, "0")


@dataclass
class FakeQueue:
    """Implement the port Queue; `sent` lists what was queued and not yet taken."""

    backing: FakeStore
    sent: list[str] = field(default_factory=list)

    def send(self, inbox_keys: Sequence[str]) -> None:
        """Queue events."""
        with call(self.backing, "queue.send"):
            self.sent += inbox_keys


@dataclass
class FakeCursors:
    """Implement the port Cursors."""

    backing: FakeStore
    cursors: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """Read a cursor."""
        with call(self.backing, "cursors.get"):
            return self.cursors.get(name)

    def advance(self, name: str, before: str | None, after: str) -> bool:
        """Move a cursor on, unless somebody else has."""
        with call(self.backing, "cursors.advance"):
            if self.cursors.get(name) != before:
                return False
            self.cursors[name] = after
            return True


@dataclass
class FakeAlerts:
    """Implement the port Alerts; `raised` lists what people were told."""

    backing: FakeStore
    raised: list[Alert] = field(default_factory=list)

    def raise_alert(self, alert: Alert) -> None:
        """Tell people."""
        with call(self.backing, "alerts.raise"):
            self.raised.append(alert)

    @property
    def kinds(self) -> list[str]:
        """Name what they were told about."""
        return [alert.kind for alert in self.raised]


@dataclass
class ScriptedGateway:
    """Implement the port Gateway: a body is the name of a notice in the script.

    What the provider says when it is asked stands under `confirmed`, by the same name; without that it says the same.
    """

    backing: FakeStore
    script: dict[str, Notice] = field(default_factory=dict)
    confirmed: dict[str, Notice] = field(default_factory=dict)
    orders: list[Deposit] = field(default_factory=list)

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:  # noqa: ARG002 (as providers send it)
        """Find a notice in the script."""
        if body.decode() not in self.script:
            raise EventRejected("unreadable", "The script does not have it.")
        return self.script[body.decode()]

    def confirm(self, notice: Notice) -> Notice:
        """Say what is so in truth."""
        with call(self.backing, "gateway.confirm"):
            return self.confirmed.get(notice.event, replace(notice, confirm=False))

    def checkout(self, deposit: Deposit) -> Checkout:
        """Prepare the payment of an order."""
        with call(self.backing, "gateway.checkout"):
            self.orders.append(deposit)
            return Checkout(
                f"https://pay.example/{deposit.flow_id}", {}, (f"{deposit.provider}:pay-{deposit.flow_id}",)
            )
