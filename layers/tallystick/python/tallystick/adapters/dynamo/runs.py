"""Keep runs of reconciliation: how far they are among the operations, what they came to in the audit, for good."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter
from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import is_applied, read_one, troubles
from tallystick.adapters.dynamo.tables import KeptItem, OperationItem, VerdictItem
from tallystick.adapters.dynamo.transactions import is_written, put_once
from tallystick.domain.audit import AuditRecord
from tallystick.domain.runs import Mode, Part, Progress, Run, Verdict
from tallystick.domain.times import to_rfc3339

CURRENT: Final = "run#wallets"
SUSPECT: Final = "suspect"


class DynamoRuns:
    """Implement `tallystick.services.ports.runs.Runs` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def current(self) -> Run | None:
        """Read it consistently."""
        item = read_one(KeptItem, CURRENT)
        run: Run | None = _shape(Run).validate_json(item.content) if item else None
        return run

    def save(self, run: Run, audit: AuditRecord | None = None) -> bool:
        """Write the next version if the last one is what stands there, and the audit's record, in one transaction."""
        item = KeptItem(CURRENT, content=_text(run), version=run.version)
        if audit is None:
            return is_applied(lambda: item.save(condition=_is_next(item)))
        transaction = TransactWrite(connection=self._connection)
        transaction.save(item, condition=_is_next(item))
        put_record(transaction, audit)
        return is_written(transaction)

    def segment(self, run_id: str, part: Part, number: int) -> Progress:
        """Read it consistently; what is left there of an earlier run is overwritten by this one's beginning."""
        item = read_one(KeptItem, _key(part, number))
        if item is None:
            return Progress(run_id, part, number)
        progress: Progress = _shape(Progress).validate_json(item.content)
        return progress if progress.run_id == run_id else Progress(run_id, part, number, version=item.version)

    def save_segment(self, progress: Progress) -> bool:
        """Write the next version if the last one is what stands there."""
        key = _key(progress.part, progress.number)
        item = KeptItem(key, content=_text(progress), version=progress.version)
        return is_applied(lambda: item.save(condition=_is_next(item)))

    def conclude(self, verdict: Verdict) -> None:
        """Put a verdict unless it is there."""
        run = verdict.run
        item = VerdictItem(_subject(run.mode), f"{to_rfc3339(run.started_at_ms)}#{run.run_id}", content=_text(verdict))
        put_once(self._connection, item, is_new=VerdictItem.subject.does_not_exist())

    def newest(self, mode: Mode | None = None) -> Verdict | None:
        """Query backwards, consistently."""
        found = [verdict for one in ([mode] if mode else list(Mode)) if (verdict := _newest(one))]
        return max(found, key=lambda verdict: verdict.run.started_at_ms, default=None)


class DynamoSuspects:
    """Implement `tallystick.services.ports.runs.Suspects` on the bound table."""

    def add(self, transfer_id: str, account_ids: Sequence[str]) -> None:
        """Put it on the list."""
        content = _shape(list[str]).dump_json(list(account_ids)).decode()
        with troubles():
            KeptItem(_suspect(transfer_id), content=content, listed=SUSPECT, listed_at_ms=0).save()

    def listed(self, limit: int) -> Mapping[str, Sequence[str]]:
        """Ask the index for keys, then read them consistently."""
        with troubles():
            keys = [item.operation_key for item in OperationItem.listed_index.query(SUSPECT, limit=limit)]
            found = KeptItem.batch_get(keys, consistent_read=True) if keys else ()
            return {
                item.operation_key.partition("#")[2]: _shape(list[str]).validate_json(item.content) for item in found
            }

    def remove(self, transfer_id: str) -> None:
        """Take it off the list."""
        with troubles():
            KeptItem(_suspect(transfer_id)).delete()


@cache
def _shape(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _text(value: Run | Progress | Verdict) -> str:
    kind: Any = type(value)  # mypy takes no type of a dataclass for hashable
    return _shape(kind).dump_json(value, exclude_defaults=True).decode()


def _is_next(item: KeptItem) -> Condition:
    is_next: Condition = KeptItem.operation_key.does_not_exist() | (KeptItem.version == item.version - 1)
    return is_next


def _newest(mode: Mode) -> Verdict | None:
    with troubles():
        found = VerdictItem.query(_subject(mode), scan_index_forward=False, limit=1, consistent_read=True)
        item = next(iter(found), None)
    verdict: Verdict | None = _shape(Verdict).validate_json(item.content) if item else None
    return verdict


def _subject(mode: Mode) -> str:
    return f"reconciliation#{mode}"


def _key(part: Part, number: int) -> str:
    return f"segment#{part}#{number}"


def _suspect(transfer_id: str) -> str:
    return f"{SUSPECT}#{transfer_id}"
