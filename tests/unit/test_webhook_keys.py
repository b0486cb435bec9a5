"""Whose keys are read from where, and how old they may be."""

import time
from typing import Any

import pytest

from tallystick.adapters.providers.keys import WebhookKeys
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.webhooks import Provider


class Vault:
    """Hold a secret and TrueLayer's keys, and list which of them was read."""

    def __init__(self) -> None:
        """Start with one key each."""
        self.secret: dict[str, Any] = {"stripe": ["whsec_1"], "ramp": "pem", "truelayer": ["never read"]}
        self.jwks = ["jwk_1"]
        self.read: list[str] = []
        self.now_s = 0.0

    def read_secret(self) -> dict[str, Any]:
        self.read.append("secret")
        return self.secret

    def fetch_jwks(self) -> list[str]:
        self.read.append("jwks")
        return self.jwks


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    vault = Vault()
    monkeypatch.setattr(time, "monotonic", lambda: vault.now_s)
    return vault


@pytest.fixture
def keys(vault: Vault) -> WebhookKeys:
    return WebhookKeys(vault.read_secret, vault.fetch_jwks)


@pytest.mark.parametrize("provider", Provider)
def test_nothing_is_read_before_a_key_is_needed_and_then_only_where_it_is(
    vault: Vault, keys: WebhookKeys, provider: Provider
) -> None:
    assert vault.read == []
    keys.keys(provider)
    assert vault.read == ["jwks" if provider is Provider.TRUELAYER else "secret"]


def test_truelayers_keys_are_those_that_it_publishes(keys: WebhookKeys) -> None:
    assert keys.keys(Provider.TRUELAYER) == keys.renewed(Provider.TRUELAYER) == ["jwk_1"]


@pytest.mark.parametrize(
    ("stored", "listed"),
    [
        (["one", "two"], ["one", "two"]),
        ("one", ["one"]),
        ([], []),
        ("", []),
        (["", "one"], ["one"]),
        (None, []),
        (7, []),
        ([None, 7, "one"], ["one"]),
        ({"a": "b"}, []),
    ],
)
def test_keys_are_a_list_or_a_single_one_and_what_is_none_is_left_out(
    vault: Vault, keys: WebhookKeys, stored: object, listed: list[str]
) -> None:
    vault.secret = {"stripe": stored}
    assert keys.keys(Provider.STRIPE) == keys.renewed(Provider.STRIPE) == listed


def test_a_provider_that_is_not_in_the_secret_has_no_keys(keys: WebhookKeys) -> None:
    assert keys.keys(Provider.MOONPAY) == keys.renewed(Provider.MOONPAY) == []


def test_all_providers_share_one_reading_of_the_secret(vault: Vault, keys: WebhookKeys) -> None:
    for provider in set(Provider) - {Provider.TRUELAYER}:
        keys.keys(provider)
    assert vault.read == ["secret"]


@pytest.mark.parametrize("provider", [Provider.STRIPE, Provider.TRUELAYER])
def test_a_key_that_was_rotated_is_known_at_once_to_who_asks_anew_and_in_five_minutes_to_all(
    vault: Vault, keys: WebhookKeys, provider: Provider
) -> None:
    old = keys.keys(provider)
    vault.secret, vault.jwks = {"stripe": ["new"]}, ["new"]
    vault.now_s = 29
    assert keys.renewed(provider) == old
    vault.now_s = 30
    assert keys.keys(provider) == old
    assert keys.renewed(provider) == keys.keys(provider) == ["new"]


def test_keys_that_cannot_be_read_are_not_taken_for_none(vault: Vault, keys: WebhookKeys) -> None:
    def down() -> dict[str, Any]:
        raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable):
        WebhookKeys(down, vault.fetch_jwks).keys(Provider.STRIPE)
    with pytest.raises(StoreUnavailable):
        WebhookKeys(down, vault.fetch_jwks).renewed(Provider.STRIPE)
    assert keys.keys(Provider.STRIPE) == ["whsec_1"]
