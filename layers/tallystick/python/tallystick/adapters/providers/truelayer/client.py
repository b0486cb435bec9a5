"""Call TrueLayer's API: with a token that is renewed, and signed where something is written."""

import time
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import ProviderHttp, Reply
from tallystick.adapters.providers.reading import Document, Text, Units
from tallystick.domain.money import Asset
from tallystick.domain.webhooks import Provider
from tallystick.settings import ProviderSetting

_EARLY_S: Final = 60
"""A token is renewed so long before it ends."""

_NOT_TAKEN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class _Token(Document):
    access_token: Text
    expires_in: Units


class TrueLayerClient(ProviderGateway):
    """Hold the token; what speaks of payments or of payouts does the rest."""

    provider = Provider.TRUELAYER

    def __init__(
        self,
        setting: ProviderSetting,
        secrets: Callable[[], Mapping[str, str]],
        assets: Mapping[str, Asset],
        public_url: str,
    ) -> None:
        """Keep the configuration; tokens come from the host beside the API's (auth.truelayer.com)."""
        super().__init__(setting, secrets, assets, public_url)
        self._auth = ProviderHttp(self.provider, setting.base_url.replace("://api.", "://auth.", 1))
        self._token: tuple[str, float] = "", 0.0

    def _get(
        self, path: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask.

        Raises:
            ProviderRefused: it gives us no token.
            ProviderUnavailable: no answer, or not now.
        """
        return self._with_token(lambda token: self._http.get(path, {**token, **(headers or {})}, query))

    def _post(self, path: str, flow_id: str, body: bytes, *, repeatable: bool) -> Reply:
        """Write something, signed and under the idempotency key of one of our ids.

        Raises:
            ProviderRefused: it gives us no token.
            ProviderUnavailable: no answer, or not now; whether it was done is unknown.
        """
        # Imported here: a webhook is read without it.
        from tallystick.adapters.providers.truelayer.signing import IDEMPOTENCY_HEADER, sign_post

        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"tallystick:{flow_id}"))
        headers = {
            "Content-Type": "application/json",
            IDEMPOTENCY_HEADER: key,
            "Tl-Signature": sign_post(
                private_key=self._secret("private_key"),
                key_id=self._secret("key_id"),
                path=path,
                idempotency_key=key,
                body=body,
            ),
        }
        return self._with_token(lambda token: self._http.post(path, {**token, **headers}, body, repeatable=repeatable))

    def _with_token(self, call: Callable[[Mapping[str, str]], Reply]) -> Reply:
        """Call; once more with another token when this one is not taken any more: then nothing was done."""
        reply = call(self._headers())
        if reply.status not in _NOT_TAKEN:
            return reply
        self._token = "", 0.0
        return call(self._headers())

    def _headers(self) -> dict[str, str]:
        token, ends_at = self._token
        if time.monotonic() >= ends_at:
            token, ends_at = self._token = self._new_token()
        return {"Authorization": f"Bearer {token}"}

    def _new_token(self) -> tuple[str, float]:
        fields = {
            "grant_type": "client_credentials",
            "client_id": self._configured("client_id"),
            "client_secret": self._secret("client_secret"),
            "scope": "payments",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked_at = time.monotonic()
        # Repeatable: a second token takes nothing from the first.
        reply = self._auth.post("/connect/token", headers, urlencode(fields).encode(), repeatable=True)
        token = reply.read(_Token)
        return token.access_token, asked_at + token.expires_in - _EARLY_S
