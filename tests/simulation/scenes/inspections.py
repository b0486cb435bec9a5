"""What reconciliation is there for: it looks at everything while money moves, and finds what is wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import Any, Final

from tests.simulation.faults import Blow, Calm, Dice, Fault
from tests.simulation.kernel import Task
from tests.simulation.scenes.banks import settle
from tests.simulation.scenes.common import (
    USERS,
    Request,
    Scripted,
    Wallet,
    at_once,
    ease,
    new_key,
    together,
)
from tests.simulation.told import Answer
from tests.simulation.world import RUNS, World

Act = Callable[[], Answer | None]

CUT_S: Final = 120.0
"""A run's cut lies so far back."""

BUCKET_MS: Final = 10_000
"""Cuts lie between two of these."""

QUIET_S: Final = 300.0
"""No clock is so far behind that an account's newest entry were of a later time."""

AHEAD_S: Final = 0.15
GLANCE_S: Final = 0.02
LOOKED_FOR: Final = 50
REDELIVERED_S: Final = 400.0
ROUNDS: Final = 15
ORDERS: Final = 3
LOOKS: Final = 6
CRASHES: Final = 0.5
"""The share of writes that a worker does not survive while it tells of a run and ends it."""

INSTALMENTS: Final = 12
STILL_S: Final = 400

RIGHT: Final = 0.75
"""The share of inspections in which no clock is wrong."""

LARGE: Final = 6 * 10**37
"""Units of which a total takes one such sum, and not two."""


@dataclass(slots=True)
class Dying(Calm):
    """Let workers die after a write when a run has looked often enough: what they have found is half told and kept."""

    is_ending: Callable[[], bool]

    def choose(self, task: Task, call: str) -> Blow | None:
        """Throw."""
        is_write = task.container.function == "reconciler" and call.startswith(("Put", "Update", "TransactWrite"))
        is_fatal = is_write and self.is_ending() and self.dice.random() < CRASHES
        return Blow(Fault.KILLED_AFTER) if is_fatal else None


def while_money_moves(world: World) -> None:
    """Have everything looked at when a cut lies amid movements, or while they are made, and once more."""
    is_still = _let_lag(world)
    dice, wallets = world.dice, _wallets(world)
    if dice.random() < 0.5:
        world.pause((BUCKET_MS - world.now_ms() % BUCKET_MS) / 1000 - AHEAD_S)
        _move(world, wallets, partial(_order, world, full=True, after_s=AHEAD_S))
    _move(world, wallets)
    if dice.random() < 0.5:
        world.pause(CUT_S + dice.choice((0, 0, 0, 5)))
    _order(world, full=dice.random() < 0.7 and not is_still)
    _begins(world)
    _move(world, wallets)
    world.call("root", "GET", dice.choice(("/v1/integrity", "/v1/integrity/admin-wallet")))


def while_holds_end(world: World) -> None:
    """Have a wallet looked at while its withdrawals are decided about, one by one."""
    _let_lag(world)
    dice, wallet = world.dice, _wallet(world, "ada", 1000_00)
    destination = {"type": "stripe", "external_account": "ba_1"}
    body = {"wallet_id": wallet.wallet_id, "provider": "stripe", "amount": "100.01", "destination": destination}
    asked = [Request("ada", "/v1/withdrawals", body, new_key(world)) for _ in range(4)]
    held = [answer.document for answer in at_once(world, *asked) if answer and answer.status < 300]
    _order(world, full=dice.random() < 0.3)
    _begins(world)
    decisions = [partial(_decide, world, one["withdrawal_id"], dice.uniform(0, 0.7)) for one in held]
    together(world, *decisions, head_starts_s=(0.0,))
    settle(world)


def while_clocks_differ(world: World) -> None:
    """Have everything looked at while money moves by clocks that are minutes before or behind that of the run."""
    _set_clocks(world)
    wallets = [_wallet(world, owner, 100) for owner in USERS * 2]
    world.pause(QUIET_S)
    world.fleet.set_clocks(1.0)
    _order(world, full=True)
    _begins(world)
    pairs = (world.dice.sample(wallets, 2) for _ in wallets)
    moves = [one.transfer(other, world.dice.randint(1, 9), new_key(world)) for one, other in pairs]
    at_once(world, *moves)
    world.fleet.set_clocks(0.0)


