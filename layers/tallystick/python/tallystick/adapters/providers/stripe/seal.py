"""Check Stripe's signatures: `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 in hex of `<t>.<body>`.

https://docs.stripe.com/webhooks#verify-manually
"""

from collections.abc import Sequence

from tallystick.adapters.providers import macs, members, timed, wire
from tallystick.adapters.providers.whole import WholeBody
from tallystick.domain.webhooks import Delivery


class StripeSeal(WholeBody):
    """Implement `tallystick.services.ports.providers.Seal`; a key is the whole text, with its `whsec_`."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int:
        """Accept any one of the v1 signatures: while Stripe rolls a secret it signs with both; v0 is for its tests."""
        sealed = timed.parse(wire.header(delivery, "stripe-signature"), "v1", several=True)
        macs.check("sha256", keys, sealed.text(wire.utf8(delivery.body)), sealed.signatures)
        return sealed.at_ms

    def event_id(self, delivery: Delivery) -> str | None:
        """Give `evt_…`."""
        return members.event_id(delivery.body, "id")
