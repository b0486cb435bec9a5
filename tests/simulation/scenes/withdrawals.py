"""Withdrawals: asked for, decided, taken back, paid out by four providers; whatever goes wrong, once or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from cli.local.sandbox.messages import forget_keys
from cli.webhooks.keys import stellar_account
from tallystick.domain.money import DEFAULT_ASSETS, parse_amount
from tests.functions.providers import WITHDRAWALS
from tests.simulation.faults import Blow, Calm, Fault
from tests.simulation.kernel import SECOND, Task
from tests.simulation.scenes.banks import (
    LATEST_S,
    Withdrawal,
    close_before_call,
    close_ledger,
    end,
    fall_silent,
    follow,
    lose_answers,
    pay_otherwise,
    payouts_of,
    settle,
    show_late,
    tell,
)
from tests.simulation.scenes.common import (
    USERS,
    Request,
    Scripted,
    Wallet,
    at_once,
    new_key,
    race,
    shuffled,
    together,
)
from tests.simulation.told import Answer
from tests.simulation.world import World

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
CREATED: Final = 201
APART_S: Final = 40
"""A payment that was signed by a clock that is wrong by so much holds, for it holds for a minute."""

AGAIN_S: Final = 400
"""A message of which nobody has said that it is done has come again by then."""

UNANSWERED: Final = 0.7
"""The share of scenes in which providers do not answer what they pay."""

_BREAKER: Final = "GetItem operations"
_LOOKS: Final = 6
_WALLETS: Final = 3
_ROUNDS: Final = 2
_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Way:
    """Know a way out: a provider, an asset that it pays out, and a destination."""

    provider: str
    asset: str
    destination: Mapping[str, str]

    @property
    def least(self) -> int:
        """Give the smallest withdrawal."""
        return max(self._units("min"), 1)

    @property
    def automatic(self) -> int:
        """Give the largest that nobody looks at."""
        return self._units("automatic")

    def total(self, units: int) -> int:
        """Add the fee."""
        percent = int(WITHDRAWALS[self.asset].get("fee_percent", "0"))
        return units + self._units("fee") - (-units * percent // 100)

    def ask(self, wallet: Wallet, units: int, key: str, destination: Mapping[str, str] | None = None) -> Request:
        """Ask for a withdrawal."""
        body = {
            "wallet_id": wallet.wallet_id,
            "provider": self.provider,
            "amount": wallet.amount(units),
            "destination": dict(destination or self.destination),
        }
        return Request(wallet.owner, "/v1/withdrawals", body, key)

    def _units(self, rule: str) -> int:
        text = WITHDRAWALS[self.asset].get(rule)
        return parse_amount(text, DEFAULT_ASSETS[self.asset]) if text else 0


_IBAN: Final = {"type": "iban", "iban": "GB29 NWBK 6016 1331 9268 19", "account_holder_name": "Ada Lovelace"}
_NUBAN: Final = {
    "type": "nuban",
    "bank_code": "011",
    "account_number": "0000014579",
    "account_holder_name": "Ada Lovelace",
}
_STELLAR: Final = {"type": "stellar", "address": stellar_account("customer"), "memo": "42", "memo_type": "id"}

STRIPE: Final = Way("stripe", "USD", {"type": "stripe", "external_account": "ba_1"})
PAYSTACK: Final = Way("paystack", "NGN", _NUBAN)
TRUELAYER: Final = Way("truelayer", "GBP", _IBAN)
REVIEWED: Final = Way("truelayer", "EUR", _IBAN)
LUMENS: Final = Way("stellar", "XLM", _STELLAR)
DOLLARS: Final = Way("stellar", "USDC", _STELLAR)
BANKS: Final = (STRIPE, STRIPE, PAYSTACK, TRUELAYER)
AUTOMATIC: Final = (*BANKS, LUMENS)
SHORT: Final = {"usd": 1, "NGN": 1, "GBP": 1}


def goes_out(world: World) -> None:
    """Ask for one withdrawal, perhaps twice at once, and let it be paid."""
    way = world.dice.choice(AUTOMATIC)
    wallet, units = _funded(world, way)
    request = way.ask(wallet, units, new_key(world))
    granted = _granted(race(world, *[request] * world.dice.randint(1, 2)))
    follow(world, granted)
    _look_at(world, granted)


def spent_twice(world: World) -> None:
    """Race for money that suffices for one; whoever got it asks again, and gets the same answer."""
    way = world.dice.choice(AUTOMATIC)
    wallet, units = _funded(world, way, spare=-1 if world.dice.random() < 0.1 else 0)
    asked = [way.ask(wallet, units, new_key(world)), way.ask(wallet, way.least, new_key(world))]
    rivals = [*asked, wallet.debit(units, new_key(world))]
    race(world, *shuffled(world, rivals))
    again = shuffled(world, [*asked, way.ask(wallet, units + 1, asked[0].key or "")])
    follow(world, _granted([request.insist(world) for request in again]))


def decided(world: World) -> None:
    """Approve, reject and cancel at once what waits for a decision."""
    way = world.dice.choice((*AUTOMATIC, REVIEWED, REVIEWED))
    least = max(way.least, way.automatic + 1)
    wallet, units = _funded(world, way, world.dice.choice((least, least * 2)))
    withdrawal = way.ask(wallet, units, new_key(world)).done(world)
    decisions = [_decision(withdrawal, verb) for verb in ("approve", "reject", "cancel", "approve")]
    race(world, *world.dice.sample(decisions, world.dice.randint(1, 3)))
    race(world, *world.dice.sample(decisions, 1))
    follow(world, [withdrawal])


def taken_back(world: World) -> None:
    """Cancel or reject what may be under way already, and ask for the money again."""
    way = world.dice.choice(AUTOMATIC)
    wallet, units = _funded(world, way)
    withdrawal = way.ask(wallet, units, new_key(world)).done(world)
    world.pause(world.dice.choice((0, world.dice.uniform(0, 0.15), 5)))
    race(world, *(_decision(withdrawal, world.dice.choice(("cancel", "cancel", "reject"))) for _ in range(2)))
    again = way.ask(wallet, units, new_key(world)).insist(world)
    if world.dice.random() < 0.3:
        _close(world, wallet)
    follow(world, [withdrawal, *_granted([again])])


def daily_limit(world: World) -> None:
    """Race for what is left of the day, out of several wallets; give it back, and race again."""
    wallets = _wallets_of_one(world)
    known = _named_before(world, wallets[0])
    if world.dice.random() < 0.5:
        _decision(known, "cancel").insist(world)
    asked = list[Request]()
    for _ in range(_ROUNDS):
        granted, asked = _whole_day(world, wallets)
        race(world, *(_decision(one, world.dice.choice(("cancel", "reject"))) for one in granted))
    race(world, *asked[:2], REVIEWED.ask(wallets[0], REVIEWED.least, new_key(world)))


def whole_days(world: World) -> None:
    """Ask for more than a day allows out of all wallets at once, day after day; approve and pay the last of it."""
    wallets = _wallets_of_one(world)
    granted = [_named_before(world, wallets[0])]
    for _ in range(_DAYS):
        world.pause(DAY_S)
        granted, _ = _whole_day(world, wallets)
    race(world, *(_decision(one, "approve") for one in granted))
    follow(world, granted)


def _wallets_of_one(world: World) -> list[Wallet]:
    first, _ = _funded(world, REVIEWED, 500_00)
    return [first, *(_funded(world, REVIEWED, 500_00, owner=first.owner)[0] for _ in range(_WALLETS - 1))]


def _named_before(world: World, wallet: Wallet) -> Withdrawal:
    """Name the destination before: one that is new is in the way of a second one to it, and then nobody races."""
    return REVIEWED.ask(wallet, REVIEWED.least, new_key(world)).done(world)


def _whole_day(world: World, wallets: Sequence[Wallet]) -> tuple[list[Withdrawal], list[Request]]:
    """Ask out of each wallet twice at once, without insisting, for what is too much together; say what was granted."""
    amount = world.dice.choice((300_00, 250_00, 250_01, REVIEWED.least))
    asked = [REVIEWED.ask(wallet, amount, new_key(world)) for wallet in (*wallets, *wallets)]
    sent = (partial(request.send, world) for request in asked)
    return _granted(together(world, *sent, head_starts_s=(0.0,))), asked


def frozen(world: World) -> None:
    """Freeze a wallet while its withdrawal is on its way; what was not sent waits."""
    way = world.dice.choice(AUTOMATIC)
    wallet, units = _funded(world, way)
    granted = _granted(race(world, way.ask(wallet, units, new_key(world)), wallet.mark("freeze")))
    world.pause(world.dice.choice((0.05, 1, 130)))
    world.tick("withdrawal_sweep")
    _close(world, wallet)
    for withdrawal in granted[: world.dice.randint(0, 1)]:
        _decision(withdrawal, world.dice.choice(("reject", "cancel"))).insist(world)
    wallet.mark("unfreeze").insist(world)
    follow(world, granted)


def closed(world: World) -> None:
    """Close a wallet once everything has left it; then the bank sends it back, and says so twice at once."""
    way = world.dice.choice(BANKS)
    wallet, units = _funded(world, way, spare=0)
    withdrawal = way.ask(wallet, units, new_key(world)).done(world)
    if world.dice.random() < 0.7:
        _close(world, wallet)  # in vain: what has left it is on hold still
    for name in payouts_of(world, withdrawal):
        tell(world, withdrawal, end(world, withdrawal, name, paid=True), paid=True)
        world.pause(world.dice.choice((0.01, 5, 70)))
        _close(world, wallet)
        payout_id = end(world, withdrawal, name, paid=False)
        telling = partial(tell, world, withdrawal, payout_id, paid=False)
        world.join(*(world.spawn("bank", telling) for _ in range(2)))


def next_numbers(world: World) -> None:
    """Send payments on Stellar at once, two of them alike, that come into a ledger late or never, or are shown late."""
    dice = world.dice
    wallet, units = _funded(world, LUMENS, 20_0000000)
    if dice.random() < 0.7:
        world.providers["stellar"].things["held"] = {"on": True}
    asked = [LUMENS.ask(wallet, units // 3 - less, new_key(world)) for less in (0, 0, dice.randint(0, 1))]
    granted = at_once(world, *asked)
    _wait(world, dice.choice((1, 20, 40, 57, 62, 125)))
    close_ledger(world)
    match dice.choice(("all is well", "answers are lost", "shown late", "shown late")):
        case "answers are lost":
            fall_silent(world, "stellar", 600, "at once")
        case "shown late":
            show_late(world)
    for seconds in dice.choice(((10, 16), (18, 35, 40), (70, 130), (130, 65))):
        _wait(world, seconds)
    _look_at(world, _granted(granted))


def any_ledger(world: World) -> None:
    """Send a payment on Stellar that comes into a ledger at any moment, while it is looked for, or sent again."""
    dice, stellar = world.dice, world.providers["stellar"]
    wallet, units = _funded(world, LUMENS)
    stellar.things["held"] = {"on": True}
    granted = race(world, LUMENS.ask(wallet, units, new_key(world)))
    for _ in range(_LOOKS):
        if not stellar.waiting:
            _wait(world, dice.uniform(1, 20))
    if dice.random() < 0.7:
        show_late(world)
    if dice.random() < 0.5:
        close_before_call(world, dice.randint(1, 4))
    else:
        world.spawn("ledger", partial(_close_after, world, dice.uniform(0, 50)))
    for _ in range(_LOOKS):
        _wait(world, dice.uniform(6, 12))
    _wait(world, 130)
    _look_at(world, _granted(granted))


def _close_after(world: World, seconds: float) -> None:
    world.pause(seconds)
    close_ledger(world)


def clocks_apart(world: World) -> None:
    """Let two workers have each message, with clocks seconds apart, of which one is held up before it pays.

    It is brought again by then, when no clock takes the payment for one that is not due.
    """
    fleet, weather, boundary = world.fleet, world.deliveries.weather, world.boundary
    before = fleet.skewed, fleet.cold, weather.twice, boundary.chooser
    fleet.set_clocks(0.0)
    wallet, units = _funded(world, LUMENS, 20_0000000)
    boundary.chooser = held_up = HeldUp(world.dice)
    granted: list[Withdrawal] = []
    for _ in range(3):
        granted += _granted([LUMENS.ask(wallet, units // 3, new_key(world)).insist(world)])
        world.pause(2 * APART_S)
    held_up.is_down, fleet.cold, weather.twice = False, 1.0, 1.0
    fleet.set_clocks(1.0, APART_S * SECOND)
    world.pause(AGAIN_S)
    wrong, fleet.cold, weather.twice, boundary.chooser = before
    fleet.set_clocks(wrong)
    _wait(world, 130)
    _look_at(world, granted)


@dataclass(slots=True)
class HeldUp(Calm):
    """Let no worker come far at first; then hold up each second container after it has read what to pay."""

    is_down: bool = True
    _turns: dict[str, int] = field(default_factory=dict)

    def choose(self, task: Task, call: str) -> Blow | None:
        """Answer None for all others."""
        if task.container.function != "payout_worker":
            return None
        if self.is_down:
            return Blow(Fault.KILLED_BEFORE)
        turn = self._turns.setdefault(task.container.name, len(self._turns))
        return Blow(Fault.SLOW) if call == _BREAKER and not turn % 2 else None


def not_receivable(world: World) -> None:
    """Pay on Stellar to an account that is not there, or no more when the payment comes into a ledger."""
    things, shop = world.providers["stellar"].things, stellar_account("shop")
    wallet, units = _funded(world, LUMENS)
    if world.dice.random() < 0.8:
        things[shop] = {"id": shop}
        things["held"] = {"on": True}
    request = LUMENS.ask(wallet, units, new_key(world), {"type": "stellar", "address": shop})
    granted = race(world, request)
    _wait(world, 1)
    things.pop(shop, None)
    things["held"] = {}
    _wait(world, world.dice.choice((1, 130)))
    _look_at(world, _granted(granted))


def silence(world: World) -> None:
    """Get no answer from a provider, for seconds or more than a day, whether it carries out what it hears or not."""
    way = world.dice.choice(AUTOMATIC)
    wallet, units = _funded(world, way, spare=way.total(way.least))
    seconds = world.dice.choice((20, 100, 600, 7200, 9 * HOUR_S, DAY_S + HOUR_S))
    fall_silent(world, way.provider, seconds, world.dice.choice(("never", "at once", "late")))
    asked = [way.ask(wallet, amount, new_key(world)) for amount in (units, way.least)[: world.dice.randint(1, 2)]]
    granted = _granted(race(world, *asked))
    for _ in range(world.dice.randint(1, 3)):
        _wait(world, world.dice.choice((65, 130, 310)))
    _wait(world, seconds)
    if seconds > _KEYS_HOLD_S.get(way.provider, seconds) + LATEST_S:
        forget_keys(world.providers[way.provider])
    _wait(world, world.dice.choice((1, 130)))
    follow(world, granted)


_KEYS_HOLD_S: Final = {"stripe": DAY_S, "truelayer": 6 * HOUR_S}


def under_way_for_days(world: World) -> None:
    """Wait for a bank longer than any bank takes; when people are told of that, it comes to an end."""
    way = world.dice.choice(BANKS)
    wallet, units = _funded(world, way, spare=way.total(way.least))
    asked = (way.ask(wallet, amount, new_key(world)) for amount in (units, way.least))
    follow(world, _granted(race(world, *asked)), dawdling=1.0)


def short_of_money(world: World) -> None:
    """Let a provider have too little, at the first call or at a later one; then enough again."""
    way = world.dice.choice(BANKS)
    wallet, units = _funded(world, way, spare=way.total(way.least))
    if world.dice.random() < 0.5:
        fall_silent(world, way.provider, 30, world.dice.choice(("never", "at once", "late")))
    things = world.providers[way.provider].things
    things["balance"] = SHORT
    nowhere = (
        {"type": "stripe", "external_account": "ba_unknown"} if way is STRIPE and world.dice.random() < 0.3 else None
    )
    first = race(world, way.ask(wallet, units, new_key(world), nowhere))
    _wait(world, world.dice.choice((1, 70, 130)))
    things["balance"] = {}
    second = race(world, way.ask(wallet, way.least, new_key(world)))
    follow(world, _granted([*first, *second]))


def new_destination(world: World) -> None:
    """Name a destination for the first time, thrice at once; nothing goes there for an hour, and then all does."""
    dice = world.dice
    wallet, units = _funded(world, DOLLARS, 20_000000, spare=40_000000)
    destination = {**_STELLAR, "memo": str(dice.getrandbits(32))}
    granted = _granted(at_once(world, *(DOLLARS.ask(wallet, units, new_key(world), destination) for _ in range(3))))
    if granted and dice.random() < 0.3:
        race(world, _decision(granted[0], "cancel"))
    if dice.random() < 0.7:
        world.providers["stellar"].things["held"] = {"on": True}
    _wait(world, HOUR_S + dice.choice((-10, 1, 400)))
    _wait(world, dice.choice((10, 20, 40)))
    close_ledger(world)
    _wait(world, 130)
    _look_at(world, granted)


def rumours(world: World) -> None:
    """Tell of a payout what is not so: of another amount, payout or withdrawal, or before anything was sent."""
    way = world.dice.choice(BANKS)
    wallet, units = _funded(world, way, world.dice.choice((way.least, way.least, way.automatic + 1)))
    withdrawal = way.ask(wallet, units, new_key(world)).done(world)
    payout_id = f"po_{new_key(world)}"
    for name in payouts_of(world, withdrawal) if withdrawal["state"] == "APPROVED" else ():
        paid_id = end(world, withdrawal, name, paid=True)
        payout_id = world.dice.choice((payout_id, paid_id, paid_id))
    rumour = world.dice.choice(({"amount": wallet.amount(units + 1)}, {"withdrawal_id": "wdr_" + "0" * 32}, {}, {}))
    tell(world, {**withdrawal, **rumour}, payout_id, paid=world.dice.random() < 0.3)


def other_amount(world: World) -> None:
    """Let a bank pay other amounts than it was asked for: nothing is posted, and a person has to look."""
    way = world.dice.choice(BANKS)
    wallet, units = _funded(world, way, spare=way.total(way.least))
    for withdrawal in _granted(race(world, *(way.ask(wallet, one, new_key(world)) for one in (units, way.least)))):
        for name in payouts_of(world, withdrawal):
            pay_otherwise(world, withdrawal, name)
            paid = world.dice.random() < 0.7
            tell(world, withdrawal, end(world, withdrawal, name, paid=paid), paid=paid)


def _funded(
    world: World, way: Way, units: int | None = None, spare: int | None = None, owner: str | None = None
) -> tuple[Wallet, int]:
    """Open a wallet with what a withdrawal takes, and perhaps some more; say how much can be withdrawn."""
    dice = world.dice
    owner = owner or dice.choice(USERS)
    units = units or dice.choice((way.least, way.automatic, dice.randint(way.least, way.automatic)))
    opened = Request(owner, "/v1/wallets", {"asset": way.asset}, new_key(world)).done(world)
    wallet = Wallet(opened["wallet_id"], owner, way.asset)
    spare = dice.choice((0, 1, way.total(way.least))) if spare is None else spare
    wallet.credit(way.total(units) + spare, new_key(world)).done(world)
    return wallet, units


def _decision(withdrawal: Withdrawal, verb: str) -> Request:
    """Decide about a withdrawal: its owner cancels, root approves and rejects."""
    path = f"withdrawals/{withdrawal['withdrawal_id']}/{verb}"
    if verb == "cancel":
        return Request(withdrawal["owner_id"], f"/v1/{path}")
    return Request("root", f"/v1/admin/{path}", {"notes": "as it seems"})


def _granted(answers: Iterable[Answer | None]) -> list[Withdrawal]:
    """Give the withdrawals that were granted, each once."""
    shown = [answer.document for answer in answers if answer and answer.status == CREATED]
    return list({withdrawal["withdrawal_id"]: withdrawal for withdrawal in shown}.values())


def _wait(world: World, seconds: float) -> None:
    """Let time pass, and the sweep queue what is due then."""
    world.pause(seconds)
    world.tick("withdrawal_sweep")


def _close(world: World, wallet: Wallet) -> None:
    wallet.mark("close", wallet.owner).insist(world)


def _look_at(world: World, withdrawals: Sequence[Withdrawal]) -> None:
    """Read a withdrawal, or one of the lists that it may be in."""
    for withdrawal in withdrawals[:1]:
        caller, path = world.dice.choice(
            (
                (withdrawal["owner_id"], f"/v1/withdrawals/{withdrawal['withdrawal_id']}"),
                (withdrawal["owner_id"], "/v1/withdrawals"),
                (withdrawal["owner_id"], f"/v1/wallets/{withdrawal['wallet_id']}"),
                ("root", "/v1/admin/withdrawals"),
            )
        )
        world.persist(caller, "GET", path)


def _until_settled(script: Callable[[World], None], world: World) -> None:
    """Play a script; whatever comes of it, providers come to an end with what they have begun."""
    if script is not clocks_apart and world.dice.random() < UNANSWERED:
        lose_answers(world)
    try:
        script(world)
    finally:
        settle(world)


_SCRIPTS: Final = (
    goes_out,
    spent_twice,
    decided,
    taken_back,
    daily_limit,
    whole_days,
    frozen,
    closed,
    next_numbers,
    any_ledger,
    clocks_apart,
    not_receivable,
    silence,
    under_way_for_days,
    short_of_money,
    new_destination,
    rumours,
    other_amount,
)

WITHDRAWAL_SCENES: Final = tuple(
    Scripted(f"withdrawal {script.__name__}", partial(_until_settled, script)) for script in _SCRIPTS
)
