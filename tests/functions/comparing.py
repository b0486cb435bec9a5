"""Differences in the small world, as comparing found them.

| difference | class | about |
|---|---|---|
| truelayer:pay-lost | missing-webhook | 7.50 GBP that were paid without an order |
| stripe:pi_1 | missing-webhook | the payment of dep_1, 25.99 USD |
| stripe:pi_more | duplicate | a second payment of dep_paid, 40.00 USD |
| paystack:payout-TRF_1 | missing-at-provider | a payout of 5000.00 NGN |
| stripe:pi_gone | missing-webhook | was credited in the end: it is listed no more |

They were found a second after each other, the first of them when all of `payouts.py` was there.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from tallystick.domain.differences import Difference
from tallystick.domain.money import Amount
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.webhooks import Paid, Provider
from tallystick.wiring import provider_reconciliation
from tests.functions.world import Clock

GONE: Final = "stripe:pi_gone"


def payment(provider: Provider, record_id: str, amount: str, asset: str, *references: str) -> ProviderRecord:
    """Describe a payment."""
    told = Paid(record_id, Amount(Decimal(amount), asset))
    return ProviderRecord(provider, record_id, (*references, f"{provider}:{record_id}"), told, 0)


LOST: Final = payment(Provider.TRUELAYER, "pay-lost", "7.50", "GBP")
UNTOLD: Final = payment(Provider.STRIPE, "pi_1", "25.99", "USD", "dep_1")
MORE: Final = payment(Provider.STRIPE, "pi_more", "40.00", "USD", "dep_paid")
PAYOUT: Final = Wanted(Direction.PAYOUT, "TRF_1", ("wdr_1", "paystack:TRF_1"))
ENDED: Final = payment(Provider.STRIPE, "pi_gone", "1.00", "USD")


def build(clock: Clock) -> None:
    """Keep the differences."""
    kept = provider_reconciliation.differences()
    kept.save(_difference(clock, LOST, Match.MISSING_WEBHOOK))
    kept.save(_difference(clock, UNTOLD, Match.MISSING_WEBHOOK, "dep_1", "25.99 USD"))
    kept.save(_difference(clock, MORE, Match.DUPLICATE, "dep_paid", "40.00 USD"))
    paid = _difference(clock, MORE, Match.MISSING_AT_PROVIDER, "wdr_1", "5000.00 NGN")
    kept.save(replace(paid, provider=Provider.PAYSTACK, wanted=PAYOUT, record=None, theirs=""))
    gone = _difference(clock, ENDED, Match.MISSING_WEBHOOK)
    kept.save(gone)
    kept.end(gone, clock())


def _difference(
    clock: Clock, record: ProviderRecord, match: Match, flow_id: str | None = None, ours: str = ""
) -> Difference:
    clock.advance()
    amount = record.amount
    return Difference(
        provider=record.provider,
        wanted=record.wanted,
        match=match,
        record=record,
        flow_id=flow_id,
        flow_version=0 if flow_id else None,
        ours=ours,
        theirs=f"{amount.value} {amount.asset}" if amount else "",
        first_seen_ms=clock(),
        last_seen_ms=clock(),
    )
