"""Note what becomes of the jobs of the clock, and tell people when one does not do its work."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from tallystick.domain.errors import Busy
from tallystick.domain.jobs import JobRecord, patience_ms
from tallystick.domain.times import to_rfc3339
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.jobs import Jobs

JOB_CRASH: Final = "JOB_CRASH"


@dataclass(frozen=True, slots=True)
class Watch:
    """Hold what noting and watching jobs needs; `every_s` says how often each should run."""

    jobs: Jobs
    alerts: Alerts
    every_s: Mapping[str, int]
    now_ms: Callable[[], int]


@contextmanager
def noted(*, watch: Watch, name: str) -> Iterator[None]:
    """Run a job, note how it went, and let its error pass.

    An error that nobody expected is told at once. One that says "not now" is not: the next run makes up for it, and
    if none does, the watchdog tells.
    """
    watch.jobs.started(name, watch.every_s.get(name), watch.now_ms())
    try:
        yield
    except Exception as error:
        # Whatever cannot be noted or told now must not hide the error; the watchdog misses a run that finishes.
        with suppress(Busy):
            watch.jobs.failed(name, type(error).__name__, watch.now_ms())
            if not isinstance(error, Busy):
                watch.alerts.raise_alert(_crash(name, {"error": type(error).__name__}))
        raise
    finish(watch=watch, name=name)


def finish(*, watch: Watch, name: str) -> None:
    """Note that a job has done its work.

    Raises:
        StoreUnavailable: it may not be noted.
    """
    watch.jobs.finished(name, watch.now_ms())
    watch.alerts.end_alert(JOB_CRASH, name)


def check(*, watch: Watch, watchdog: str) -> list[str]:
    """Tell people of every job that should have finished by now; answer their names.

    `watchdog` is the name of the job that does this. After a pause of its own everything has paused, or its clock has:
    then all jobs have time as if they were new.

    Raises:
        StoreUnavailable: not now.
    """
    now_ms = watch.now_ms()
    own = watch.jobs.get(watchdog)
    awake = own is not None and own.finished_at_ms is not None and now_ms - own.finished_at_ms <= patience_ms(60)
    return [name for name, every_s in watch.every_s.items() if _is_told(watch, name, every_s, now_ms, awake=awake)]


def _is_told(watch: Watch, name: str, every_s: int, now_ms: int, *, awake: bool) -> bool:
    known = watch.jobs.get(name) or JobRecord(name)
    if known.watched_since_ms is None or not awake:
        watch.jobs.watched(name, now_ms)
        return False
    if known.late_ms(every_s, now_ms) <= 0:
        return False
    last = to_rfc3339(known.finished_at_ms) if known.finished_at_ms else "never"
    watch.alerts.raise_alert(_crash(name, {"last_finished": last, "error": known.error or ""}))
    return True


def _crash(name: str, facts: dict[str, str]) -> Alert:
    return Alert(JOB_CRASH, "critical", {"job": name, **facts}, subject=name)
