"""Plant faults, each of a known kind in wallets of its own, and say where each has to show.

A kind is a function that takes a crime scene and answers what it has planted there; `KINDS` lists them all.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pynamodb.models import Model

from tallystick import wiring
from tallystick.adapters.clock import now_ms
from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.checkpoints import _item as checkpoint_item
from tallystick.domain.accounts import Entry
from tallystick.domain.chain import digest, entry_hash
from tallystick.domain.posting import Leg, Order, plan
from tallystick.domain.reconciliation import Checkpoint, Head, mark
from tallystick.domain.tallies import bucket_of
from tallystick.domain.transfers import Claim, Transfer, TransferKind, client_key
from tests.bench.reconciliation.counter import PRICE_UNITS, Counter
from tests.bench.reconciliation.moving import Mover, Wallet
from tests.bench.reconciliation.vault import RawItem, Vault, integer, text

CONSERVATION: Final = "conservation:"


@dataclass(frozen=True, slots=True)
class Scene:
    """Give a pair of wallets that nobody else moves, with a history between them, and the means to change it.

    `tally` is a tallied account that only `one` was credited from.
    """

    one: Wallet
    other: Wallet
    tally: str
    history: tuple[Transfer, ...]
    hold: str
    mover: Mover
    vault: Vault
    chance: random.Random
    counter: Counter

    @property
    def transfer(self) -> Transfer:
        """Pick a movement between the two."""
        return self.chance.choice([one for one in self.history if one.kind is TransferKind.TRANSFER])

    @property
    def is_tallied(self) -> bool:
        """Tell whether the stream's consumer has added all of it to the totals."""
        moved = [one for one in self.history if one.kind is not TransferKind.TRANSFER]
        return all(self.vault.get("Operations", f"tallied#{one.claim.key.digest}") for one in moved)

    def entries(self) -> list[Entry]:
        """Read what stands in the first wallet's statement."""
        return [entry_of(item) for item in self.vault.entries(self.one.wallet_id)]


@dataclass(frozen=True, slots=True)
class Planted:
    """Say where a fault shows: `evidence` are subjects that name it and nothing else, `also` others it may touch.

    `is_made_good` is there for what reconciliation makes good without telling anybody: it looks whether it did.
    """

    evidence: frozenset[str]
    also: frozenset[str] = frozenset()
    at_s: float = 0.0
    kind: str = ""
    is_made_good: Callable[[], bool] | None = field(default=None, compare=False)


Kind = Callable[[Scene], Planted]


def prepared(vault: Vault, mover: Mover, chance: random.Random, counter: Counter, number: int) -> Scene:
    """Give a pair of wallets a history."""
    one, other = mover.open(), mover.open()
    name = f"vault{number}"
    history = [
        mover.credit(one, "700.00", f"{name}:1"),
        mover.credit(other, "300.00"),
        mover.transfer(one, other, "25.00"),
        mover.transfer(other, one, "5.00"),
        mover.debit(one, f"{chance.randint(1, 900) / 100:.2f}"),
        mover.transfer(one, other, "10.00"),
        mover.debit(one, "2.00"),
    ]
    hold = mover.hold(one)
    history += [mover.debit(one, "1.00")]
    return Scene(one, other, f"external:{name}:{one.asset}", tuple(history), hold, mover, vault, chance, counter)


def balance_altered(scene: Scene) -> Planted:
    """Give a wallet money that it never got."""
    scene.vault.add("Accounts", scene.one.wallet_id, balance=scene.chance.randint(1, 10_000))
    return _planted(scene, disturbs=True)


def entry_altered(scene: Scene) -> Planted:
    """Let an old entry say another amount."""
    entry = scene.chance.choice(scene.entries()[:-1])
    scene.vault.set("Entries", *_key(entry), units={"N": str(entry.units + 1)})
    return _planted(scene)


def entry_deleted(scene: Scene) -> Planted:
    """Take an entry out of the middle."""
    scene.vault.delete("Entries", *_key(scene.chance.choice(scene.entries()[1:-1])))
    return _planted(scene)


def entry_inserted(scene: Scene) -> Planted:
    """Put an entry between two others, whose hash is right; nothing is overwritten."""
    before, after = scene.entries()[1:3]
    forged = replace(before, sequence=after.sequence, time_ms=before.time_ms + 1, previous_hash=before.hash, units=100)
    scene.vault.put("Entries", _raw(items.entry_item(replace(forged, hash=entry_hash(forged)))))
    return _planted(scene)


def entry_duplicated(scene: Scene) -> Planted:
    """Let an entry stand twice, the second time under a key that is not its own."""
    entry = scene.chance.choice(scene.entries()[:-1])
    raw = _raw(items.entry_item(entry))
    scene.vault.put("Entries", {**raw, "entry_key": {"S": items.entry_key(entry.time_ms + 1, entry.sequence)}})
    return _planted(scene)


