"""What providers make of payouts: they pay, refuse, send back, fall silent, and tell of all that or do not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, Final
from zlib import crc32

from cli.local.sandbox.messages import Answer, Request
from cli.local.sandbox.stellar import MISSING
from cli.webhooks.samples import SAMPLES, Order
from tallystick.domain.webhooks import Provider
from tests.simulation.kernel import SECOND
from tests.simulation.scenes.common import shuffled
from tests.simulation.world import World

Thing = dict[str, Any]
Withdrawal = Mapping[str, Any]
"""A withdrawal as the API has shown it to its owner."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Know how a provider calls a payout, its ends, and the events of them."""

    payout_id: str
    paid: str
    failed: str
    paid_event: str
    failed_event: str


_WORDS: Final = {
    "stripe": _Words("id", "paid", "failed", "payout.paid", "payout.failed"),
    "paystack": _Words("transfer_code", "success", "reversed", "transfer.success", "transfer.reversed"),
    "truelayer": _Words("id", "executed", "failed", "payout_executed", "payout_failed"),
}
"""Those whose payouts take their time; a payment on Stellar is there at once, or never."""

_LIVES: Final = ((True,), (True,), (True,), (False,), (True, False), (True, False))
"""Whether a payout is paid, step by step: once paid it may still be sent back."""

_MANNERS: Final = ("told", "told", "told twice", "told early", "told late", "told wrongly", "not told")
_WAITS_S: Final = (0.05, 1, 20, 130)
_LOOKS: Final = 4
_CONFIGURED: Final = ("payouts", "balance", "held")
"""Things that say how a provider behaves; they are emptied and not removed, for ids come from the number of things."""

_PAYING: Final = frozenset({"payouts", "transfer", "transactions"})
"""How the paths of calls end that make a payout."""

LATEST_S: Final = 1200
"""A call that seems lost is carried out within this time, or never."""

_BEHIND_S: Final = 55
_MINUTE_S: Final = 60
"""So long a payment on Stellar may be taken; then a sweep looks at it."""

_DAWDLING: Final = 0.25
"""The share of payouts that are under way for days."""

_SWEEPS: Final = 8
_HIDDEN_S: Final = 360
"""A message comes back after this time when whoever got it has died."""

_STUCK_S: Final = 5 * 86_400
"""People are told of a payout that is under way for so long."""


def follow(world: World, withdrawals: Iterable[Withdrawal], dawdling: float = _DAWDLING) -> None:
    """Let the payouts of withdrawals live their lives, some of them for days, and tell of them."""
    told = [withdrawal for withdrawal in withdrawals if withdrawal["provider"] in _WORDS]
    world.join(*(world.spawn(f"bank of {one['withdrawal_id']}", partial(_live, world, one, dawdling)) for one in told))


def tell(world: World, withdrawal: Withdrawal, payout_id: str, *, paid: bool) -> None:
    """Call about a payout, sometimes with another event; the same event has the same body each time."""
    words = _WORDS[withdrawal["provider"]]
    order = Order(
        deposit_id="",
        amount=Decimal(withdrawal["amount"]),
        currency=withdrawal["asset"],
        payment_id=payout_id,
        claim_id=str(world.dice.randint(1, 2)),
        at=datetime.fromisoformat(withdrawal["created_at"]),
        delivered=Decimal(0),
        asset=withdrawal["asset"],
        address="",
        withdrawal_id=withdrawal["withdrawal_id"],
    )
    event = SAMPLES[Provider(withdrawal["provider"])][words.paid_event if paid else words.failed_event](order)
    if withdrawal["provider"] == "paystack":
        event["data"]["id"] = crc32(payout_id.encode())  # the sample's is always the same
    world.deliver(withdrawal["provider"], json.dumps(event).encode())


def payouts_of(world: World, withdrawal: Withdrawal) -> list[str]:
    """Wait until a withdrawal is paid out, and give the provider's names of its payouts."""
    for _ in range(_LOOKS):
        world.pause(world.dice.choice(_WAITS_S))
        things = world.providers[withdrawal["provider"]].things
        made = [name for name, thing in things.items() if _is_of(name, thing, withdrawal["withdrawal_id"])]
        if made:
            return made
        world.tick("withdrawal_sweep")
    return []


