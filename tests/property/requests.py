"""Describe requests as data, so that they can be drawn, sent, sent again and asked of a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tallystick.domain.callers import Caller
from tallystick.domain.errors import Busy, Refusal
from tallystick.domain.money import MAX_UNITS, format_units
from tallystick.domain.transfers import Claim, Transfer
from tallystick.services import idempotency, movements, wallets
from tallystick.services.ledger import Ledger, Receipt
from tallystick.services.movements import ServiceMovement, WalletTransfer
from tests.support.fake_store import FakeStore
from tests.support.scene import ADA, ADMIN, BOB, EUR, SERVICE, account, claim

BUSY: Final = "busy"
WALLETS: Final = {
    opened.account_id: opened for opened in (account("a"), account("b", BOB), account("c"), account("e", asset=EUR))
}
OWNERS: Final = {"a": ADA, "b": BOB, "c": ADA, "e": ADA}


@dataclass(frozen=True)
class Request:
    """Ask for one thing; members that its kind does not use stay empty."""

    kind: str
    key: str = ""
    wallet: str = "a"
    destination: str = ""
    units: int = 0
    reverses: str = ""

    @property
    def caller(self) -> Caller:
        """Let the owner transfer, an ADMIN mark wallets and SERVICE do the rest."""
        if self.kind == "transfer":
            return OWNERS[self.wallet]
        return ADMIN if self.kind in {"freeze", "unfreeze", "close"} else SERVICE

    @property
    def claim(self) -> Claim:
        """Bind the key to everything that is asked for; a void looks at SERVICE's keys."""
        return claim(self.key or "none", body=repr(self), caller=self.caller)


@dataclass(frozen=True)
class Answer:
    """Hold "moved", "replayed", "voided", "marked", "busy" or a refusal's code, and the transfer if there is one."""

    code: str
    transfer: Transfer | None = None


def ask(request: Request, store: FakeStore, ledger: Ledger, now_ms: int) -> Answer:
    """Send a request to the real services."""
    try:
        done = _CALLS[request.kind](request, store, ledger, now_ms)
    except Busy:
        return Answer(BUSY)
    except Refusal as refusal:
        return Answer(refusal.code)
    if isinstance(done, Receipt):
        return Answer("replayed" if done.replayed else "moved", done.transfer)
    return Answer("voided" if request.kind == "void" else "marked")


def _credit(request: Request, _store: FakeStore, ledger: Ledger, now_ms: int) -> Receipt:
    wanted = ServiceMovement(request.wallet, format_units(request.units, 2), "shop:1")
    return movements.credit(ledger=ledger, caller=request.caller, claim=request.claim, request=wanted, now_ms=now_ms)


def _debit(request: Request, _store: FakeStore, ledger: Ledger, now_ms: int) -> Receipt:
    wanted = ServiceMovement(request.wallet, format_units(request.units, 2), "shop:1")
    return movements.debit(ledger=ledger, caller=request.caller, claim=request.claim, request=wanted, now_ms=now_ms)


def _transfer(request: Request, _store: FakeStore, ledger: Ledger, now_ms: int) -> Receipt:
    wanted = WalletTransfer(request.wallet, request.destination, format_units(request.units, 2))
    return movements.transfer(ledger=ledger, caller=request.caller, claim=request.claim, request=wanted, now_ms=now_ms)


def _reverse(request: Request, _store: FakeStore, ledger: Ledger, now_ms: int) -> Receipt:
    return movements.reverse(
        ledger=ledger,
        caller=request.caller,
        claim=request.claim,
        transfer_id=request.reverses,
        metadata={},
        now_ms=now_ms,
    )


def _void(request: Request, _store: FakeStore, ledger: Ledger, now_ms: int) -> object:
    return idempotency.void(ledger=ledger, key=request.claim.key, now_ms=now_ms)


def _freeze(request: Request, store: FakeStore, _ledger: Ledger, _now_ms: int) -> object:
    return wallets.freeze(wallets=store, caller=request.caller, wallet_id=request.wallet, reason="why")


def _unfreeze(request: Request, store: FakeStore, _ledger: Ledger, _now_ms: int) -> object:
    return wallets.unfreeze(wallets=store, caller=request.caller, wallet_id=request.wallet, reason="why")


def _close(request: Request, store: FakeStore, _ledger: Ledger, _now_ms: int) -> object:
    return wallets.close(wallets=store, caller=request.caller, wallet_id=request.wallet)


_CALLS: Final[dict[str, Callable[[Request, FakeStore, Ledger, int], object]]] = {
    "credit": _credit,
    "debit": _debit,
    "transfer": _transfer,
    "reverse": _reverse,
    "void": _void,
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "close": _close,
}

ACTIVE_WALLETS: Final = ("a", "b")
"""Nobody freezes or closes these, so that some money always moves."""

wallet_ids = st.sampled_from(["a", "a", "b", "b", "c", "e"])
pairs = st.sampled_from(["ab", "ab", "ab", "ba", "ba", "ba", "ac", "cb", "aa", "ae"])
amounts = st.sampled_from([*range(1, 13), MAX_UNITS - 12, MAX_UNITS])


def movements_of_money(keys: st.SearchStrategy[str]) -> st.SearchStrategy[Request]:
    """Draw credits, debits and transfers, mostly possible ones."""
    kinds = st.sampled_from(["credit", "debit", "debit"])
    return st.one_of(
        st.builds(Request, kinds, keys, wallet_ids, st.just(""), amounts),
        st.builds(lambda key, pair, units: Request("transfer", key, pair[0], pair[1], units), keys, pairs, amounts),
    )


marks = st.builds(
    Request,
    st.sampled_from(["freeze", "unfreeze", "unfreeze", "close"]),
    st.just(""),
    st.sampled_from([wallet for wallet in WALLETS if wallet not in ACTIVE_WALLETS]),
)
