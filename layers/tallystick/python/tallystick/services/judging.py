"""Judge a run by its sums: all accounts of an asset sum to zero, totals are what transfers posted, marks are known."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tallystick.domain.reconciliation import BALANCE_MISMATCH
from tallystick.domain.runs import Mode, Run, Sums, Verdict
from tallystick.domain.tallies import CutTooOld
from tallystick.domain.times import to_rfc3339
from tallystick.domain.transfers import TRANSFER_PREFIX
from tallystick.services.covering import Cover, transfer_findings
from tallystick.services.ports.alerts import Alert
from tallystick.services.tallying import total_at

CONSERVATION: Final = "conservation:"
"""Begins the subject of an alert about all accounts of an asset."""

MAX_SUSPECTS: Final = 1000
"""Transfers that are looked at again at the end of a run."""


def judge(*, cover: Cover, run: Run, sums: Sums, previous: Verdict | None, now_ms: int) -> Verdict:
    """Compare sums; in a run of what has changed a difference is a suspicion only, which a full run clears up.

    Raises:
        StoreUnavailable: try again.
    """
    booked = _booked(cover, run, now_ms)
    verdict = Verdict(run, sums, booked=booked or {}, is_judged=booked is not None)
    if run.mode is Mode.FULL:
        off = {} if booked is None else _nonzero(_less(booked, sums.rebuilt))
        return replace(verdict, differences={**_unconserved(sums, sums.rebuilt), **off})
    differing = [] if booked is None else sorted(_unconserved(sums, booked))
    if differing:
        return replace(verdict, suspicion=f"Not zero: {', '.join(differing)}.")
    if previous is not None and sums.before != previous.sums.after:
        return replace(verdict, suspicion="Accounts that say they are unchanged are not those that were checked.")
    return verdict


def confirmed(verdict: Verdict, earlier: Verdict | None) -> Verdict:
    """Believe those differences of a full run that the one before has found, too; the others are a suspicion.

    A movement whose clock was minutes wrong may fall between the looks at two sums, which then do not fit; in the next
    run they do. What was told stays until it fits, and what a run cannot judge stays as it was.
    """
    told, doubtful = (earlier.differences, earlier.unconfirmed) if earlier else ({}, {})
    known, found = {**told, **doubtful}, verdict.differences
    new = {subject: units for subject, units in found.items() if known.get(subject) != units}
    differences = {subject: units for subject, units in found.items() if subject in told or subject not in new}
    unconfirmed = {subject: units for subject, units in new.items() if subject not in told}
    if not verdict.is_judged:
        differences, unconfirmed = {**of_totals(told), **differences}, {**of_totals(doubtful), **unconfirmed}
    asked = sorted({**new, **unconfirmed})
    suspicion = f"To be confirmed: {', '.join(asked)}." if asked else None
    return replace(verdict, differences=differences, unconfirmed=unconfirmed, suspicion=suspicion)


def tell(*, cover: Cover, verdict: Verdict, full: Verdict | None) -> None:
    """Raise an alert for each sum that does not fit, and end those of what has fitted again since the last full run.

    Raises:
        StoreUnavailable: try again; who was told is not told again.
    """
    for subject in sorted(_fitting(verdict, full) - {*verdict.differences, *verdict.unconfirmed}):
        cover.alerts.end_alert(BALANCE_MISMATCH, subject)
    for subject, units in sorted(verdict.differences.items()):
        facts = {"difference_units": str(units), "cut": to_rfc3339(verdict.run.cut_ms), "run_id": verdict.run.run_id}
        cover.alerts.raise_alert(Alert(BALANCE_MISMATCH, "critical", facts, subject))
    _clear(cover, verdict)


def _fitting(verdict: Verdict, full: Verdict | None) -> set[str]:
    """Name the sums that fit, as far as this run can tell.

    A run of what has changed knows totals and no transfers: what only transfers have shown it cannot clear up.
    """
    if not verdict.is_judged:
        return set()
    assets = {CONSERVATION + asset for asset in verdict.sums.at_cut}
    told = set(full.differences) if full else set()
    if verdict.run.mode is Mode.FULL:
        return assets | set(verdict.sums.rebuilt) | told
    if verdict.suspicion:
        return set()
    visible = set(_unconserved(full.sums, full.booked)) if full else set()
    return (assets | visible) - (told - visible)


def _clear(cover: Cover, verdict: Verdict) -> None:
    """Suspect no longer what was examined and is sound, unless a transfer lacks an entry of it."""
    lacking: set[str] = set()
    for transfer_id, account_ids in cover.suspects.listed(MAX_SUSPECTS).items():
        if _is_wrong(cover, transfer_id):
            lacking |= set(account_ids)
            continue
        cover.alerts.end_alert(BALANCE_MISMATCH, transfer_id)
        cover.suspects.remove(transfer_id)
    for account_id in sorted(set(verdict.sums.recovered) - lacking):
        cover.alerts.end_alert(BALANCE_MISMATCH, account_id)
        cover.desk.checkpoints.suspect(account_id, suspected=False)


def _is_wrong(cover: Cover, transfer_id: str) -> bool:
    """Look at a transfer again; of one that is gone nothing is wrong, and if it has entries, their accounts tell."""
    found = cover.desk.exact.records([transfer_id])
    transfer_key = transfer_id.removeprefix(TRANSFER_PREFIX)
    return transfer_id in found and bool(transfer_findings(cover.desk, transfer_key, found[transfer_id]))


def _booked(cover: Cover, run: Run, now_ms: int) -> dict[str, int] | None:
    """Read what each tallied account held at the cut; None when that is too long ago to be told."""
    booked: dict[str, int] = {}
    for name in sorted(total.account_id for total in cover.tallies.totals()):
        try:
            total = total_at(
                tallies=cover.tallies, pause=cover.desk.pause, account_id=name, cut_ms=run.cut_ms, now_ms=now_ms
            )
        except CutTooOld:
            return None
        booked[name] = total.balance if total else 0
    return booked


def _unconserved(sums: Sums, tallied: Mapping[str, int]) -> dict[str, int]:
    """Add up all accounts of each asset; what is not zero is a difference."""
    totals = Counter(sums.at_cut)
    for account_id, units in tallied.items():
        totals[account_id.rpartition(":")[2]] += units
    return _nonzero({CONSERVATION + asset: units for asset, units in totals.items()})


def of_totals(units: Mapping[str, int]) -> dict[str, int]:
    """Choose the differences of totals from those of sums of an asset."""
    return {name: difference for name, difference in units.items() if not name.startswith(CONSERVATION)}


def _less(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) - other.get(name, 0) for name in {**one, **other}}


def _nonzero(units: Mapping[str, int]) -> dict[str, int]:
    return {name: difference for name, difference in units.items() if difference}
