"""Go through the ledger as reconciliation does and write nothing: no checkpoint, no mark, no alert, no total."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.reconciliation import Checkpoint
from tallystick.domain.runs import Mode, Part, Run, Sums, Verdict
from tallystick.domain.tallies import Sheet, Total, cut_before
from tallystick.services.covering import Cover, cover_accounts, cover_transfers
from tallystick.services.examining import Desk
from tallystick.services.judging import judge
from tallystick.services.ports.alerts import Alert
from tallystick.services.ports.flows import Withdrawals
from tallystick.services.ports.journal import Checkpoints
from tallystick.services.ports.tallies import Tallies

MAX_ATTEMPTS: Final = 6
"""Tries of a page that the store does not answer."""

MARGIN_MS: Final = 120_000
"""Lies between the cut and now: longer than any movement takes from its time to its commit."""


def survey_of(*, full: bool, segments: int, now_ms: int) -> Run:
    """Describe a run that nobody keeps."""
    mode = Mode.FULL if full else Mode.CHANGED
    return Run("survey", mode, "It was asked for.", now_ms, cut_before(now_ms, MARGIN_MS), segments)


def onlooker(*, desk: Desk, flows: Withdrawals, tallies: Tallies, page_size: int) -> Cover:
    """Gather what going through pages needs, so that it writes nothing."""
    looking = replace(desk, checkpoints=_Read(desk.checkpoints))
    return Cover(looking, flows, _Added(tallies), _NoSuspects(), _NoAlerts(), page_size)


def survey(*, cover: Cover, run: Run, part: Part, number: int) -> Iterator[Sums]:
    """Go through a segment, page by page.

    Raises:
        StoreUnavailable: the store did not answer at any try.
    """
    after = None
    while True:
        sums, after = _page(cover, run, part, number, after)
        yield sums
        if after is None:
            return


def conclude(*, cover: Cover, run: Run, sums: Sums, now_ms: int) -> Verdict:
    """Compare the sums of a full run; what has changed lately does not say what all accounts hold.

    Raises:
        StoreUnavailable: try again.
    """
    if run.mode is Mode.CHANGED:
        return Verdict(run, sums, is_judged=False)
    return judge(cover=cover, run=run, sums=sums, previous=None, now_ms=now_ms)


def _never() -> bool:
    """Have time: nobody waits but who asked."""
    return False


def _page(cover: Cover, run: Run, part: Part, number: int, after: str | None) -> tuple[Sums, str | None]:
    through = cover_accounts if part is Part.ACCOUNTS else cover_transfers
    for attempt in range(MAX_ATTEMPTS - 1):
        try:
            return through(cover=cover, run=run, number=number, after=after, is_time_up=_never)
        except StoreUnavailable:
            cover.desk.pause(attempt)
    return through(cover=cover, run=run, number=number, after=after, is_time_up=_never)


@dataclass(frozen=True, slots=True)
class _Read:
    """Implement Checkpoints: read them, and vouch for nothing."""

    checkpoints: Checkpoints

    def newest(self, account_id: str, limit: int) -> list[Checkpoint]:
        return self.checkpoints.newest(account_id, limit)

    def all(self, account_id: str) -> Iterator[Checkpoint]:
        return self.checkpoints.all(account_id)

    def vouch(self, checkpoint: Checkpoint) -> None:
        """Keep it to oneself."""

    def suspect(self, account_id: str, *, suspected: bool) -> None:
        """Keep it to oneself."""


@dataclass(frozen=True, slots=True)
class _Added:
    """Implement Tallies: read the totals, and add nothing to them."""

    tallies: Tallies

    def write(self, sheet: Sheet) -> None:
        """Leave it to the stream and to reconciliation."""

    def unmarked(self, transfer_keys: Iterable[str]) -> set[str]:
        return self.tallies.unmarked(transfer_keys)

    def totals(self) -> list[Total]:
        return self.tallies.totals()

    def without(self, account_id: str, buckets: Sequence[int]) -> Total | None:
        return self.tallies.without(account_id, buckets)

    def correct(self, before: Total | None, after: Total, audit: AuditRecord) -> bool:  # noqa: ARG002 (the port's)
        return False


class _NoSuspects:
    """Implement Suspects: remember nothing."""

    def add(self, transfer_id: str, account_ids: Sequence[str]) -> None:
        """Keep it to oneself."""

    def listed(self, limit: int) -> Mapping[str, Sequence[str]]:  # noqa: ARG002 (the port's)
        return {}

    def remove(self, transfer_id: str) -> None:
        """There is nothing to forget."""


class _NoAlerts:
    """Implement Alerts: tell nobody but who asked."""

    def raise_alert(self, alert: Alert) -> None:
        """Keep it to oneself."""

    def end_alert(self, kind: str, subject: str) -> None:
        """Nothing was told."""
