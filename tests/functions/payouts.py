"""Withdrawals of dora's in the small world, as their providers have told of them.

| asked for under | over | by | what has come of it |
|---|---|---|---|
| completed | 40.00 USD | stripe | paid as po_1 |
| returned | 35.00 USD | stripe | paid as po_2, and sent back by the bank |
| failed | 15.00 USD | stripe | refused: po_3 failed |
| pending | 30.00 USD | stripe | under way as po_4 |
| unanswered | 20.00 USD | stripe | sent, but the answer was lost |
| approved | 25.00 USD | stripe | nothing yet; its message is lost |
| cancelled | 10.00 USD | stripe | taken back |
| rejected | 80.00 EUR | truelayer | refused by root |
| wanted | 60.00 EUR | truelayer | waits for a person |
| granted | 70.00 EUR | truelayer | approved by root, nothing yet |
| fresh | 20.000000 USDC | stellar | waits until 13:01:30, for its destination is new |
| roots | 150.00 USD | stripe | root's own, above what is automatic: waits for another ADMIN |

dora's wallets hold 1000.00 USD, 500.00 EUR, 500.00 GBP, 500000.00 NGN, 100.0000000 XLM, 500.000000 USDC and 9000 JPY
before that, wal_dora_icy 50.00 USD, FROZEN; wal_dora_closed is CLOSED. root has 500.00 USD. Each thing happened a
second after the one before, the first of them when all of `orders.py` was there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from cli.webhooks.keys import stellar_account
from tallystick import wiring
from tallystick.domain.accounts import Account
from tallystick.domain.chain import genesis
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.payouts import Outcome
from tallystick.domain.transfers import client_key
from tallystick.domain.withdrawals import Withdrawal, withdrawal_id
from tallystick.services.following import follow
from tallystick.services.payouts import work
from tallystick.wiring import webhooks, withdrawals
from tests.functions import cloud
from tests.functions.world import GROUPS, Answer, Clock, answer, document_of
from tests.support.events import http_event
from tests.support.fake_payer import FakePayer
from tests.support.fake_store import FakeStore

DORA: Final = "dora"
WALLETS: Final = (
    ("wal_dora_usd", DORA, "USD", "1000.00"),
    ("wal_dora_eur", DORA, "EUR", "500.00"),
    ("wal_dora_gbp", DORA, "GBP", "500.00"),
    ("wal_dora_ngn", DORA, "NGN", "500000.00"),
    ("wal_dora_xlm", DORA, "XLM", "100"),
    ("wal_dora_usdc", DORA, "USDC", "500"),
    ("wal_dora_jpy", DORA, "JPY", "9000"),
    ("wal_dora_icy", DORA, "USD", "50.00"),
    ("wal_dora_closed", DORA, "USD", None),
    ("wal_root_usd", "root", "USD", "500.00"),
)
"""Ids, owners, assets, and what they hold at first."""

CUSTOMER: Final = stellar_account("customer")
STRIPE: Final = {"type": "stripe", "external_account": "ba_1"}
IBAN: Final = {"type": "iban", "iban": "GB29 NWBK 6016 1331 9268 19", "account_holder_name": "Dora Maar"}
NUBAN: Final = {
    "type": "nuban",
    "bank_code": "011",
    "account_number": "0000014579",
    "account_holder_name": "Dora Maar",
}
STELLAR: Final = {"type": "stellar", "address": CUSTOMER, "memo": "12345", "memo_type": "id"}
"""Where dora's money goes."""

ORDERS: Final[dict[str, dict[str, Any]]] = {
    "stripe": {"wallet_id": "wal_dora_usd", "amount": "25.00", "destination": STRIPE},
    "truelayer": {"wallet_id": "wal_dora_gbp", "amount": "12.34", "destination": IBAN},
    "paystack": {"wallet_id": "wal_dora_ngn", "amount": "5000.00", "destination": NUBAN},
    "stellar": {"wallet_id": "wal_dora_xlm", "amount": "12.3400001", "destination": STELLAR},
}
"""What a provider pays out at once, if nothing else is said."""

_EUR: Final = {"wallet_id": "wal_dora_eur", "provider": "truelayer"}
_ASKED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("completed", {"amount": "40.00"}),
    ("returned", {"amount": "35.00"}),
    ("failed", {"amount": "15.00"}),
    ("pending", {"amount": "30.00"}),
    ("unanswered", {"amount": "20.00"}),
    ("approved", {"amount": "25.00"}),
    ("cancelled", {"amount": "10.00"}),
    ("rejected", {**_EUR, "amount": "80.00"}),
    ("wanted", {**_EUR, "amount": "60.00"}),
    ("granted", {**_EUR, "amount": "70.00"}),
    ("fresh", {"wallet_id": "wal_dora_usdc", "provider": "stellar", "amount": "20"}),
)


def id_of(key: str, caller: str = DORA) -> str:
    """Give the id of the withdrawal that was asked for under a key."""
    return withdrawal_id(client_key(caller, key))


