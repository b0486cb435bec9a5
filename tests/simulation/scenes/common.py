"""What scenes have in common: requests that race, wallets with money in them, and a way out when nothing answers."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from tallystick.domain.money import DEFAULT_ASSETS, format_units
from tests.simulation.faults import Dice
from tests.simulation.told import Answer
from tests.simulation.world import SPAWNED_US, World

Choice = TypeVar("Choice")

USERS: Final = ("ada", "bob", "cora")
EASED: Final = 0.01
"""The share of calls that something goes wrong with when a scene is about what meets, not about what fails."""

HEAD_STARTS_S: Final = (0.0, 0.0, 0.0, 0.01, 0.1, 1.0)
"""How long a client waits before it joins a race: most begin at once."""


class SceneOver(Exception):
    """What the rest of a scene needs was not answered, or another scene is in the way."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """Play a script; it ends early when what it needs is not to be had."""

    name: str
    script: Callable[[World], None]

    def play(self, world: World) -> None:
        with suppress(SceneOver):
            self.script(world)


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for something, perhaps many times: the same request is a duplicate."""

    caller: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None

    def send(self, world: World) -> Answer | None:
        """Ask once, and take no answer for an answer."""
        return world.call(self.caller, "POST", self.path, dict(self.body), key=self.key)

    def insist(self, world: World) -> Answer | None:
        """Ask until there is an answer, as a careful client does."""
        return world.persist(self.caller, "POST", self.path, dict(self.body), key=self.key)

    def done(self, world: World) -> dict[str, Any]:
        """Ask for what the scene cannot do without.

        Raises:
            SceneOver: it did not happen.
        """
        return document_of(self.insist(world))


@dataclass(frozen=True, slots=True)
class Wallet:
    """Know a wallet and whose it is."""

    wallet_id: str
    owner: str
    asset: str

    def credit(self, units: int, key: str, reference: str | None = None) -> Request:
        """Bring money in."""
        return self._move("credit", units, key, reference)

    def debit(self, units: int, key: str, reference: str | None = None) -> Request:
        """Take money out."""
        return self._move("debit", units, key, reference)

    def transfer(self, to: "Wallet", units: int, key: str, caller: str | None = None) -> Request:
        """Send money to another wallet; its owner does, unless somebody else is named."""
        body = {"source": self.wallet_id, "destination": to.wallet_id, "amount": self.amount(units)}
        return Request(caller or self.owner, "/v1/transfers", body, key)

    def mark(self, verb: str, caller: str = "root") -> Request:
        """Freeze, unfreeze or close it."""
        body = {} if verb == "close" else {"reason": f"{verb} it"}
        return Request(caller, f"/v1/wallets/{self.wallet_id}/{verb}", body)

    def amount(self, units: int) -> str:
        """Write units as the API wants them."""
        return format_units(units, DEFAULT_ASSETS[self.asset].scale)

    def _move(self, verb: str, units: int, key: str, reference: str | None) -> Request:
        body = {"amount": self.amount(units), **({} if reference is None else {"reference": reference})}
        return Request("till", f"/v1/wallets/{self.wallet_id}/{verb}", body, key)


def reversal(transfer_id: str, key: str, caller: str = "till") -> Request:
    """Undo a movement."""
    return Request(caller, f"/v1/transfers/{transfer_id}/reverse", {}, key)


def void(key: str, caller: str = "till") -> Request:
    """Make a key final that may not have been used."""
    return Request(caller, f"/v1/idempotency/{key}/void")


def new_key(world: World) -> str:
    """Make up a key that no other scene uses."""
    return f"key-{world.dice.getrandbits(40):010x}"


def open_wallet(world: World, owner: str, asset: str = "USD") -> Wallet:
    """Open a wallet; sometimes it is one that other scenes move money in, too."""
    key = f"{asset}-1" if world.dice.random() < 0.25 else new_key(world)
    document = Request(owner, "/v1/wallets", {"asset": asset}, key).done(world)
    return Wallet(document["wallet_id"], owner, asset)


def funded_wallet(world: World, owner: str, units: int, asset: str = "USD") -> Wallet:
    """Open a wallet and bring money in."""
    wallet = open_wallet(world, owner, asset)
    wallet.credit(units, new_key(world)).done(world)
    return wallet


def document_of(answer: Answer | None) -> dict[str, Any]:
    """Give what was answered.

    Raises:
        SceneOver: it was a refusal, or nothing.
    """
    if answer is None or answer.status >= 300:
        raise SceneOver
    return dict(answer.document)


def race(world: World, *requests: Request) -> list[Answer | None]:
    """Send requests at once, each from a client of its own that may insist or may not; give their answers."""
    return together(world, *(partial(_race, world, request) for request in requests))


def at_once(world: World, *requests: Request) -> list[Answer | None]:
    """Send requests without a head start: one may be carried out between two calls of another."""
    return together(world, *(partial(request.insist, world) for request in requests), head_starts_s=(0.0,))


def tightly(world: World, *requests: Request) -> list[Answer | None]:
    """Send requests within the time of a call or two, mostly with little that goes wrong: one meets the other."""
    chooser = world.boundary.chooser
    before = chooser.rate if isinstance(chooser, Dice) else 0.0
    ease(world, 0.8)
    acts = (partial(request.insist, world) for request in requests)
    answers = together(world, *acts, head_starts_s=(0.0, 0.0, 0.01))
    if isinstance(chooser, Dice):
        chooser.rate = before
    return answers


def together(
    world: World, *acts: Callable[[], Answer | None], head_starts_s: Sequence[float] = HEAD_STARTS_S
) -> list[Answer | None]:
    """Let several do something at once; give what each was answered."""
    answers: list[Answer | None] = [None] * len(acts)
    begins_us = world.kernel.now_us + SPAWNED_US

    def act(place: int) -> None:
        world.kernel.sleep(begins_us - world.kernel.now_us)
        world.pause(world.dice.choice(head_starts_s))
        answers[place] = acts[place]()

    world.join(*(world.spawn(f"racer {place}", partial(act, place)) for place in range(len(acts))))
    return answers


def shuffled(world: World, things: Sequence[Choice]) -> list[Choice]:
    """Put things in any order."""
    return world.dice.sample(things, len(things))


def ease(world: World, share: float) -> None:
    """Let little go wrong in a share of the seeds: what is to meet within milliseconds is scattered by faults."""
    chooser = world.boundary.chooser
    if isinstance(chooser, Dice) and world.dice.random() < share:
        chooser.rate = min(chooser.rate, EASED)


def pages(world: World, caller: str, path: str) -> Answer | None:
    """Read a list to its end, page by page."""
    query = {"limit": world.dice.choice(("1", "2"))}
    page = world.persist(caller, "GET", path, query=query)
    while page and page.document.get("next_cursor"):
        page = world.persist(caller, "GET", path, query={**query, "cursor": page.document["next_cursor"]})
    return page


def _race(world: World, request: Request) -> Answer | None:
    return request.insist(world) if world.dice.random() < 0.75 else request.send(world)
