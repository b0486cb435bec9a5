"""A stage's configuration is right, or all that is wrong with it is said at once."""

from typing import Any, get_args

import pytest

from infra.app import file_context
from infra.provider import ProviderName, ProviderSettings
from infra.stage import StageError, load_stage
from tallystick.domain.webhooks import Provider
from tallystick.settings import ProviderSetting
from tests.infra.connected import connected, example, provider

STAGES: dict[str, Any] = file_context()["stages"]


def test_every_mistake_is_named() -> None:
    """One run shows all that has to be corrected."""
    wrong = {
        **STAGES["staging"],
        "log_retention_days": 2,
        "throttle": {"rate_per_s": 0, "burst": "many"},
        "cors_origins": ["*"],
        "service_limits": {"USD": "1e5"},
        "reserved_concurrency": {"credits": 1},
        "surplus": True,
    }

    with pytest.raises(StageError) as caught:
        load_stage("staging", {"staging": wrong})

    lines = str(caught.value).splitlines()
    assert lines[0] == "Stage 'staging' is misconfigured:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {
        "log_retention_days",
        "throttle.rate_per_s",
        "throttle.burst",
        "cors_origins.0",
        "service_limits.USD",
        "reserved_concurrency.credits.[key]",
        "surplus",
    }


def test_a_missing_setting_is_a_mistake() -> None:
    """There are no defaults for what differs between stages."""
    partial = {key: value for key, value in STAGES["staging"].items() if key != "throttle"}

    with pytest.raises(StageError, match=r"throttle: Field required"):
        load_stage("staging", {"staging": partial})


@pytest.mark.parametrize(("name", "stages"), [("nowhere", STAGES), (None, STAGES), ("local", None), ("x", {"x": 1})])
def test_an_unknown_stage_is_refused(name: object, stages: object) -> None:
    """With the names of those that exist."""
    with pytest.raises(StageError, match=r"is not in the context's `stages` \((local, staging, production|none|x)\)"):
        load_stage(name, stages)


def test_only_known_names_are_stages() -> None:
    """What protects the data hangs on the name, so that a new one has to be thought about."""
    with pytest.raises(StageError, match="name: Input should be 'local', 'staging' or 'production'"):
        load_stage("prod", {"prod": STAGES["production"]})


def test_every_mistake_about_providers_is_named() -> None:
    """Also what one setting makes a mistake of another, beside mistakes in both."""
    wrong = {
        **STAGES["production"],
        "providers": {
            "stripe": provider("stripe", allowlist=None, tolerance_s=0, api_key="sk_live_x"),
            "paystack": provider("paystack", environment=None, base_url="http://api.paystack.co"),
            "moonpay": provider("moonpay", allowlist=["0.0.0.0/0", "10.0.0.1/8"], addresses={"ETH": ""}),
            "truelayer": provider("truelayer", trusted_jku=["webhooks.truelayer.com"], jwks_url="{nowhere}/jwks"),
            "ramp": provider("ramp", allowlist=[], environment="demo"),
            "paypal": provider("paystack"),
        },
        "webhook_retries_s": [60, 0, 43_201],
        "webhook_grace_s": "120",
        "webhook_visibility_s": 359,
        "webhook_concurrency": 1,
    }

    with pytest.raises(StageError) as caught:
        load_stage("production", {"production": wrong})

    assert {line.split(": ")[0].strip() for line in str(caught.value).splitlines()[1:]} == {
        "public_url",
        "providers.stripe.allowlist",
        "providers.stripe.tolerance_s",
        "providers.stripe.api_key",
        "providers.paystack.environment",
        "providers.paystack.base_url",
        "providers.moonpay.allowlist.1",
        "providers.moonpay.addresses.ETH",
        "providers.truelayer.trusted_jku.0",
        "providers.truelayer.jwks_url",
        "providers.ramp.allowlist",
        "providers.ramp.environment",
        "providers.paypal.[key]",
        "webhook_retries_s.1",
        "webhook_retries_s.2",
        "webhook_grace_s",
        "webhook_visibility_s",
        "webhook_concurrency",
    }


