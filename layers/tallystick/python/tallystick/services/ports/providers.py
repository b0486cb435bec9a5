"""What taking webhooks and ordering deposits needs of a payment provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tallystick.domain.deposits import Deposit
from tallystick.domain.webhooks import Delivery, Notice, Provider


class KeyRing(Protocol):
    """Know the keys that webhooks are checked with; several may be valid at once, while they are rotated."""

    def keys(self, provider: Provider) -> Sequence[str]:
        """Give a provider's keys, which may be a few minutes old; none when it is not configured."""

    def renewed(self, provider: Provider) -> Sequence[str]:
        """Give the keys as they are now, or the known ones when they were asked for a moment ago."""


class Seal(Protocol):
    """Check what a provider's webhooks are signed with; nothing here reads what the body means."""

    def verify(self, delivery: Delivery, keys: Sequence[str]) -> int | None:
        """Give the time in ms at which a call was signed, or nothing where the scheme has none.

        Raises:
            Forged: it is not signed with any of the keys.
        """

    def content(self, delivery: Delivery) -> bytes:
        """Give the body as far as it is signed; another spelling of the same content is no other event."""

    def event_id(self, delivery: Delivery) -> str | None:
        """Find the id by which the provider's deliveries of one event are known; none when the body holds none."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """Tell where to pay: a page, or instructions (an address and a memo).

    `references` are the provider's ids by which later events may name the order, each like `stripe:pi_1`.
    """

    url: str | None = None
    instructions: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()


class Gateway(Protocol):
    """Speak with one provider.

    `confirm` and `checkout` may raise ProviderUnavailable (try again) and ProviderRefused.
    """

    def read(self, body: bytes, query: Mapping[str, str]) -> Notice:
        """Read what a genuine event says.

        Raises:
            EventRejected: it is not what the provider documents, or the money did not come to us.
        """

    def confirm(self, notice: Notice) -> Notice:
        """Ask the provider for the facts as they are now, and for those that its event leaves out.

        Raises:
            EventRejected: the provider says otherwise.
        """

    def checkout(self, deposit: Deposit) -> Checkout:
        """Prepare the payment of an order; asked again for the same order it prepares no second one."""
