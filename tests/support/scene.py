"""Set a scene: people, wallets with money in them and a ledger on the fake store."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tallystick.domain.accounts import Account, Status
from tallystick.domain.callers import Caller, Role
from tallystick.domain.chain import genesis
from tallystick.domain.money import DEFAULT_ASSETS, Asset, format_units
from tallystick.domain.transfers import Claim, client_key
from tallystick.services import movements
from tallystick.services.ledger import Ledger, Memory, Receipt
from tallystick.services.movements import ServiceMovement, WalletTransfer
from tests.support.fake_store import FakeStore

USD = DEFAULT_ASSETS["USD"]
EUR = DEFAULT_ASSETS["EUR"]

ADA = Caller("ada")
BOB = Caller("bob")
EVE = Caller("eve")
SERVICE = Caller("svc", frozenset({Role.USER, Role.SERVICE}))
ADMIN = Caller("root", frozenset({Role.USER, Role.ADMIN}))

NOW_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""


def claim(key: str = "k1", *, body: str = "{}", caller: Caller = SERVICE) -> Claim:
    """Bind a key to a body."""
    return Claim(client_key(caller.caller_id, key), fingerprint=body)


def account(account_id: str = "wal_a", owner: Caller = ADA, asset: Asset = USD, created_at_ms: int = NOW_MS) -> Account:
    """Describe an empty account as it is opened."""
    return Account(account_id, owner.caller_id, asset, created_at_ms, genesis(account_id, asset.code))


def no_pause(attempt: int) -> None:
    """Wait not at all."""


class Pauses(list[int]):
    """Remember each pause instead of waiting."""

    def __call__(self, attempt: int) -> None:
        """Note the attempt."""
        self.append(attempt)


def once(error: Exception, at: str) -> Callable[[str], None]:
    """Make a hook that raises at the first call of that name."""
    left = [error]

    def hook(call: str) -> None:
        if call == at and left:
            raise left.pop()

    return hook


@dataclass
class Desk:
    """Move money through one ledger; the body of a request is its amount, or the transfer that it reverses."""

    ledger: Ledger
    now_ms: int = NOW_MS

    def credit(self, key: str, amount: str, wallet: str = "wal_a", *, ledger: Ledger | None = None) -> Receipt:
        """Credit as SERVICE."""
        request = ServiceMovement(wallet, amount)
        return movements.credit(
            ledger=ledger or self.ledger,
            caller=SERVICE,
            claim=claim(key, body=amount),
            request=request,
            now_ms=self.now_ms,
        )

    def debit(self, key: str, amount: str, wallet: str = "wal_a", *, ledger: Ledger | None = None) -> Receipt:
        """Debit as SERVICE."""
        request = ServiceMovement(wallet, amount)
        return movements.debit(
            ledger=ledger or self.ledger,
            caller=SERVICE,
            claim=claim(key, body=amount),
            request=request,
            now_ms=self.now_ms,
        )

    def transfer(
        self,
        key: str,
        amount: str,
        source: str = "wal_a",
        destination: str = "wal_b",
        *,
        caller: Caller = ADA,
        ledger: Ledger | None = None,
    ) -> Receipt:
        """Transfer, by default as the owner of the source."""
        return movements.transfer(
            ledger=ledger or self.ledger,
            caller=caller,
            claim=claim(key, body=amount, caller=caller),
            request=WalletTransfer(source, destination, amount),
            now_ms=self.now_ms,
        )

    def reverse(self, key: str, transfer_id: str, *, caller: Caller = SERVICE, ledger: Ledger | None = None) -> Receipt:
        """Reverse, by default as SERVICE."""
        return movements.reverse(
            ledger=ledger or self.ledger,
            caller=caller,
            claim=claim(key, body=transfer_id, caller=caller),
            transfer_id=transfer_id,
            metadata={},
            now_ms=self.now_ms,
        )


class Scene(Desk):
    """Hold a fake store and a desk on it; what sets the scene goes through another ledger, so this one stays cold."""

    def __init__(self) -> None:
        """Open an empty store."""
        self.store = FakeStore()
        self._opened = 0
        super().__init__(self.new_ledger())

    def new_ledger(self, **limits: str) -> Ledger:
        """Start another Lambda: same store, own memory."""
        return Ledger(self.store, no_pause, Memory(), limits)

    def wallet(self, wallet_id: str = "wal_a", owner: Caller = ADA, units: int = 0, asset: Asset = USD) -> str:
        """Open a wallet with money in it."""
        self.store.create(account(wallet_id, owner, asset))
        if units:
            self._opened += 1
            self.credit(f"open-{self._opened}", format_units(units, asset.scale), wallet_id, ledger=self.new_ledger())
        self.store.calls.clear()
        return wallet_id

    def mark(self, wallet_id: str, status: Status) -> None:
        """Set a wallet's status behind the services' back."""
        stored = self.store.account_items[wallet_id]
        self.store.account_items[wallet_id] = replace(stored, status=status)

    def units(self, wallet_id: str = "wal_a") -> int:
        """Look at a balance without a call."""
        return self.store.account_items[wallet_id].balance
