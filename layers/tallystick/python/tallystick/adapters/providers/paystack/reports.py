"""Read what Paystack says of transfers, its payouts, in events and in answers."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from tallystick.adapters.providers.paystack.amounts import amount_of
from tallystick.adapters.providers.reading import Currency, Digits, Document, Id, Instant, Name
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Environment
from tallystick.domain.withdrawals import PREFIX

_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "success": Outcome.PAID,
    **dict.fromkeys(("abandoned", "blocked", "failed", "rejected", "reversed"), Outcome.FAILED),
    **dict.fromkeys(("otp", "pending", "processing", "queued", "received"), Outcome.PENDING),
}
"""https://paystack.com/docs/transfers/how-transfers-work/; one that waits for a code (`otp`) may be abandoned."""


class Transfer(Document):
    """Describe a transfer."""

    transfer_code: Id
    reference: Id | None = None
    status: Name
    currency: Currency
    amount: Digits

    def report(self) -> Report:
        """Say how it stands; a status that Paystack does not document proves nothing."""
        outcome = _OUTCOMES.get(self.status, Outcome.UNCLEAR)
        reason = self.status if outcome is Outcome.FAILED else None
        return Report(outcome, self.transfer_code, amount_of(self.amount, self.currency), reason)


class TransferEvent(Transfer):
    """Describe a transfer as an event does: it says of which money, and when."""

    domain: Environment
    updated_at: Instant | None = Field(default=None, alias="updatedAt")

    @property
    def references(self) -> tuple[str, ...]:
        """Name the withdrawal: by our id, if it is one of ours, and by Paystack's."""
        flow_id = (self.reference or "").replace("-", "_")
        ours = (flow_id,) if flow_id.startswith(PREFIX) else ()
        return (*ours, f"paystack:{self.transfer_code}")
