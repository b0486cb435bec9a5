"""Money that is moved by clients: the same money spent twice, keys used again, wallets frozen meanwhile, and reads."""

import json
from dataclasses import replace
from functools import partial
from typing import Final

from tests.simulation.scenes.common import (
    USERS,
    Request,
    Scripted,
    Wallet,
    document_of,
    funded_wallet,
    new_key,
    open_wallet,
    pages,
    race,
    reversal,
    tightly,
    together,
    void,
)
from tests.simulation.told import Answer
from tests.simulation.world import World

UNITS: Final = (1, 2, 100, 9_999, 100_000)
"""Amounts; the last one is in USD what a service may move at most."""

ASSETS: Final = ("USD", "USD", "USD", "EUR", "JPY", "USDC", "ETH")
LATER_S: Final = (0.0, 4_000.0, 4_000.0, 90_000.0)
"""When a client comes again: at once, an hour later, the next day."""

ALL_UNITS: Final = 10**38 - 1
"""The most that a wallet can hold."""


def same_money(world: World) -> None:
    """Several want the same money at once, some of them by the same request; some send it back or give up."""
    ada, bob, units = _pair(world)
    spending = [_spend(world, ada, bob, units) for _ in range(world.dice.randint(2, 3))]
    others = (*spending, bob.transfer(ada, units, new_key(world)), bob.transfer(ada, 1, new_key(world), "till"))
    if world.dice.random() < 0.5:
        race(world, *spending, world.dice.choice(others))
    else:
        tightly(world, *spending, *(void(str(one.key), one.caller) for one in spending))


