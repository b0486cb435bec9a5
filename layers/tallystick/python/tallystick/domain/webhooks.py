"""What providers send: the call as it arrived, and what it says in our words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from tallystick.domain.errors import TallystickError
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Report


class Provider(StrEnum):
    """Name the providers whose webhooks are taken; the name is part of the address and of every key."""

    MOONPAY = "moonpay"
    PAYSTACK = "paystack"
    RAMP = "ramp"
    STELLAR = "stellar"
    STRIPE = "stripe"
    TRUELAYER = "truelayer"


Environment = Literal["test", "live"]
"""Money of one never mixes with the other's: it is part of every key and checked against every event that tells."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Hold one call as it arrived: header names in lower case, host and path as the provider addressed them."""

    provider: Provider
    host: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    source_ip: str
    received_at_ms: int


class Forged(TallystickError):
    """A call is not what its provider signed, or not from where it sends; the reason is counted and never answered.

    Reasons: `address`, `missing-header`, `bad-header`, `bad-encoding`, `bad-body`, `wrong-algorithm`, `unknown-key`,
    `signature-mismatch`, `stale`.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason."""
        super().__init__(reason)
        self.reason = reason


class EventRejected(TallystickError):
    """A genuine event cannot be processed as it is: it goes to the dead letters, for a person to decide.

    At once when it is `final`, after the retries when another event may still come first. Reasons are stable codes
    such as `unreadable`, `unknown-order`, `amount-mismatch`, `asset-mismatch`.
    """

    def __init__(self, reason: str, detail: str, *, final: bool = True) -> None:
        """Keep the code and a sentence for people."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.final = final


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider has begun; no money has moved."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider will deliver nothing; a later payment of the same order may still succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paid:
    """Money has arrived for good, under the provider's id of this one payment.

    `delivered` is what came to us; `charged` is what the payer was charged, where that is another currency.
    """

    payment_id: str
    delivered: Amount
    charged: Amount | None = None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The provider took money of an order back, under the id of this refund or dispute.

    `undone` says that it was given to us again: a refund failed, a dispute was won. That is final. `payment_id` names
    the payment that it is of, where an order can have several.
    """

    claim_id: str
    kind: Literal["refund", "chargeback"]
    amount: Amount
    undone: bool = False
    payment_id: str | None = None


Fact = Pending | Failed | Paid | TakenBack


@dataclass(frozen=True, slots=True)
class Notice:
    """Say what an event means: facts about one order; an event without facts needs no action.

    `references` name the order: its id, or the provider's id of a thing that belongs to it (`stripe:pi_1`); the first
    one that is known counts. With `confirm` the provider has to be asked before the facts are complete. `environment`
    is told by some providers only, `occurred_at_ms` where the signature has no time. `payout` is what it says of one
    of our payouts; such an event has no facts.
    """

    event: str
    references: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    confirm: bool = False
    environment: Environment | None = None
    occurred_at_ms: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    payout: Report | None = None
