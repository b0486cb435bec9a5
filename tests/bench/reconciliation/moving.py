"""Open wallets and move money between them through the product's services, from several processes at once."""

import multiprocessing
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING, Final

from tallystick import wiring
from tallystick.adapters.clock import now_ms
from tallystick.domain.callers import Caller, Role
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import Refusal
from tallystick.domain.transfers import Claim, Transfer, client_key
from tallystick.domain.webhooks import Provider
from tallystick.services import movements, wallets, withdrawals
from tallystick.services.movements import ServiceMovement, WalletTransfer
from tallystick.services.withdrawals import WithdrawalRequest
from tests.bench.reconciliation import place

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

TILL: Final = Caller("bench-till", frozenset({Role.SERVICE}))
BANK: Final = Destination(DestinationType.STRIPE, "ba_1MtFgV2eZvKYlo2C")
IN_REVIEW: Final = "120.00"
"""More than goes out by itself in the local cloud: it stays on hold until it is taken back."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """Name a wallet and its owner."""

    wallet_id: str
    owner: Caller
    asset: str


@dataclass
class Mover:
    """Move money as clients do; whatever it posts is posted under keys of its own."""

    name: str
    moved: int = 0

    def open(self, asset: str = "USD") -> Wallet:
        """Open a wallet of a new owner."""
        owner, wallet_id = Caller(f"owner-{self._next()}"), wiring.new_wallet_id()
        wallets.create(
            wallets=wiring.wallets(),
            caller=owner,
            wallet_id=wallet_id,
            assets=wiring.settings().assets,
            asset=asset,
            label=None,
            now_ms=now_ms(),
        )
        return Wallet(wallet_id, owner, asset)

    def credit(self, wallet: Wallet, amount: str, reference: str = "bench:1") -> Transfer:
        """Bring money in."""
        request = ServiceMovement(wallet.wallet_id, amount, reference)
        return self._counted(
            movements.credit(
                ledger=wiring.ledger(), caller=TILL, claim=self._claim(TILL), request=request, now_ms=now_ms()
            ).transfer
        )

    def debit(self, wallet: Wallet, amount: str) -> Transfer:
        """Take money out."""
        request = ServiceMovement(wallet.wallet_id, amount, "bench:1")
        return self._counted(
            movements.debit(
                ledger=wiring.ledger(), caller=TILL, claim=self._claim(TILL), request=request, now_ms=now_ms()
            ).transfer
        )

    def transfer(self, one: Wallet, other: Wallet, amount: str) -> Transfer:
        """Move money between wallets."""
        request = WalletTransfer(one.wallet_id, other.wallet_id, amount)
        return self._counted(
            movements.transfer(
                ledger=wiring.ledger(), caller=one.owner, claim=self._claim(one.owner), request=request, now_ms=now_ms()
            ).transfer
        )

    def hold(self, wallet: Wallet) -> str:
        """Ask for a withdrawal that waits for an admin; answer its id."""
        from tallystick.wiring.withdrawals import window

        withdrawal, _ = withdrawals.request(
            window=window(Provider.STRIPE),
            caller=wallet.owner,
            claim=self._claim(wallet.owner),
            request=WithdrawalRequest(wallet.wallet_id, IN_REVIEW, BANK),
            now_ms=now_ms(),
        )
        self.moved += 1
        return withdrawal.flow_id

    def release(self, wallet: Wallet, flow_id: str) -> None:
        """Take a withdrawal back."""
        from tallystick.wiring.webhooks import books

        withdrawals.cancel(books=books(), caller=wallet.owner, flow_id=flow_id, now_ms=now_ms())
        self.moved += 1

    def _counted(self, transfer: Transfer) -> Transfer:
        self.moved += 1
        return transfer

    def _claim(self, caller: Caller) -> Claim:
        return Claim(client_key(caller.caller_id, self._next()), fingerprint="bench")

    def _next(self) -> str:
        return f"{self.name}-{wiring.new_wallet_id()}"


def populate(variables: Mapping[str, str], count: int, processes: int) -> list[Wallet]:
    """Open so many wallets, each with some history."""
    shares = [(f"opener-{number}", count // processes + (number < count % processes)) for number in range(processes)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=place.enter, initargs=(dict(variables),)) as pool:
        return [wallet for found in pool.starmap(_populated, shares) for wallet in found]


def _populated(name: str, count: int) -> list[Wallet]:
    mover = Mover(name)
    opened: list[Wallet] = []
    for number in range(count):
        wallet = mover.open()
        mover.credit(wallet, "500.00")
        if number % 3 == 1:
            mover.transfer(wallet, opened[-1], "12.50")
        if number % 10 == 0:
            mover.hold(wallet)
        opened.append(wallet)
    return opened


@contextmanager
def load(
    variables: Mapping[str, str], wallets: Sequence[Wallet], *, processes: int, rate_per_s: float
) -> Iterator["Load"]:
    """Let processes move money among all of these wallets until the block ends."""
    context = multiprocessing.get_context("spawn")
    stop, counts = context.Event(), context.Queue()
    workers = [
        context.Process(target=_move, args=(dict(variables), number, wallets, rate_per_s, stop, counts), daemon=True)
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    found = Load()
    try:
        yield found
    finally:
        stop.set()
        found.movements = sum(counts.get(timeout=120) for _ in workers)
        for worker in workers:
            worker.join(timeout=30)


@dataclass
class Load:
    """Say how much was moved, when it is over."""

    movements: int = 0


def _move(
    variables: Mapping[str, str],
    number: int,
    wallets: Sequence[Wallet],
    rate_per_s: float,
    stop: Event,
    counts: "Queue[int]",
) -> None:
    place.enter(variables)
    mover, chance = Mover(f"mover-{number}"), random.Random(number)  # noqa: S311 (no secret)
    waiting: list[tuple[Wallet, str]] = []
    parent = multiprocessing.parent_process()
    while not stop.wait(1 / rate_per_s) and parent is not None and parent.is_alive():
        with suppress(Refusal):
            _move_once(mover, chance, wallets, waiting)
    counts.put(mover.moved)


def _move_once(
    mover: Mover, chance: random.Random, wallets: Sequence[Wallet], waiting: list[tuple[Wallet, str]]
) -> None:
    one, other = chance.sample(wallets, 2)
    kind = chance.choices(("credit", "debit", "transfer", "hold", "release"), (35, 20, 30, 10, 5))[0]
    amount = f"{chance.randint(1, 2000) / 100:.2f}"
    if kind == "credit":
        mover.credit(one, amount)
    elif kind == "debit":
        mover.debit(one, amount)
    elif kind == "transfer":
        mover.transfer(one, other, amount)
    elif kind == "hold":
        waiting.append((one, mover.hold(one)))
    elif waiting:
        mover.release(*waiting.pop(chance.randrange(len(waiting))))