def entries_swapped(scene: Scene) -> Planted:
    """Let two entries stand in each other's place."""
    first, second = scene.entries()[1:3]
    for place, content in ((first, second), (second, first)):
        scene.vault.put("Entries", {**_raw(items.entry_item(content)), "entry_key": {"S": _key(place)[1]}})
    return _planted(scene)


def leg_missing(scene: Scene) -> Planted:
    """Write a movement of which the receiver has nothing; nothing is overwritten, and no account contradicts itself."""
    one, other = scene.one.wallet_id, scene.other.wallet_id
    accounts = wiring.ledger().book.accounts([one, other])
    claim = Claim(client_key(scene.one.owner.caller_id, wiring.new_wallet_id()), "bench")
    asset = accounts[one].asset
    half = plan(Order(claim, TransferKind.TRANSFER, asset, (Leg(one, -300), Leg(other, 300))), accounts, now_ms())
    scene.vault.put("Transfers", _raw(items.transfer_item(half.transfer)))
    sent = next(change for change in half.changes if change.after.account_id == one)
    _write_entry(scene, sent.entry, sent.after.balance)
    return _planted(scene, transfer=half.transfer, disturbs=True)


def transfer_altered(scene: Scene) -> Planted:
    """Let a movement's record say another amount; its postings still sum to zero."""
    transfer = scene.transfer
    postings = tuple(replace(posting, units=posting.units * 2) for posting in transfer.postings)
    altered = replace(transfer, postings=postings, units=transfer.units * 2)
    scene.vault.put("Transfers", _raw(items.transfer_item(altered)))
    return _planted(scene, transfer=transfer)


def transfer_deleted(scene: Scene) -> Planted:
    """Remove a movement's record."""
    transfer = scene.transfer
    scene.vault.delete("Transfers", transfer.claim.key.digest)
    return _planted(scene, transfer=transfer)


def hold_left_over(scene: Scene) -> Planted:
    """End a withdrawal whose money stays on hold."""
    flow = json.loads(text(scene.vault.get("Flows", scene.hold), "flow")) | {"state": "CANCELLED"}
    scene.vault.set("Flows", scene.hold, state={"S": "CANCELLED"}, flow={"S": json.dumps(flow)})
    return _planted(scene)


def held_altered(scene: Scene) -> Planted:
    """Let a wallet show more on hold than there is."""
    scene.vault.add("Accounts", scene.one.wallet_id, held=scene.chance.randint(1, 500))
    return _planted(scene)


def owner_altered(scene: Scene) -> Planted:
    """Give a wallet to somebody else."""
    scene.vault.set("Accounts", scene.one.wallet_id, owner_id={"S": "owner-thief"})
    return _planted(scene)


def scale_altered(scene: Scene) -> Planted:
    """Let a wallet count in tenths of cents."""
    scene.vault.set("Accounts", scene.one.wallet_id, scale={"N": "3"})
    return _planted(scene)


def total_altered(scene: Scene) -> Planted:
    """Let the total of a tallied account be off."""
    scene.vault.add("Operations", f"total#{scene.tally}", balance=scene.chance.randint(1, 500))
    return Planted(frozenset({scene.tally}), frozenset({CONSERVATION + scene.one.asset}))


def checkpoint_forged(scene: Scene) -> Planted:
    """Append an entry without a movement, and vouch for it; nothing is overwritten, and the account looks unchanged."""
    (*_, last) = scene.entries()
    loot = scene.chance.randint(1, 50_000)
    forged = replace(
        last,
        sequence=last.sequence + 1,
        time_ms=last.time_ms + 1,
        kind=TransferKind.CREDIT,
        units=loot,
        balance_after=last.balance_after + loot,
        transfer_id=f"trf_{digest(scene.one.wallet_id)}",
        previous_hash=last.hash,
    )
    forged = replace(forged, hash=entry_hash(forged))
    _write_entry(scene, forged, forged.balance_after)
    head = _head(scene)
    run_id = text(scene.vault.get("Accounts", scene.one.wallet_id), "checked_in")
    scene.vault.put("Audit", _raw(checkpoint_item(Checkpoint.of(head, run_id))))
    scene.vault.set("Accounts", scene.one.wallet_id, checked={"S": head.mark})
    return _planted(scene, disturbs=True)


def tail_rolled_back(scene: Scene) -> Planted:
    """Undo a wallet's last movement everywhere, totals and the account's own word included, as if it had never been."""
    transfer = scene.history[-1]
    *_, previous, last = scene.entries()
    scene.vault.delete("Entries", *_key(last))
    scene.vault.delete("Transfers", transfer.claim.key.digest)
    _take_from_totals(scene.vault, transfer)
    _write_head(scene, previous, previous.balance_after)
    word = mark(_head(scene), previous.sequence, previous.balance_after, previous.hash, previous.time_ms)
    scene.vault.set("Accounts", scene.one.wallet_id, checked={"S": word})
    return _planted(scene, transfer=transfer)


