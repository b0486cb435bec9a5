"""What happens at payment providers when money comes in, and what they tell of it.

An event is made from what its provider keeps, so a provider's books and its events agree, unless a scene wants them to
contradict each other. The same money is told of more than once and under several ids, as providers do.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from cli.webhooks.samples import SAMPLES
from cli.webhooks.samples import Order as Sample
from tallystick.domain.webhooks import Provider
from tests.functions import providers
from tests.simulation.world import World

Thing = dict[str, Any]

ETH_PER_CENT: Final = Decimal("0.000005")
OURS: Final = {"moonpay": providers.MOONPAY_ADDRESS, "ramp": providers.RAMP_ADDRESS}
"""Our addresses."""

PAYER: Final = "GB3JDWCQJCWMJ3IILWIGDTQJJC5567PGVEVXSCVPEQOTDN64VJBDQBYX"
_ASSETS: Final[dict[str, dict[str, str]]] = {
    "XLM": {"asset_type": "native"},
    "USDC": {"asset_type": "credit_alphanum4", "asset_code": "USDC", "asset_issuer": providers.STELLAR_ISSUER},
}


@dataclass(frozen=True, slots=True)
class Event:
    """Hold what a provider tells, and the query of the address that it is sent to; `name` is in its id in the inbox."""

    provider: str
    name: str
    document: Thing
    query: dict[str, str] | None = None

    @property
    def body(self) -> bytes:
        """Write it."""
        return json.dumps(self.document).encode()


@dataclass(frozen=True, slots=True)
class Order:
    """Hold an order as its owner was told of it; `units` are hundredths of what is paid in."""

    world: World
    shop: "Shop"
    owner: str
    units: int
    document: Mapping[str, Any]

    @property
    def deposit_id(self) -> str:
        """Name the order."""
        deposit_id: str = self.document["deposit_id"]
        return deposit_id

    @property
    def wallet_id(self) -> str:
        """Name the wallet that it is for."""
        wallet_id: str = self.document["wallet_id"]
        return wallet_id

    def name(self, number: int) -> str:
        """Give a part of an id that no other payment or claim has."""
        return f"{self.deposit_id.removeprefix('dep_')}_{number}"

    def keep(self, provider: str, thing_id: str, thing: Thing) -> Thing:
        """Let a provider keep a thing as it is from now on; what there was of it stays."""
        played = self.world.providers[provider]
        played.things[thing_id] = {**played.things.get(thing_id, {}), **thing}
        played.changed[thing_id] = self.world.now_ms() / 1000
        kept: Thing = played.things[thing_id]
        return kept

    def find(self, provider: str) -> Thing:
        """Give the payment that a provider has prepared for the order."""
        things: dict[str, Thing] = self.world.providers[provider].things
        return next(thing for thing in things.values() if _order_of(thing) == self.deposit_id)

    def time(self, later_s: int = 0) -> str:
        """Write the time."""
        return (self.at + timedelta(seconds=later_s)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def at(self) -> datetime:
        """Tell the time."""
        return datetime.fromtimestamp(self.world.now_ms() / 1000, UTC)

    def sample(self, payment_id: str, units: int, later_s: int = 0) -> Sample:
        """Say it as samples of events are told of a payment."""
        return Sample(
            deposit_id=self.deposit_id,
            amount=Decimal(units).scaleb(-2),
            currency=self.document["currency"],
            payment_id=payment_id,
            claim_id="",
            at=self.at + timedelta(seconds=later_s),
            delivered=units * ETH_PER_CENT,
            asset=self.document["asset"],
            address=OURS.get(self.document["provider"], ""),
        )


@dataclass(frozen=True, slots=True)
class Shop(ABC):
    """Play what a provider's customers do; `number` tells several payments or claims of one order apart.

    What is paid in `currency` is credited in `asset`. Of the events that are told the last one says by itself all that
    matters in the end.
    """

    provider: str
    asset: str
    currency: str

    @abstractmethod
    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:
        """Pay for an order."""


class RefundingShop(Shop):
    """Play a provider that gives money back."""

    @abstractmethod
    def refund(self, order: Order, units: int, number: int = 0, *, undone: bool = False) -> list[Event]:
        """Give back; or try that, and fail in the end."""


class StripeShop(RefundingShop):
    """Play Stripe."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:
        """Try a card that is declined, then another one; two endpoints of ours are told."""
        before = self._intent(order, number)
        paid = order.keep("stripe", before["id"], {**before, "status": "succeeded", "amount_received": units})
        declined = {**before, "status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
        return [
            self.event(order, "payment_intent.created", before),
            self.event(order, "payment_intent.payment_failed", declined),
            self.event(order, "payment_intent.succeeded", paid),
            self.event(order, "payment_intent.succeeded", paid),
        ]

    def refund(self, order: Order, units: int, number: int = 0, *, undone: bool = False) -> list[Event]:
        """Give back; the refund tells of it, and the charge as a whole."""
        waiting = self._taken_back(order, f"re_{order.name(number)}", units, object="refund", status="pending")
        taken = {**waiting, "status": "succeeded"}
        failed = {**waiting, "status": "failed"}
        order.keep("stripe", waiting["id"], failed if undone else taken)
        charge = {
            "id": f"ch_{order.name(number)}",
            "object": "charge",
            "payment_intent": waiting["payment_intent"],
            "metadata": {"deposit_id": order.deposit_id},
        }
        return [
            self.event(order, "charge.refunded", charge),
            self.event(order, "refund.created", waiting),
            self.event(order, "refund.updated", taken),
            *([self.event(order, "refund.failed", failed)] if undone else []),
        ]

    def dispute(self, order: Order, units: int, number: int = 0, *, undone: bool = False) -> list[Event]:
        """Let a payer's bank take money back; it comes again when we win."""
        opened = self._taken_back(
            order,
            f"dp_{order.name(number)}",
            units,
            object="dispute",
            status="needs_response",
            balance_transactions=[{"id": "txn_1"}],
        )
        ended = {**opened, "status": "won" if undone else "lost"}
        again = {**ended, "balance_transactions": [{"id": "txn_1"}, {"id": "txn_2"}]}
        order.keep("stripe", opened["id"], again if undone else ended)
        return [
            self.event(order, "charge.dispute.created", opened),
            self.event(order, "charge.dispute.funds_withdrawn", opened),
            self.event(order, "charge.dispute.closed", ended),
            *([self.event(order, "charge.dispute.funds_reinstated", again)] if undone else []),
        ]

    def event(self, order: Order, kind: str, thing: Thing, event_id: str = "", *, livemode: bool = False) -> Event:
        """Tell of a thing, by default under an id that no other event has."""
        event_id = event_id or f"evt_{thing['id']}_{order.world.dice.getrandbits(40):x}"
        event = {
            "id": event_id,
            "object": "event",
            "created": order.world.now_ms() // 1000,
            "livemode": livemode,
            "type": kind,
            "data": {"object": thing},
        }
        return Event(self.provider, event_id, event)

    def _intent(self, order: Order, number: int) -> Thing:
        """Give the payment that was prepared, as it was then; a further one of the same order is like it."""
        prepared = order.find("stripe")
        further = {"id": f"pi_{order.name(number)}"} if number else {}
        return {**prepared, **further, "status": "requires_payment_method", "amount_received": 0}

    def _taken_back(self, order: Order, claim_id: str, units: int, **members: object) -> Thing:
        payment_id = order.find("stripe")["id"]
        return {"id": claim_id, "amount": units, "currency": "usd", "payment_intent": payment_id, **members}


class PaystackShop(RefundingShop):
    """Play Paystack."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:  # noqa: ARG002 (one order, one payment)
        """Pay, after a first try that failed."""
        reference = _reference(order)
        failed = {**order.world.providers["paystack"].things[reference], "status": "failed"}
        paid = order.keep("paystack", reference, {"status": "success", "amount": units, "paid_at": order.time()})
        return [self._event("charge.failed", failed), self._event("charge.success", paid)]

    def refund(self, order: Order, units: int, number: int = 0, *, undone: bool = False) -> list[Event]:
        """Give back."""
        processed = {
            "id": order.world.dice.randrange(10**9),
            "domain": "test",
            "status": "processed",
            "transaction_reference": _reference(order),
            "refund_reference": f"ref-{order.name(number)}",
            "amount": units,
            "currency": self.currency,
        }
        failed = {**processed, "status": "failed"}
        order.keep("paystack", f"refund/{processed['id']}", failed if undone else processed)
        failure = [self._event("refund.failed", failed)] if undone else []
        return [self._event("refund.processed", processed), *failure]

    def dispute(self, order: Order, units: int) -> list[Event]:
        """Accept what a payer's bank demands."""
        dispute = {
            "id": order.world.dice.randrange(10**9),
            "domain": "test",
            "resolution": "merchant-accepted",
            "refund_amount": units,
            "currency": self.currency,
            "transaction": {"reference": _reference(order)},
        }
        order.keep("paystack", f"dispute/{dispute['id']}", dispute)
        return [self._event("charge.dispute.resolve", dispute)]

    def _event(self, kind: str, thing: Thing) -> Event:
        return Event(self.provider, f"{kind}:{thing['id']}", {"event": kind, "data": thing})


class TrueLayerShop(RefundingShop):
    """Play TrueLayer, whose events say what happened and not how much it was."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:  # noqa: ARG002 (one order, one payment)
        """Pay, from bank to bank."""
        settled = {"status": "settled", "settled_at": order.time(), "amount_in_minor": units}
        order.keep("truelayer", order.find("truelayer")["id"], settled)
        kinds = ("payment_authorized", "payment_executed", "payment_settled", "payment_settled")
        return [self._event(order, kind) for kind in kinds]

    def refund(self, order: Order, units: int, number: int = 0, *, undone: bool = False) -> list[Event]:
        """Give back."""
        refund = {
            "id": f"refund-{order.name(number)}",
            "payment_id": order.find("truelayer")["id"],
            "status": "failed" if undone else "executed",
            "amount_in_minor": units,
            "currency": self.currency,
            "executed_at": order.time(),
        }
        order.keep("truelayer", str(refund["id"]), refund)
        kinds = ("refund_executed", "refund_failed" if undone else "refund_executed")
        return [self._event(order, kind, refund_id=refund["id"]) for kind in kinds]

    def _event(self, order: Order, kind: str, **members: object) -> Event:
        payment_id = order.find("truelayer")["id"]
        event_id = f"{payment_id}-{order.world.dice.getrandbits(40):x}"
        event = {
            "type": kind,
            "event_version": 1,
            "event_id": event_id,
            "payment_id": payment_id,
            "metadata": {"deposit_id": order.deposit_id},
        }
        return Event(self.provider, event_id, {**event, **members})


class MoonPayShop(Shop):
    """Play MoonPay, where the same order can be paid any number of times."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:
        """Buy crypto, which goes to our address."""
        payment_id = f"purchase-{order.name(number)}"
        kinds = ("transaction_created", "transaction_updated", "transaction_updated")
        told = [
            SAMPLES[Provider.MOONPAY][kind](order.sample(payment_id, units, later_s))
            for later_s, kind in enumerate(kinds)
        ]
        order.keep("moonpay", payment_id, told[-1]["data"])
        return [Event(self.provider, payment_id, document) for document in told]


class RampShop(Shop):
    """Play Ramp, whose events know an order by the address that they are sent to."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:
        """Buy crypto, which goes to our address."""
        sample = order.sample(f"purchase-{order.name(number)}", units)
        told = [SAMPLES[Provider.RAMP][kind](sample) for kind in ("CREATED", "RELEASED")]
        order.keep("ramp", sample.payment_id, told[-1]["purchase"])
        return [Event(self.provider, sample.payment_id, document, {"deposit": order.deposit_id}) for document in told]


class StellarShop(Shop):
    """Play people who pay on Stellar, and an anchor that says so; the chain itself tells nobody."""

    def pay(self, order: Order, units: int, number: int = 0) -> list[Event]:  # noqa: ARG002 (no two are the same)
        """Pay with the order's memo."""
        where, digest = order.document["instructions"], f"{order.world.dice.getrandbits(256):064x}"
        things = order.world.providers["stellar"].things.values()
        token = max((int(thing["paging_token"]) for thing in things if "paging_token" in thing), default=2**32) + 4096
        memo = {"memo_type": where["memo_type"], "memo": where["memo"]}
        operation = {
            "id": str(token),
            "paging_token": str(token),
            "transaction_successful": True,
            "transaction_hash": digest,
            "type": "payment",
            "created_at": order.time(),
            **_ASSETS[self.asset],
            "from": PAYER,
            "to": where["address"],
            "amount": f"{Decimal(units).scaleb(-2):.7f}",
            "transaction": {"hash": digest, "successful": True, "created_at": order.time(), **memo},
        }
        order.keep("stellar", str(token), operation)
        told = [
            SAMPLES[Provider.STELLAR][kind](order.sample(digest, units)) for kind in ("pending_anchor", "completed")
        ]
        return [Event(self.provider, order.deposit_id, document) for document in told]


STRIPE: Final = StripeShop("stripe", "USD", "USD")
PAYSTACK: Final = PaystackShop("paystack", "NGN", "NGN")
TRUELAYER: Final = TrueLayerShop("truelayer", "GBP", "GBP")
MOONPAY: Final = MoonPayShop("moonpay", "ETH", "EUR")
RAMP: Final = RampShop("ramp", "ETH", "EUR")
LUMENS: Final = StellarShop("stellar", "XLM", "XLM")
USDC: Final = StellarShop("stellar", "USDC", "USDC")

CALLING: Final[tuple[Shop, ...]] = (STRIPE, PAYSTACK, TRUELAYER, MOONPAY, RAMP)
"""These tell by themselves what they were paid."""

SHOPS: Final[tuple[Shop, ...]] = (*CALLING, LUMENS, USDC)
REFUNDING: Final[tuple[RefundingShop, ...]] = (STRIPE, PAYSTACK, TRUELAYER)
PAID_TWICE: Final[tuple[Shop, ...]] = (STRIPE, MOONPAY, RAMP, LUMENS)
"""Where nothing keeps people from paying for an order twice, or another amount."""

LISTING: Final[tuple[Shop, ...]] = (STRIPE, PAYSTACK, TRUELAYER, MOONPAY, USDC)
"""Where a list shows what was paid, so that it is found without an event."""

LISTING_REFUNDS: Final = frozenset({STRIPE, TRUELAYER})


def _order_of(thing: Thing) -> str | None:
    metadata: dict[str, str] = thing.get("metadata", {})
    return metadata.get("deposit_id")


def _reference(order: Order) -> str:
    return order.deposit_id.replace("_", "-")
