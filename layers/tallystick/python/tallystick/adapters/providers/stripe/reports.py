"""Read what Stripe says of payouts, in events and in answers."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from tallystick.adapters.providers.reading import Currency, Document, Id, Name, is_id
from tallystick.adapters.providers.stripe.amounts import amount_of
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.withdrawals import PREFIX

TAG: Final = "withdrawal_id"
"""Names our id in the metadata of a payout."""

_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "pending": Outcome.PENDING,
    "in_transit": Outcome.PENDING,
    "paid": Outcome.PAID,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}


class Tagged(Document):
    """Describe a payout, of which only its ids matter; whoever made it may have put anything into its metadata."""

    id: Id
    metadata: dict[str, Any] | None = None

    @property
    def withdrawal_id(self) -> str | None:
        """Give our id, if it is one of ours."""
        tag = (self.metadata or {}).get(TAG)
        return tag if isinstance(tag, str) and tag.startswith(PREFIX) and is_id(tag) else None

    @property
    def references(self) -> tuple[str, ...]:
        """Name the withdrawal: by our id, if it is one of ours, and by Stripe's."""
        ours = () if self.withdrawal_id is None else (self.withdrawal_id,)
        return (*ours, f"stripe:{self.id}")


class Payout(Tagged):
    """Describe a payout; one that fetches money from the house's own bank has a negative amount."""

    amount: Annotated[int, Field(ge=-MAX_UNITS, le=MAX_UNITS)]
    currency: Currency
    status: Name
    failure_code: Name | None = None

    def report(self) -> Report:
        """Say how it stands; a status that Stripe does not document proves nothing."""
        outcome = _OUTCOMES.get(self.status, Outcome.UNCLEAR)
        reason = self.failure_code or self.status if outcome is Outcome.FAILED else None
        return Report(outcome, self.id, amount_of(self.amount, self.currency), reason)
