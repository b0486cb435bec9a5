"""What clients, providers and admins do when money is ordered in: the scenes of deposits."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from cli.webhooks import signers
from tallystick.domain.webhooks import Provider
from tests.simulation.scenes import shops
from tests.simulation.scenes.common import (
    USERS,
    Request,
    Scripted,
    document_of,
    new_key,
    open_wallet,
    race,
    together,
)
from tests.simulation.scenes.shops import STRIPE, Event, Order, RefundingShop, Shop
from tests.simulation.told import Answer
from tests.simulation.world import HOST, World
from tests.support.sealed import TIMELESS, secret_of

Act = Callable[[], Answer | None]

MINUTE_S: Final = 60.0
AGED_S: Final = 120 * MINUTE_S
"""After so long a provider's books and ours have to agree."""

LOOKS: Final = 4
REFUSED: Final = 300
STRANGER: Final = 8
"""The number of a key that no provider has."""

HASTE_MINUTES: Final = 15
"""Longer than an event takes that fails at once."""

PATIENCE_MINUTES: Final = 240
"""Longer than all tries of an event take."""

SWEPT_MINUTES: Final = 30

_DEAD_LETTERS: Final = "/v1/admin/dlq"
_DIFFERENCES: Final = "/v1/admin/reconciliation/differences"


def bought(world: World) -> None:
    """Order and pay; it is told more than once, in any order and at the same time, and others lie."""
    order = _ordered(world, world.dice.choice(shops.SHOPS))
    events = _heard(world, _pay(order))
    forgers = [partial(_forge, world, event) for event in events[:2] if order.shop in shops.CALLING]
    _tell(world, events, partial(_look, order), *forgers)
    _poll(order)
    _look(order)


def same_key(world: World) -> None:
    """Order under one key at the same time, perhaps with another body too; then pay for what was answered."""
    shop, dice = world.dice.choice(shops.SHOPS), world.dice
    wallet, key = open_wallet(world, dice.choice(USERS), shop.asset), new_key(world)
    one, other = (_request(shop, wallet.owner, wallet.wallet_id, units, key) for units in (700, 701))
    answers = race(world, one, one, *([other] if dice.random() < 0.5 else []))
    taken = next((answer for answer in answers if answer and answer.status < REFUSED), None)
    document = document_of(taken or one.insist(world))
    order = Order(world, shop, wallet.owner, round(float(document["amount"]) * 100), document)
    _tell(world, _heard(world, _pay(order)))
    _poll(order)


def refunded(world: World) -> None:
    """Give back in parts, of which some fail in the end; meanwhile the money is spent."""
    shop, dice = world.dice.choice((STRIPE, *shops.REFUNDING)), world.dice
    order = _ordered(world, shop)
    paid = _pay(order)
    claims = [
        shop.refund(order, units, number, undone=dice.random() < 0.4)
        for number, units in enumerate(_parts(world, order.units))
    ]
    _tell_in_any_order(order, [paid], _heard(world, *claims))
    _unfreeze(order)
    _look(order)


def charged_back(world: World) -> None:
    """Pay for two orders of one wallet, spend that, and let banks take it back; some of it comes again."""
    first = _ordered(world, STRIPE)
    second = _order(world, STRIPE, first.owner, first.wallet_id, _amount(world))
    paid = [_pay(first), _pay(second)]
    paid += [[_as_of(first, second)]] if world.dice.random() < 0.4 else []
    claims = [STRIPE.dispute(order, order.units, undone=world.dice.random() < 0.5) for order in (first, second)]
    _tell_in_any_order(first, paid, _heard(world, *claims), partial(_spend, second))
    _unfreeze(first)


def accepted_dispute(world: World) -> None:
    """Accept what a payer's bank demands at Paystack, beside a refund of the rest."""
    order = _ordered(world, shops.PAYSTACK)
    part = world.dice.randint(1, order.units)
    claims = [shops.PAYSTACK.dispute(order, part)]
    claims += [shops.PAYSTACK.refund(order, order.units - part)] if part < order.units else []
    _tell_in_any_order(order, [_pay(order)], _heard(world, *claims, *claims))
    _look(order)


