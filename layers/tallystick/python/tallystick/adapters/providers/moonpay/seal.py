"""Check MoonPay's signatures: `Moonpay-Signature-V2: t=…,s=…`, HMAC-SHA256 in hex of `<t>.<body>`.

The older `Moonpay-Signature` is not looked at. https://dev.moonpay.com/reference/reference-webhooks-signature
"""

from collections.abc import Sequence

from tallystick.adapters.providers import macs, members, timed, wire
from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.webhooks import Delivery


class MoonPaySeal(WholeBody):
    """Implement `tallystick.services.ports.providers.Seal`; a key is the webhook API key."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int:
        """Accept the signature of the body, as of a POST."""
        sealed = timed.parse(wire.header(delivery, "moonpay-signature-v2"), "s")
        macs.check("sha256", keys, sealed.text(wire.utf8(delivery.body)), sealed.signatures)
        return sealed.at_ms

    def event_id(self, delivery: Delivery) -> str | None:
        """Make an id of what happened to which transaction when, for MoonPay's events have none."""
        return members.event_id(delivery.body, "type", "data.id", "data.updatedAt")
