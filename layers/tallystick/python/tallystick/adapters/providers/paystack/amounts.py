"""Know how Paystack writes amounts: in hundredths, whatever the currency."""

from typing import Final

from tallystick.domain.money import Amount, from_minor

DECIMALS: Final = 2


def amount_of(units: int, currency: str) -> Amount:
    """Give hundredths of a currency as an amount."""
    return Amount(from_minor(units, DECIMALS), currency)
