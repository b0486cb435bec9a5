"""Take a provider's call: is it genuine, and is its event kept? What it means is somebody else's business."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from tallystick.domain.chain import digest
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.webhooks import Delivery, Environment, Forged
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.inbox import Inbox
from tallystick.services.ports.providers import KeyRing, Seal

STALE_AFTER_MS: Final = 300_000
"""A signed time this far away is stale where the provider documents no window: then the provider is asked."""

_MAY_BE_A_NEW_KEY: Final = frozenset({"signature-mismatch", "unknown-key"})
_EVIDENCE_PREFIXES: Final = ("stripe-", "moonpay-", "x-paystack-", "x-body-", "tl-", "x-tl-", "signature", "x-stellar-")


@dataclass(frozen=True, slots=True)
class Gate:
    """Hold what a call of one provider has to pass; no networks or no tolerance mean that any will do."""

    environment: Environment
    seal: Seal
    keys: KeyRing
    networks: Sequence[IPv4Network | IPv6Network] | None = None
    tolerance_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """Hand back the event as it stands in the inbox, and whether this call brought it."""

    event: InboxEvent
    new: bool


def receive(*, gate: Gate, inbox: Inbox, queue: Queue, delivery: Delivery, grace_ms: int) -> Received:
    """Keep a genuine event and queue it; a duplicate is answered like the first, and queued again while it is open.

    Two calls to the outside for a new event, one for a duplicate of an event that is done.

    Raises:
        Forged: it is not the provider's, or not from now; nothing is kept.
        StoreUnavailable: it is not certain that the event is kept and queued; the provider will send it again.
    """
    confirm = _check(gate, delivery)
    event = _event(gate, delivery, confirm=confirm, grace_ms=grace_ms)
    stored = inbox.store(event)
    if stored.body != event.body:
        event = _event(gate, delivery, confirm=confirm, grace_ms=grace_ms, conflicts=True)
        stored = inbox.store(event)
    if stored.state is EventState.OPEN and stored.attempts == 0:
        queue.send([stored.inbox_key])
    return Received(stored, new=stored == event)


def _check(gate: Gate, delivery: Delivery) -> bool:
    """Let nothing pass that is not genuine; tell whether the provider has to be asked about it all the same."""
    if gate.networks is not None and not _is_from(gate.networks, delivery.source_ip):
        raise Forged("address")
    signed_at_ms = _signed_at(gate, delivery)
    if signed_at_ms is None:
        return False
    distance_ms = abs(delivery.received_at_ms - signed_at_ms)
    if gate.tolerance_ms is not None and distance_ms > gate.tolerance_ms:
        raise Forged("stale")
    return distance_ms > STALE_AFTER_MS


def _is_from(networks: Sequence[IPv4Network | IPv6Network], source_ip: str) -> bool:
    try:
        address = ip_address(source_ip)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def _signed_at(gate: Gate, delivery: Delivery) -> int | None:
    """Check the signature; once more with the newest keys, for the provider may have begun to use one."""
    keys = gate.keys.keys(delivery.provider)
    try:
        return gate.seal.verify(delivery, keys)
    except Forged as forged:
        renewed = gate.keys.renewed(delivery.provider) if forged.reason in _MAY_BE_A_NEW_KEY else keys
        if list(renewed) == list(keys):
            raise
        return gate.seal.verify(delivery, renewed)


def _event(gate: Gate, delivery: Delivery, *, confirm: bool, grace_ms: int, conflicts: bool = False) -> InboxEvent:
    content = gate.seal.content(delivery)
    return InboxEvent(
        provider=delivery.provider,
        environment=gate.environment,
        external_id=gate.seal.event_id(delivery) or f"body:{digest(content.hex())}",
        body=content,
        headers={name: text for name, text in delivery.headers.items() if name.startswith(_EVIDENCE_PREFIXES)},
        query=dict(delivery.query),
        received_at_ms=delivery.received_at_ms,
        due_at_ms=delivery.received_at_ms + grace_ms,
        confirm=confirm,
        conflicts=conflicts,
    )
