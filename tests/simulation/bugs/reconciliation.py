"""Mistakes in how the ledger is compared with itself: alarms that are false, and alarms that never come."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from tallystick.adapters.dynamo.raw import MAX_KEYS, RawItem, Reader
from tallystick.domain.errors import NotYet
from tallystick.domain.reconciliation import Checkpoint, Head
from tallystick.domain.runs import Mode, Run, Sums, Verdict
from tallystick.domain.transfers import Record
from tallystick.services import covering, examining, reconciling
from tallystick.services.covering import Cover, _Transfers, cover_accounts
from tallystick.services.examining import Desk, Examined
from tallystick.services.judging import _unconserved, confirmed, judge, tell
from tallystick.services.reconciling import Bureau
from tests.simulation.bugs.planting import Bug, Patch

HOUR_MS: Final = 3_600_000
_TAKE: Final = _Transfers.take


def _examined_once(*, desk: Desk, head: Head, newest: Checkpoint | None, full: bool) -> Examined:
    return examining._Look(desk, desk.quick, head, newest, full=full).taken()


def _take_young_ones(self: _Transfers, transfer_key: str, record: Record | None) -> None:
    run, self._run = self._run, replace(self._run, cut_ms=self._run.started_at_ms + HOUR_MS)
    try:
        _TAKE(self, transfer_key, record)
    finally:
        self._run = run


def _judge_at_once(*, cover: Cover, run: Run, sums: Sums, previous: Verdict | None, now_ms: int) -> Verdict:
    verdict = judge(cover=cover, run=run, sums=sums, previous=previous, now_ms=now_ms)
    if run.mode is Mode.FULL or not verdict.suspicion:
        return verdict
    return replace(verdict, differences=_unconserved(sums, verdict.booked), suspicion=None)


def _read_one_by_one(self: Reader, keys: Sequence[tuple[str, RawItem]]) -> list[RawItem | None]:
    return [self.one(table, key) for table, key in keys]


def _first_answers(self: Reader, table: str, keys: Sequence[RawItem]) -> Iterator[RawItem]:
    for start in range(0, len(keys), MAX_KEYS):
        asked: dict[str, Any] = {table: {"Keys": keys[start : start + MAX_KEYS], "ConsistentRead": self._consistent}}
        yield from self._send("BatchGetItem", {"RequestItems": asked})["Responses"].get(table, ())


def _cover_first_page(
    *, cover: Cover, run: Run, number: int, after: str | None, is_time_up: Callable[[], bool]
) -> tuple[Sums, str | None]:
    sums, _after = cover_accounts(cover=cover, run=run, number=number, after=after, is_time_up=is_time_up)
    return sums, None


def _was_checked(head: Head) -> bool:
    return head.checked is not None and not head.needs_reconciliation


def _kept_before_told(bureau: Bureau, run: Run, sums: Sums, now_ms: int) -> Verdict:
    newest = bureau.runs.newest()
    if newest is not None and newest.run.run_id == run.run_id:
        return newest
    full = bureau.runs.newest(Mode.FULL)
    verdict = judge(cover=bureau.cover, run=run, sums=sums, previous=newest, now_ms=now_ms)
    if run.mode is Mode.FULL:
        verdict = confirmed(verdict, full)
    if (verdict.differences or verdict.suspicion) and run.looked < reconciling.MAX_LOOKS:
        bureau.runs.save(replace(run, looked=run.looked + 1, version=run.version + 1))
        raise NotYet(bureau.rhythm.look_again_ms)
    ended = replace(verdict, run=replace(run, ended_at_ms=now_ms))
    bureau.runs.conclude(ended)
    tell(cover=bureau.cover, verdict=verdict, full=full)
    return ended


def _believed(verdict: Verdict, _earlier: Verdict | None) -> Verdict:
    return verdict


BUGS: Final = (
    Bug(
        name="finding-not-confirmed",
        what="What looks wrong with an account is told without a look at a snapshot.",
        breaks="Reconciliation raises no false alarm: an account, its entries and their transfers are read while they"
        " are being written, or from a replica that lags.",
        area="reconciliation",
        patches=(Patch(covering, "examine", _examined_once),),
    ),
    Bug(
        name="young-transfers-covered",
        what="A full run takes in all transfers, not those before its cut only.",
        breaks="Reconciliation raises no false alarm: totals are told as they were at the cut, and entries of a"
        " transfer may not be visible yet.",
        area="reconciliation",
        patches=(Patch(_Transfers, "take", _take_young_ones),),
    ),
    Bug(
        name="snapshot-of-single-reads",
        what="What should be read at one moment is read one by one.",
        breaks="Reconciliation raises no false alarm: a wallet and its withdrawals, or an account and its hold, are of"
        " different moments.",
        area="reconciliation",
        patches=(Patch(Reader, "at_once", _read_one_by_one),),
    ),
    Bug(
        name="unprocessed-records-missing",
        what="What BatchGetItem leaves in UnprocessedKeys is taken for missing.",
        breaks="Reconciliation raises no false alarm: with a partial answer an entry has no transfer.",
        area="reconciliation",
        patches=(Patch(Reader, "several", _first_answers),),
    ),
    Bug(
        name="difference-not-confirmed",
        what="A difference of the sums is told by the first full run that finds it.",
        breaks="Reconciliation raises no false alarm: a clock that is minutes wrong writes movements with a time before"
        " the cut after their accounts were added up.",
        area="reconciliation",
        patches=(Patch(reconciling, "confirmed", _believed),),
    ),
    Bug(
        name="suspicion-is-alarm",
        what="A difference in a run of what has changed is told, and not cleared up by a full run first.",
        breaks="Reconciliation raises no false alarm: the stream that adds up the totals is minutes behind.",
        area="reconciliation",
        patches=(Patch(reconciling, "judge", _judge_at_once),),
    ),
    Bug(
        name="first-page-only",
        what="A segment of accounts is done after its first page.",
        breaks="Every account is compared: what is behind the first page is not added up, and is never examined.",
        area="reconciliation",
        patches=(Patch(reconciling, "cover_accounts", _cover_first_page),),
    ),
    Bug(
        name="mark-not-compared",
        what="An account that was ever checked counts as unchanged.",
        breaks="What is wrong is found: what happens to an account after its first check waits for a full run.",
        area="reconciliation",
        patches=(Patch(Head, "is_unchanged", property(_was_checked)),),
    ),
    Bug(
        name="verdict-before-alert",
        what="A run's verdict is kept before people are told of it.",
        breaks="What is found is told: after a kill or an error between the two the verdict stands and nobody hears.",
        area="reconciliation",
        patches=(Patch(reconciling, "_verdict", _kept_before_told),),
    ),
)