def steadily(world: World) -> None:
    """Bring in a little every ten seconds and have it looked at; once more when the stream is far behind."""
    _set_clocks(world)
    wallet = _wallet(world, "ada", 0)
    world.pause((1.5 * BUCKET_MS - world.now_ms() % BUCKET_MS) / 1000)
    begun_ms = world.now_ms()
    for number in range(INSTALMENTS):
        wallet.credit(1, new_key(world)).insist(world)
        _pause_until(world, begun_ms + (number + 1) * BUCKET_MS)
    _pause_until(world, begun_ms + int(CUT_S * 1000))
    _order(world, full=True)
    world.deliveries.stand_still("tally", STILL_S)
    wallet.credit(1, new_key(world)).insist(world)
    world.pause(CUT_S + 10)
    _order(world, full=False)


def tampered(world: World) -> None:
    """Write to an account or a total past the ledger once it was looked at: it has to be told, and is put right."""
    _set_clocks(world)
    wallet = _wallet(world, "ada", 500)
    world.pause(CUT_S + 10)
    is_total = world.dice.random() < 0.5
    if not is_total:
        _order(world, full=True)
        if not _comes(world, partial(_is_over, world)):
            return
    (_tamper_with_total if is_total else _tamper_with_balance)(world, wallet)


def too_much(world: World) -> None:
    """Bring in more than the total of the other side can hold: only what is too much is left out of it."""
    asset, own = "XP", f"{new_key(world).replace('-', '')}"
    wallets = [_wallet(world, owner, 0, asset) for owner in ("ada", "bob", "cora")]
    world.tampered |= {f"external:{own}:{asset}", f"conservation:{asset}"}
    world.deliveries.stand_still("tally", 3)
    large = [wallet.credit(LARGE, new_key(world), f"{own}:1") for wallet in wallets[:2]]
    small = [wallets[2].credit(world.dice.randint(1, 9), new_key(world), f"{own}:1") for _ in range(4)]
    at_once(world, *large, *small)


def _wallets(world: World) -> list[Wallet]:
    return [_wallet(world, owner, units) for owner, units in (("ada", 100), ("bob", 1), ("cora", 100))]


def _wallet(world: World, owner: str, units: int, asset: str = "USD") -> Wallet:
    """Open a wallet that no other scene uses."""
    document = Request(owner, "/v1/wallets", {"asset": asset}, new_key(world)).done(world)
    wallet = Wallet(document["wallet_id"], owner, asset)
    if units:
        wallet.credit(units, new_key(world)).done(world)
    return wallet


def _move(world: World, wallets: list[Wallet], *others: Act) -> None:
    ada, bob, cora = wallets
    moves = [ada.transfer(bob, 1, new_key(world)), cora.debit(2, new_key(world)), cora.transfer(ada, 1, new_key(world))]
    moves += [bob.credit(3, new_key(world), "stripe:pi_4"), ada.debit(4, new_key(world), "paystack:tr_2")]
    together(world, *(partial(move.insist, world) for move in moves), *others, head_starts_s=(0.0, 0.1, 0.2))


def _let_lag(world: World) -> bool:
    """Let replicas be behind, batches be answered in part, and the stream stand still; tell whether for long."""
    dice, boundary = world.dice, world.boundary
    if dice.random() < RIGHT:
        _set_clocks(world)
    boundary.behind = dice.choice((0.0, 0.4, 0.5, 0.5))
    boundary.gradual = dice.choice((boundary.gradual, 1.0, 1.0))
    boundary.unprocessed = dice.choice((0.0, 0.7, 0.7))
    still_s = dice.choice((0, 0, 1, 160, 300))
    world.deliveries.stand_still("tally", still_s)
    return still_s > CUT_S


def _set_clocks(world: World) -> None:
    """Let no clock be wrong, and little fail: a run whose worker dies is late for what it is to meet."""
    ease(world, 0.85)
    world.fleet.set_clocks(0.0)


def _pause_until(world: World, time_ms: int) -> None:
    world.pause(max(0, time_ms - world.now_ms()) / 1000)


def _order(world: World, *, full: bool, after_s: float = 0) -> Answer | None:
    world.pause(after_s)
    return world.call("root", "POST", RUNS, {"full": full})


def _begins(world: World) -> None:
    """Wait a little until a worker has begun to look."""
    begun = world.fleet.invocations["reconciler"]
    for _ in range(LOOKED_FOR):
        if world.fleet.invocations["reconciler"] > begun:
            break
        world.pause(GLANCE_S)


def _decide(world: World, withdrawal_id: str, after_s: float) -> Answer | None:
    world.pause(after_s)
    if world.dice.random() < 0.5:
        return Request("ada", f"/v1/withdrawals/{withdrawal_id}/cancel").insist(world)
    path = f"/v1/admin/withdrawals/{withdrawal_id}/{world.dice.choice(('approve', 'reject'))}"
    return Request("root", path, {"notes": "as it seems"}).insist(world)


