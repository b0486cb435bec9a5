"""Keep the totals of tallied accounts, exactly what the marked transfers add up to."""

from collections.abc import Iterable, Sequence
from typing import Final

from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, TransactGetError, TransactWriteError
from pynamodb.expressions.update import Action
from pynamodb.models import _ModelFuture
from pynamodb.transactions import TransactGet, TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import response_code, troubles
from tallystick.adapters.dynamo.tables import OperationItem, TallyItem
from tallystick.adapters.dynamo.transactions import CONFLICTS, Cancelled, is_written, send
from tallystick.domain.audit import AuditRecord
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.spikes import KEPT_MS
from tallystick.domain.tallies import KEPT_BUCKETS_MS, Sheet, Total, bucket_ends_ms
from tallystick.services.ports.tallies import TallyConflict, TallyRefused

LISTED: Final = "total"
_LISTED: Final[Sequence[Action]] = (TallyItem.listed.set(LISTED), TallyItem.listed_at_ms.set(0))
_UNACCEPTABLE: Final = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError", "ValidationException"})
"""Codes that mean: these data never (AWS: API_TransactWriteItems)."""


class DynamoTallies:
    """Implement `tallystick.services.ports.tallies.Tallies` on the bound table."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the table is bound to."""
        self._connection = connection

    def write(self, sheet: Sheet) -> None:
        """Write everything in one transaction."""
        transaction = TransactWrite(connection=self._connection)
        for transfer_key in sheet.transfer_keys:
            is_new = TallyItem.operation_key.does_not_exist()
            transaction.save(TallyItem(_marker(transfer_key)), condition=is_new)
        for total in sheet.totals.values():
            _add(transaction, _total(total.account_id), total, _LISTED)
        for (account_id, bucket), total in sheet.buckets.items():
            expires_at_s = (bucket_ends_ms(bucket) + KEPT_BUCKETS_MS) // 1000
            _add(transaction, _bucket(account_id, bucket), total, [TallyItem.expires_at_s.set(expires_at_s)])
        for (subject, begins_ms), units in sheet.credits.items():
            expires_at_s = (begins_ms + KEPT_MS) // 1000
            actions: list[Action] = [TallyItem.units.add(units), TallyItem.expires_at_s.set(expires_at_s)]
            transaction.update(TallyItem(counter(subject, begins_ms)), actions=actions)
        _send(transaction)

    def unmarked(self, transfer_keys: Iterable[str]) -> set[str]:
        """Ask for the markers, a hundred a call."""
        asked = {_marker(transfer_key): transfer_key for transfer_key in transfer_keys}
        with troubles():
            found = list(TallyItem.batch_get(list(asked), consistent_read=True)) if asked else []
        return set(asked.values()) - {asked[item.operation_key] for item in found}

    def totals(self) -> list[Total]:
        """Ask the index for the keys, then read the totals themselves."""
        with troubles():
            keys = [item.operation_key for item in OperationItem.listed_index.query(LISTED)]
            found = list(TallyItem.batch_get(keys, consistent_read=True)) if keys else []
        return sorted(map(_read, found), key=lambda total: total.account_id)

    def without(self, account_id: str, buckets: Sequence[int]) -> Total | None:
        """Read everything in one transaction."""
        transaction = TransactGet(connection=self._connection)
        names = [_total(account_id), *(_bucket(account_id, bucket) for bucket in buckets)]
        asked = [transaction.get(TallyItem, name) for name in names]
        _fetch(transaction)
        total, *later = [_found(one) for one in asked]
        for bucket in later:
            total = total.minus(bucket) if total and bucket else total
        return total

    def correct(self, before: Total | None, after: Total, audit: AuditRecord) -> bool:
        """Write the total and the audit's record in one transaction."""
        transaction = TransactWrite(connection=self._connection)
        unchanged = TallyItem.operation_key.does_not_exist()
        if before is not None:
            unchanged = (TallyItem.balance == before.balance) & (TallyItem.postings == before.postings)
        actions: list[Action] = [TallyItem.balance.set(after.balance), TallyItem.postings.set(after.postings)]
        transaction.update(
            TallyItem(_total(after.account_id)), actions=[*actions, *_described(after), *_LISTED], condition=unchanged
        )
        put_record(transaction, audit)
        return is_written(transaction)


def counter(subject: str, begins_ms: int) -> str:
    """Name the item that counts what was credited in a window."""
    return f"credits#{subject}#{begins_ms}"


def _add(transaction: TransactWrite, key: str, total: Total, actions: Sequence[Action]) -> None:
    """Add to a sum as a part of a transaction, which fails when it is in other units or its digits do not suffice."""
    least, most = max(-MAX_UNITS, -MAX_UNITS - total.balance), min(MAX_UNITS, MAX_UNITS - total.balance)
    fits = (TallyItem.asset == total.asset) & (TallyItem.scale == total.scale) & TallyItem.balance.between(least, most)
    transaction.update(
        TallyItem(key),
        actions=[
            TallyItem.balance.add(total.balance),
            TallyItem.postings.add(total.postings),
            *_described(total),
            *actions,
        ],
        condition=TallyItem.operation_key.does_not_exist() | fits,
    )


def _described(total: Total) -> list[Action]:
    return [
        TallyItem.account_id.set(total.account_id),
        TallyItem.asset.set(total.asset),
        TallyItem.scale.set(total.scale),
    ]


def _send(transaction: TransactWrite) -> None:
    try:
        send(transaction)
    except Cancelled as cancelled:
        raise (TallyRefused if cancelled.refusals else TallyConflict) from cancelled
    except TransactWriteError as error:
        codes = {response_code(error), *(reason.code for reason in error.cancellation_reasons if reason)}
        if codes & _UNACCEPTABLE:
            raise TallyRefused from error
        raise


def _fetch(transaction: TransactGet) -> None:
    with troubles():
        try:
            with transaction:
                pass
        except TransactGetError as error:
            if {reason.code for reason in error.cancellation_reasons if reason} & CONFLICTS:
                raise TallyConflict from error
            raise


def _found(asked: "_ModelFuture[TallyItem]") -> Total | None:
    try:
        return _read(asked.get())
    except DoesNotExist:
        return None


def _read(item: TallyItem) -> Total:
    return Total(item.account_id, item.asset, item.scale, item.balance, item.postings)


def _marker(transfer_key: str) -> str:
    return f"tallied#{transfer_key}"


def _total(account_id: str) -> str:
    return f"total#{account_id}"


def _bucket(account_id: str, bucket: int) -> str:
    return f"total#{account_id}#{bucket}"
