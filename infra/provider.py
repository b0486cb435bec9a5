"""Check how a stage is connected to a payment provider: the shape that the functions read from their environment."""

import re
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

ProviderName = Literal["moonpay", "paystack", "ramp", "stellar", "stripe", "truelayer"]

SANDBOX: Final = "{sandbox}"
"""Stands in a provider's texts for the address of the sandbox, which only the local cloud knows."""

_URL: Final = re.compile(r"(?P<scheme>https?)://[^\s/?#{}]+(/[^\s{}]*)?")


class Rest(NamedTuple):
    """Tell a check of one field what it has to know of the rest, where a field with a mistake would be missing."""

    stage: str
    has_providers: bool


def rest_of(info: ValidationInfo) -> Rest:
    """Read what the validation was started with."""
    if not isinstance(info.context, Rest):
        raise TypeError("Validate with `context=Rest(...)`.")
    return info.context


def _url(text: str, info: ValidationInfo) -> str:
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not the address of a web server")
    if found["scheme"] != "https" and rest_of(info).stage != "local":
        raise ValueError("keys and money need https")
    return text


def _network(text: str) -> str:
    ip_network(text)
    return text


Url = Annotated[str, AfterValidator(_url)]
Networks = Annotated[list[Annotated[str, AfterValidator(_network)]], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]


class ProviderSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Configure one provider; what each field means stands in docs/deploy.md. Keys are in the secrets, not here."""

    environment: Annotated[Literal["test", "live"], Field(validate_default=True)] = "test"
    base_url: Url
    checkout_url: Url | None = None
    return_url: Url | None = None
    allowlist: Annotated[Networks | None, Field(validate_default=True)] = None
    tolerance_s: Annotated[int, Field(gt=0)] | None = None
    assets: dict[Text, Text] = {}
    addresses: dict[Text, Text] = {}
    publishable_key: Text | None = None
    client_id: Text | None = None
    merchant_account_id: Text | None = None
    jwks_url: Url | None = None
    trusted_jku: list[Url] = []
    ageing_s: Annotated[int, Field(gt=0)] = 7200

    @field_validator("environment")
    @classmethod
    def _live_in_production(cls, environment: str, info: ValidationInfo) -> str:
        if environment == "test" and rest_of(info).stage == "production":
            raise ValueError("production would credit test money as if it were real")
        return environment

    @field_validator("allowlist")
    @classmethod
    def _decided_in_production(cls, networks: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if networks is None and rest_of(info).stage == "production":
            raise ValueError(
                "production has to say where webhooks come from; "
                'for a provider that publishes no addresses that is ["0.0.0.0/0", "::/0"]'
            )
        return networks


def locate_sandbox(value: Any, url: str) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    """Put the sandbox's address in place of its name, however deep it stands."""
    match value:
        case str():
            return value.replace(SANDBOX, url)
        case list():
            return [locate_sandbox(item, url) for item in value]
        case dict():
            return {name: locate_sandbox(item, url) for name, item in value.items()}
        case _:
            return value
