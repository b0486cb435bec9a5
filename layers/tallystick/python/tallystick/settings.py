"""Read a function's environment once, typed, and name everything that is wrong in one message."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, Json, ValidationError

from tallystick.domain.errors import TallystickError
from tallystick.domain.money import DEFAULT_ASSETS, Asset, parse_amount

PREFIX = "TALLYSTICK_"


def _decimal(text: str) -> str:
    parse_amount(text, Asset("limit", 18))
    return text


class ConfigurationError(TallystickError):
    """The environment lacks a value or holds a wrong one; the message names all of them."""


class AssetSetting(BaseModel):
    """Configure one asset; its scale must never change once wallets hold it."""

    scale: Annotated[int, Field(ge=0, le=18)]
    kind: str = "fiat"


class Settings(BaseModel, frozen=True):
    """Hold what the environment says; a function is given only what it uses."""

    stage: Literal["local", "staging", "production"]
    accounts_table: str | None = None
    entries_table: str | None = None
    transfers_table: str | None = None
    user_pool_client_id: str | None = None
    alerts_topic_arn: str | None = None
    configured_assets: Annotated[Json[dict[str, AssetSetting]] | None, Field(alias="assets")] = None
    service_limits: Json[dict[str, Annotated[str, AfterValidator(_decimal)]]] = {}

    @property
    def assets(self) -> dict[str, Asset]:
        """Give the configured assets, or the ones that Tallystick comes with."""
        if self.configured_assets is None:
            return DEFAULT_ASSETS
        return {code: Asset(code, asset.scale, asset.kind) for code, asset in self.configured_assets.items()}

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
