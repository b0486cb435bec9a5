"""Keep flows and events in memory, beside the ledger of `fake_store`, under the same conditions as DynamoDB's.

Every call goes through the store's hooks, so what interrupts or interleaves the ledger does so here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tallystick.domain.audit import AuditRecord
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import ProviderRefused
from tallystick.domain.flows import Flow
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.provider_matching import is_compared
from tallystick.domain.quotas import Used
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import EventRejected, Notice, Provider
from tallystick.domain.withdrawals import OPEN, Withdrawal
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.paging import Page
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.providers import Checkout
from tests.support.fake_store import FakeStore

F = TypeVar("F", Deposit, Withdrawal)


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
    postponed: dict[str, tuple[int, int]] = field(default_factory=dict)
    agreed: dict[str, int] = field(default_factory=dict)

    def create(self, flow: F) -> F:
        """Write a new flow, or answer the one under its id."""
        with call(self.backing, "flows.create"):
            standing = self.backing.flow_items.setdefault(flow.flow_id, flow)
            assert isinstance(standing, type(flow))
            return standing

    def get(self, flow_id: str) -> Flow | None:
        """Read a flow."""
        with call(self.backing, "flows.get"):
            return self.backing.flow_items.get(flow_id)

    def find(self, reference: str) -> str | None:
        """Find what a reference leads to."""
        with call(self.backing, "flows.find"):
            return self.backing.references.get(reference)

    def save(self, flow: Flow, references: Sequence[str] = (), audit: AuditRecord | None = None) -> bool:
        """Write the next version, its references and the audit's record, or nothing."""
        with call(self.backing, "flows.save"):
            if not self.backing.follows(flow, references):
                return False
            self.backing.flow_items[flow.flow_id] = flow
            self.backing.references |= dict.fromkeys(references, flow.flow_id)
            self.backing.audited += [audit] if audit else []
            return True

    def used(self, key: str) -> Used:
        """Read how much of a quota is used up."""
        with call(self.backing, "quotas.used"):
            return self.backing.quotas.get(key, Used())

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """List withdrawals of a state that are overdue."""
        with call(self.backing, "flows.overdue"):
            late = [flow for flow in self._open(name) if self._due_at_ms(flow) < now_ms]
            return [Overdue(flow.flow_id, self._due_at_ms(flow)) for flow in late[:limit]]

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give a withdrawal more time, if nothing was done about it."""
        with call(self.backing, "flows.postpone"):
            flow = self.backing.flow_items[overdue.key]
            assert isinstance(flow, Withdrawal)
            if flow.state not in OPEN or self._due_at_ms(flow) != overdue.due_at_ms:
                return False
            self.postponed[flow.flow_id] = flow.version, due_at_ms
            return True

    def in_state(self, state: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """List withdrawals of a state, those first that are due first."""
        with call(self.backing, "flows.in_state"):
            rest = [flow for flow in self._open(state) if after is None or _padded(self._due(flow)) > _padded(after)]
            return Page(rest[:limit], self._due(rest[limit - 1]) if len(rest) > limit else None)

    def owned_by(self, owner_id: str, limit: int, after: str | None) -> Page[Withdrawal]:
        """List an owner's withdrawals, newest first."""
        with call(self.backing, "flows.owned_by"):
            owned = [flow for flow in self.backing.flow_items.values() if isinstance(flow, Withdrawal)]
            listed = sorted((flow for flow in owned if flow.owner_id == owner_id), key=_age, reverse=True)
            rest = [flow for flow in listed if after is None or _age(flow) < after]
            return Page(rest[:limit], _age(rest[limit - 1]) if len(rest) > limit else None)

    def unreconciled(self, provider: Provider, limit: int, after: str | None) -> Page[Flow]:
        """List flows that have changed since they agreed with their provider, oldest first."""
        with call(self.backing, "flows.unreconciled"):
            flows = [flow for flow in self.backing.flow_items.values() if flow.provider == provider]
            marked = [flow for flow in flows if is_compared(flow) and self.agreed.get(flow.flow_id) != flow.version]
            rest = [flow for flow in sorted(marked, key=_position_of) if after is None or _position_of(flow) > after]
            return Page(rest[:limit], _position_of(rest[limit - 1]) if len(rest) > limit else None)

    def reconciled(self, flow: Flow) -> bool:
        """Take a flow off that list, unless it has changed."""
        with call(self.backing, "flows.reconciled"):
            if self.backing.flow_items[flow.flow_id].version != flow.version:
                return False
            self.agreed[flow.flow_id] = flow.version
            return True

    def _open(self, state: str) -> list[Withdrawal]:
        flows = [flow for flow in self.backing.flow_items.values() if isinstance(flow, Withdrawal)]
        found = [flow for flow in flows if flow.state in OPEN and flow.state == state]
        return sorted(found, key=lambda flow: _padded(self._due(flow)))

    def _due(self, flow: Withdrawal) -> str:
        return f"{self._due_at_ms(flow)}#{flow.flow_id}"

    def _due_at_ms(self, flow: Withdrawal) -> int:
        version, due_at_ms = self.postponed.get(flow.flow_id, (-1, 0))
        return due_at_ms if version == flow.version else flow.not_before_ms  # a new version sets it anew


