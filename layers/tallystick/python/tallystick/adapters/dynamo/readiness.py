"""Find out whether the tables answer, and how fast."""

import time
from collections.abc import Iterable

from pynamodb.exceptions import DoesNotExist, PynamoDBException
from pynamodb.models import Model

from tallystick.adapters.dynamo.tables import MODELS


def latencies_ms(tables: Iterable[str]) -> dict[str, float | None]:
    """Read an item that is not there from each table, and say how long that took; nothing where it failed."""
    return {name: _latency_ms(MODELS[name]) for name in tables}


def _latency_ms(model: type[Model]) -> float | None:
    started = time.perf_counter()
    range_key = "ready" if model._range_keyname else None  # noqa: SLF001 (PynamoDB has no public name for it)
    try:
        model.get("ready", range_key, consistent_read=True)
    except DoesNotExist:
        pass
    except PynamoDBException:
        return None
    return round((time.perf_counter() - started) * 1000, 1)
