"""Find out whether the tables answer."""

from pynamodb.exceptions import DoesNotExist, PynamoDBException
from pynamodb.models import Model

from tallystick.adapters.dynamo.tables import AccountItem, EntryItem, TransferItem

_PROBES: dict[str, tuple[type[Model], str | None]] = {
    "accounts": (AccountItem, None),
    "entries": (EntryItem, "ready"),
    "transfers": (TransferItem, None),
}


def answering() -> dict[str, bool]:
    """Read an item that is not there from each table; false where that fails."""
    return {name: _answers(model, range_key) for name, (model, range_key) in _PROBES.items()}


def _answers(model: type[Model], range_key: str | None) -> bool:
    try:
        model.get("ready", range_key, consistent_read=True)
    except DoesNotExist:
        return True
    except PynamoDBException:
        return False
    return True