def _position_of(flow: Flow) -> str:
    return f"{flow.created_at_ms:015d}#{flow.flow_id}"


def _age(flow: Withdrawal) -> str:
    return f"{to_rfc3339(flow.created_at_ms)}#{flow.flow_id}"


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

    def bring(self, event: InboxEvent, audit: AuditRecord) -> bool:
        """Write a new event with the record of who brought it, unless it is there."""
        with call(self.backing, "inbox.bring"):
            if event.inbox_key in self.events:
                return False
            self.events[event.inbox_key] = event
            self.audited.append(audit)
            return True

    def overdue(self, name: str, now_ms: int, limit: int) -> list[Overdue]:
        """List open events that are overdue."""
        with call(self.backing, "inbox.overdue"):
            late = [event for event in self.events.values() if _is_late(event, name, now_ms)]
            listed = sorted(late, key=lambda event: event.due_at_ms)[:limit]
            return [Overdue(event.inbox_key, event.due_at_ms) for event in listed]

    def postpone(self, overdue: Overdue, due_at_ms: int) -> bool:
        """Give an event more time, if nothing was done about it."""
        with call(self.backing, "inbox.postpone"):
            event = self.events[overdue.key]
            if event.state is not EventState.OPEN or event.due_at_ms != overdue.due_at_ms:
                return False
            self.events[overdue.key] = replace(event, due_at_ms=due_at_ms)
            return True

    def dead(self, limit: int, after: str | None) -> Page[InboxEvent]:
        """List dead letters, newest first."""
        with call(self.backing, "inbox.dead"):
            dead = [event for event in self.events.values() if event.state is EventState.DEAD]
            listed = sorted(dead, key=_position, reverse=True)
            rest = [event for event in listed if after is None or _position(event) < _padded(after)]
            return Page(rest[:limit], _name(rest[limit - 1]) if len(rest) > limit else None)


def _is_late(event: InboxEvent, provider: str, now_ms: int) -> bool:
    return event.provider == provider and event.state is EventState.OPEN and event.due_at_ms < now_ms


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

    def send(self, keys: Sequence[str]) -> None:
        """Queue keys."""
        with call(self.backing, "queue.send"):
            self.sent += keys


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
    """Implement the port Alerts; `raised` and `ended` list what people were told, `told` in which order."""

    backing: FakeStore
    raised: list[Alert] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def raise_alert(self, alert: Alert) -> None:
        """Tell people."""
        with call(self.backing, "alerts.raise"):
            self.raised.append(alert)
            self.told.append("raised")

    def end_alert(self, kind: str, subject: str) -> None:
        """Say that it is over."""
        with call(self.backing, "alerts.end"):
            self.ended.append((kind, subject))
            self.told.append("ended")

    @property
    def kinds(self) -> list[str]:
        """Name what they were told about."""
        return [alert.kind for alert in self.raised]


def no_payer(provider: Provider) -> Payer:
    """Pay nothing out."""
    raise ProviderRefused("It pays nobody out.", provider=provider)


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
