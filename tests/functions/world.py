"""The small world that every sample event meets; it is made anew for each of them.

| wallet | owner | holds | history (newest last) |
|---|---|---|---|
| wal_ada_usd | ada | 75.00 USD | credit 100.00 by till, debit 5.00 by till, reversal of it, transfer of 25.00 to bob |
| wal_bob_usd | bob | 25.00 USD | transfer of 25.00 from ada |
| wal_ada_frozen | ada | 10.00 USD, FROZEN | credit 10.00 by till |
| wal_ada_closed | ada | 0.00 USD, CLOSED | credit 10.00 and debit 10.00 by till |
| wal_ada_empty, wal_ada_eur | ada | nothing: USD, EUR | |
| wal_ada_icy | ada | nothing: USD, FROZEN | |
| wal_bob_xp | bob | 38 nines of XP, all that fits | credit by till |
| wal_ada_xp | ada | 1 XP | credit by till |
| (opened under the key `first-wallet`) | ada | nothing: GBP | |

ada, bob and eve are USERs (eve has nothing), cora is another one (`orders.py` says what she has), till is a SERVICE,
root an ADMIN. till and ada have each voided the key `voided`. A service moves at most 1000.00 USD in one call. The
first wallet was opened at 12:00:00, each thing after it happened a second later, and it is 13:00 now.
"""

import importlib
import json
from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick import wiring
from tallystick.domain.accounts import Account
from tallystick.domain.chain import genesis
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.times import from_rfc3339
from tests.support.events import http_event

BEGIN_MS: Final = from_rfc3339("2026-01-31T12:00:00Z")
NOW_MS: Final = from_rfc3339("2026-01-31T13:00:00Z")
STEP_MS: Final = 1000
SERVICE_LIMITS: Final = '{"USD": "1000.00"}'
ALL_XP: Final = "9" * 38

WALLETS: Final = (
    ("wal_ada_usd", "ada", "USD"),
    ("wal_bob_usd", "bob", "USD"),
    ("wal_ada_frozen", "ada", "USD"),
    ("wal_ada_closed", "ada", "USD"),
    ("wal_ada_empty", "ada", "USD"),
    ("wal_ada_eur", "ada", "EUR"),
    ("wal_ada_icy", "ada", "USD"),
    ("wal_bob_xp", "bob", "XP"),
    ("wal_ada_xp", "ada", "XP"),
)
"""Ids, owners and assets."""

Body = dict[str, Any]
CALLS: Final[tuple[tuple[str, str, str, Body, str | None], ...]] = (
    ("till", "credit", "/v1/wallets/wal_ada_usd/credit", {"amount": "100.00", "reference": "stripe:pi_1"}, "credit-1"),
    ("till", "debit", "/v1/wallets/wal_ada_usd/debit", {"amount": "5.00"}, "debit-1"),
    ("till", "transfers", "/v1/transfers/{debit-1}/reverse", {}, "reversal-1"),
    (
        "ada",
        "transfers",
        "/v1/transfers",
        {"source": "wal_ada_usd", "destination": "wal_bob_usd", "amount": "25.00", "metadata": {"for": "lunch"}},
        "transfer-1",
    ),
    ("till", "credit", "/v1/wallets/wal_ada_frozen/credit", {"amount": "10.00"}, "credit-frozen"),
    ("root", "wallets", "/v1/wallets/wal_ada_frozen/freeze", {"reason": "under review"}, None),
    ("till", "credit", "/v1/wallets/wal_ada_closed/credit", {"amount": "10.00"}, "credit-closed"),
    ("till", "debit", "/v1/wallets/wal_ada_closed/debit", {"amount": "10.00"}, "debit-closed"),
    ("ada", "wallets", "/v1/wallets/wal_ada_closed/close", {}, None),
    ("root", "wallets", "/v1/wallets/wal_ada_icy/freeze", {"reason": "lost card"}, None),
    ("till", "credit", "/v1/wallets/wal_bob_xp/credit", {"amount": ALL_XP}, "credit-all-xp"),
    ("till", "credit", "/v1/wallets/wal_ada_xp/credit", {"amount": "1"}, "credit-one-xp"),
    ("ada", "wallets", "/v1/wallets", {"asset": "GBP", "label": "London"}, "first-wallet"),
    ("till", "transfers", "/v1/idempotency/voided/void", {}, None),
    ("ada", "transfers", "/v1/idempotency/voided/void", {}, None),
)
"""Caller, function, path, body and idempotency key; all are POSTs."""

GROUPS: Final = {"till": "[SERVICE]", "root": "[ADMIN]"}

Answer = dict[str, Any]


class Clock:
    """Tell the time that the test sets."""

    def __init__(self) -> None:
        """Begin when the world begins."""
        self.now_ms = BEGIN_MS

    def __call__(self) -> int:
        """Tell the time in milliseconds since 1970."""
        return self.now_ms

    def advance(self) -> None:
        """Let a second pass."""
        self.now_ms += STEP_MS


def handler_of(function: str) -> Callable[[dict[str, Any], LambdaContext], Answer]:
    """Import a function's handler as Lambda does."""
    handler: Callable[[dict[str, Any], LambdaContext], Answer]
    handler = importlib.import_module(f"functions.{function}.handler").handler
    return handler


def answer(function: str, event: dict[str, Any]) -> Answer:
    """Invoke a function."""
    return handler_of(function)(event, LambdaContext())


def build(clock: Clock) -> None:
    """Open the wallets and make the calls."""
    for wallet_id, owner_id, asset in WALLETS:
        wiring.wallets().create(
            Account(
                account_id=wallet_id,
                owner_id=owner_id,
                asset=DEFAULT_ASSETS[asset],
                created_at_ms=clock(),
                head_hash=genesis(wallet_id, asset),
            )
        )
        clock.advance()
    transfer_ids: dict[str, str] = {}
    for caller, function, path, body, key in CALLS:
        transfer_ids |= _call(caller, function, path.format(**transfer_ids), body, key)
        clock.advance()


def _call(caller: str, function: str, path: str, body: Body, key: str | None) -> dict[str, str]:
    parameters = {"key": path.removeprefix("/v1/idempotency/")} if "/idempotency/" in path else None
    event = http_event(
        "POST", path, body, caller=caller, groups=GROUPS.get(caller, ""), key=key, path_parameters=parameters
    )
    answered = answer(function, event)
    if answered["statusCode"] >= 300:
        raise AssertionError(f"the world cannot be built: {path} answered {answered['body']}")
    document = document_of(answered)
    return {str(key): document["transfer_id"]} if "transfer_id" in document else {}


def document_of(answered: Answer) -> dict[str, Any]:
    """Read the JSON document of an answer."""
    document: dict[str, Any] = json.loads(answered["body"])
    return document
