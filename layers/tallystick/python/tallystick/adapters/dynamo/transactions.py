"""Send transactions, and tell why one was cancelled."""

from typing import Final

from pynamodb.connection import Connection
from pynamodb.exceptions import CancellationReason, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.connection import response_code, troubles
from tallystick.domain.errors import StoreUnavailable

CONFLICTS: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_REFUSED: Final = "ConditionalCheckFailed"


class Cancelled(Exception):
    """Nothing was written: a condition failed, or (without such reasons) another transaction was in the way."""

    def __init__(self, reasons: list[CancellationReason]) -> None:
        """Keep the reasons that DynamoDB reported, which need not be all."""
        super().__init__("transaction cancelled")
        self.refusals = [reason for reason in reasons if reason.code == _REFUSED]


def send(transaction: TransactWrite) -> None:
    """Write all of a transaction or nothing.

    Raises:
        Cancelled: nothing was written.
        StoreUnavailable: whether it was written is unknown.
    """
    with troubles():
        try:
            with transaction:
                pass
        except TransactWriteError as error:
            code = response_code(error)
            reasons = [reason for reason in error.cancellation_reasons if reason]
            if code == "TransactionInProgressException":
                raise Cancelled([]) from error
            if code != "TransactionCanceledException" or {reason.code for reason in reasons} - {_REFUSED} - CONFLICTS:
                raise
            raise Cancelled(reasons) from error


def put_once(connection: Connection, item: Model, *, is_new: Condition) -> None:
    """Put an item unless it is there; in a transaction, for that is all that roles allow on append-only tables.

    Raises:
        StoreUnavailable: it may not be there.
    """
    transaction = TransactWrite(connection=connection)
    transaction.save(item, condition=is_new)
    try:
        send(transaction)
    except Cancelled as cancelled:
        if not cancelled.refusals:
            raise StoreUnavailable("Another transaction was in the way; try again.") from cancelled


def is_written(transaction: TransactWrite) -> bool:
    """Send a transaction; tell whether it was written.

    Raises:
        StoreUnavailable: whether it was written is unknown.
    """
    try:
        send(transaction)
    except Cancelled:
        return False
    return True