def body(provider: str = "stripe", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Write a request."""
    return {"provider": provider, **ORDERS.get(provider, ORDERS["stripe"]), **changes}


def ask(key: str = "key-1", caller: str = DORA, path: str = "", **request: Any) -> Answer:  # noqa: ANN401 (JSON)
    """Ask for a withdrawal."""
    return call("POST", f"/v1/withdrawals{path}", body(**request), caller=caller, key=key)


def asked(key: str = "key-1", caller: str = DORA, **request: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    """Ask for a withdrawal that is granted, and give it."""
    return _granted(ask(key, caller, **request))


def shown(key: str = "key-1", caller: str = DORA) -> dict[str, Any]:
    """Look at a withdrawal of dora's."""
    return _granted(call("GET", f"/v1/withdrawals/{id_of(key)}", caller=caller))


def decide(action: str, key: str, caller: str = "root") -> Answer:
    """Approve or reject a withdrawal of dora's."""
    path = f"/v1/admin/withdrawals/{id_of(key)}/{action}"
    return call("POST", path, {"notes": "called her back"}, caller=caller)


def cancel(key: str = "key-1", caller: str = DORA) -> Answer:
    """Take a withdrawal of dora's back."""
    return call("POST", f"/v1/withdrawals/{id_of(key)}/cancel", {}, caller=caller)


def call(
    method: str,
    path: str,
    content: Mapping[str, Any] | None = None,
    *,
    caller: str = DORA,
    key: str | None = None,
    query: dict[str, str] | None = None,
    function: str = "withdrawals",
) -> Answer:
    """Call the API."""
    groups = GROUPS.get(caller, "")
    return answer(function, http_event(method, path, content, caller=caller, groups=groups, key=key, query=query))


def stored(key: str = "key-1", caller: str = DORA) -> Withdrawal:
    """Read a withdrawal as it stands in its table."""
    found = webhooks.flows().get(id_of(key, caller))
    assert isinstance(found, Withdrawal)
    return found


def money(wallet_id: str = "wal_dora_usd") -> tuple[int, int]:
    """Tell what a wallet holds, and how much of it is on hold."""
    wallet = wiring.wallets().get(wallet_id)
    assert wallet is not None
    return wallet.balance, wallet.held


def open_wallets(clock: Clock) -> None:
    """Open the wallets."""
    for wallet_id, owner, asset, amount in WALLETS:
        _open(clock, wallet_id, owner, asset, amount)
    call("POST", "/v1/wallets/wal_dora_icy/freeze", {"reason": "lost phone"}, caller="root", function="wallets")
    call("POST", "/v1/wallets/wal_dora_closed/close", {}, function="wallets")


def build(clock: Clock) -> None:
    """Open the wallets, ask for the withdrawals, and let them come to where they are."""
    open_wallets(clock)
    for key, request in _ASKED:
        asked(key, **request)
        clock.advance()
        if key in _DECIDED:
            _granted(_DECIDED[key](key))
            clock.advance()
    asked("roots", "root", wallet_id="wal_root_usd", amount="150.00")
    clock.advance()
    _pay(clock)
    cloud.reset()


def _pay(clock: Clock) -> None:
    """Let a provider in memory pay; what it says of each comes as an event would."""
    payer = FakePayer(FakeStore())
    office = replace(withdrawals.payout_office(), payer_of=lambda _provider: payer)
    for key in ("completed", "returned", "failed", "pending", "unanswered"):
        payer.away = key == "unanswered"
        work(office=office, flow_id=id_of(key), now_ms=clock())
        clock.advance()
    payer.away = False
    for key, outcome, reason in (
        ("completed", Outcome.PAID, None),
        ("returned", Outcome.PAID, None),
        ("returned", Outcome.FAILED, "account_closed"),
        ("failed", Outcome.FAILED, "no_account"),
    ):
        payer.pay(id_of(key), outcome, reason)
        known = stored(key)
        told = payer.look_up(known, clock())
        follow(books=webhooks.books(), payer=payer, withdrawal=known, told=told, now_ms=clock())
        clock.advance()


def _open(clock: Clock, wallet_id: str, owner: str, asset: str, amount: str | None) -> None:
    wiring.wallets().create(Account(wallet_id, owner, DEFAULT_ASSETS[asset], clock(), genesis(wallet_id, asset)))
    clock.advance()
    if amount is not None:
        path = f"/v1/wallets/{wallet_id}/credit"
        _granted(call("POST", path, {"amount": amount}, caller="till", key=f"credit-{wallet_id}", function="credit"))
        clock.advance()


def _granted(answered: Answer) -> dict[str, Any]:
    if answered["statusCode"] >= 300:
        raise AssertionError(f"it is refused: {answered['body']}")
    return document_of(answered)


_DECIDED: Final[dict[str, Callable[[str], Answer]]] = {
    "cancelled": cancel,
    "rejected": lambda key: decide("reject", key),
    "granted": lambda key: decide("approve", key),
}
