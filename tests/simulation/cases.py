"""Say which operations are enumerated, alone and interleaved."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.simulation.exhaustive import Case, Operation
from tests.simulation.scenes.common import Request, Wallet, funded_wallet, open_wallet, reversal, void
from tests.simulation.scenes.shops import STRIPE as SHOP
from tests.simulation.scenes.shops import Event, Order
from tests.simulation.scenes.withdrawals import LUMENS, REVIEWED, STRIPE, Way
from tests.simulation.world import World

UNITS: Final = 10_000


def _insisting(*requests: Request) -> list[Operation]:
    return [partial(_insist, request) for request in requests]


def _insist(request: Request, world: World) -> None:
    request.insist(world)


def _asked(choose: Callable[[Wallet, Wallet], Sequence[Request]], world: World) -> list[Operation]:
    """Prepare two wallets with money."""
    ada, bob = funded_wallet(world, "ada", UNITS), funded_wallet(world, "bob", UNITS)
    return _insisting(*choose(ada, bob))


def _undone(again: Sequence[str], world: World) -> list[Operation]:
    """Prepare a transfer, to be undone under these keys."""
    ada, bob = funded_wallet(world, "ada", UNITS), funded_wallet(world, "bob", 1)
    moved = ada.transfer(bob, UNITS, "moved").done(world)
    return _insisting(*(reversal(moved["transfer_id"], key) for key in again))


def _paid(choose: Callable[[Order], Sequence[Event]], world: World) -> list[Operation]:
    """Prepare an order that is paid, to be told of."""
    wallet = open_wallet(world, "ada")
    body = {"wallet_id": wallet.wallet_id, "provider": "stripe", "amount": "100.00", "currency": "USD"}
    order = Order(world, SHOP, "ada", UNITS, Request("ada", "/v1/deposits", body, "order").done(world))
    return [partial(_deliver, event) for event in choose(order)]


def _deliver(event: Event, world: World) -> None:
    world.deliver(event.provider, event.body)


def _paid_and_refunded(order: Order) -> list[Event]:
    return [SHOP.pay(order, UNITS)[-1], SHOP.refund(order, UNITS)[-1]]


def _withdrawn(way: Way, keys: str, world: World) -> list[Operation]:
    """Prepare money for one withdrawal, to be asked for under these keys."""
    world.providers[way.provider].things["payouts"] = {"status": "paid"}
    wallet = funded_wallet(world, "ada", way.total(way.least), way.asset)
    return _insisting(*(way.ask(wallet, way.least, key) for key in keys))


def _decided(verbs: Sequence[str], world: World) -> list[Operation]:
    """Prepare a withdrawal that waits for a decision."""
    world.providers[REVIEWED.provider].things["payouts"] = {"status": "executed"}
    wallet = funded_wallet(world, "ada", UNITS, REVIEWED.asset)
    withdrawal_id = REVIEWED.ask(wallet, UNITS, "asked").done(world)["withdrawal_id"]
    decisions = {
        "cancel": Request("ada", f"/v1/withdrawals/{withdrawal_id}/cancel"),
        "approve": Request("root", f"/v1/admin/withdrawals/{withdrawal_id}/approve", {"notes": "seen"}),
        "reject": Request("root", f"/v1/admin/withdrawals/{withdrawal_id}/reject", {"notes": "seen"}),
    }
    return _insisting(*(decisions[verb] for verb in verbs))


ALONE: Final = (
    Case("credit", partial(_asked, lambda ada, _: [ada.credit(1, "one")])),
    Case("debit of all there is", partial(_asked, lambda ada, _: [ada.debit(UNITS, "one")])),
    Case("transfer of all there is", partial(_asked, lambda ada, bob: [ada.transfer(bob, UNITS, "one")])),
    Case("reversal", partial(_undone, ("one",))),
    Case("void of an unused key", partial(_asked, lambda *_: [void("one")])),
    Case("payment that is told", partial(_paid, lambda order: SHOP.pay(order, UNITS)[-1:])),
    Case("withdrawal by Stripe", partial(_withdrawn, STRIPE, "a")),
    Case("withdrawal on Stellar", partial(_withdrawn, LUMENS, "a")),
    Case("withdrawal that is approved", partial(_decided, ("approve",))),
)
INTERLEAVED: Final = (
    Case("one credit, sent twice", partial(_asked, lambda ada, _: [ada.credit(1, "one")] * 2)),
    Case("one debit, sent twice", partial(_asked, lambda ada, _: [ada.debit(UNITS, "one")] * 2)),
    Case("two debits of the same money", partial(_asked, lambda ada, _: [ada.debit(UNITS, key) for key in "ab"])),
    Case(
        "transfers to each other",
        partial(_asked, lambda ada, bob: [ada.transfer(bob, UNITS, "a"), bob.transfer(ada, 2 * UNITS, "b")]),
    ),
    Case("debit, and its key voided", partial(_asked, lambda ada, _: [ada.debit(1, "one"), void("one")])),
    Case("two reversals of one transfer", partial(_undone, ("one", "two"))),
    Case("debit, and its wallet frozen", partial(_asked, lambda ada, _: [ada.debit(1, "one"), ada.mark("freeze")])),
    Case("payment that is told under two ids", partial(_paid, lambda order: SHOP.pay(order, UNITS)[-2:])),
    Case("payment, and its refund", partial(_paid, _paid_and_refunded)),
    Case("two withdrawals of the same money", partial(_withdrawn, STRIPE, "ab")),
    Case("withdrawal that is approved and cancelled", partial(_decided, ("approve", "cancel"))),
    Case("withdrawal that is rejected and cancelled", partial(_decided, ("reject", "cancel"))),
    Case(
        "three debits of money for two",
        partial(_asked, lambda ada, _: [ada.debit(UNITS // 2, key) for key in "abc"]),
    ),
)