def not_as_ordered(world: World) -> None:
    """Pay another amount, or twice: it becomes a dead letter, which admins handle while events go on."""
    order, dice = _ordered(world, world.dice.choice(shops.PAID_TWICE)), world.dice
    odd = order.shop.pay(order, max(1, order.units + dice.choice((-1, 1, 1, order.units))), 1)
    events = [*odd[-2:], *_heard(world, *([_pay(order)] if dice.random() < 0.6 else []))]
    _tell(world, events)
    _poll(order)
    _until_paged(world, events, HASTE_MINUTES)
    _handle_dead(order, events, _some(world, events))


def paid_twice(world: World) -> None:
    """Pay for an order, and then once more: the second payment becomes a dead letter, which admins handle."""
    order = _ordered(world, world.dice.choice((STRIPE, shops.MOONPAY, shops.RAMP)))
    paid = _heard(world, _pay(order))
    again = order.shop.pay(order, order.units, 1)[-2:]
    if world.dice.random() < 0.7:
        _tell(world, paid)
    _tell(world, [*paid, *again])
    _until_paged(world, [*paid, *again], HASTE_MINUTES)
    _handle_dead(order, [*paid, *again], _some(world, again))


def refunded_before_it_was_accepted(world: World) -> None:
    """Pay too much, and get all of it back before an admin has decided what to do."""
    shop = world.dice.choice((STRIPE, shops.PAYSTACK))
    order = _ordered(world, shop)
    paid = shop.pay(order, order.units + 1)[-2:]
    claims = _heard(world, shop.refund(order, order.units + 1, undone=world.dice.random() < 0.2))
    _tell(world, [*paid, *claims])
    _until_paged(world, paid, HASTE_MINUTES)
    _handle_dead(order, paid, _some(world, claims))


def contradicted(world: World) -> None:
    """Say of a payment what is not so: under the id of a true event, or under one of its own."""
    order, dice = _ordered(world, STRIPE), world.dice
    other = _order(world, STRIPE, order.owner, order.wallet_id, order.units)
    paid = _heard(world, _pay(order))
    told = order.find("stripe")
    lies: list[dict[str, Any]] = [
        {"amount_received": order.units + dice.choice((-1, 1, 1000))},
        {"currency": "eur"},
        {"metadata": {"deposit_id": "dep_00000000000000000000000000000000"}},
        {"status": "canceled", "cancellation_reason": "abandoned"},
    ]
    kind = "payment_intent." + dice.choice(("succeeded", "succeeded", "succeeded", "canceled"))
    event_id = dice.choice(("", paid[-1].name))
    lie = STRIPE.event(order, kind, {**told, **dice.choice(lies)}, event_id, livemode=dice.random() < 0.1)
    if dice.random() < 0.5:
        _tell(world, paid)
    _tell(world, [*paid, lie, lie, *([_as_of(order, other)] if dice.random() < 0.5 else [])])
    _look(dice.choice((order, other)))


def another_orders_payment(world: World) -> None:
    """Tell of an order's payment as if it were another one's: each payment has one order for ever."""
    first = _ordered(world, STRIPE)
    second = _order(world, STRIPE, first.owner, first.wallet_id, first.units)
    paid = _heard(world, _pay(first))
    refund = _heard(world, STRIPE.refund(first, world.dice.randint(1, first.units)))
    if world.dice.random() < 0.5:
        _tell(world, paid)
    beside = refund if world.dice.random() < 0.5 else []
    _tell(world, [*paid, _as_of(first, second), *beside])
    _tell(world, refund)
    _look(second)


