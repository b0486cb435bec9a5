"""Call a provider's HTTP API: bounded in time and size, and repeated only where that does nothing twice."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from tallystick.adapters.providers.reading import D, parse
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable

CONNECT_TIMEOUT_S: Final = 1
READ_TIMEOUT_S: Final = 4
MAX_ANSWER_BYTES: Final = 1024 * 1024
PAUSES_S: Final = (0.3,)
"""Before each further try. Two calls that get no answer fit into the half minute that API Gateway waits."""

ITEMS: Final = "items of the list"
"""Names what is in an answer that is a list: no member of an object is called so."""

_PART_BYTES: Final = 64 * 1024
_ANSWERED: Final = frozenset({2, 4})
"""Hundreds of statuses that grant or refuse; others send elsewhere, or mean: not now."""

_NOT_NOW: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
"""A conflict is a request with the same idempotency key that is still being carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold an answer; what it says must not get into a message, it may hold secrets."""

    provider: str
    status: int
    body: Mapping[str, Any]

    def read(self, model: type[D]) -> D:
        """Read an answer that grants what was asked for.

        Raises:
            ProviderRefused: it does not.
            ProviderUnavailable: it is not what the provider documents.
        """
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise ProviderRefused(f"{self.provider} refused it ({self.status}).", provider=self.provider)
        try:
            return model.model_validate(self.body)
        except ValidationError:
            raise _unavailable(self.provider, "answered what it does not document") from None

    def find(self, model: type[D]) -> D | None:
        """Read an answer, or nothing when there is no such thing.

        Raises:
            ProviderRefused, ProviderUnavailable: see `read`.
        """
        return None if self.status == HTTPStatus.NOT_FOUND else self.read(model)


class ProviderHttp:
    """Hold the connections to one address."""

    def __init__(
        self, provider: str, base_url: str, read_timeout_s: float | None = None, patience_s: float = 0
    ) -> None:
        """Name the provider and its address; nothing is opened before the first call.

        `patience_s` is how long one try may wait when the provider says that it is asked too often.
        """
        self._provider = provider
        self._base_url = base_url.rstrip("/")
        self._patience_s = patience_s
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_timeout_s or READ_TIMEOUT_S)
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=4, timeout=timeout, retries=False)

    def get(self, path: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None) -> Reply:
        """Read something.

        Raises:
            ProviderUnavailable: no answer, or not now.
        """
        address = f"{path}?{urlencode(query)}" if query else path
        return self._call("GET", address, headers, None, repeatable=True)

    def post(self, path: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool) -> Reply:
        """Write something; it is `repeatable` when the provider does the same request only once.

        Raises:
            ProviderUnavailable: no answer, or not now; whether it was done is unknown.
        """
        return self._call("POST", path, headers, body, repeatable=repeatable)

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool
    ) -> Reply:
        for pause_s in PAUSES_S if repeatable else ():
            try:
                return self._try(method, path, headers, body)
            except ProviderUnavailable:
                time.sleep(pause_s)
        return self._try(method, path, headers, body)

    def _try(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        try:
            status, text = self._exchange(method, path, headers, body)
        except HTTPError as error:
            # Not chained: the text of these errors holds the address, and an address may hold a token.
            raise _unavailable(self._provider, f"did not answer ({type(error).__name__})") from None
        if status in _NOT_NOW or status // 100 not in _ANSWERED:
            raise _unavailable(self._provider, f"answered {status}")
        return Reply(self._provider, status, self._parsed(status, text))

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes | None]:
        """Ask again when the provider says, if that is soon enough."""
        left_s = self._patience_s
        while True:
            status, text, retry_after = self._exchange_once(method, path, headers, body)
            wait_s = _seconds(retry_after)
            if status != HTTPStatus.TOO_MANY_REQUESTS or wait_s > left_s:
                return status, text
            left_s -= wait_s
            time.sleep(wait_s)

    def _exchange_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes | None, str | None]:
        """Send and receive, and hear when to come again; too long an answer is none."""
        sent = {"Accept": "application/json", **headers}
        url = self._base_url + path
        answer = self._pool.request(method, url, body, headers=sent, redirect=False, preload_content=False)
        text, retry_after = bytearray(), answer.headers.get("Retry-After")
        for part in answer.stream(_PART_BYTES, decode_content=False):
            text += part
            if len(text) > MAX_ANSWER_BYTES:
                answer.close()
                return answer.status, None, retry_after
        return answer.status, bytes(text), retry_after

    def _parsed(self, status: int, text: bytes | None) -> Mapping[str, Any]:
        refused = status >= HTTPStatus.BAD_REQUEST
        try:
            value = None if text is None else parse(text)
        except ValueError:
            value = None
        if isinstance(value, dict):
            return value
        if isinstance(value, list) and not refused:
            return {ITEMS: value}
        if refused:
            return {}
        raise _unavailable(self._provider, "answered what it does not document")


def _seconds(retry_after: str | None) -> int:
    """Read how long to wait; a date, or nothing, is a second."""
    return max(1, int(retry_after)) if retry_after and re.fullmatch("[0-9]{1,4}", retry_after) else 1


def _unavailable(provider: str, what: str) -> ProviderUnavailable:
    return ProviderUnavailable(f"{provider} {what}; try again.", provider=provider)
