"""Buy at a payment provider: a purchase, its duplicates, a forgery, and an event that cannot be processed as it is."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import httpx

from cli.demo.client import Answer, Client, Request
from cli.demo.script import Try
from cli.webhooks.samples import SAMPLES, Order
from cli.webhooks.sending import Target, signed_headers
from tallystick.domain.webhooks import Provider

DUPLICATES: Final = 20
ADDRESS: Final = "0xc216eD2D6c295579718dbd4a797845CdA70B3C36"
"""Ours in the local cloud's configuration, to which the provider delivers."""

MAX_TRIES: Final = 100
MAX_LOOKS: Final = 120
LOOK_EVERY_S: Final = 0.25

_ORDER: Final = {"wallet_id": "{ada_eth}", "provider": "moonpay", "amount": "295.45", "currency": "EUR"}
ORDERS: Final = (
    Try(
        "ada opens an ETH wallet",
        "ada",
        "POST /v1/wallets",
        "201",
        {"asset": "ETH"},
        key="eth wallet",
        keep={"ada_eth": "wallet_id"},
    ),
    Try(
        "ada orders ETH for 295.45 EUR at MoonPay",
        "ada",
        "POST /v1/deposits",
        "201",
        _ORDER,
        key="purchase-1",
        shows={"state": "CREATED"},
        keep={"purchase": "deposit_id"},
    ),
    Try(
        "… and once more",
        "ada",
        "POST /v1/deposits",
        "201",
        _ORDER,
        key="purchase-2",
        shows={"state": "CREATED"},
        keep={"odd_purchase": "deposit_id"},
    ),
)
BOUGHT: Final = Try(
    "ada's first order",
    "ada",
    "GET /v1/deposits/{purchase}",
    "200",
    shows={"state": "COMPLETED", "credited": "0.181900000000000000"},
)
REFUSED: Final = (
    Try(
        "an admin reads why the other event died",
        "admin",
        "GET /v1/admin/dlq/{dead_letter}",
        "200",
        shows={"state": "DEAD", "reason": "amount-mismatch"},
    ),
    Try(
        "a preview of its redrive",
        "admin",
        "GET /v1/admin/dlq/{dead_letter}/preview",
        "200",
        shows={"reason": "amount-mismatch"},
    ),
    Try(
        "… when the actual amount is accepted",
        "admin",
        "GET /v1/admin/dlq/{dead_letter}/preview?accept_amount=true",
        "200",
        shows={"reason": "None"},
    ),
    Try("ada asks for the dead letters", "ada", "GET /v1/admin/dlq", "403 forbidden"),
)
REDRIVE: Final = Try(
    "an admin redrives it, accepting the amount",
    "admin",
    "POST /v1/admin/dlq/{dead_letter}/redrive",
    "200",
    {"accept_amount": True},
)
CREDITED: Final = Try(
    "ada's other order",
    "ada",
    "GET /v1/deposits/{odd_purchase}",
    "200",
    shows={"state": "COMPLETED", "credited": "0.184700000000000000"},
)
BALANCE: Final = Try(
    "ada's ETH at the end", "ada", "GET /v1/wallets/{ada_eth}", "200", shows={"balance": "0.366600000000000000"}
)


@dataclass(frozen=True, slots=True)
class MoonPay:
    """Play the provider towards a deployment."""

    client: Client
    target: Target

    async def tell(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """Send an event, signed unless headers are given; as every provider does, again when it was not taken."""
        for _ in range(MAX_TRIES):
            signed = headers or signed_headers(self.target, Provider.MOONPAY, body)
            answer = await self.client.send(Request("POST", "/webhooks/moonpay", raw=body, extra=signed))
            if not httpx.codes.is_server_error(answer.status):
                break
            self.client.record.retries += 1
            await asyncio.sleep(LOOK_EVERY_S)
        return answer

    async def tell_often(self, body: bytes, times: int) -> Counter[str]:
        """Send an event many times at once, and count the answers."""
        answers = await asyncio.gather(*(self.tell(body) for _ in range(times)))
        return Counter(map(str, answers))

    async def forge(self, body: bytes) -> Answer:
        """Send an event with the signature of another."""
        return await self.tell(body.replace(b"0.1819", b"9.1819"), signed_headers(self.target, Provider.MOONPAY, body))


def completed(deposit_id: str, *, paid: str = "295.45", delivered: str = "0.1819") -> bytes:
    """Make what MoonPay sends when a purchase is complete."""
    order = Order(
        deposit_id=deposit_id,
        amount=Decimal(paid),
        currency="EUR",
        payment_id=f"purchase-of-{deposit_id}",
        claim_id="",
        at=datetime.now(UTC),
        delivered=Decimal(delivered),
        asset="ETH",
        address=ADDRESS,
    )
    return json.dumps(SAMPLES[Provider.MOONPAY]["transaction_updated"](order)).encode()
