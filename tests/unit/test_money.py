from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.errors import AssetMismatch, InvalidAmount
from tallystick.domain.money import (
    DEFAULT_ASSETS,
    MAX_UNITS,
    Asset,
    exact_units,
    format_units,
    from_minor,
    known_asset,
    parse_amount,
)

USD, JPY, ETH, BTC = (DEFAULT_ASSETS[code] for code in ("USD", "JPY", "ETH", "BTC"))


@pytest.mark.parametrize(
    ("text", "asset", "units"),
    [
        ("12.34", USD, 1234),
        ("12.3", USD, 1230),
        ("12", USD, 1200),
        ("0.01", USD, 1),
        ("0012.30", USD, 1230),
        ("7", JPY, 7),
        ("0.000000000000000001", ETH, 1),
        ("21000000.00000000", BTC, 2_100_000_000_000_000),
        ("9" * 38, JPY, MAX_UNITS),
        ("9" * 36 + ".99", USD, MAX_UNITS),
        ("9" * 20 + "." + "9" * 18, ETH, MAX_UNITS),
        ("0" * 36 + "1", USD, 100),
    ],
)
def test_a_decimal_string_is_read_exactly(text: str, asset: Asset, units: int) -> None:
    assert parse_amount(text, asset) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0.00",
        "00",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.234",
        "1.230",
        "1,00",
        "1 000",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "1e3",
        "1E3",
        "0x1",
        "NaN",
        "Infinity",
        "1.2.3",
        "\N{FULLWIDTH DIGIT ONE}",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1" * 39,
        "9" * 37 + ".00",
        "1" * 78,
        "0" * 78,
        "0." + "0" * 5000 + "1",
    ],
)
def test_what_is_no_amount_of_dollars_is_refused_and_pointed_at(text: str) -> None:
    with pytest.raises(InvalidAmount) as refused:
        parse_amount(text, USD)
    assert refused.value.members["errors"] == [{"detail": refused.value.detail, "pointer": "/amount"}]


def test_an_asset_without_decimals_takes_none() -> None:
    with pytest.raises(InvalidAmount, match="JPY has 0 decimals, not 1"):
        parse_amount("7.0", JPY)


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [
        (0, 2, "0.00"),
        (1, 2, "0.01"),
        (-1, 2, "-0.01"),
        (1234, 2, "12.34"),
        (-1234, 2, "-12.34"),
        (0, 0, "0"),
        (-7, 0, "-7"),
        (1, 18, "0.000000000000000001"),
        (MAX_UNITS, 0, "9" * 38),
        (-MAX_UNITS, 18, "-" + "9" * 20 + "." + "9" * 18),
    ],
)
def test_units_are_written_with_all_decimals(units: int, scale: int, text: str) -> None:
    assert format_units(units, scale) == text


@given(units=st.integers(1, MAX_UNITS), scale=st.integers(0, 18))
def test_what_is_written_is_read_back(units: int, scale: int) -> None:
    assert parse_amount(format_units(units, scale), Asset("X", scale)) == units


@given(text=st.text(max_size=90), scale=st.integers(0, 18))
def test_any_text_is_an_amount_within_bounds_or_refused(text: str, scale: int) -> None:
    try:
        units = parse_amount(text, Asset("X", scale))
    except InvalidAmount:
        return
    assert 0 < units <= MAX_UNITS


def test_a_known_asset_is_found_and_an_unknown_one_refused() -> None:
    assert known_asset(DEFAULT_ASSETS, "USD") is USD
    with pytest.raises(AssetMismatch, match="'DOGE'"):
        known_asset(DEFAULT_ASSETS, "DOGE")


@pytest.mark.parametrize(
    ("text", "asset", "units"),
    [
        ("12.34", USD, 1234),
        ("12.3400", USD, 1234),
        ("12", USD, 1200),
        ("1.2E+1", USD, 1200),
        ("120E-1", USD, 1200),
        ("1E-2", USD, 1),
        ("7", JPY, 7),
        ("7.000", JPY, 7),
        ("1E-18", ETH, 1),
        ("9" * 38, JPY, MAX_UNITS),
        ("9" * 20 + "." + "9" * 18, ETH, MAX_UNITS),
        ("12345678901234567890123456789012345.67", USD, 1234567890123456789012345678901234567),
        ("1E+37", JPY, 10**37),
    ],
)
def test_an_exact_amount_is_read_to_the_last_digit(text: str, asset: Asset, units: int) -> None:
    assert exact_units(Decimal(text), asset) == units


NO_AMOUNTS = [
    "0",
    "-0",
    "0.00",
    "0E+5",
    "-1",
    "-0.01",
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "0.001",
    "12.341",
    "1E-3",
]
TOO_LONG = ["9" * 37, "1E+36", "1E+38", "1E+39", "1E+999999", "1E-5000", "0." + "0" * 5000 + "1", "1." + "1" * 5000]


@pytest.mark.parametrize("text", NO_AMOUNTS + TOO_LONG)
def test_what_is_no_exact_amount_of_dollars_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        exact_units(Decimal(text), USD)


@given(st.decimals(), st.integers(0, 18))
def test_an_exact_amount_is_what_its_fraction_says_or_refused(value: Decimal, scale: int) -> None:
    fraction = Fraction(value) * 10**scale if value.is_finite() else Fraction(-1)
    try:
        units = exact_units(value, Asset("X", scale))
    except InvalidAmount:
        assert fraction.denominator != 1 or not 0 < fraction <= MAX_UNITS
    else:
        assert units == fraction
        assert 0 < units <= MAX_UNITS


@given(st.integers(1, MAX_UNITS), st.integers(0, 18), st.integers(0, 39), st.integers(1, 5))
def test_no_precision_of_the_thread_rounds_an_exact_amount(units: int, scale: int, zeros: int, precision: int) -> None:
    with localcontext() as context:
        context.prec = precision
        value = from_minor(units * 10**zeros, scale + zeros)
        assert exact_units(value, Asset("X", scale)) == units


@pytest.mark.parametrize(
    ("units", "exponent", "text"),
    [(2599, 2, "25.99"), (1, 0, "1"), (0, 2, "0.00"), (-5, 2, "-0.05"), (10**40 + 1, 3, f"1{'0' * 37}.001")],
)
def test_minor_units_are_an_exact_amount(units: int, exponent: int, text: str) -> None:
    assert str(from_minor(units, exponent)) == text


@given(st.integers(), st.integers(0, 60))
def test_minor_units_of_any_size_are_exact(units: int, exponent: int) -> None:
    assert Fraction(from_minor(units, exponent)) == Fraction(units, 10**exponent)
