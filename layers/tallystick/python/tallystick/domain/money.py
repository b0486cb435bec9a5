"""Turn decimal strings into whole units of an asset and back, exactly."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tallystick.domain.errors import AssetMismatch, InvalidAmount

MAX_DIGITS: Final = 38
"""Digits that a DynamoDB number keeps exactly (AWS: Supported data types)."""

MAX_SCALE: Final = 18
"""Decimals of the finest asset: one ETH has 10**18 wei."""

MAX_UNITS: Final = 10**MAX_DIGITS - 1

_AMOUNT: Final = re.compile(r"(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?")
_MAX_LENGTH: Final = 2 * MAX_DIGITS + 1


@dataclass(frozen=True, slots=True)
class Asset:
    """Name a currency and how many decimals its smallest unit has: 1 USD = 10**2 units."""

    code: str
    scale: int
    kind: str = "fiat"


@dataclass(frozen=True, slots=True)
class Amount:
    """Hold an exact amount in major units of one of our assets (12.34 of USD)."""

    value: Decimal
    asset: str


DEFAULT_ASSETS: Final = {
    asset.code: asset
    for asset in (
        Asset("BTC", 8, "crypto"),
        Asset("ETH", 18, "crypto"),
        Asset("USDC", 6, "crypto"),
        Asset("USDT", 6, "crypto"),
        Asset("XLM", 7, "crypto"),
        Asset("USD", 2),
        Asset("EUR", 2),
        Asset("GBP", 2),
        Asset("NGN", 2),
        Asset("JPY", 0),
        Asset("XP", 0, "points"),
    )
}


def known_asset(assets: Mapping[str, Asset], code: str) -> Asset:
    """Find an asset by its code.

    Raises:
        AssetMismatch: no such asset is configured.
    """
    if code not in assets:
        raise AssetMismatch(f"There is no asset {code!r}; GET /v1/assets lists them.")
    return assets[code]


def parse_amount(text: str, asset: Asset) -> int:
    """Read a positive decimal string in major units ("12.34") as whole units (1234 at scale 2).

    Raises:
        InvalidAmount: not plain digits, zero, too many decimals, or more than 38 digits of units.
    """
    match = _AMOUNT.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise InvalidAmount('An amount is a decimal string such as "12.34", without sign or exponent.')
    fraction = match["fraction"] or ""
    if len(fraction) > asset.scale:
        raise InvalidAmount(f"{asset.code} has {asset.scale} decimals, not {len(fraction)}.")
    units = int(match["whole"] + fraction.ljust(asset.scale, "0"))
    if units == 0:
        raise InvalidAmount("An amount must be more than zero.")
    if units > MAX_UNITS:
        raise InvalidAmount(f"An amount has at most {MAX_DIGITS} digits, decimals included.")
    return units


def exact_units(value: Decimal, asset: Asset) -> int:
    """Read an exact amount in major units (Decimal("12.34")) as whole units (1234 at scale 2).

    No arithmetic of `decimal` is used: its context would round what has more than 28 digits.

    Raises:
        InvalidAmount: not positive, finer than the asset's smallest unit, or more than 38 digits of units.
    """
    _, digits, exponent = value.as_tuple()
    if not value.is_finite() or value.is_signed() or not value or max(abs(value.adjusted()), len(digits)) > _MAX_LENGTH:
        raise InvalidAmount(f"An amount is positive and has at most {MAX_DIGITS} digits.")
    plain = int("".join(map(str, digits)))
    shift = int(exponent) + asset.scale
    units, rest = divmod(plain * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if rest:
        raise InvalidAmount(f"{asset.code} has {asset.scale} decimals; {value} has more.")
    if units > MAX_UNITS:
        raise InvalidAmount(f"An amount has at most {MAX_DIGITS} digits, decimals included.")
    return int(units)


def from_minor(units: int, exponent: int) -> Decimal:
    """Give whole units of 10**-exponent as an exact amount in major units (2599, 2 → Decimal("25.99"))."""
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -exponent))


def format_units(units: int, scale: int) -> str:
    """Write whole units as a decimal string with all of the asset's decimals (1234 at scale 2 → "12.34")."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"
