"""Describe withdrawals as tests need them."""

from dataclasses import replace
from typing import Any

from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.payouts import Draft
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Sending, Withdrawal, WithdrawalAction
from tests.support.scene import ADA, NOW_MS, USD

STRIPE_BANK = Destination(DestinationType.STRIPE, "ba_1")


def withdrawal(**members: Any) -> Withdrawal:  # noqa: ANN401 (any member)
    """Describe a withdrawal of 25.00 USD with a fee of 0.50 by Stripe, as it was asked for."""
    described = Withdrawal(
        flow_id="wdr_0123456789abcdef0123456789abcdef",
        owner_id=ADA.caller_id,
        wallet_id="wal_a",
        provider=Provider.STRIPE,
        environment="test",
        asset=USD,
        units=2500,
        fee_units=50,
        destination=STRIPE_BANK,
        created_at_ms=NOW_MS,
        submit_after_ms=NOW_MS,
        quota_day="",
        hold_transfer_id="trf_1",
    )
    return replace(described, **members).taken(WithdrawalAction.REQUEST, at_ms=NOW_MS, by=ADA.caller_id)[0]


def submitted(
    *,
    sends: int = 1,
    at_ms: int = NOW_MS,
    key_since_ms: int | None = None,
    draft: Draft | None = None,
    **members: Any,  # noqa: ANN401
) -> Withdrawal:
    """Describe a withdrawal that is about to be sent, or was sent, that many times."""
    sending = Sending(sends, at_ms if key_since_ms is None else key_since_ms, at_ms, draft)
    approved = withdrawal(**members).taken(WithdrawalAction.APPROVE, at_ms=NOW_MS, by="rule")[0]
    return replace(approved.taken(WithdrawalAction.SUBMIT, at_ms=at_ms, by="rule")[0], sending=sending)
