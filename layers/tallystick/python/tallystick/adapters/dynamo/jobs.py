"""Keep what is known of the jobs of the clock."""

from pynamodb.expressions.update import Action

from tallystick.adapters.dynamo.connection import read_one, troubles
from tallystick.adapters.dynamo.tables import JobItem
from tallystick.domain.jobs import JobRecord


class DynamoJobs:
    """Implement `tallystick.services.ports.jobs.Jobs` on the bound table."""

    def get(self, name: str) -> JobRecord | None:
        """Read a job's item consistently."""
        item = read_one(JobItem, _key(name))
        if item is None:
            return None
        return JobRecord(
            name,
            watched_since_ms=item.watched_since_ms,
            started_at_ms=item.started_at_ms,
            finished_at_ms=item.finished_at_ms,
            failed_at_ms=item.failed_at_ms,
            error=item.error,
            every_s=item.every_s,
        )

    def watched(self, name: str, now_ms: int) -> None:
        """Set the time."""
        _update(name, JobItem.watched_since_ms.set(now_ms))

    def started(self, name: str, every_s: int | None, now_ms: int) -> None:
        """Set the time and the interval."""
        interval = JobItem.every_s.remove() if every_s is None else JobItem.every_s.set(every_s)
        _update(name, JobItem.started_at_ms.set(now_ms), interval)

    def finished(self, name: str, now_ms: int) -> None:
        """Set the time."""
        _update(name, JobItem.finished_at_ms.set(now_ms))

    def failed(self, name: str, error: str, now_ms: int) -> None:
        """Set the time and the error."""
        _update(name, JobItem.failed_at_ms.set(now_ms), JobItem.error.set(error))


def _update(name: str, *actions: Action) -> None:
    with troubles():
        JobItem(_key(name)).update(actions=list(actions))


def _key(name: str) -> str:
    return f"job#{name}"
