"""Read a function's environment once, typed, and name everything that is wrong in one message."""

import os
from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, Json, ValidationError, ValidationInfo, field_validator

from tallystick.domain.alerts import Priority, Severity
from tallystick.domain.errors import InvalidAmount, TallystickError
from tallystick.domain.money import DEFAULT_ASSETS, MAX_SCALE, Asset, parse_amount
from tallystick.domain.webhooks import Environment, Provider

PREFIX = "TALLYSTICK_"


def _expressed_in(asset: Asset, text: str) -> str:
    try:
        parse_amount(text, asset)
    except InvalidAmount as fault:
        raise ValueError(fault.detail) from fault
    return text


_Decimal = Annotated[str, AfterValidator(partial(_expressed_in, Asset("any asset", MAX_SCALE)))]


class ConfigurationError(TallystickError):
    """The environment lacks a value or holds a wrong one; the message names all of them."""


class AssetSetting(BaseModel):
    """Configure one asset; its scale must never change once wallets hold it."""

    scale: Annotated[int, Field(ge=0, le=MAX_SCALE)]
    kind: str = "fiat"


class ProviderSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure one payment provider; secrets are elsewhere.

    `allowlist` names the networks that its webhooks come from (None: any). `tolerance_s` is how far the signed time of
    a webhook may be from now, both ways (None: any, but a stale one is confirmed with the provider).
    `assets` and `addresses` give, for our asset codes, the provider's names and our own addresses that it delivers to.
    `ageing_s` is after how long its books and ours have to agree.
    """

    environment: Environment = "test"
    base_url: str
    checkout_url: str | None = None
    return_url: str | None = None
    allowlist: list[IPv4Network | IPv6Network] | None = None
    tolerance_s: Annotated[int | None, Field(gt=0)] = None
    assets: dict[str, str] = {}
    addresses: dict[str, str] = {}
    publishable_key: str | None = None
    client_id: str | None = None
    merchant_account_id: str | None = None
    jwks_url: str | None = None
    trusted_jku: list[str] = []
    ageing_s: Annotated[int, Field(gt=0)] = 7200


class WithdrawalSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure how one asset is withdrawn; amounts are decimal strings of it.

    Above `automatic` a person decides (None: about all). `fee` and `fee_percent` of the amount are charged together.
    """

    automatic: _Decimal | None = None
    min: _Decimal | None = None
    max: _Decimal | None = None
    daily_amount: _Decimal | None = None
    daily_count: Annotated[int | None, Field(gt=0)] = None
    new_destination_delay_s: Annotated[int, Field(ge=0)] = 0
    fee: _Decimal | None = None
    fee_percent: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,6})?$")] = "0"

    @property
    def amounts(self) -> list[str]:
        """Give what has to fit the asset."""
        amounts = (self.automatic, self.min, self.max, self.daily_amount, self.fee)
        return [amount for amount in amounts if amount is not None]


class ReconciliationSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure how wallets are reconciled; `tallystick.services.reconciling.Rhythm` says what each value does."""

    segments: Annotated[int, Field(gt=0, le=1000)] = 16
    page_size: Annotated[int, Field(gt=0, le=1000)] = 200
    margin_s: Annotated[int, Field(gt=0)] = 120
    every_s: Annotated[int, Field(gt=0)] = 900
    full_every_s: Annotated[int, Field(gt=0)] = 7 * 86_400
    full_pause_s: Annotated[int, Field(ge=0)] = 3600
    look_again_s: Annotated[int, Field(gt=0)] = 10


class AlertSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure one kind of alert."""

    severity: Severity | None = None


class SpikeSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure from when on credits of one asset are unusual; floors are decimal strings of it, for a window."""

    floor: _Decimal
    owner_floor: _Decimal
    factor: Annotated[int, Field(ge=2, le=1000)] = 5
    window_s: Annotated[int, Field(ge=60, le=3600)] = 300


class NotifierSetting(BaseModel, frozen=True, extra="forbid"):
    """Configure where people are told, by priority; keys are in a secret."""

    slack: frozenset[Priority] = frozenset(Priority)
    pagerduty: frozenset[Priority] = frozenset({Priority.P0, Priority.P1})
    pagerduty_url: str = "https://events.pagerduty.com"


def _assets(configured: dict[str, AssetSetting] | None) -> dict[str, Asset]:
    if configured is None:
        return DEFAULT_ASSETS
    return {code: Asset(code, asset.scale, asset.kind) for code, asset in configured.items()}


def _configured(info: ValidationInfo, code: str) -> Asset:
    assets = _assets(info.data.get("configured_assets"))
    if code not in assets:
        raise ValueError(f"there is no asset {code}")
    return assets[code]


class Settings(BaseModel, frozen=True):
    """Hold what the environment says; a function is given only what it uses."""

    stage: Literal["local", "staging", "production"]
    accounts_table: str | None = None
    entries_table: str | None = None
    transfers_table: str | None = None
    user_pool_client_id: str | None = None
    alerts_topic_p0_arn: str | None = None
    alerts_topic_p1_arn: str | None = None
    alerts_topic_p2_arn: str | None = None
    alerts: Json[dict[str, AlertSetting]] = {}
    configured_assets: Annotated[Json[dict[str, AssetSetting]] | None, Field(alias="assets")] = None
    service_limits: Json[dict[str, _Decimal]] = {}
    flows_table: str | None = None
    inbox_table: str | None = None
    audit_table: str | None = None
    operations_table: str | None = None
    webhook_queue_url: str | None = None
    webhook_keys_secret: str | None = None
    provider_keys_secret: str | None = None
    public_url: str | None = None
    providers: Json[dict[Provider, ProviderSetting]] = {}
    webhook_retries_s: Json[list[Annotated[int, Field(gt=0, le=43_200)]]] = [60, 300, 900, 1800, 3600]
    webhook_grace_s: Annotated[int, Field(gt=0)] = 120
    deposit_expiry_s: Annotated[int, Field(gt=0)] = 86_400
    withdrawals: Json[dict[str, WithdrawalSetting]] = {}
    payout_queue_url: str | None = None
    reconciliation: Json[ReconciliationSetting] = ReconciliationSetting()
    reconciliation_queue_url: str | None = None
    payout_checks_s: Json[list[Annotated[int, Field(gt=0)]]] = [60, 120, 300, 900, 1800, 3600]
    notifier_keys_secret: str | None = None
    notifier: Json[NotifierSetting] = NotifierSetting()
    jobs: Json[dict[str, Annotated[int, Field(gt=0)]]] = {}
    credit_spikes: Json[dict[str, SpikeSetting]] = {}

    @field_validator("service_limits")
    @classmethod
    def _limits_fit_their_assets(cls, limits: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for code, limit in limits.items():
            _expressed_in(_configured(info, code), limit)
        return limits

    @field_validator("withdrawals")
    @classmethod
    def _rules_fit_their_assets(
        cls, rules: dict[str, WithdrawalSetting], info: ValidationInfo
    ) -> dict[str, WithdrawalSetting]:
        for code, setting in rules.items():
            for amount in setting.amounts:
                _expressed_in(_configured(info, code), amount)
        return rules

    @field_validator("credit_spikes")
    @classmethod
    def _floors_fit_their_assets(cls, spikes: dict[str, SpikeSetting], info: ValidationInfo) -> dict[str, SpikeSetting]:
        for code, setting in spikes.items():
            for floor in (setting.floor, setting.owner_floor):
                _expressed_in(_configured(info, code), floor)
        return spikes

    @property
    def assets(self) -> dict[str, Asset]:
        """Give the configured assets, or the ones that Tallystick comes with."""
        return _assets(self.configured_assets)

    def require(self, *names: str) -> list[str]:
        """Give the values that a function cannot work without.

        Raises:
            ConfigurationError: names all that are missing.
        """
        missing = [PREFIX + name.upper() for name in names if not getattr(self, name)]
        if missing:
            raise ConfigurationError(f"missing in the environment: {', '.join(missing)}")
        return [getattr(self, name) for name in names]


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Validate the environment, by default the process's.

    Raises:
        ConfigurationError: names every value that is missing or wrong.
    """
    variables = os.environ if environment is None else environment
    given = {name.removeprefix(PREFIX).lower(): value for name, value in variables.items() if name.startswith(PREFIX)}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        faults = (f"{PREFIX}{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError("; ".join(faults)) from error
