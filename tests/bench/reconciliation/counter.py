"""Be a payment provider that does not tell of a payment, takes another amount, or is paid twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cli.local.deployment import Deployment
from cli.webhooks.sending import deliver
from tallystick.domain.webhooks import Provider
from tests.local.callers import cast
from tests.local.test_webhooks import Shop, body_of
from tests.support.sandbox import RunningSandbox

PRICE_UNITS = 2500


@dataclass(frozen=True, slots=True)
class Counter:
    """Take orders over the API, and payments at Stripe."""

    shop: Shop
    sandbox: RunningSandbox

    def order(self) -> dict[str, Any]:
        """Order 25.00 USD into a new wallet."""
        return self.shop.order(Provider.STRIPE, "25.00", "USD")

    def pay(self, deposit: dict[str, Any], units: int = PRICE_UNITS, *, again: bool = False) -> str:
        """Pay an order, of which nobody is told; answer the payment's id."""
        payment_id = f"pi_{'again_' if again else ''}{deposit['deposit_id']}"
        paid = {"amount": units, "amount_received": units, "currency": "usd", "status": "succeeded", "livemode": False}
        self.sandbox.put("stripe", payment_id, **paid, metadata={"deposit_id": deposit["deposit_id"]})
        return payment_id

    def tell(self, deposit: dict[str, Any], payment_id: str, times: int) -> None:
        """Send the very same webhook so often, and wait until it is credited."""
        body = body_of(Provider.STRIPE, "payment_intent.succeeded", deposit, payment_id=payment_id)
        for _ in range(times):
            deliver(self.shop.target(Provider.STRIPE), Provider.STRIPE, body)
        self.shop.wait_for_state(deposit, "COMPLETED")


@contextmanager
def opened(deployment: Deployment) -> Iterator[Counter]:
    """Open for as long as the block lasts."""
    with (
        cast(deployment) as people,
        httpx.Client(base_url=deployment.sandbox_url, trust_env=False, timeout=60) as http,
    ):
        yield Counter(Shop(deployment, people.ada, people.admin), RunningSandbox(http))