def replays(world: World) -> None:
    """A request is repeated when the money is spent, or an hour later; others use its key for something else."""
    ada, bob, units = _pair(world)
    key, part = new_key(world), world.dice.choice((units, max(1, units // 3)))
    first = world.dice.choice(
        (ada.transfer(bob, part, key), ada.debit(part, key), ada.transfer(bob, part, key, "till"))
    )
    other = replace(first, body={**first.body, "amount": ada.amount(part + 1)})
    race(world, first, world.dice.choice((first, other, ada.credit(part, key), bob.transfer(ada, part, key))))
    if world.dice.random() < 0.3:
        ada.mark("freeze").insist(world)
    world.pause(world.dice.choice(LATER_S))
    for request in world.dice.sample((first, other), 2):
        request.insist(world)


def unsure(world: World) -> None:
    """Clients without an answer void their keys; one looks his up and tries again, or with another one."""
    ada, bob, units = _pair(world)
    request = world.dice.choice((_spend(world, ada, bob, units), ada.credit(units, new_key(world))))
    bobs = [bob.credit(world.dice.choice(UNITS), new_key(world)) for _ in range(2)]
    tightly(world, *(act for one in (request, *bobs) for act in (one, *[void(str(one.key), one.caller)] * 2)))
    looked = world.persist(request.caller, "GET", f"/v1/idempotency/{request.key}")
    again = document_of(looked)["state"] == "voided" and world.dice.random() < 0.3
    (replace(request, key=new_key(world)) if again else request).insist(world)


def reversals(world: World) -> None:
    """A movement is undone by two at once, under one key or two, while its money is being spent."""
    ada, bob, units = _pair(world)
    key = new_key(world)
    movement = world.dice.choice((ada.transfer(bob, units, key), ada.debit(units, key), ada.credit(1, key)))
    transfer_id = movement.done(world)["transfer_id"]
    if world.dice.random() < 0.3:
        ada.mark("freeze").insist(world)
    first, second = (reversal(transfer_id, new_key(world), caller) for caller in ("till", "root"))
    others = (second, replace(first, caller="root"), bob.debit(units, new_key(world)))
    race(world, first, world.dice.choice((first, *others)))
    if world.dice.random() < 0.5:
        world.persist(world.dice.choice(("ada", "till")), "GET", f"/v1/transfers/{transfer_id}")
    undone = first.done(world)
    if world.dice.random() < 0.2:
        reversal(undone["transfer_id"], new_key(world)).insist(world)


def frozen(world: World) -> None:
    """A wallet is frozen while its money moves; then nothing but a reversal moves it, unless it is thawed."""
    ada, bob, _ = _pair(world)
    brought = ada.credit(10, new_key(world)).done(world)
    move = world.dice.choice((partial(ada.transfer, bob), ada.debit, ada.credit))
    before, after = (move(world.dice.randint(1, 4), new_key(world)) for _ in range(2))
    together(world, partial(ada.mark("freeze").insist, world), partial(before.insist, world))
    after.insist(world)
    if world.dice.random() < 0.3:
        ada.mark("unfreeze").done(world)
        world.dice.choice((before, after)).insist(world)
    else:
        reversal(brought["transfer_id"], new_key(world)).insist(world)


def closed(world: World) -> None:
    """A wallet is emptied and closed while money arrives; what was taken out is given back, or cannot be."""
    units = world.dice.choice(UNITS)
    ada, bob = funded_wallet(world, "ada", units), open_wallet(world, "bob")
    taken = ada.transfer(bob, units, new_key(world)).done(world)["transfer_id"]
    late = (bob.transfer(ada, units, new_key(world)), ada.credit(1, new_key(world)), reversal(taken, new_key(world)))
    closing = ada.mark("close", world.dice.choice(("ada", "root")))
    tightly(world, closing, world.dice.choice(late), world.dice.choice((closing, *late)))
    closing.insist(world)
    for _ in range(2):
        _close_new(world)
    world.dice.choice((late[0], bob.transfer(ada, 1, new_key(world)))).insist(world)


def there_and_back(world: World) -> None:
    """What is refused for lack of money happens when there is enough; it comes back, as if nothing had been."""
    ada = open_wallet(world, "ada", world.dice.choice(ASSETS))
    bob, units = open_wallet(world, "bob", ada.asset), world.dice.choice(UNITS)
    request = _spend(world, ada, bob, units, exactly=True)
    request.insist(world)
    ada.credit(units, new_key(world)).done(world)
    there = request.done(world)["transfer_id"]
    reversal(there, new_key(world)).insist(world)
    race(world, ada.credit(1, new_key(world)), world.dice.choice((ada.debit, bob.credit))(1, new_key(world)))


def shift(world: World) -> None:
    """A service credits one wallet at once for many providers, and sometimes more than it or the wallet can hold."""
    asset = world.dice.choice((*ASSETS, "XP"))
    ada, sizes = open_wallet(world, "ada", asset), (ALL_UNITS, 1, 2) if asset == "XP" else (*UNITS, UNITS[-1] + 1)
    # A counter-account of this scene's own for XP: its total has as many digits as the wallet.
    own = f"{new_key(world)}:1" if asset == "XP" else None
    references = world.dice.sample((None, "stripe:pi_1", "stripe:pi_2", "paystack:tr_1", "no provider"), 4)
    moves = [ada.credit(world.dice.choice(sizes), new_key(world), own or reference) for reference in references]
    race(world, *moves)
    ada.debit(world.dice.choice(sizes), new_key(world), own).insist(world)
    _look(world, ada)


def readers(world: World) -> None:
    """What was acknowledged is read at once, in every way, while more is under way."""
    ada, bob, units = _pair(world)
    first = ada.transfer(bob, world.dice.randint(1, units), new_key(world))
    moved = first.done(world)
    reads = (
        partial(_look, world, ada),
        partial(_look, world, bob),
        partial(world.call, "bob", "GET", f"/v1/transfers/{moved['transfer_id']}"),
        partial(world.call, "ada", "GET", f"/v1/idempotency/{first.key}"),
        partial(_read, world, ada, "/balance", {"at": moved["created_at"]}),
        partial(pages, world, "ada", f"/v1/wallets/{ada.wallet_id}/entries"),
    )
    together(world, partial(ada.credit(1, new_key(world)).insist, world), *world.dice.sample(reads, 2))


def openings(world: World) -> None:
    """A wallet is opened twice at once under one key, or for another asset; then all are listed, page by page."""
    owner, key = world.dice.choice(USERS), new_key(world)
    opening = _opening(owner, key)
    other = replace(opening, body={"asset": world.dice.choice(("EUR", "USD"))})
    race(world, opening, world.dice.choice((opening, other, replace(opening, key=None))))
    Wallet(opening.done(world)["wallet_id"], owner, "USD").credit(1, new_key(world)).insist(world)
    _close_new(world)
    pages(world, owner, "/v1/wallets")


def auditor(world: World) -> None:
    """An admin has everything looked at while money moves, and reads what came of it."""
    ada, bob, units = _pair(world)
    order = Request("root", "/v1/admin/reconciliation/runs", {"full": world.dice.random() < 0.5})
    world.pause(world.dice.choice((0.0, 119.0, 125.0)))
    moves = [ada.transfer(bob, 1, new_key(world)), bob.transfer(ada, 1, new_key(world), "till")]
    moves += [ada.debit(units, new_key(world)), ada.credit(1, new_key(world), "stripe:pi_3")]
    race(world, order, *world.dice.sample(moves, 2))
    race(world, *world.dice.sample(moves, 1))
    world.call("root", "GET", world.dice.choice(("/v1/integrity", "/v1/integrity/admin-wallet")))


def alerts(world: World) -> None:
    """An admin reads of an event that nobody can read, and leaves it to rest, perhaps together with a colleague."""
    world.deliver("stripe", _unreadable(world))
    world.pause(world.dice.choice((1.0, 30.0)))
    listed = document_of(world.persist("root", "GET", "/v1/admin/alerts/unresolved", query={"limit": "2"}))
    if not listed["items"]:
        return
    path = f"/v1/admin/alerts/{world.dice.choice(listed['items'])['alert_id']}"
    resolving = Request("root", f"{path}/resolve", {"notes": "seen"})
    race(world, *[resolving] * world.dice.randint(1, 2))
    world.persist("root", "GET", path)


def _unreadable(world: World) -> bytes:
    event = {"id": f"evt_{new_key(world)}", "object": "event", "type": "payment_intent.succeeded"}
    rest = {"livemode": False, "created": world.now_ms() // 1000, "data": {"object": {}}}
    return json.dumps(event | rest).encode()


def _pair(world: World) -> tuple[Wallet, Wallet, int]:
    """Give ada a wallet with so many units in it, and bob one that may be empty."""
    units, asset = world.dice.choice(UNITS), world.dice.choice(ASSETS)
    ada = funded_wallet(world, "ada", units, asset)
    bob = funded_wallet(world, "bob", units, asset) if world.dice.random() < 0.3 else open_wallet(world, "bob", asset)
    return ada, bob, units


def _close_new(world: World) -> None:
    """Close wallets that were never used just when their first money arrives."""
    wallets = [Wallet(_opening(owner, new_key(world)).done(world)["wallet_id"], owner, "USD") for owner in USERS]
    tightly(world, *(act for one in wallets for act in (one.mark("close", one.owner), one.credit(1, new_key(world)))))


def _opening(owner: str, key: str) -> Request:
    return Request(owner, "/v1/wallets", {"asset": "USD", "label": "savings"}, key)


def _spend(world: World, source: Wallet, to: Wallet, units: int, *, exactly: bool = False) -> Request:
    """Take all that there is, a little more or less, in one of the ways there are."""
    amount = units if exactly else world.dice.choice((units, units, units + 1, max(1, units // 2), 1))
    key = new_key(world)
    return world.dice.choice(
        (source.debit(amount, key), source.transfer(to, amount, key), source.transfer(to, amount, key, "till"))
    )


def _look(world: World, wallet: Wallet) -> Answer | None:
    return _read(world, wallet, world.dice.choice(("", "/balance", "/entries")))


def _read(world: World, wallet: Wallet, what: str, query: dict[str, str] | None = None) -> Answer | None:
    caller = world.dice.choice((wallet.owner, "root"))
    return world.persist(caller, "GET", f"/v1/wallets/{wallet.wallet_id}{what}", query=query)


MOVEMENTS: Final = tuple(
    Scripted(script.__name__.replace("_", "-"), script)
    for script in (
        *(same_money, replays, unsure, reversals, frozen, closed, there_and_back, shift),
        *(readers, openings, auditor, alerts),
    )
)