def unheard(world: World) -> None:
    """Lose all events: comparing finds the payment, and it is fetched while its event comes after all."""
    shop = world.dice.choice(shops.LISTING)
    order = _ordered(world, shop)
    told = [_pay(order)]
    if shop in shops.LISTING_REFUNDS and isinstance(shop, RefundingShop) and world.dice.random() < 0.5:
        told.append(shop.refund(order, world.dice.randint(1, order.units)))
    world.pause(AGED_S + MINUTE_S)
    world.tick("provider_reconciler")
    world.pause(MINUTE_S)
    fetches = [Request("root", f"{_DIFFERENCES}/{name}/fetch") for name in _differences(world, shop)]
    late = [] if fetches and world.dice.random() < 0.4 else _heard(world, *told)
    _tell(world, late, *(partial(fetch.insist, world) for fetch in [*fetches, *fetches][:3]))
    _look(order)


def told_late(world: World) -> None:
    """Tell hours later, so that the provider is asked whether it is so; its books are compared meanwhile."""
    order = _ordered(world, world.dice.choice(shops.CALLING))
    events = _pay(order)
    world.pause(AGED_S - MINUTE_S * world.dice.randint(-2, 70))
    _tell(world, _heard(world, events), partial(world.tick, "provider_reconciler"))
    _look(order)


def on_chain(world: World) -> None:
    """Pay on Stellar: polls tell of it, and perhaps an anchor; some pay twice, or in another asset."""
    order, dice = _ordered(world, world.dice.choice((shops.LUMENS, shops.USDC))), world.dice
    others = [_order(world, order.shop, order.owner, order.wallet_id, _amount(world)) for _ in range(2)]
    told = [_pay(order)]
    if dice.random() < 0.5:
        told.append(dice.choice((shops.LUMENS, shops.USDC)).pay(order, order.units))
    polls: list[Act] = [partial(_poll, order)] * dice.randint(1, 3)
    _tell(world, _heard(world, *told) if dice.random() < 0.5 else [], *polls)
    for other in others:
        _pay(other)
        _poll(other)
        world.pause(1)
    if dice.random() < 0.3:
        order.shop.pay(order, 1)
        _poll(order)
    _look(order)


def closed_wallet(world: World) -> None:
    """Close a wallet that money is under way to: it is kept aside, and what is taken back is taken from there."""
    order = _ordered(world, STRIPE)
    paid = _heard(world, _pay(order))
    close = partial(Request(order.owner, f"/v1/wallets/{order.wallet_id}/close").insist, world)
    if world.dice.random() < 0.5:
        close()
    claims = STRIPE.refund(order, world.dice.randint(1, order.units), undone=world.dice.random() < 0.6)
    _tell(world, [*paid, *(claims if world.dice.random() < 0.4 else [])], close)
    _tell(world, claims)


def frozen_wallet(world: World) -> None:
    """Freeze a wallet that money is under way to: it waits, or becomes a dead letter."""
    order, dice = _ordered(world, world.dice.choice(shops.CALLING)), world.dice
    other = _order(world, order.shop, order.owner, order.wallet_id, _amount(world))
    events = [*_pay(order), *_heard(world, _pay(other))]
    freeze = Request("root", f"/v1/wallets/{order.wallet_id}/freeze", {"reason": "under review"})
    if dice.random() < 0.9:
        freeze.insist(world)
    _tell(world, events, partial(freeze.insist, world))
    if dice.random() < 0.8:
        _until_paged(world, events, PATIENCE_MINUTES)
        world.pause(MINUTE_S * dice.choice((0, 1, 3)))
        _unfreezing(order).insist(world)
    else:
        _wait(world, dice.choice((1, 10)))
        _unfreeze(order)
    _handle_dead(order, events, _some(world, events))


def _ordered(world: World, shop: Shop) -> Order:
    """Open a wallet and order money into it."""
    wallet = open_wallet(world, world.dice.choice(USERS), shop.asset)
    return _order(world, shop, wallet.owner, wallet.wallet_id, _amount(world))


