"""Read secrets that are JSON objects from Secrets Manager."""

import json
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from tallystick.adapters.sdk import open_client
from tallystick.adapters.silence import SILENCE
from tallystick.domain.errors import StoreUnavailable


class JsonSecrets:
    """Read one region's secrets."""

    def __init__(self, region: str) -> None:
        """Take the region; nothing is opened before the first read."""
        self._region = region

    def read(self, secret_id: str) -> dict[str, Any]:
        """Read a secret as it is now.

        Raises:
            StoreUnavailable: it cannot be read, or it is not a JSON object.
        """
        try:
            text = self._client.get_secret_value(SecretId=secret_id)["SecretString"]
            secret = json.loads(text)
        except (ClientError, *SILENCE, KeyError, ValueError) as error:
            # Without its cause: what could not be parsed must not reach a log.
            raise StoreUnavailable(f"A secret cannot be read: {type(error).__name__}.") from None
        if not isinstance(secret, dict):
            raise StoreUnavailable("A secret is not a JSON object.")
        return secret

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("secretsmanager", self._region)