def _tamper_with_balance(world: World, wallet: Wallet) -> None:
    key = {"account_id": {"S": wallet.wallet_id}}
    world.tampered |= {wallet.wallet_id, f"conservation:{wallet.asset}"}
    _add(world, "accounts", key, 7)
    is_full, since_ms = world.dice.random() < 0.1, world.now_ms()
    is_found = any(_is_found(world, wallet.wallet_id, is_full=is_full) for _ in range(ORDERS))
    if not is_found and any(started_ms > since_ms for started_ms, _ in _verdicts(world)):
        world.missed.append(wallet.wallet_id)
    _add(world, "accounts", key, -7)


def _tamper_with_total(world: World, wallet: Wallet) -> None:
    """A run that took too long cannot tell what the total was; one that could has to have told it."""
    account_id = f"external:adjustment:{wallet.asset}"
    key = {"operation_key": {"S": f"total#{account_id}"}}
    if "Item" not in world.cloud.dynamo.call("GetItem", {"TableName": "operations", "Key": key}):
        return
    world.tampered |= {account_id, f"conservation:{wallet.asset}"}
    _add(world, "operations", key, 7)
    if isinstance(world.boundary.chooser, Dice):
        world.boundary.chooser = Dying(world.dice, partial(_has_looked_enough, world))
    since_ms = world.now_ms()
    for _ in range(ORDERS):
        if _is_found(world, account_id, is_full=True):
            break
        if _is_judged(world, since_ms):
            world.missed.append(account_id)
            break
    _add(world, "operations", key, -7)


def _add(world: World, table: str, key: dict[str, Any], units: int) -> None:
    """Add to what is stored, behind everybody's back."""
    values = {":units": {"N": str(units)}}
    change = {"UpdateExpression": "ADD #balance :units", "ExpressionAttributeNames": {"#balance": "balance"}}
    world.cloud.dynamo.call(
        "UpdateItem", {"TableName": table, "Key": key, **change, "ExpressionAttributeValues": values}
    )


def _is_found(world: World, subject: str, *, is_full: bool) -> bool:
    """Order a run, and tell whether people are told by the time that all it has begun is over."""
    answer = _order(world, full=is_full)
    if answer is None or answer.status >= 300:
        _comes(world, partial(_is_over, world))
        _order(world, full=is_full)
    return _comes(world, partial(_is_told, world, subject), partial(_is_over, world))


def _is_judged(world: World, since_ms: int) -> bool:
    """Tell whether the newest full run has begun since, has ended, and was sure of the totals."""
    full = [one for one in _verdicts(world) if one[1]["run"]["mode"] == "full"]
    if not full or not _is_over(world):
        return False
    started_ms, newest = max(full, key=itemgetter(0))
    return started_ms > since_ms and bool(newest.get("is_judged", True)) and not newest.get("unconfirmed")


def _verdicts(world: World) -> list[tuple[int, dict[str, Any]]]:
    """List what runs have found, each with when it began."""
    kept = [one for one in world.cloud.dynamo.items("audit") if one["subject"]["S"].startswith("reconciliation#")]
    read = [json.loads(one["content"]["S"]) for one in kept if "content" in one]
    return [(one["run"]["started_at_ms"], one) for one in read]


def _comes(world: World, is_so: Callable[[], bool], is_enough: Callable[[], bool] = lambda: False) -> bool:
    """Wait until something is so, for hours; what is left of a run is queued again meanwhile."""
    enough = False
    for _ in range(ROUNDS):
        world.pause(REDELIVERED_S)
        world.tick("watchdog")
        if is_so():
            return True
        if enough:
            break
        enough = is_enough()
        if not _is_over(world):
            world.tick("reconciliation_planner")
    return False


def _is_over(world: World) -> bool:
    """Tell whether the run that was begun last has ended."""
    return _run(world).get("ended_at_ms") is not None


def _has_looked_enough(world: World) -> bool:
    """Tell whether the run under way has looked at its sums as often as it does."""
    return bool(_run(world).get("looked") == LOOKS)


def _run(world: World) -> dict[str, Any]:
    """Read the run that was begun last."""
    key = {"operation_key": {"S": "run#wallets"}}
    asked = {"TableName": "operations", "Key": key, "ConsistentRead": True}
    item = world.cloud.dynamo.call("GetItem", asked).get("Item")
    return json.loads(item["content"]["S"]) if item else {}


def _is_told(world: World, subject: str) -> bool:
    told = (alert for alert in world.cloud.published if alert["event"] == "raised")
    return any((alert["kind"], alert["subject"]) == ("BALANCE_MISMATCH", subject) for alert in told)


INSPECTIONS: Final = tuple(
    Scripted(script.__name__.replace("_", "-"), script)
    for script in (while_money_moves, while_holds_end, while_clocks_differ, steadily, tampered, too_much)
)
