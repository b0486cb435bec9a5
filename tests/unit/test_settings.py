import pytest

from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.settings import ConfigurationError, Settings, read_settings


def read(**variables: str) -> Settings:
    return read_settings({"TALLYSTICK_STAGE": "local", **variables})


def test_a_stage_is_all_that_every_function_needs() -> None:
    assert read().stage == "local"
    assert read().service_limits == {}
    assert read().assets == DEFAULT_ASSETS


def test_values_are_read_from_the_process_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_STAGE", "staging")
    monkeypatch.setenv("TALLYSTICK_ACCOUNTS_TABLE", "accounts-1")
    assert (read_settings().stage, read_settings().accounts_table) == ("staging", "accounts-1")


def test_only_variables_with_the_prefix_count() -> None:
    assert read(ACCOUNTS_TABLE="x", AWS_REGION="y").accounts_table is None


def test_assets_can_be_configured() -> None:
    configured = read(TALLYSTICK_ASSETS='{"GOLD": {"scale": 3, "kind": "metal"}, "KES": {"scale": 2}}').assets
    assert configured == {"GOLD": Asset("GOLD", 3, "metal"), "KES": Asset("KES", 2, "fiat")}


def test_spikes_are_configured_by_asset_and_have_usual_values() -> None:
    (spike,) = read(TALLYSTICK_CREDIT_SPIKES='{"JPY": {"floor": "5000", "owner_floor": "10"}}').credit_spikes.values()
    assert (spike.floor, spike.owner_floor, spike.factor, spike.window_s) == ("5000", "10", 5, 300)


def test_limits_are_decimal_strings() -> None:
    assert read(TALLYSTICK_SERVICE_LIMITS='{"USD": "1000.00"}').service_limits == {"USD": "1000.00"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STAGE", "moon"),
        ("ASSETS", "{"),
        ("ASSETS", ""),
        ("ASSETS", '{"USD": {"scale": 19}}'),
        ("ASSETS", '{"USD": {"scale": -1}}'),
        ("ASSETS", '{"USD": {}}'),
        ("SERVICE_LIMITS", "{"),
        ("SERVICE_LIMITS", '{"USD": 1000}'),
        ("SERVICE_LIMITS", '{"USD": "a lot"}'),
        ("SERVICE_LIMITS", '{"USD": "0"}'),
        ("SERVICE_LIMITS", '{"USD": "1e3"}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "1000"}}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "1000", "owner_floor": "0"}}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "0.001", "owner_floor": "1"}}'),
        ("CREDIT_SPIKES", '{"JPY": {"floor": "1", "owner_floor": "0.5"}}'),
        ("CREDIT_SPIKES", '{"DOGE": {"floor": "1", "owner_floor": "1"}}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "1", "owner_floor": "1", "factor": 1}}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "1", "owner_floor": "1", "window_s": 59}}'),
        ("CREDIT_SPIKES", '{"USD": {"floor": "1", "owner_floor": "1", "ceiling": "2"}}'),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TALLYSTICK_{name}"):
        read(**{f"TALLYSTICK_{name}": value})


@pytest.mark.parametrize("limits", ['{"USD": "0.001"}', '{"JPY": "1.5"}', '{"DOGE": "1"}'])
def test_a_limit_that_its_asset_cannot_express_is_found_at_start_and_not_blamed_on_a_callers_amount(
    limits: str,
) -> None:
    with pytest.raises(ConfigurationError, match="TALLYSTICK_SERVICE_LIMITS"):
        read(TALLYSTICK_SERVICE_LIMITS=limits)


def test_all_faults_are_in_one_message() -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings({"TALLYSTICK_ASSETS": "{", "TALLYSTICK_SERVICE_LIMITS": '{"USD": "no", "EUR": 5}'})
    for name in ("STAGE", "ASSETS", "SERVICE_LIMITS.USD", "SERVICE_LIMITS.EUR"):
        assert f"TALLYSTICK_{name}" in str(error.value)


def test_what_a_function_cannot_work_without_is_given() -> None:
    settings = read(TALLYSTICK_ACCOUNTS_TABLE="a", TALLYSTICK_ENTRIES_TABLE="e")
    assert settings.require("accounts_table", "entries_table") == ["a", "e"]


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        read(TALLYSTICK_ENTRIES_TABLE="").require("accounts_table", "entries_table", "stage")
    assert str(error.value) == "missing in the environment: TALLYSTICK_ACCOUNTS_TABLE, TALLYSTICK_ENTRIES_TABLE"
