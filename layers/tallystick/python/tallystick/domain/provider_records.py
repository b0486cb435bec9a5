"""What a provider's own books say of one movement of money."""

from dataclasses import dataclass
from enum import StrEnum

from tallystick.domain.money import Amount
from tallystick.domain.payouts import Report
from tallystick.domain.webhooks import Fact, Paid, Provider, TakenBack


class Direction(StrEnum):
    """Say which way the money goes: to us, back to whoever paid, or out."""

    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class Unusable:
    """The provider delivered something that is not taken: another asset, or to an address that is not ours."""

    reason: str


Told = Fact | Unusable | Report


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name a payment or refund that a provider is asked for; `references` as in its record."""

    direction: Direction
    record_id: str
    references: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name it as its record would be."""
        return name_of(self.direction, self.record_id)


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """Describe a payment, refund or payout in the words that the provider's events are read in.

    `record_id` is the id by which events know it, `references` name its order or withdrawal, as in a Notice. `at_ms` is
    when it last changed, as far as the provider tells. `given_back` says that nothing is left of a payment.
    """

    provider: Provider
    record_id: str
    references: tuple[str, ...]
    told: Told
    at_ms: int
    given_back: bool = False

    @property
    def direction(self) -> Direction:
        """Say which way the money goes."""
        if isinstance(self.told, Report):
            return Direction.PAYOUT
        return Direction.REFUND if isinstance(self.told, TakenBack) else Direction.PAYMENT

    @property
    def name(self) -> str:
        """Name it among everything of its provider."""
        return name_of(self.direction, self.record_id)

    @property
    def status(self) -> str:
        """Name how it stands."""
        match self.told:
            case Report(outcome=outcome):
                return outcome.lower()
            case TakenBack(undone=undone):
                return "undone" if undone else "taken"
        return type(self.told).__name__.lower()

    @property
    def wanted(self) -> Wanted:
        """Say how to ask for it."""
        return Wanted(self.direction, self.record_id, self.references)

    @property
    def amount(self) -> Amount | None:
        """Give the amount, where one is told."""
        match self.told:
            case Paid(delivered=amount) | TakenBack(amount=amount) | Report(amount=amount):
                return amount
        return None


def name_of(direction: Direction, record_id: str) -> str:
    """Name a record: ids of payments, refunds and payouts may be numbers, and the same ones."""
    return record_id if direction is Direction.PAYMENT else f"{direction}-{record_id}"
