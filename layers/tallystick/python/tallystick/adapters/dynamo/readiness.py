"""Find out whether the tables answer."""

from collections.abc import Iterable

from pynamodb.exceptions import DoesNotExist, PynamoDBException
from pynamodb.models import Model

from tallystick.adapters.dynamo.tables import MODELS


def answering(tables: Iterable[str]) -> dict[str, bool]:
    """Read an item that is not there from each table; false where that fails."""
    return {name: _answers(MODELS[name]) for name in tables}


def _answers(model: type[Model]) -> bool:
    range_key = "ready" if model._range_keyname else None  # noqa: SLF001 (PynamoDB has no public name for it)
    try:
        model.get("ready", range_key, consistent_read=True)
    except DoesNotExist:
        return True
    except PynamoDBException:
        return False
    return True
