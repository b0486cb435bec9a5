"""Know the keys that webhooks are checked with: secrets of ours, and TrueLayer's published ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tallystick.adapters.caching import Fetched
from tallystick.domain.webhooks import Provider


class WebhookKeys:
    """Implement `tallystick.services.ports.providers.KeyRing`."""

    def __init__(self, secret: Callable[[], Mapping[str, Any]], jwks: Callable[[], Sequence[str]]) -> None:
        """Take how to read the secret, `{provider: [keys]}`, and how to fetch TrueLayer's keys."""
        self._secret = Fetched(secret)
        self._jwks = Fetched(jwks)

    def keys(self, provider: Provider) -> Sequence[str]:
        """Give a provider's keys, at most five minutes old."""
        if provider is Provider.TRUELAYER:
            return self._jwks.value()
        return _texts(self._secret.value().get(provider))

    def renewed(self, provider: Provider) -> Sequence[str]:
        """Give a provider's keys, at most half a minute old."""
        if provider is Provider.TRUELAYER:
            return self._jwks.renewed()
        return _texts(self._secret.renewed().get(provider))


def _texts(keys: object) -> list[str]:
    """Read a list of keys, or a single one."""
    listed = keys if isinstance(keys, list) else [keys]
    return [key for key in listed if isinstance(key, str) and key]
