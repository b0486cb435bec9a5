"""Events as the providers send them, about an order or withdrawal of yours: what they always hold, nothing personal."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tallystick.domain.webhooks import Provider

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """Say what an event is about: the order, what was paid, and the provider's ids of the payment and of a claim.

    `delivered` and `asset` are what came to us, where that is another currency than what was paid. Of a payout
    `payment_id` is the provider's id, and the order is `withdrawal_id`.
    """

    deposit_id: str
    amount: Decimal
    currency: str
    payment_id: str
    claim_id: str
    at: datetime
    delivered: Decimal
    asset: str
    address: str
    withdrawal_id: str = "wdr_unknown"

    @property
    def minor(self) -> int:
        """Give the amount in cents."""
        return int(self.amount.scaleb(2))

    @property
    def time(self) -> str:
        """Write the time as most providers do."""
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _stripe(kind: str, thing: Body) -> Callable[[Order], Body]:
    def body(order: Order) -> Body:
        return {
            "id": f"evt_{kind.replace('.', '_')}_{order.payment_id}_{order.claim_id}",
            "object": "event",
            "api_version": "2026-01-28",
            "created": int(order.at.timestamp()),
            "livemode": False,
            "type": kind,
            "data": {"object": _filled(thing, order) | _stripe_amounts(order)},
        }

    return body


def _stripe_amounts(order: Order) -> Body:
    return {"currency": order.currency.lower(), "amount": order.minor, "amount_received": order.minor}


def _moonpay(kind: str, status: str) -> Callable[[Order], Body]:
    def body(order: Order) -> Body:
        data = {
            "id": order.payment_id,
            "createdAt": order.time,
            "updatedAt": order.time,
            "baseCurrencyAmount": float(order.amount),
            "quoteCurrencyAmount": float(order.delivered),
            "areFeesIncluded": True,
            "status": status,
            "failureReason": "Declined" if status == "failed" else None,
            "walletAddress": order.address,
            "externalTransactionId": order.deposit_id,
            "baseCurrency": {"type": "fiat", "code": order.currency.lower(), "precision": 2},
            "currency": {"type": "crypto", "code": order.asset.lower(), "precision": 5},
        }
        return {"type": kind, "externalCustomerId": "customer", "data": data}

    return body


def _paystack(kind: str, data: Body) -> Callable[[Order], Body]:
    return lambda order: {
        "event": kind,
        "data": {"domain": "test", "currency": order.currency, "amount": order.minor} | _filled(data, order),
    }


def _ramp(kind: str) -> Callable[[Order], Body]:
    def body(order: Order) -> Body:
        purchase = {
            "id": order.payment_id,
            "cryptoAmount": str(int(order.delivered.scaleb(18))),
            "fiatCurrency": order.currency,
            "fiatValue": float(order.amount),
            "createdAt": order.time,
            "updatedAt": order.time,
            "asset": {"symbol": "SEPOLIA_ETH", "apiV3Symbol": "ETH", "decimals": 18, "chain": "SEPOLIA"},
            "receiverAddress": order.address,
            "purchaseViewToken": "token",
            "status": kind,
        }
        return {"type": kind, "purchase": purchase}

    return body


def _truelayer(kind: str, **members: str) -> Callable[[Order], Body]:
    return lambda order: (
        {
            "type": kind,
            "event_version": 1,
            "event_id": f"{kind}-{order.payment_id}-{order.claim_id}",
            "payment_id": order.payment_id,
            "metadata": {"deposit_id": order.deposit_id},
        }
        | _filled(members, order)
    )


def _stellar(status: str) -> Callable[[Order], Body]:
    def body(order: Order) -> Body:
        transaction = {
            "id": order.deposit_id,
            "kind": "deposit",
            "status": status,
            "amount_in": str(order.amount),
            "amount_out": str(order.delivered),
            "updated_at": order.time,
            "stellar_transaction_id": order.payment_id,
        }
        return {"transaction": transaction}

    return body


def _stripe_payout(kind: str, status: str) -> Callable[[Order], Body]:
    failure = {"failure_code": "account_closed"} if status == "failed" else {}
    metadata = {"metadata": {"withdrawal_id": "{withdrawal_id}"}}
    return _stripe(kind, {"id": "{payment_id}", "object": "payout", "status": status, **metadata, **failure})


def _paystack_transfer(status: str) -> Callable[[Order], Body]:
    def body(order: Order) -> Body:
        reference = order.withdrawal_id.replace("_", "-")
        data = {"id": 860703114, "reference": reference, "transfer_code": order.payment_id, "status": status}
        return _paystack(f"transfer.{status}", data)(order)

    return body


def _truelayer_payout(kind: str, **members: str) -> Callable[[Order], Body]:
    return lambda order: {
        "type": kind,
        "event_version": 1,
        "event_id": f"{kind}-{order.payment_id}",
        "payout_id": order.payment_id,
        "metadata": {"withdrawal_id": order.withdrawal_id},
        **members,
    }


def _filled(thing: Body, order: Order) -> Body:
    """Put the order's ids where a sample names them."""
    ids = {"deposit_id": order.deposit_id, "payment_id": order.payment_id, "claim_id": order.claim_id}
    ids |= {"minor": str(order.minor), "withdrawal_id": order.withdrawal_id}
    return {name: _one(value, order, ids) for name, value in thing.items()}


