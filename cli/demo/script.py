"""The scenario as data: who asks for what, and what has to come back.

Names in braces are filled in by what earlier answers kept; a call with a key is made twice, and the second time the
same answer has to come back, marked as replayed.
"""

from dataclasses import dataclass, field
from typing import Any, Final

PASSWORD: Final = "Correct-horse-battery-9"  # noqa: S105 (of people who exist in the local cloud only)
CONFIRMATION_CODE: Final = "123456"
"""The emulator sends no mail; it takes this code."""


@dataclass(frozen=True, slots=True)
class Try:
    """Make one call: `expect` is an answer in words, `shows` are members of it, `keep` gives names to members.

    Without `again` it is not repeated: what it has begun goes on meanwhile, and the answer may differ.
    """

    what: str
    caller: str | None
    call: str
    expect: str
    body: dict[str, Any] | None = None
    key: str | None = None
    shows: dict[str, str] = field(default_factory=dict)
    keep: dict[str, str] = field(default_factory=dict)
    again: bool = True


def _person(name: str) -> tuple[Try, ...]:
    email, credentials = {"email": f"{{{name}_email}}"}, {"email": f"{{{name}_email}}", "password": PASSWORD}
    confirmation = {**email, "code": CONFIRMATION_CODE}
    return (
        Try(f"{name} registers", None, "POST /v1/auth/register", "201", credentials),
        Try(f"{name} confirms the address", None, "POST /v1/auth/confirm", "200", confirmation),
        Try(f"{name} logs in", None, "POST /v1/auth/login", "200", credentials, keep={name: "access_token"}),
        Try(
            f"{name} opens a wallet",
            name,
            "POST /v1/wallets",
            "201",
            {"asset": "USD"},
            key="first wallet",
            keep={f"{name}_usd": "wallet_id"},
        ),
    )


PEOPLE: Final = (*_person("ada"), *_person("bob"))

_TO_BOB: Final = {"source": "{ada_usd}", "destination": "{bob_usd}"}
MOVEMENTS: Final = (
    Try(
        "a service credits ada 100.00",
        "service",
        "POST /v1/wallets/{ada_usd}/credit",
        "201",
        {"amount": "100.00", "reference": "stripe:pi_1"},
        key="credit-1",
        keep={"credit_time": "created_at"},
    ),
    Try(
        "… same key, other amount",
        "service",
        "POST /v1/wallets/{ada_usd}/credit",
        "422 idempotency-key-reused",
        {"amount": "999.00", "reference": "stripe:pi_1"},
        key="credit-1",
    ),
    Try(
        "ada transfers 25.00 to bob",
        "ada",
        "POST /v1/transfers",
        "201",
        {**_TO_BOB, "amount": "25.00"},
        key="transfer-1",
        keep={"transfer": "transfer_id"},
    ),
    Try(
        "… same key, other destination",
        "ada",
        "POST /v1/transfers",
        "422 idempotency-key-reused",
        {"source": "{ada_usd}", "destination": "{ada_usd}", "amount": "25.00"},
        key="transfer-1",
    ),
    Try(
        "a service debits ada 15.00",
        "service",
        "POST /v1/wallets/{ada_usd}/debit",
        "201",
        {"amount": "15.00"},
        key="debit-1",
    ),
    Try(
        "ada transfers too much",
        "ada",
        "POST /v1/transfers",
        "409 insufficient-funds",
        {**_TO_BOB, "amount": "60.01"},
        key="too-much",
        shows={"available": "60.00"},
    ),
)

REVERSAL: Final = (
    Try("ada's transfer is reversed", "service", "POST /v1/transfers/{transfer}/reverse", "201", {}, key="reverse-1"),
    Try(
        "… again, under another key",
        "service",
        "POST /v1/transfers/{transfer}/reverse",
        "409 already-reversed",
        {},
        key="reverse-2",
    ),
)

STATEMENTS: Final = (
    Try(
        "ada's balance as of the credit",
        "ada",
        "GET /v1/wallets/{ada_usd}/balance?at={credit_time}",
        "200",
        shows={"balance": "100.00"},
    ),
    Try(
        "ada's balance before all that",
        "ada",
        "GET /v1/wallets/{ada_usd}/balance?at=2020-01-01T00:00:00Z",
        "200",
        shows={"balance": "0.00"},
    ),
)

_ONE: Final = {**_TO_BOB, "amount": "1.00"}
FREEZE: Final = (
    Try(
        "an admin freezes ada's wallet",
        "admin",
        "POST /v1/wallets/{ada_usd}/freeze",
        "200",
        {"reason": "under review"},
        shows={"status": "FROZEN"},
    ),
    Try("ada transfers 1.00", "ada", "POST /v1/transfers", "409 account-not-active", _ONE, key="while-frozen"),
    Try(
        "an admin unfreezes it",
        "admin",
        "POST /v1/wallets/{ada_usd}/unfreeze",
        "200",
        {"reason": "all is well"},
        shows={"status": "ACTIVE"},
    ),
    Try("ada tries again, same key", "ada", "POST /v1/transfers", "201", _ONE, key="while-frozen"),
)

OTHERS: Final = (
    Try("bob looks at ada's wallet", "bob", "GET /v1/wallets/{ada_usd}", "404 not-found"),
    Try("bob looks at ada's statement", "bob", "GET /v1/wallets/{ada_usd}/entries", "404 not-found"),
    Try(
        "bob transfers ada's money",
        "bob",
        "POST /v1/transfers",
        "404 not-found",
        {"source": "{ada_usd}", "destination": "{bob_usd}", "amount": "1.00"},
        key="theft",
    ),
    Try(
        "bob credits himself",
        "bob",
        "POST /v1/wallets/{bob_usd}/credit",
        "403 forbidden",
        {"amount": "1000000.00"},
        key="wish",
    ),
    Try("nobody looks at ada's wallet", None, "GET /v1/wallets/{ada_usd}", "401"),
)

KEYS: Final = (
    Try(
        "ada asks what became of a key",
        "ada",
        "GET /v1/idempotency/transfer-1",
        "200",
        shows={"state": "committed"},
    ),
    Try("ada voids an unused key", "ada", "POST /v1/idempotency/unsent/void", "200", shows={"state": "voided"}),
    Try(
        "… and sends a transfer with it", "ada", "POST /v1/transfers", "409 idempotency-key-voided", _ONE, key="unsent"
    ),
)

BALANCES: Final = (
    Try("ada's wallet at the end", "ada", "GET /v1/wallets/{ada_usd}", "200", shows={"balance": "151.80"}),
    Try("bob's wallet at the end", "bob", "GET /v1/wallets/{bob_usd}", "200", shows={"balance": "6.00"}),
)
