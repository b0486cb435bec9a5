"""Say how every check stands: when it ran last, what it found, and what the house holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tallystick.domain.callers import Caller, Role
from tallystick.domain.differences import Run as ProviderRun
from tallystick.domain.errors import IllegalTransition
from tallystick.domain.house import suspense_id
from tallystick.domain.money import Asset
from tallystick.domain.provider_matching import DIFFERENCES
from tallystick.domain.runs import Mode, Run, Verdict
from tallystick.domain.webhooks import Provider
from tallystick.services.admin import Admin
from tallystick.services.judging import CONSERVATION, of_totals
from tallystick.services.ports.ledger import Book
from tallystick.services.ports.provider_records import Runs as ProviderRuns
from tallystick.services.ports.runs import Runs
from tallystick.services.ports.tallies import Tallies
from tallystick.services.provider_reconciliation import last_runs
from tallystick.services.reconciling import Bureau, begin

LATE_FACTOR: Final = 3
"""A check is late when it has not ended for so many times its period."""


class Standing(StrEnum):
    """Say how a check stands; LATE: it should have run again since."""

    OK = "ok"
    FAILING = "failing"
    LATE = "late"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """Show a check: how it stands and when it ended last; `facts` are counts and sums of that run."""

    name: str
    standing: Standing
    ended_at_ms: int | None = None
    cut_ms: int | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class House:
    """Show what the house holds of an asset, account by account, in signed units, and the sum over all accounts.

    `difference` is that sum at the cut of the newest run that could tell, 0 when no money was lost or made; None when
    that is not known, or not confirmed yet.
    """

    asset: Asset
    accounts: Mapping[str, int]
    difference: int | None
    cut_ms: int | None

    @property
    def units(self) -> int:
        """Add its accounts up: what customers hold with the opposite sign, as long as nothing is wrong."""
        return sum(self.accounts.values())


def checks(*, runs: Runs, caller: Caller, now_ms: int, every_ms: Mapping[Mode, int]) -> list[Check]:
    """Show the checks of wallets, of what is kept in all accounts together, and of totals.

    Raises:
        Forbidden: for ADMIN only.
    """
    caller.require(Role.ADMIN)
    verdicts = {mode: runs.newest(mode) for mode in Mode}
    newest = max(filter(None, verdicts.values()), key=lambda one: one.run.started_at_ms, default=None)
    found = [_wallets(mode, verdicts[mode], now_ms, every_ms[mode]) for mode in Mode]
    full = verdicts[Mode.FULL]
    return [*found, _conservation(newest, full), _totals(full)]


def provider_checks(
    *, runs: ProviderRuns, providers: Iterable[Provider], caller: Caller, now_ms: int, every_ms: int
) -> list[Check]:
    """Show how the comparison with each provider's books stands.

    Raises:
        Forbidden: for ADMIN only.
    """
    caller.require(Role.ADMIN)
    return [_provider(run, now_ms, every_ms) for run in last_runs(runs=runs, providers=providers)]


def house(*, book: Book, tallies: Tallies, runs: Runs, assets: Mapping[str, Asset], caller: Caller) -> list[House]:
    """Show the house's own accounts of each asset as they are now, and whether all accounts sum to zero.

    Raises:
        Forbidden: for ADMIN only.
    """
    caller.require(Role.ADMIN)
    held = {asset.code: dict[str, int]() for asset in assets.values()}
    for total in tallies.totals():
        held.setdefault(total.asset, {})[total.account_id] = total.balance
    for account in book.accounts([suspense_id(code) for code in assets]).values():
        held[account.asset.code][account.account_id] = account.balance
    full = runs.newest(Mode.FULL)
    judged = [verdict for verdict in (runs.newest(Mode.CHANGED), full) if verdict and verdict.is_judged]
    newest = max(judged, key=lambda verdict: verdict.run.cut_ms, default=None)
    return [
        House(assets[code], accounts, _difference(newest, full, code), newest.run.cut_ms if newest else None)
        for code, accounts in sorted(held.items())
        if accounts and code in assets
    ]


def order_run(*, bureau: Bureau, admin: Admin, full: bool) -> Run:
    """Begin a run now.

    Raises:
        Forbidden: for ADMIN only.
        IllegalTransition: one is under way.
    """
    admin.caller.require(Role.ADMIN)
    mode = Mode.FULL if full else Mode.CHANGED
    audit = admin.record("reconciliation", "begin-run", mode=mode)
    run = begin(bureau=bureau, mode=mode, reason="An admin asked for it.", now_ms=admin.now_ms, audit=audit)
    if run is None:
        raise IllegalTransition("A run is under way; GET /v1/integrity shows when it has ended.", state="RUNNING")
    return run


def _wallets(mode: Mode, verdict: Verdict | None, now_ms: int, every_ms: int) -> Check:
    name = "wallets" if mode is Mode.CHANGED else "wallets-full"
    if verdict is None:
        return Check(name, Standing.UNKNOWN)
    counted = verdict.sums.counted
    facts: dict[str, str | int] = {field: getattr(counted, field) for field in counted.__slots__}
    facts |= {"run_id": verdict.run.run_id, "duration_ms": _ended_at(verdict) - verdict.run.started_at_ms}
    if verdict.suspicion:
        facts["suspicion"] = verdict.suspicion
    standing = Standing.FAILING if counted.findings else Standing.OK
    if now_ms - _ended_at(verdict) > LATE_FACTOR * every_ms:
        standing = Standing.LATE
    return Check(name, standing, _ended_at(verdict), None, facts)


def _provider(run: ProviderRun, now_ms: int, every_ms: int) -> Check:
    name = f"provider-{run.provider}"
    if not run.ended_ms:
        return Check(name, Standing.UNKNOWN)
    facts: dict[str, str | int] = {str(match): count for match, count in run.counts.items()}
    if run.failure is not None:
        facts["failure"] = run.failure
    is_failing = run.failure is not None or any(run.counts.get(match) for match in DIFFERENCES)
    standing = Standing.FAILING if is_failing else Standing.OK
    if now_ms - run.ended_ms > LATE_FACTOR * every_ms:
        standing = Standing.LATE
    return Check(name, standing, run.ended_ms, None, facts)


def _conservation(verdict: Verdict | None, full: Verdict | None) -> Check:
    """Show whether all accounts of each asset sum to zero; UNKNOWN while a difference is not confirmed."""
    if verdict is None or not verdict.is_judged:
        return Check("conservation", Standing.UNKNOWN)
    assets = sorted(verdict.sums.at_cut)
    facts = {asset: units for asset in assets if (units := _difference(verdict, full, asset)) is not None}
    is_clear = len(facts) == len(assets)
    return _summed("conservation", verdict, facts, is_failing=any(facts.values()), is_clear=is_clear)


def _totals(verdict: Verdict | None) -> Check:
    """Show whether totals are what all transfers have posted to them; UNKNOWN while a difference is not confirmed."""
    if verdict is None or not verdict.is_judged:
        return Check("totals", Standing.UNKNOWN)
    off = of_totals(verdict.differences)
    facts = {**off, "accounts": len(verdict.sums.rebuilt)}
    return _summed("totals", verdict, facts, is_failing=bool(off), is_clear=not of_totals(verdict.unconfirmed))


def _summed(name: str, verdict: Verdict, units: Mapping[str, int], *, is_failing: bool, is_clear: bool) -> Check:
    standing = Standing.FAILING if is_failing else Standing.OK if is_clear else Standing.UNKNOWN
    facts: dict[str, str | int] = {**units}
    if verdict.suspicion and not is_clear:
        facts["suspicion"] = verdict.suspicion
    return Check(name, standing, _ended_at(verdict), verdict.run.cut_ms, facts)


def _difference(verdict: Verdict | None, full: Verdict | None, asset: str) -> int | None:
    """Add up what all accounts of an asset held at the cut; None when that is not known, or not confirmed yet."""
    if verdict is None:
        return None
    if verdict.run.mode is Mode.FULL:
        name = CONSERVATION + asset
        return None if name in verdict.unconfirmed else verdict.differences.get(name, 0)
    tallied = sum(units for name, units in verdict.booked.items() if name.endswith(f":{asset}"))
    units = verdict.sums.at_cut.get(asset, 0) + tallied
    is_confirmed = full is not None and any(subject.endswith(f":{asset}") for subject in full.differences)
    return units if is_confirmed or not units else None


def _ended_at(verdict: Verdict) -> int:
    return verdict.run.ended_at_ms or verdict.run.started_at_ms