def _order(world: World, shop: Shop, owner: str, wallet_id: str, units: int) -> Order:
    request = _request(shop, owner, wallet_id, units, new_key(world))
    return Order(world, shop, owner, units, request.done(world))


def _request(shop: Shop, owner: str, wallet_id: str, units: int, key: str) -> Request:
    amount = f"{units // 100}.{units % 100:02d}"
    body = {"wallet_id": wallet_id, "provider": shop.provider, "amount": amount, "currency": shop.currency}
    return Request(owner, "/v1/deposits", body, key)


def _amount(world: World) -> int:
    return world.dice.choice((1, 100, world.dice.randrange(200, 10_000)))


def _parts(world: World, units: int) -> list[int]:
    """Divide units in two, or leave some out."""
    part = world.dice.randint(1, units)
    return [part, units - part] if part < units and world.dice.random() < 0.8 else [part]


def _pay(order: Order) -> list[Event]:
    return order.shop.pay(order, order.units)


def _heard(world: World, *told: Sequence[Event]) -> list[Event]:
    """Choose what of each matter is sent: the event that says all, and perhaps others; some are sent twice."""
    once = [event for events in told for event in (*_some(world, events[:-1]), events[-1])]
    return [*once, *_some(world, once)]


def _as_of(first: Order, second: Order) -> Event:
    """Tell of an order's payment at Stripe as if it were another one's."""
    lie = {**first.find("stripe"), "metadata": {"deposit_id": second.deposit_id}}
    return STRIPE.event(first, "payment_intent.succeeded", lie)


def _some(world: World, events: Sequence[Event]) -> list[Event]:
    return [event for event in events if world.dice.random() < 0.2]


def _tell(world: World, events: Sequence[Event], *others: Act) -> None:
    """Let a provider send events at the same time, and others do what they do."""
    sent = [partial(world.deliver, event.provider, event.body, query=event.query) for event in events]
    together(world, *sent, *others)


def _tell_in_any_order(order: Order, paid: Sequence[Sequence[Event]], claims: Sequence[Event], *others: Act) -> None:
    """Tell of payments and of what was taken back; the money is spent as soon as it is there.

    One comes after the other, or both at the same time. Who hears of a claim first may know that there is a payment.
    """
    world, heard = order.world, _heard(order.world, *paid)
    begun = [events[0] for events in paid if len(events) > 1]
    before = world.dice.choice((heard, heard, heard, [*begun, *claims], [*begun, *claims], []))
    if before:
        _tell(world, before)
        world.pause(world.dice.choice((0, 1, 10, MINUTE_S)))
    if before is heard:
        _spend(order)
        _tell(world, [*_some(world, heard), *claims], *others)
    else:
        _tell(world, [*heard, *(_some(world, before) if before else claims)], partial(_spend, order), *others)


def _forge(world: World, event: Event) -> None:
    """Send what a provider has not said, in a body that can be told from all that it has."""
    provider = Provider(event.provider)
    body = json.dumps({**event.document, "forged": world.dice.getrandbits(40)}).encode()
    now_s = world.now_ms() // 1000
    ways = [(body, secret_of(provider, STRANGER), now_s), (event.body, secret_of(provider), now_s)]
    if provider not in TIMELESS:
        ways += [(body, secret_of(provider), now_s + hour_s) for hour_s in (-3600, 3600)]
    signed, secret, at_s = world.dice.choice(ways)
    headers = signers.sign(provider, signed, secret, at_s=at_s, host=HOST, path=f"/webhooks/{provider}")
    world.forge(provider, body, headers if world.dice.random() < 0.9 else {})


def _wait(world: World, minutes: float) -> None:
    """Let time pass, and the clock look for what was lost meanwhile."""
    world.pause(MINUTE_S * minutes)
    world.tick("webhook_sweep")