def end(world: World, withdrawal: Withdrawal, name: str, *, paid: bool) -> str:
    """Bring a payout to an end, unless it has failed, which is final; give its id."""
    provider, words = world.providers[withdrawal["provider"]], _WORDS[withdrawal["provider"]]
    if not _has_failed(world, withdrawal, name):
        provider.things[name]["status"] = words.paid if paid else words.failed
        provider.changed[name] = world.now_ms() / 1000
    return str(provider.things[name][words.payout_id])


def pay_otherwise(world: World, withdrawal: Withdrawal, name: str) -> None:
    """Let a payout that is under way be over another amount."""
    thing = world.providers[withdrawal["provider"]].things[name]
    if thing["status"] == "pending":
        thing["amount_in_minor" if withdrawal["provider"] == "truelayer" else "amount"] += 1


def fall_silent(world: World, name: str, seconds: float, hearing: str) -> None:
    """Let calls get no answer for a while; all of them, "never" carried out, or those that pay, "at once" or "late"."""
    provider, late_ms = world.providers[name], world.dice.randrange(LATEST_S * 1000)
    hear, until_ms, late = provider.answer, world.now_ms() + seconds * 1000, list[tuple[int, Request]]()

    def answer(request: Request) -> Answer:
        while late and late[0][0] <= world.now_ms():
            hear(late.pop(0)[1])
        if world.now_ms() >= until_ms or (hearing != "never" and request.target[1][-1] not in _PAYING):
            heard: Answer = hear(request)
            return heard
        if hearing == "at once":
            hear(request)
        if hearing == "late":
            late.append((world.now_ms() + late_ms, request))
        return Answer(504, {})

    provider.answer = answer


def lose_answers(world: World) -> None:
    """Let calls that pay be carried out without an answer: at a bank the first and some others, on Stellar all."""
    for name in _WORDS:
        _lose_answers_of(world, name)
    _let_in_later(world)
    show_late(world)


def _lose_answers_of(world: World, name: str) -> None:
    provider, calls = world.providers[name], count()
    hear = provider.answer

    def answer(request: Request) -> Answer:
        heard: Answer = hear(request)
        is_lost = _pays(request) and (not next(calls) or world.dice.random() < 0.5)
        return Answer(504, {}) if is_lost else heard

    provider.answer = answer


def _let_in_later(world: World) -> None:
    """Let a payment on Stellar come into a ledger at any moment of its minute; right after that a sweep comes by."""
    stellar = world.providers["stellar"]
    hear = stellar.answer

    def let_in(request: Request) -> None:
        after_s = world.dice.uniform(0, _MINUTE_S)
        world.pause(after_s)
        hear(request)
        world.pause(_MINUTE_S - after_s + world.dice.uniform(0, 15))
        world.tick("withdrawal_sweep")

    def answer(request: Request) -> Answer:
        if not _pays(request):
            heard: Answer = hear(request)
            return heard
        world.spawn("ledger", partial(let_in, request))
        return Answer(504, {})

    stellar.answer = answer


def close_ledger(world: World) -> None:
    """Let what waits come into a ledger of Stellar, in any order: of two with one number either is taken."""
    stellar = world.providers["stellar"]
    stellar.waiting = dict(shuffled(world, [*stellar.waiting.items()]))
    stellar.things["held"] = {}
    stellar.answer(Request("GET", "/", {}, {}, b""))


def close_before_call(world: World, number: int) -> None:
    """Close a ledger of Stellar right before so many calls from now: also between two that belong together."""
    stellar, calls = world.providers["stellar"], count(1)
    hear = stellar.answer

    def answer(request: Request) -> Answer:
        if next(calls) == number:
            close_ledger(world)
        heard: Answer = hear(request)
        return heard

    stellar.answer = answer


def show_late(world: World) -> None:
    """Let Horizon's servers show a transaction only after most of the minute that they may be behind."""
    stellar = world.providers["stellar"]
    hear = stellar.answer

    def answer(request: Request) -> Answer:
        heard: Answer = hear(request)
        match request.target, heard:
            case ("GET", ["transactions", _]), Answer(200, {"created_at": str(created_at)}):
                age_s = world.now_ms() / 1000 - datetime.fromisoformat(created_at).timestamp()
                return heard if age_s > _BEHIND_S else MISSING
        return heard

    stellar.answer = answer


