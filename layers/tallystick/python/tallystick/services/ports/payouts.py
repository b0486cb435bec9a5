"""What paying out needs of a payment provider."""

from typing import Protocol

from tallystick.domain.payouts import Draft, Report
from tallystick.domain.withdrawals import Withdrawal


class Payer(Protocol):
    """Pay out through one provider, under our id of the withdrawal.

    `key_lifetime_ms` is how long the provider surely knows our idempotency key (None: for ever): under it the same
    call is carried out once. Where payouts are signed beforehand, the draft's own expiry takes its place.

    All calls but `check` may raise ProviderUnavailable: whether it was carried out is unknown.
    """

    @property
    def key_lifetime_ms(self) -> int | None:
        """Tell for how long a call may be repeated under our key."""

    def check(self, withdrawal: Withdrawal) -> None:
        """See whether the provider can pay this; it is not asked.

        Raises:
            ProviderRefused: never to this kind of destination, in this asset, or in so fine an amount.
        """

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> Draft | None:
        """Sign the payout, where that is done before it is sent; nothing is sent.

        Raises:
            ProviderRefused: it can never be paid, for example because the destination does not exist.
        """

    def send(self, withdrawal: Withdrawal) -> Report:
        """Send the payout once, under our key; `withdrawal.sending` is what was written before.

        FAILED means here: this call was refused, and nothing was made of it.
        """

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Ask how the payout stands: by the provider's id if it is known, else by ours.

        ABSENT is answered only when no call that was sent so far can come to anything any more.
        """
