import pytest

from tallystick.domain.errors import ProviderUnavailable, StoreUnavailable
from tallystick.domain.jobs import JobRecord
from tallystick.domain.times import to_rfc3339
from tallystick.services.jobs import JOB_CRASH, Watch, check, noted
from tallystick.services.ports.alerts import Alert
from tests.support.fake_alerts import FakeJobs
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeAlerts
from tests.support.scene import NOW_MS, once

MINUTE_MS = 60_000


class Works:
    """Run jobs and the watchdog by one clock."""

    def __init__(self) -> None:
        self.backing = FakeStore()
        self.jobs = FakeJobs(self.backing)
        self.alerts = FakeAlerts(self.backing)
        self.every_s = {"sweep": 60, "audit": 900}
        self.now_ms = NOW_MS

    @property
    def watch(self) -> Watch:
        return Watch(self.jobs, self.alerts, self.every_s, lambda: self.now_ms)

    def run(self, name: str = "sweep", error: BaseException | None = None, lasts_ms: int = 0) -> None:
        with noted(watch=self.watch, name=name):
            self.now_ms += lasts_ms
            if error:
                raise error

    def tick(self, *running: str) -> list[str]:
        """Let a minute pass in which these jobs run, then the watchdog."""
        self.now_ms += MINUTE_MS
        for name in running:
            self.run(name)
        with noted(watch=self.watch, name="watchdog"):
            return check(watch=self.watch, watchdog="watchdog")


@pytest.fixture
def works() -> Works:
    return Works()


def crash(name: str = "sweep", **facts: str) -> Alert:
    return Alert(JOB_CRASH, "critical", {"job": name, **facts}, name)


# Runs


def test_a_run_leaves_when_it_began_and_finished_and_ends_what_was_told(works: Works) -> None:
    works.run(lasts_ms=7)
    assert works.jobs.records == {
        "sweep": JobRecord("sweep", started_at_ms=NOW_MS, finished_at_ms=NOW_MS + 7, every_s=60)
    }
    assert works.backing.calls == ["jobs.started", "jobs.finished", "alerts.end"]
    assert (works.alerts.raised, works.alerts.ended) == ([], [(JOB_CRASH, "sweep")])


def test_a_crash_is_told_at_once_by_the_name_of_the_error_alone_and_goes_on(works: Works) -> None:
    with pytest.raises(ZeroDivisionError):
        works.run(error=ZeroDivisionError("sk_live_secret"), lasts_ms=7)
    record = JobRecord("sweep", started_at_ms=NOW_MS, failed_at_ms=NOW_MS + 7, error="ZeroDivisionError", every_s=60)
    assert works.jobs.records == {"sweep": record}
    assert (works.alerts.raised, works.alerts.ended) == ([crash(error="ZeroDivisionError")], [])


@pytest.mark.parametrize("error", [StoreUnavailable("down"), ProviderUnavailable("down", provider="stellar")])
def test_a_run_that_could_not_work_just_now_is_noted_and_wakes_nobody(works: Works, error: Exception) -> None:
    with pytest.raises(type(error)):
        works.run(error=error)
    assert works.jobs.records["sweep"].error == type(error).__name__
    assert works.alerts.told == []


@pytest.mark.parametrize("at", ["jobs.failed", "alerts.raise"])
def test_a_crash_that_cannot_be_noted_or_told_is_still_the_crash(works: Works, at: str) -> None:
    works.backing.before = once(StoreUnavailable("down"), at)
    with pytest.raises(ZeroDivisionError):
        works.run(error=ZeroDivisionError())


def test_a_job_that_nobody_watches_is_noted_too(works: Works) -> None:
    works.run("watchdog")
    assert works.jobs.records["watchdog"].every_s is None


def test_runs_that_overlap_do_no_harm(works: Works) -> None:
    with noted(watch=works.watch, name="sweep"):
        works.run()
        works.now_ms += 5
    assert works.jobs.records["sweep"].finished_at_ms == NOW_MS + 5


# The watchdog


def late_after(works: Works, *running: str, at_most: int = 60) -> int:
    """Count the minutes until a job is late, while these run."""
    for minute in range(at_most):
        if works.tick(*running):
            return minute
    raise AssertionError("no job is ever late")


def test_jobs_that_run_are_never_late(works: Works) -> None:
    for minute in range(60):
        assert works.tick("sweep", *(["audit"] if minute % 15 == 0 else [])) == []
    assert works.alerts.raised == []


def test_a_job_of_each_minute_that_stops_is_told_of_after_three(works: Works) -> None:
    works.tick("sweep", "audit")
    last = works.now_ms
    assert late_after(works, "audit") == 3
    assert works.now_ms == last + 4 * MINUTE_MS
    assert works.alerts.raised == [crash(last_finished=to_rfc3339(last), error="")]


def test_a_job_that_never_ran_is_told_of_once_it_should_have(works: Works) -> None:
    assert works.tick("sweep") == []
    since = works.now_ms
    assert late_after(works, "sweep") == 45
    assert works.now_ms == since + 3 * 900_000 + MINUTE_MS
    assert works.alerts.raised == [crash("audit", last_finished="never", error="")]


def test_a_job_that_fails_each_time_is_told_of_though_it_starts(works: Works) -> None:
    works.tick("sweep", "audit")
    for _ in range(4):
        works.now_ms += MINUTE_MS // 2
        with pytest.raises(StoreUnavailable):
            works.run(error=StoreUnavailable("down"))
        works.now_ms -= MINUTE_MS // 2
        told = works.tick("audit")
    assert told == ["sweep"]
    assert works.alerts.raised[0].facts["error"] == "StoreUnavailable"


def test_a_job_that_finishes_again_ends_it(works: Works) -> None:
    works.tick("sweep", "audit")
    late_after(works, "audit")
    works.alerts.ended.clear()
    assert works.tick("sweep", "audit") == []
    assert (JOB_CRASH, "sweep") in works.alerts.ended


@pytest.mark.parametrize("passed_ms", [0, 1, MINUTE_MS // 2])
def test_a_tick_that_comes_twice_or_early_changes_nothing(works: Works, passed_ms: int) -> None:
    works.tick("sweep", "audit")
    works.now_ms += passed_ms - MINUTE_MS
    assert works.tick() == []


def test_after_a_pause_of_everything_jobs_have_time_as_if_they_were_new(works: Works) -> None:
    works.tick("sweep", "audit")
    works.now_ms += 8 * 3_600_000
    assert works.tick() == []
    assert late_after(works, "audit") == 3


def test_a_watchdog_that_does_not_reach_people_reaches_them_later(works: Works) -> None:
    works.tick("sweep", "audit")
    works.now_ms += 3 * MINUTE_MS - 1
    works.backing.before = once(StoreUnavailable("down"), "alerts.raise")
    works.jobs.finished("watchdog", works.now_ms)
    works.now_ms += 2
    with pytest.raises(StoreUnavailable):
        check(watch=works.watch, watchdog="watchdog")
    assert check(watch=works.watch, watchdog="watchdog") == ["sweep"]
