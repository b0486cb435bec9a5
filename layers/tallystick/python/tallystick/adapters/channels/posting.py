"""Post JSON to a web hook: bounded in time and size, and repeated while it does not answer."""

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError

from tallystick.domain.errors import ProviderRefused, ProviderUnavailable

TIMEOUT: Final = urllib3.Timeout(connect=1, read=4)
PAUSES_S: Final = (0.3, 1.0)
"""Before each further try."""

_NOT_NOW: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class Poster:
    """Hold the connections to one service."""

    def __init__(self, name: str) -> None:
        """Name the service; nothing is opened before the first call."""
        self._name = name
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, timeout=TIMEOUT, retries=False)

    def post(self, url: str, body: Mapping[str, Any]) -> None:
        """Send a body; the address may be a secret, so no message names it.

        Raises:
            ProviderUnavailable: no answer, or not now.
            ProviderRefused: it was not taken.
        """
        for pause_s in PAUSES_S:
            try:
                return self._try(url, body)
            except ProviderUnavailable:
                time.sleep(pause_s)
        return self._try(url, body)

    def _try(self, url: str, body: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._pool.request("POST", url, json.dumps(body), headers=headers, redirect=False)
        except HTTPError as error:
            # Not chained: the text of these errors holds the address.
            raise ProviderUnavailable(
                f"{self._name} did not answer ({type(error).__name__}); try again.", provider=self._name
            ) from None
        if answer.status in _NOT_NOW or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ProviderUnavailable(f"{self._name} answered {answer.status}; try again.", provider=self._name)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise ProviderRefused(f"{self._name} refused it ({answer.status}).", provider=self._name)
