"""Withdraw: one that is paid, one that a bank sends back, those that are reviewed, and what is refused."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from cli.demo.script import Try
from cli.webhooks.keys import stellar_account
from cli.webhooks.samples import SAMPLES, Order
from cli.webhooks.sending import Target, deliver
from tallystick.domain.webhooks import Provider

BANK: Final = {"type": "stripe", "external_account": "ba_1MtFgV2eZvKYlo2C"}


def _order(amount: str, **changes: object) -> dict[str, Any]:
    return {"wallet_id": "{ada_usd}", "provider": "stripe", "amount": amount, "destination": BANK, **changes}


def _ask(what: str, amount: str, name: str, state: str) -> Try:
    return Try(
        what,
        "ada",
        "POST /v1/withdrawals",
        "201",
        _order(amount),
        key=name,
        shows={"state": state},
        keep={name: "withdrawal_id"},
        again=False,
    )


def is_now(what: str, name: str, state: str) -> Try:
    """Look how a withdrawal stands."""
    return Try(what, "ada", f"GET /v1/withdrawals/{{{name}}}", "200", shows={"state": state})


def _wallet(what: str, balance: str, held: str = "0.00") -> Try:
    return Try(what, "ada", "GET /v1/wallets/{ada_usd}", "200", shows={"balance": balance, "held": held})


def _decide(what: str, caller: str, name: str, decision: str, expect: str, **shows: str) -> Try:
    call = f"POST /v1/admin/withdrawals/{{{name}}}/{decision}"
    return Try(what, caller, call, expect, {"notes": "checked by telephone"}, shows=shows)


_ADDRESS: Final = stellar_account("customer")
_STELLAR: Final = {"type": "stellar", "address": _ADDRESS}
REQUESTS: Final = (
    Try(
        "a service credits ada 300.00",
        "service",
        "POST /v1/wallets/{ada_usd}/credit",
        "201",
        {"amount": "300.00"},
        key="to withdraw",
    ),
    Try(
        "ada asks what a withdrawal of 50.00 costs",
        "ada",
        "POST /v1/withdrawals/quote",
        "200",
        _order("50.00"),
        shows={"fee": "0.75", "total": "50.75", "state": "APPROVED"},
    ),
    _ask("ada withdraws 50.00", "50.00", "paid", "APPROVED"),
    Try("… again, same key", "ada", "POST /v1/withdrawals", "201 replayed", _order("50.00"), key="paid", again=False),
    Try(
        "… same key, other amount",
        "ada",
        "POST /v1/withdrawals",
        "422 idempotency-key-reused",
        _order("51.00"),
        key="paid",
    ),
    _wallet("ada's wallet meanwhile", "273.25", "50.75"),
)
REFUSED: Final = (
    Try(
        "ada withdraws more than she has",
        "ada",
        "POST /v1/withdrawals",
        "409 insufficient-funds",
        _order("300.00"),
        key="too much out",
        shows={"available": "273.25"},
    ),
    Try(
        "… to an address with a wrong letter",
        "ada",
        "POST /v1/withdrawals",
        "422 invalid-request",
        _order(
            "5.00",
            provider="stellar",
            destination={**_STELLAR, "address": _ADDRESS[:-1] + ("B" if _ADDRESS.endswith("A") else "A")},
        ),
        key="typing error",
    ),
    Try(
        "… through MoonPay, which pays nobody out",
        "ada",
        "POST /v1/withdrawals",
        "422 provider-refused",
        _order("5.00", provider="moonpay"),
        key="widget",
    ),
    Try("bob looks at ada's withdrawal", "bob", "GET /v1/withdrawals/{paid}", "404 not-found"),
)
REVIEW: Final = (
    _ask("ada withdraws 120.00: too much to go by itself", "120.00", "reviewed", "IN_REVIEW"),
    _ask("… and 110.00", "110.00", "rejected", "IN_REVIEW"),
    _decide("ada approves it herself", "ada", "reviewed", "approve", "403 forbidden"),
    _decide("an admin approves the first", "admin", "reviewed", "approve", "200", state="APPROVED"),
    _decide("… and rejects the other", "admin", "rejected", "reject", "200", state="REJECTED"),
    _decide("… and approves it after all", "admin", "rejected", "approve", "409 illegal-transition", state="REJECTED"),
    _ask("ada withdraws 101.00", "101.00", "cancelled", "IN_REVIEW"),
    Try("… and takes it back", "ada", "POST /v1/withdrawals/{cancelled}/cancel", "200", shows={"state": "CANCELLED"}),
    _wallet("ada's wallet", "151.80", "121.45"),
)
BACK: Final = _ask("ada withdraws 10.00", "10.00", "returned", "APPROVED")
STELLAR: Final = (
    Try(
        "ada opens an XLM wallet",
        "ada",
        "POST /v1/wallets",
        "201",
        {"asset": "XLM"},
        key="xlm wallet",
        keep={"ada_xlm": "wallet_id"},
    ),
    Try(
        "a service credits her 20 XLM",
        "service",
        "POST /v1/wallets/{ada_xlm}/credit",
        "201",
        {"amount": "20"},
        key="xlm",
    ),
    Try(
        "ada sends 12.5 XLM to a Stellar account",
        "ada",
        "POST /v1/withdrawals",
        "201",
        {
            "wallet_id": "{ada_xlm}",
            "provider": "stellar",
            "amount": "12.5",
            "destination": {**_STELLAR, "memo": "42", "memo_type": "id"},
        },
        key="xlm out",
        shows={"state": "APPROVED"},
        keep={"on_chain": "withdrawal_id"},
        again=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Stripe:
    """Play the provider that pays out: change how a payout stands, and tell of it."""

    sandbox_url: str
    target: Target

    def say(self, withdrawal: dict[str, Any], kind: str) -> str:
        """Let a payout reach a state (`paid`, `failed`), and send the event about it."""
        change = {"provider": "stripe", "id": withdrawal["payout_id"], "status": kind}
        url = f"{self.sandbox_url}/_control/resources"
        httpx.post(url, json=change, trust_env=False).raise_for_status()
        order = Order(
            deposit_id="",
            amount=Decimal(withdrawal["amount"]),
            currency=withdrawal["asset"],
            payment_id=withdrawal["payout_id"],
            claim_id="",
            at=datetime.now(UTC),
            delivered=Decimal(withdrawal["amount"]),
            asset=withdrawal["asset"],
            address="",
            withdrawal_id=withdrawal["withdrawal_id"],
        )
        body = json.dumps(SAMPLES[Provider.STRIPE][f"payout.{kind}"](order)).encode()
        return str(deliver(self.target, Provider.STRIPE, body).status_code)
