"""Know how Stripe writes amounts: https://docs.stripe.com/currencies."""

from typing import Final

from tallystick.domain.money import Amount, from_minor

_ZERO_DECIMALS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DECIMALS: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
_PAID_OUT_WHOLE: Final = frozenset({"HUF", "ISK", "TWD", "UGX"})


def decimals(currency: str) -> int:
    """Tell how many decimals amounts have; ISK and UGX are written with two, always 00."""
    if currency in _ZERO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def payout_step(currency: str) -> int:
    """Tell what the units of a payout have to be a multiple of."""
    if currency in _PAID_OUT_WHOLE:
        return 100
    return 10 if currency in _THREE_DECIMALS else 1


def amount_of(units: int, currency: str) -> Amount:
    """Give Stripe's units of a currency as an amount."""
    return Amount(from_minor(units, decimals(currency)), currency)
