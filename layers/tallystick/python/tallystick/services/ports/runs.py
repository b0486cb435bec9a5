"""What a run of reconciliation keeps: how far it is, what it came to, and which transfers are suspected."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tallystick.domain.audit import AuditRecord
from tallystick.domain.runs import Mode, Part, Progress, Run, Verdict


class Runs(Protocol):
    """Keep the run that is under way, the progress of its segments, and the verdicts of all runs."""

    def current(self) -> Run | None:
        """Read the newest run, which may have ended."""

    def save(self, run: Run, audit: AuditRecord | None = None) -> bool:
        """Write the next version of a run, or a new run, unless another change came first; and who asked for it."""

    def segment(self, run_id: str, part: Part, number: int) -> Progress:
        """Read how far a segment is."""

    def save_segment(self, progress: Progress) -> bool:
        """Write a segment's next version, unless another change came first."""

    def conclude(self, verdict: Verdict) -> None:
        """Add a verdict to those that are kept for good, unless it is there."""

    def newest(self, mode: Mode | None = None) -> Verdict | None:
        """Read the newest verdict, of a mode or of any."""


class Suspects(Protocol):
    """Remember transfers with findings until they have none: the accounts may look sound by themselves."""

    def add(self, transfer_id: str, account_ids: Sequence[str]) -> None:
        """Remember one, and whose entries are missing."""

    def listed(self, limit: int) -> Mapping[str, Sequence[str]]:
        """List some, and whose entries are missing; what was added a moment ago may be left out."""

    def remove(self, transfer_id: str) -> None:
        """Forget one."""