def _one(value: object, order: Order, ids: dict[str, str]) -> object:
    if isinstance(value, dict):
        return _filled(value, order)
    return value.format_map(ids) if isinstance(value, str) else value


_INTENT: Final = {"id": "{payment_id}", "object": "payment_intent", "metadata": {"deposit_id": "{deposit_id}"}}
_REFUND: Final = {
    "id": "{claim_id}",
    "object": "refund",
    "payment_intent": "{payment_id}",
    "metadata": {"deposit_id": "{deposit_id}"},
}
_DISPUTE: Final = {"id": "{claim_id}", "object": "dispute", "payment_intent": "{payment_id}"}
_CHARGE: Final = {"id": 4099260516, "reference": "{deposit_id}", "status": "success", "fees": 0}

SAMPLES: Final[dict[Provider, dict[str, Callable[[Order], Body]]]] = {
    Provider.MOONPAY: {
        "transaction_created": _moonpay("transaction_created", "waitingPayment"),
        "transaction_updated": _moonpay("transaction_updated", "completed"),
        "transaction_failed": _moonpay("transaction_failed", "failed"),
    },
    Provider.PAYSTACK: {
        "charge.success": _paystack("charge.success", _CHARGE),
        "refund.processed": _paystack(
            "refund.processed",
            {
                "status": "processed",
                "transaction_reference": "{deposit_id}",
                "refund_reference": "{claim_id}",
                "amount": "{minor}",
            },
        ),
        **{f"transfer.{status}": _paystack_transfer(status) for status in ("success", "failed", "reversed")},
    },
    Provider.RAMP: {kind: _ramp(kind) for kind in ("CREATED", "RELEASED", "RETURNED")},
    Provider.STELLAR: {status: _stellar(status) for status in ("pending_anchor", "completed", "error")},
    Provider.STRIPE: {
        "payment_intent.processing": _stripe("payment_intent.processing", _INTENT | {"status": "processing"}),
        "payment_intent.succeeded": _stripe("payment_intent.succeeded", _INTENT | {"status": "succeeded"}),
        "payment_intent.payment_failed": _stripe(
            "payment_intent.payment_failed", _INTENT | {"status": "requires_payment_method"}
        ),
        "refund.created": _stripe("refund.created", _REFUND | {"status": "succeeded"}),
        "refund.failed": _stripe("refund.failed", _REFUND | {"status": "failed"}),
        "charge.dispute.created": _stripe("charge.dispute.created", _DISPUTE | {"status": "needs_response"}),
        "charge.dispute.closed": _stripe("charge.dispute.closed", _DISPUTE | {"status": "won"}),
        "payout.paid": _stripe_payout("payout.paid", "paid"),
        "payout.failed": _stripe_payout("payout.failed", "failed"),
    },
    Provider.TRUELAYER: {
        "payment_executed": _truelayer("payment_executed"),
        "payment_settled": _truelayer("payment_settled"),
        "payment_failed": _truelayer("payment_failed", failure_reason="provider_rejected"),
        "refund_executed": _truelayer("refund_executed", refund_id="{claim_id}"),
        "payout_executed": _truelayer_payout("payout_executed"),
        "payout_failed": _truelayer_payout("payout_failed", failure_reason="returned"),
    },
}
"""By provider and event, in the providers' own words."""
