"""Check Paystack's signatures: `x-paystack-signature`, HMAC-SHA512 in hex of the body.

Nothing in it says when: a replay verifies. https://paystack.com/docs/payments/webhooks/
"""

from collections.abc import Sequence

from tallystick.adapters.providers import macs, members, wire
from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.webhooks import Delivery


class PaystackSeal(WholeBody):
    """Implement `tallystick.services.ports.providers.Seal`; a key is the API's secret key."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> None:
        """Accept the signature of the body."""
        signature = wire.header(delivery, "x-paystack-signature")
        macs.check("sha512", keys, wire.utf8(delivery.body), [signature])

    def event_id(self, delivery: Delivery) -> str | None:
        """Make an id of what happened to which thing, for Paystack's events have none; some refunds have no id too."""
        event = members.parsed(delivery.body)
        kind = members.at(event, "event")
        return members.join(kind, members.at(event, "data.id")) or members.join(
            kind, members.at(event, "data.refund_reference")
        )
