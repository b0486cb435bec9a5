import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.errors import AssetMismatch, InvalidAmount
from tallystick.domain.money import DEFAULT_ASSETS, MAX_UNITS, Asset, format_units, known_asset, parse_amount

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
