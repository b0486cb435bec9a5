"""Read all transfers that there are, page by page."""

from typing import Any

from pynamodb.connection import Connection

from tallystick.adapters.dynamo import items
from tallystick.adapters.dynamo.connection import troubles
from tallystick.adapters.dynamo.streams import transfer
from tallystick.adapters.dynamo.tables import TransferItem
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.tallies import Rejected
from tallystick.domain.transfers import Transfer
from tallystick.services.ports.paging import Page


class DynamoTransferRecords:
    """Implement `tallystick.services.ports.tallies.TransferRecords` on the bound table."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the table is bound to."""
        self._connection = connection

    def scan(self, segment: int, segments: int, after: str | None) -> Page[Transfer | Rejected]:
        """Scan one page, up to a megabyte of records."""
        with troubles():
            found: dict[str, Any] = self._connection.scan(
                TransferItem.Meta.table_name,
                filter_condition=TransferItem.item == items.TRANSFER,
                segment=segment,
                total_segments=segments,
                exclusive_start_key=after,
                consistent_read=True,
            )
        following = found.get("LastEvaluatedKey")
        return Page([_read(image) for image in found["Items"]], following["transfer_key"]["S"] if following else None)


def _read(image: dict[str, Any]) -> Transfer | Rejected:
    try:
        return transfer(image)
    except InvariantViolated as fault:
        return Rejected(image["transfer_key"]["S"], str(fault))
