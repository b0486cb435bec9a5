"""Run reconciliation over all wallets: plan it, work on its segments, conclude it. Nothing is ever corrected here.

Every step may be repeated, by a late message or by a second worker: a page counts when its segment's next version is
written, which one of them does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.audit import AuditRecord
from tallystick.domain.chain import digest
from tallystick.domain.errors import NotYet
from tallystick.domain.runs import Mode, Part, Progress, Run, Sums, Verdict, total
from tallystick.domain.tallies import cut_before
from tallystick.services.covering import Cover, cover_accounts, cover_transfers
from tallystick.services.judging import confirmed, judge, tell
from tallystick.services.ports.agenda import Queue
from tallystick.services.ports.runs import Runs

STALE_MS: Final = 2 * 3_600_000
"""A run that has not ended after so long is given up, and the next one begins."""

MAX_LOOKS: Final = 6
"""Times that the sums are looked at before a difference is believed: the stream that adds up totals may lag."""

MAX_CONFIRMING: Final = 3
"""Full runs in a row that are begun at once, each to confirm what the one before has found."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Say how runs are made.

    `margin_ms` lies between the cut and the beginning: longer than any movement takes from its time to its commit.
    A full run is due after `full_every_ms`. On a suspicion it is not repeated before `full_pause_ms` have passed, but
    what it has found itself is confirmed at once.
    """

    segments: int = 16
    margin_ms: int = 120_000
    full_every_ms: int = 7 * 86_400_000
    full_pause_ms: int = 3_600_000
    look_again_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Bureau:
    """Hold what reconciliation needs."""

    cover: Cover
    runs: Runs
    queue: Queue
    rhythm: Rhythm = Rhythm()


def tick(*, bureau: Bureau, now_ms: int) -> Run | None:
    """Begin the run that is due, as the clock asks; while one is under way, queue again what is left of it.

    Answers the run that begins, or None.
    """
    current = bureau.runs.current()
    if current is not None and _is_under_way(current, now_ms):
        bureau.queue.send(_unfinished(bureau, current))
        return None
    mode, reason, confirming = _due(bureau, now_ms)
    return begin(bureau=bureau, mode=mode, reason=reason, now_ms=now_ms, confirming=confirming)


def begin(
    *,
    bureau: Bureau,
    mode: Mode,
    reason: str,
    now_ms: int,
    audit: AuditRecord | None = None,
    confirming: int = 0,
) -> Run | None:
    """Begin a run, unless one is under way; with it goes the record of who asked for it.

    Runs are ordered by when they began, so one begins after the one before it whatever the clocks say.
    """
    current = bureau.runs.current()
    if current is not None and _is_under_way(current, now_ms):
        return None
    rhythm = bureau.rhythm
    version = current.version + 1 if current else 0
    run = Run(
        run_id=f"run_{digest('tallystick/run/1', str(version), str(now_ms))[:24]}",
        mode=mode,
        reason=reason,
        started_at_ms=max(now_ms, current.started_at_ms + 1) if current else now_ms,
        cut_ms=cut_before(now_ms, rhythm.margin_ms),
        segments=rhythm.segments,
        version=version,
        confirming=confirming,
    )
    if not bureau.runs.save(run, audit):
        return None
    bureau.queue.send(run.keys)
    return run


def work(*, bureau: Bureau, key: str, is_time_up: Callable[[], bool], now_ms: Callable[[], int]) -> str:
    """Go on with what a message names, a segment of a run; answer in a word what came of it.

    Raises:
        NotYet: the sums do not fit yet; come back with the same message.
        StoreUnavailable: the message comes back.
    """
    run_id, part, number = key.split("/")
    run = bureau.runs.current()
    if run is None or run.run_id != run_id or run.ended_at_ms is not None:
        return "over"
    progress = bureau.runs.segment(run_id, Part(part), int(number))
    while not progress.is_done:
        if is_time_up():
            bureau.queue.send([key])
            return "continued"
        following = _advanced(bureau, run, progress, is_time_up)
        if not bureau.runs.save_segment(following):
            return "overtaken"
        progress = following
    return _concluded(bureau, run, now_ms())


def _advanced(bureau: Bureau, run: Run, progress: Progress, is_time_up: Callable[[], bool]) -> Progress:
    through = cover_accounts if progress.part is Part.ACCOUNTS else cover_transfers
    sums, after = through(
        cover=bureau.cover, run=run, number=progress.number, after=progress.after, is_time_up=is_time_up
    )
    return progress.advanced(sums, after)


def _concluded(bureau: Bureau, run: Run, now_ms: int) -> str:
    segments = [bureau.runs.segment(run.run_id, part, number) for part, number in run.parts]
    if not all(segment.is_done for segment in segments):
        return "done"
    verdict = _verdict(bureau, run, total(segment.sums for segment in segments), now_ms)
    bureau.runs.save(replace(run, ended_at_ms=verdict.run.ended_at_ms, version=run.version + 1))
    mode, reason, confirming = _due(bureau, now_ms)
    if verdict.suspicion and mode is Mode.FULL:
        begin(bureau=bureau, mode=mode, reason=reason, now_ms=now_ms, confirming=confirming)
    return "concluded"


def _verdict(bureau: Bureau, run: Run, sums: Sums, now_ms: int) -> Verdict:
    """Judge a run, tell people and keep the verdict; one that was kept before, by whomever, stands."""
    full = bureau.runs.newest(Mode.FULL)
    newest = bureau.runs.newest()  # read second, so that `full` is of an earlier run if this one is
    if newest is not None and newest.run.started_at_ms >= run.started_at_ms:
        return newest
    verdict = judge(cover=bureau.cover, run=run, sums=sums, previous=newest, now_ms=now_ms)
    if run.mode is Mode.FULL:
        verdict = confirmed(verdict, full)
    if (verdict.differences or verdict.suspicion) and run.looked < MAX_LOOKS:
        bureau.runs.save(replace(run, looked=run.looked + 1, version=run.version + 1))
        raise NotYet(bureau.rhythm.look_again_ms)
    tell(cover=bureau.cover, verdict=verdict, full=full)
    ended = replace(verdict, run=replace(run, ended_at_ms=now_ms))
    bureau.runs.conclude(ended)
    return ended


def _due(bureau: Bureau, now_ms: int) -> tuple[Mode, str, int]:
    """Choose how much to read: everything when that is due, or when the last run became suspicious.

    Answers why, too, and which run in a row it is that confirms the one before.
    """
    newest, whole = bureau.runs.newest(), bureau.runs.newest(Mode.FULL)
    since_ms = now_ms - (whole.run.started_at_ms if whole else 0)
    if whole and whole.suspicion and whole.run.confirming < MAX_CONFIRMING:
        return Mode.FULL, whole.suspicion, whole.run.confirming + 1
    if since_ms >= bureau.rhythm.full_every_ms:
        return Mode.FULL, "It is due.", 0
    if newest and newest.suspicion and since_ms >= bureau.rhythm.full_pause_ms:
        return Mode.FULL, newest.suspicion, 0
    return Mode.CHANGED, "It is due.", 0


def _unfinished(bureau: Bureau, run: Run) -> list[str]:
    """Name what is left of a run; its conclusion is left when nothing else is."""
    segments = [bureau.runs.segment(run.run_id, part, number) for part, number in run.parts]
    keys = [key for key, segment in zip(run.keys, segments, strict=True) if not segment.is_done]
    return keys or run.keys[:1]


def _is_under_way(run: Run, now_ms: int) -> bool:
    return run.ended_at_ms is None and now_ms - run.started_at_ms < STALE_MS
