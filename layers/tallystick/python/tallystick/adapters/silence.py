"""Name what the AWS SDK raises when there is no answer."""

from typing import Final

from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError

SILENCE: Final = (HTTPClientError, BotoConnectionError)
"""Refused, reset, timed out."""
