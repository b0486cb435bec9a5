"""Open one connection to DynamoDB, and tell its refusals from its troubles."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, PutError, PynamoDBException, UpdateError
from pynamodb.models import Model

from tallystick.adapters.silence import SILENCE
from tallystick.domain.errors import StoreUnavailable

M = TypeVar("M", bound=Model)

CONNECT_TIMEOUT_S: Final = 1
READ_TIMEOUT_S: Final = 3
SDK_RETRIES: Final = 2
"""Tries of the SDK within one call; it repeats a transaction with the same ClientRequestToken, so none runs twice."""

MAX_KEY_BYTES: Final = 2048
CONDITION_FAILED: Final = "ConditionalCheckFailedException"

_TROUBLE: Final = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
"""Codes that mean: not now (AWS: API_TransactWriteItems, API_UpdateItem)."""


def connect(region: str) -> Connection:
    """Prepare a connection; nothing is opened before the first call."""
    return Connection(
        region=region,
        connect_timeout_seconds=CONNECT_TIMEOUT_S,
        read_timeout_seconds=READ_TIMEOUT_S,
        max_retry_attempts=SDK_RETRIES,
    )


def response_code(error: PynamoDBException) -> str | None:
    """Give the code that DynamoDB answered with, or nothing when it did not answer.

    PynamoDB's own `cause_response_code` fails on errors of the connection.
    """
    return None if isinstance(error.cause, SILENCE) else error.cause_response_code


def is_possible_key(text: str) -> bool:
    """Tell whether DynamoDB takes a text as a partition key: it refuses empty ones and those over 2,048 bytes."""
    return 0 < len(text.encode()) <= MAX_KEY_BYTES


@contextmanager
def troubles() -> Iterator[None]:
    """Turn throttling, failures and silence of DynamoDB into one refusal that says: try again.

    Raises:
        StoreUnavailable: whether anything was written is unknown; the idempotency key tells.
    """
    try:
        yield
    except PynamoDBException as error:
        if isinstance(error.cause, SILENCE) or response_code(error) in _TROUBLE:
            raise _unavailable() from error
        raise
    except SILENCE as error:
        raise _unavailable() from error


def read_one(model: type[M], key: str) -> M | None:
    """Read an item consistently by its partition key; one that cannot exist is not asked for.

    Raises:
        StoreUnavailable: DynamoDB throttled, failed or did not answer.
    """
    if not is_possible_key(key):
        return None
    with troubles():
        try:
            return model.get(key, consistent_read=True)
        except DoesNotExist:
            return None


def is_applied(write: Callable[[], object]) -> bool:
    """Carry out one conditional write; tell whether its condition held.

    Raises:
        StoreUnavailable: whether it was written is unknown.
    """
    with troubles():
        try:
            write()
        except (PutError, UpdateError) as error:
            if response_code(error) != CONDITION_FAILED:
                raise
            return False
    return True


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("The ledger did not answer; send the same request with the same Idempotency-Key again.")