def settle(world: World) -> None:
    """Let all providers work as usual again, and pay what is pending, or refuse it; and so what is still to come."""
    paid = world.dice.random() < 0.75
    for name, words in _WORDS.items():
        things = world.providers[name].things
        for pending in [thing for thing in things.values() if thing.get("status") == "pending"]:
            pending["status"] = words.paid if paid else words.failed
    for name in (*_WORDS, "stellar"):
        for configured in _CONFIGURED:
            world.providers[name].things[configured] = {}
    for name, words in _WORDS.items():
        world.providers[name].things["payouts"] = {"status": words.paid if paid else words.failed}


def _live(world: World, withdrawal: Withdrawal, dawdling: float) -> None:
    if world.dice.random() < dawdling:
        _dawdle(world, withdrawal)
    for name in payouts_of(world, withdrawal):
        if world.dice.random() < 0.3:
            world.call(withdrawal["owner_id"], "POST", f"/v1/withdrawals/{withdrawal['withdrawal_id']}/cancel")
        if world.dice.random() < 0.1:
            pay_otherwise(world, withdrawal, name)
        for paid in world.dice.choice(_LIVES):
            _go_on(world, withdrawal, name, paid=paid and not _has_failed(world, withdrawal, name))


def _dawdle(world: World, withdrawal: Withdrawal) -> None:
    """Let a payout be under way for days, until people are told of that; then it is paid at once."""
    world.pause(_HIDDEN_S)
    made = payouts_of(world, withdrawal) or payouts_of(world, withdrawal)
    world.pause(_STUCK_S)
    for _ in range(_SWEEPS if made else 0):
        world.tick("withdrawal_sweep")
        if _is_told(world, withdrawal):
            break
    for name in made:
        tell(world, withdrawal, end(world, withdrawal, name, paid=True), paid=True)


def _is_told(world: World, withdrawal: Withdrawal) -> bool:
    """Wait until people are told of a withdrawal, at most until a message that somebody died over comes back."""
    until_us = world.kernel.now_us + _HIDDEN_S * SECOND
    while world.kernel.now_us < until_us:
        if any(one["subject"] == withdrawal["withdrawal_id"] for one in world.cloud.published):
            return True
        world.pause(0.5)
    return False


def _go_on(world: World, withdrawal: Withdrawal, name: str, *, paid: bool) -> None:
    """Take a step in a payout's life; that it was sent back is always told, for nobody asks any more."""
    words, things = _WORDS[withdrawal["provider"]], world.providers[withdrawal["provider"]].things
    manner = world.dice.choice(_MANNERS)
    if manner == "told wrongly":
        tell(world, withdrawal, things[name][words.payout_id], paid=not paid)
    if manner == "told early":
        tell(world, withdrawal, things[name][words.payout_id], paid=paid)
    world.pause(world.dice.choice(_WAITS_S))
    was_paid = things[name]["status"] == words.paid
    payout_id = end(world, withdrawal, name, paid=paid)
    if manner == "told late":
        world.pause(world.dice.randrange(7200))
    if manner == "told twice":
        world.spawn("told before", partial(tell, world, withdrawal, payout_id, paid=paid))
    if manner in {"told", "told twice", "told late", "told wrongly"} or was_paid:
        tell(world, withdrawal, payout_id, paid=paid)


def _pays(request: Request) -> bool:
    return bool(request.method == "POST" and request.target[1][-1] in _PAYING)


def _has_failed(world: World, withdrawal: Withdrawal, name: str) -> bool:
    status: str = world.providers[withdrawal["provider"]].things[name]["status"]
    return status == _WORDS[withdrawal["provider"]].failed


def _is_of(name: str, thing: Thing, withdrawal_id: str) -> bool:
    tagged = thing.get("metadata", {}).get("withdrawal_id") == withdrawal_id
    return tagged or name == f"transfer/{withdrawal_id.replace('_', '-')}"
