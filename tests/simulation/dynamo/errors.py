"""Say no as DynamoDB does (AWS: "Error handling with DynamoDB", API_TransactWriteItems)."""

from collections.abc import Sequence
from typing import Any, Final

CONDITION_FAILED: Final = "ConditionalCheckFailed"
CONFLICT: Final = "TransactionConflict"
INVALID: Final = "ValidationError"

MESSAGES: Final = {
    CONDITION_FAILED: "The conditional request failed",
    CONFLICT: "Transaction is ongoing for the item",
}


class Refused(Exception):
    """Is an error answer: `reasons` are those of a cancelled transaction, `item` is what a failed condition found."""

    def __init__(
        self, code: str, message: str, *, reasons: Sequence[dict[str, Any]] = (), item: dict[str, Any] | None = None
    ) -> None:
        """Keep what the answer says."""
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.reasons = list(reasons)
        self.item = item


def invalid(message: str) -> Refused:
    """Refuse a request that no repetition will make better."""
    return Refused("ValidationException", message)


def cancelled(reasons: Sequence[dict[str, Any]]) -> Refused:
    """Cancel a transaction; there is a reason for each of its items, in their order."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return Refused("TransactionCanceledException", text, reasons=reasons)


def reason(code: str, message: str | None = None) -> dict[str, Any]:
    """Give one item's reason in the form of the wire."""
    return {"Code": code, "Message": message or MESSAGES[code]}