def _until_paged(world: World, events: Sequence[Event], minutes: int) -> None:
    """Let time pass until people are told that one of these events has failed."""
    for minute in range(1, minutes):
        told = (alert["facts"].get("external_id", "") for alert in world.cloud.published)
        if any(event.name in external_id for external_id in told for event in events):
            return
        world.pause(MINUTE_S)
        if minute % SWEPT_MINUTES == 0:
            world.tick("webhook_sweep")


def _poll(order: Order) -> None:
    """Read the chain, where it tells nobody."""
    if order.shop.provider == "stellar":
        order.world.tick("stellar_poller")


def _look(order: Order) -> Answer | None:
    """Read what has come of it, if the owner wants to know."""
    if order.world.dice.random() < 0.4:
        return None
    wallet = f"/v1/wallets/{order.wallet_id}"
    path = order.world.dice.choice((f"/v1/deposits/{order.deposit_id}", wallet, f"{wallet}/entries"))
    return order.world.call(order.owner, "GET", path)


def _spend(order: Order) -> Answer | None:
    """Take money out of the wallet: all that was ordered, or about that."""
    world = order.world
    units = max(1, order.units + world.dice.choice((0, -1, 1, -order.units // 2, -order.units // 2)))
    body = {"amount": f"{units // 100}.{units % 100:02d}"}
    return Request("till", f"/v1/wallets/{order.wallet_id}/debit", body, new_key(world)).insist(world)


def _unfreeze(order: Order) -> None:
    """Let a wallet be used again, that is frozen perhaps."""
    if order.world.dice.random() < 0.6:
        _unfreezing(order).send(order.world)


def _unfreezing(order: Order) -> Request:
    return Request("root", f"/v1/wallets/{order.wallet_id}/unfreeze", {"reason": "all is well"})


def _handle_dead(order: Order, events: Sequence[Event], meanwhile: Sequence[Event]) -> None:
    """Preview a dead letter, and redrive or resolve it, or both at once, while events are told again."""
    world, dice = order.world, order.world.dice
    path = _dead_letter(order, {event.name for event in events})
    if path is None:
        return
    accept = dice.random() < 0.8
    if dice.random() < 0.4:
        world.persist("root", "GET", f"{path}/preview", query={"accept_amount": str(accept).lower()})
    redrive = Request("root", f"{path}/redrive", {"accept_amount": accept})
    resolve = Request("root", f"{path}/resolve", {"notes": "sent back by hand"})
    decisions = dice.choice(([redrive],) * 3 + ([redrive, redrive], [redrive, resolve], [resolve]))
    ask = dice.choice((Request.insist, Request.insist, Request.send))
    _tell(world, meanwhile, *(partial(ask, decision, world) for decision in decisions))
    if ask is Request.send:
        _wait(world, 3)


def _dead_letter(order: Order, names: set[str]) -> str | None:
    """Give the path of a dead letter of these events, when there is one soon."""
    world = order.world
    for _ in range(LOOKS):
        answer = world.persist("root", "GET", _DEAD_LETTERS, query={"limit": "20"})
        for letter in document_of(answer)["items"]:
            if any(name in letter["external_id"] for name in names):
                return f"{_DEAD_LETTERS}/{letter['dead_letter_id']}"
        world.pause(world.dice.choice((10, MINUTE_S, 7 * MINUTE_S)))
    return None


def _differences(world: World, shop: Shop) -> list[str]:
    answer = world.persist("root", "GET", _DIFFERENCES, query={"provider": shop.provider, "class": "missing-webhook"})
    return [difference["difference_id"] for difference in document_of(answer)["items"]]


DEPOSIT_SCENES: Final[tuple[Scripted, ...]] = tuple(
    Scripted(script.__name__.replace("_", "-"), script)
    for script in (
        bought,
        same_key,
        refunded,
        charged_back,
        accepted_dispute,
        not_as_ordered,
        paid_twice,
        refunded_before_it_was_accepted,
        contradicted,
        another_orders_payment,
        unheard,
        told_late,
        on_chain,
        closed_wallet,
        frozen_wallet,
    )
)
"""Each to be played on its own, or beside others."""