def account_deleted(scene: Scene) -> Planted:
    """Remove a wallet, and leave its entries."""
    scene.vault.delete("Accounts", scene.one.wallet_id)
    return _planted(scene, disturbs=True)


def stream_lost(scene: Scene) -> Planted:
    """Leave a movement out of the totals, as if the stream had never brought it."""
    transfer = scene.history[0]
    _take_from_totals(scene.vault, transfer)
    marker = f"tallied#{transfer.claim.key.digest}"
    return Planted(frozenset({marker}), is_made_good=lambda: bool(scene.vault.get("Operations", marker)))


def webhook_lost(scene: Scene) -> Planted:
    """Let a payment be made of which the provider does not tell."""
    return Planted(frozenset({f"stripe:{scene.counter.pay(scene.counter.order())}"}))


def amount_differs(scene: Scene) -> Planted:
    """Let another amount be paid than what was ordered."""
    payment_id = scene.counter.pay(scene.counter.order(), PRICE_UNITS - scene.chance.randint(1, 100))
    return Planted(frozenset({f"stripe:amount-differs:{payment_id}"}))


def paid_twice(scene: Scene) -> Planted:
    """Let an order be paid a second time; of the first payment the provider tells twice, which is no fault."""
    deposit = scene.counter.order()
    scene.counter.tell(deposit, scene.counter.pay(deposit), times=2)
    return Planted(frozenset({f"stripe:duplicate:{scene.counter.pay(deposit, again=True)}"}))


KINDS: Final[Mapping[str, Kind]] = {
    "balance altered": balance_altered,
    "entry altered": entry_altered,
    "entry deleted": entry_deleted,
    "entry inserted": entry_inserted,
    "entry duplicated": entry_duplicated,
    "entries swapped": entries_swapped,
    "one leg missing": leg_missing,
    "transfer record altered": transfer_altered,
    "transfer record deleted": transfer_deleted,
    "hold left over": hold_left_over,
    "held altered": held_altered,
    "owner altered": owner_altered,
    "wrong scale": scale_altered,
    "tallied total off": total_altered,
    "forged checkpoint": checkpoint_forged,
    "coherently rolled-back tail": tail_rolled_back,
    "account deleted": account_deleted,
    "transfer lost by the stream": stream_lost,
    "webhook lost": webhook_lost,
    "another amount paid": amount_differs,
    "order paid twice": paid_twice,
}


def _planted(scene: Scene, *, transfer: Transfer | None = None, disturbs: bool = False) -> Planted:
    """Show in the first wallet, or in the movement.

    The other wallet, the hold, and sums that are disturbed may show it, too.
    """
    one, other, hold = scene.one.wallet_id, scene.other.wallet_id, f"hold:{scene.hold}"
    evidence = {one, *([transfer.transfer_id] if transfer else [])}
    return Planted(
        frozenset(evidence), frozenset({other, hold, *([CONSERVATION + scene.one.asset] if disturbs else [])})
    )


def _take_from_totals(vault: Vault, transfer: Transfer) -> None:
    """Undo what the stream's consumer did for a movement of one tallied account."""
    (tallied,) = (posting for posting in transfer.postings if posting.owner_id is None)
    vault.delete("Operations", f"tallied#{transfer.claim.key.digest}")
    for key in ("", f"#{bucket_of(transfer.created_at_ms)}"):
        vault.add("Operations", f"total#{tallied.account_id}{key}", balance=-tallied.units, postings=-1)


def _write_entry(scene: Scene, entry: Entry | None, balance: int) -> None:
    if entry is None:
        raise LookupError("a movement without an entry")
    scene.vault.put("Entries", _raw(items.entry_item(entry)))
    _write_head(scene, entry, balance)


def _write_head(scene: Scene, entry: Entry, balance: int) -> None:
    scene.vault.set(
        "Accounts",
        scene.one.wallet_id,
        balance={"N": str(balance)},
        version={"N": str(entry.sequence)},
        head_hash={"S": entry.hash},
        head_time_ms={"N": str(entry.time_ms)},
    )


def _head(scene: Scene) -> Head:
    item = scene.vault.get("Accounts", scene.one.wallet_id)
    texts = {name: text(item, name) for name in ("account_id", "owner_id", "kind", "asset", "head_hash")}
    numbers = {name: integer(item, name) for name in ("scale", "balance", "held", "version", "head_time_ms")}
    return Head(**texts, **numbers)  # type: ignore[arg-type]


def entry_of(item: RawItem) -> Entry:
    """Read an entry."""
    texts = ("account_id", "kind", "asset", "transfer_id", "previous_hash", "hash")
    numbers = ("sequence", "time_ms", "scale", "units", "balance_after")
    found = {name: text(item, name) for name in texts} | {name: integer(item, name) for name in numbers}
    return Entry(**found)  # type: ignore[arg-type]


def _key(entry: Entry) -> tuple[str, str]:
    return entry.account_id, items.entry_key(entry.time_ms, entry.sequence)


def _raw(item: Model) -> RawItem:
    return dict(item.serialize())
