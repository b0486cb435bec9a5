"""Build what the totals of tallied accounts need."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tallystick.adapters.clock import pause
from tallystick.services.tallying import TallyOffice
from tallystick.wiring import alerts, tables

if TYPE_CHECKING:
    from tallystick.adapters.dynamo.tallies import DynamoTallies
    from tallystick.domain.transfers import Transfer


@cache
def tallies() -> "DynamoTallies":
    """Connect to the totals."""
    from tallystick.adapters.dynamo.tallies import DynamoTallies

    return DynamoTallies(tables("operations_table"))


@cache
def office() -> TallyOffice:
    """Connect what tallying a stream needs."""
    return TallyOffice(tallies(), alerts(), pause, {})


def read_transfer(image: Mapping[str, Any]) -> "Transfer":
    """Read what the stream of transfers reports; raises InvariantViolated when it cannot be read."""
    from tallystick.adapters.dynamo.streams import transfer

    return transfer(image)