@pytest.mark.parametrize("name", example()["providers"])
def test_production_says_of_each_provider_where_its_webhooks_come_from(name: str) -> None:
    """Any address will do, if somebody wrote so."""
    assert connected(providers={name: provider(name, allowlist=["0.0.0.0/0", "::/0"])}).providers

    with pytest.raises(StageError, match=rf"providers\.{name}\.allowlist: .*has to say where webhooks come from"):
        connected(providers={name: provider(name, allowlist=None)})


def test_elsewhere_an_allowlist_is_optional_and_test_money_is_welcome() -> None:
    """Webhooks of a sandbox come from anywhere."""
    stage = load_stage(
        "staging",
        {
            "staging": {
                **STAGES["staging"],
                "public_url": "https://staging.example.com/wallet",
                "providers": {"stripe": provider("stripe", allowlist=None, environment="test")},
            }
        },
    )

    assert stage.providers["stripe"].allowlist is None


@pytest.mark.parametrize(
    "url", ["http://wallet.example.com", "https://wallet.example.com/", "https://wallet.example.com?x", "wallet"]
)
def test_the_public_address_is_one_that_a_path_can_follow(url: str) -> None:
    """Some providers sign the whole of it."""
    with pytest.raises(StageError, match="public_url"):
        connected(public_url=url)


def test_without_providers_no_address_is_needed() -> None:
    """As the stages come."""
    assert load_stage("production", STAGES).public_url is None
    with pytest.raises(StageError, match=r"public_url: .*where to send their webhooks"):
        connected(public_url=None)


def test_the_sandbox_is_where_the_context_says() -> None:
    """However deep its name stands."""
    local = load_stage("local", STAGES, "http://127.0.0.1:9999")

    assert local.providers["stripe"].base_url == "http://127.0.0.1:9999/stripe"
    assert "{sandbox}" not in local.model_dump_json()
    assert load_stage("local", STAGES).providers["stripe"].base_url == "http://127.0.0.1:4568/stripe"


def test_the_local_cloud_has_every_provider() -> None:
    """And waits for seconds where AWS waits for minutes."""
    local = load_stage("local", STAGES)

    assert set(local.providers) == set(example()["providers"])
    assert {settings.environment for settings in local.providers.values()} == {"test"}
    assert sum(local.webhook_retries_s) < 10


def test_the_example_of_the_guide_names_every_published_address() -> None:
    """Paystack has three, Stripe fifteen."""
    stage = connected()

    assert stage.providers["paystack"].allowlist == ["52.31.139.75", "52.49.173.169", "52.214.14.220"]
    assert len(set(stage.providers["stripe"].allowlist or [])) == 15
    tolerances = {name: settings.tolerance_s for name, settings in stage.providers.items()}
    assert tolerances == {
        "stripe": 300,
        "moonpay": 300,
        "truelayer": 300,
        "stellar": 120,
        "paystack": None,
        "ramp": None,
    }


def test_both_sides_read_the_same_settings_of_a_provider() -> None:
    """Infrastructure does not import the product, so their shapes are compared here."""
    fields = {name: field.is_required() for name, field in ProviderSettings.model_fields.items()}

    assert fields == {name: field.is_required() for name, field in ProviderSetting.model_fields.items()}
    assert set(get_args(ProviderName)) == set(Provider)
    for stage in (connected(), load_stage("local", STAGES)):
        for settings in stage.providers.values():
            ProviderSetting.model_validate_json(settings.model_dump_json())


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ({"floor": "1000"}, "credit_spikes.USD.owner_floor"),
        ({"floor": 1000, "owner_floor": "1"}, "credit_spikes.USD.floor"),
        ({"floor": "1", "owner_floor": "1", "factor": 1}, "credit_spikes.USD.factor"),
        ({"floor": "1", "owner_floor": "1", "window_s": 7200}, "credit_spikes.USD.window_s"),
        ({"floor": "1", "owner_floor": "1", "ceiling": "2"}, "credit_spikes.USD.ceiling"),
    ],
)
def test_mistakes_about_spikes_are_named(setting: dict[str, object], path: str) -> None:
    """Before anything is deployed."""
    stage = {**file_context()["stages"]["staging"], "credit_spikes": {"USD": setting}}
    with pytest.raises(StageError, match=path):
        load_stage("staging", {"staging": stage})
