"""What the providers' sandbox has made of withdrawals of the small world, and what it says of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from tallystick.domain.money import from_minor
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tests.functions import cloud, orders, payouts, providers
from tests.functions.world import Clock, answer
from tests.support.sandbox import RunningSandbox

Thing = dict[str, Any]


class Things(Protocol):
    """Hold what providers keep: the sandbox that runs, or the one of `playing.py`."""

    def things(self, provider: str) -> Thing:
        """Give all that a provider keeps."""

    def put(self, provider: str, thing_id: str, **members: Any) -> Thing:  # noqa: ANN401 (JSON)
        """Change a thing, or make it."""


@dataclass(frozen=True, slots=True)
class Payouts:
    """Know one provider's payouts: which are a withdrawal's, how they end, and how that is told."""

    is_of: Callable[[str, Thing, str], bool]
    paid: str
    failed: str
    event: Callable[[Thing, str, int], Thing]


def _stripe_event(payout: Thing, status: str, at_ms: int) -> Thing:
    event: Thing = json.loads(
        orders.stripe_event(f"evt_{payout['id']}_{status}", f"payout.{status}", {**payout, "status": status}, at_ms)
    )
    return event


def _paystack_event(payout: Thing, status: str, at_ms: int) -> Thing:
    return {"event": f"transfer.{status}", "data": {**payout, "status": status, "updatedAt": to_rfc3339(at_ms)}}


def _truelayer_event(payout: Thing, status: str, at_ms: int) -> Thing:
    return {
        "type": f"payout_{status}",
        "event_version": 1,
        "event_id": f"{payout['id']}-{status}",
        "payout_id": payout["id"],
        f"{status}_at": to_rfc3339(at_ms),
        "metadata": payout["metadata"],
    }


SPOKEN: Final[Mapping[str, Payouts]] = {
    Provider.STRIPE: Payouts(
        lambda _, thing, flow_id: thing.get("metadata", {}).get("withdrawal_id") == flow_id,
        "paid",
        "failed",
        _stripe_event,
    ),
    Provider.PAYSTACK: Payouts(
        lambda name, _, flow_id: name == f"transfer/{flow_id.replace('_', '-')}", "success", "reversed", _paystack_event
    ),
    Provider.TRUELAYER: Payouts(
        lambda _, thing, flow_id: thing.get("metadata", {}).get("withdrawal_id") == flow_id,
        "executed",
        "failed",
        _truelayer_event,
    ),
}
"""Those that tell by webhook what became of a payout."""


def made(sandbox: Things, provider: str, key: str = "key-1") -> list[Thing]:
    """Give all payouts that were ever made of a withdrawal of dora's; on Stellar its memo and amount tell."""
    things = sandbox.things(provider)
    if provider == Provider.STELLAR:
        return [thing for thing in things.values() if _is_payment_of(thing, key)]
    is_of = SPOKEN[provider].is_of
    return [{**thing, "name": name} for name, thing in things.items() if is_of(name, thing, payouts.id_of(key))]


def _is_payment_of(thing: Thing, key: str) -> bool:
    if not thing.get("transaction_successful"):
        return False
    withdrawal = payouts.stored(key)
    asked = (withdrawal.destination.memo, from_minor(withdrawal.units, withdrawal.asset.scale))
    return (thing["transaction"]["memo"], Decimal(thing["amount"])) == asked


def end(sandbox: Things, provider: str, *, paid: bool = True, key: str = "key-1") -> None:
    """Let all payouts of a withdrawal come to their end, unless they have."""
    if provider == Provider.STELLAR:
        return
    spoken = SPOKEN[provider]
    for payout in made(sandbox, provider, key):
        sandbox.put(provider, payout.pop("name"), status=spoken.paid if paid else spoken.failed)


def tell(sandbox: Things, provider: str, clock: Clock, *, paid: bool = True, key: str = "key-1") -> None:
    """Let a provider call about the one payout of a withdrawal, and process that."""
    call_about(sandbox, provider, clock, paid=paid, key=key)
    cloud.consume_all()


def call_about(sandbox: Things, provider: str, clock: Clock, *, paid: bool, key: str = "key-1") -> None:
    """Let a provider call about the one payout of a withdrawal."""
    (payout,) = made(sandbox, provider, key)
    spoken = SPOKEN[provider]
    event = spoken.event(payout, spoken.paid if paid else spoken.failed, clock())
    answered = answer("webhooks", providers.signed(Provider(provider), json.dumps(event).encode(), clock()))
    assert answered["statusCode"] == 200


def pay_out() -> None:
    """Let the worker take all messages that can be seen."""
    cloud.consume_all(providers.PAYOUT_QUEUE)


def later(sandbox: Things, clock: Clock, seconds: int) -> None:
    """Let time pass here and on Stellar, sweep once, and let the worker take what that queues."""
    clock.now_ms += seconds * 1000
    tell_time(sandbox, clock)
    cloud.sweep("withdrawal_sweep")
    pay_out()


def tell_time(sandbox: Things, clock: Clock) -> None:
    """Let Stellar's ledgers be closed by the world's clock."""
    sandbox.put("stellar", "ledger", closed_at=to_rfc3339(clock()))


def forget(sandbox: RunningSandbox, clock: Clock) -> None:
    """Begin with nothing at any provider."""
    sandbox.reset()
    cloud.forget_tokens()
    tell_time(sandbox, clock)


def command(sandbox: RunningSandbox, name: str, **members: Any) -> None:  # noqa: ANN401 (JSON)
    """Give the sandbox another command of its control API."""
    sandbox.http.post(f"/_control/{name}", json=members).raise_for_status()
