"""Fetch the keys that TrueLayer publishes for its webhooks."""

import json
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Final

import urllib3

from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.webhooks import Provider

MAX_BYTES: Final = 100_000
_TIMEOUT: Final = urllib3.Timeout(connect=1, read=2)


def published_keys(url: str) -> Sequence[str]:
    """Fetch a JWKS; each key is the JSON text of one JWK.

    Raises:
        ProviderUnavailable: it cannot be had, and nothing can be judged until it can.
    """
    try:
        answer = _pool().request("GET", url, redirect=False, preload_content=False)
        keys = json.loads(answer.read(MAX_BYTES))["keys"] if answer.status == HTTPStatus.OK else None
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        keys = None
    if not isinstance(keys, list):
        raise ProviderUnavailable("TrueLayer's keys cannot be fetched.", provider=Provider.TRUELAYER)
    return [json.dumps(key) for key in keys]


@cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(timeout=_TIMEOUT, retries=urllib3.Retry(1, redirect=False))
