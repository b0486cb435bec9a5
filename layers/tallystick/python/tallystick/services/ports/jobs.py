"""What watching the jobs of the clock needs."""

from typing import Protocol

from tallystick.domain.jobs import JobRecord


class Jobs(Protocol):
    """Keep what is known of each job; runs may overlap, and the last word counts."""

    def get(self, name: str) -> JobRecord | None:
        """Read what is known of a job consistently."""

    def watched(self, name: str, now_ms: int) -> None:
        """Note since when it is watched."""

    def started(self, name: str, every_s: int | None, now_ms: int) -> None:
        """Note that a run begins, and how often there should be one."""

    def finished(self, name: str, now_ms: int) -> None:
        """Note that a run has done its work."""

    def failed(self, name: str, error: str, now_ms: int) -> None:
        """Note that a run did not do its work, and the name of what went wrong."""
