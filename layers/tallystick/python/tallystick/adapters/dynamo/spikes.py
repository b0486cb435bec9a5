"""Keep spikes of credits, and read the counts that `tallies` writes."""

from collections.abc import Iterable
from typing import Final

from pynamodb.connection import Connection
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.connection import read_one, troubles
from tallystick.adapters.dynamo.tables import OperationItem, SpikeItem, TallyItem
from tallystick.adapters.dynamo.tallies import counter
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.spikes import KEPT_MS, Spike

LISTED: Final = "spike"


class DynamoSpikes:
    """Implement `tallystick.services.ports.spikes.Spikes` on the bound table."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the table is bound to."""
        self._connection = connection

    def counts(self, windows: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Ask for the counts, a hundred a call."""
        asked = {counter(subject, begins_ms): (subject, begins_ms) for subject, begins_ms in windows}
        with troubles():
            found = list(TallyItem.batch_get(list(asked), consistent_read=True)) if asked else []
        return dict.fromkeys(asked.values(), 0) | {asked[item.operation_key]: item.units for item in found}

    def get(self, subject: str) -> Spike | None:
        """Read it."""
        item = read_one(SpikeItem, _key(subject))
        return None if item is None else _spike(item)

    def save(self, spike: Spike) -> bool:
        """Write the next version in a transaction, like all that tallying writes."""
        item = SpikeItem(_key(spike.subject), subject=spike.subject, begins_ms=spike.begins_ms, version=spike.version)
        if spike.is_open:
            item.listed, item.listed_at_ms = LISTED, spike.begins_ms
        else:
            item.expires_at_s = (spike.begins_ms + KEPT_MS) // 1000
        is_new = SpikeItem.operation_key.does_not_exist()
        unchanged = is_new if spike.version == 1 else SpikeItem.version == spike.version - 1
        transaction = TransactWrite(connection=self._connection)
        transaction.save(item, condition=unchanged)
        return is_written(transaction)

    def open(self) -> list[Spike]:
        """Ask the index for the keys, then read the spikes themselves."""
        with troubles():
            keys = [item.operation_key for item in OperationItem.listed_index.query(LISTED)]
            found = list(SpikeItem.batch_get(keys, consistent_read=True)) if keys else []
        return [spike for spike in map(_spike, found) if spike.is_open]


def _spike(item: SpikeItem) -> Spike:
    return Spike(item.subject, item.begins_ms, is_open=item.listed is not None, version=item.version)


def _key(subject: str) -> str:
    return f"spike#{subject}"
