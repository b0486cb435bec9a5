"""`tallystick reconcile`: is every cent accounted for? With `--fix`, put right what the entries say better."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from cli.operate.common import (
    COULD_NOT_RUN,
    DIFFERENCES,
    SOUND,
    AsJson,
    CannotRun,
    Fix,
    Force,
    Region,
    Stack,
    readable_errors,
    refuse_unasked,
)

if TYPE_CHECKING:
    from cli.operate.site import Site
    from tallystick.domain.reconciliation import Finding
    from tallystick.domain.runs import Verdict
    from tallystick.services.covering import Cover
    from tallystick.services.repairing import Diagnosis, Repaired, Workshop

Wallet = Annotated[str | None, typer.Argument(help="A wallet's id, or another account's; all of them without it.")]
Full = Annotated[bool, typer.Option("--full", help="From the first entry on; for all, every transfer and sum too.")]


@dataclass
class Report:
    """Hold what was found: accounts by their ids, what transfers lack, and of all accounts the sums."""

    full: bool
    accounts: "dict[str, Diagnosis]" = field(default_factory=dict)
    transfers: "dict[str, list[Finding]]" = field(default_factory=dict)
    repaired: "dict[str, Repaired]" = field(default_factory=dict)
    verdict: "Verdict | None" = None
    unnamed: int = 0
    seconds: float = 0.0
    read_units: float = 0.0

    @property
    def exit_code(self) -> int:
        """Tell in a number how it stands."""
        differences = self.verdict.differences if self.verdict else {}
        if self.transfers or differences or self.unnamed or any(one.findings for one in self.accounts.values()):
            return DIFFERENCES
        unclear = self.verdict.sums.counted.unclear if self.verdict else 0
        return COULD_NOT_RUN if unclear or not all(one.is_clear for one in self.accounts.values()) else SOUND


def reconcile(
    wallet: Wallet = None,
    full: Full = False,  # noqa: FBT002 - Typer reads the default from here.
    fix: Fix = False,  # noqa: FBT002
    force: Force = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
    stack: Stack = None,
    region: Region = None,
) -> None:
    """Compare accounts with their entries, transfers and withdrawals; exit with 0 sound, 1 differences, 2 could not.

    Nothing is written without --fix.
    """
    with readable_errors():
        from cli.operate.site import open_site

        _refuse_early(wallet, fix=fix, force=force)
        site = open_site(stack, region)
        report = _reported(site, wallet, full=full, quiet=as_json)
        if fix:
            repaired = _fixed(site, report, force=force)
            if any(one.done for one in repaired.values()):
                report = _reported(site, wallet, full=full, quiet=as_json)
            _add(site, report, repaired)
        _show(report, wallet, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _refuse_early(wallet: str | None, *, fix: bool, force: bool) -> None:
    from tallystick.domain.accounts import is_tallied

    refuse_unasked(fix=fix, force=force)
    if wallet and is_tallied(wallet):
        raise CannotRun(f"{wallet} has no entries of its own; see `tallystick tally`.")


def _reported(site: "Site", wallet: str | None, *, full: bool, quiet: bool) -> Report:
    from cli.operate.site import Meter
    from cli.operate.surveying import Clock

    clock, meter, report = Clock(), Meter(site.connection), Report(full)
    workshop = _workshop(site)
    if wallet is None:
        _survey(site, workshop, report, quiet=quiet)
    else:
        report.accounts[wallet] = _existing(_diagnosed(workshop, wallet, full=full))
    report.seconds, report.read_units = clock.seconds, meter.read_units
    return report


def _survey(site: "Site", workshop: "Workshop", report: Report, *, quiet: bool) -> None:
    """Go through all accounts; those with findings are examined once more, whole, with what could be done."""
    from cli.operate.surveying import SEGMENTS, go_through
    from tallystick.adapters.clock import now_ms
    from tallystick.services.surveying import conclude, survey_of

    run = survey_of(full=report.full, segments=SEGMENTS, now_ms=now_ms())
    cover = _cover(site, workshop)
    found = go_through(cover, run, quiet=quiet)
    report.verdict = conclude(cover=cover, run=run, sums=found.sums, now_ms=now_ms())
    report.unnamed = found.unnamed
    for name, findings in found.findings.items():
        lacking = [finding for finding in findings if _is_of_transfer(finding)]
        if lacking:
            report.transfers[name] = lacking
        if len(lacking) < len(findings):
            report.accounts[name] = _diagnosed(workshop, name, full=True)


def _is_of_transfer(finding: "Finding") -> bool:
    """Tell what the transfer records showed from what the account itself did."""
    return finding.transfer_id is not None and finding.sequence is None


def _fixed(site: "Site", report: Report, *, force: bool) -> "dict[str, Repaired]":
    """Repair what differs."""
    from cli.operate import views
    from tallystick.services.repairing import Diagnosis

    def agree(found: Diagnosis) -> bool:
        views.show_remedy(found)
        return force or typer.confirm("Do this?", default=False, err=True)

    differing = [name for name, one in report.accounts.items() if one.findings]
    return _repaired(site, _workshop(site), differing, agree)


def _add(site: "Site", report: Report, repaired: "dict[str, Repaired]") -> None:
    """Show with what was found by now how those stand that were repaired, or were not."""
    report.repaired = repaired
    for name in repaired.keys() - report.accounts.keys():
        report.accounts[name] = _diagnosed(_workshop(site), name, full=True)


def _repaired(
    site: "Site", workshop: "Workshop", names: Iterable[str], agree: "Callable[[Diagnosis], bool]"
) -> "dict[str, Repaired]":
    """Repair accounts, holds first: with a hold goes what its wallet shows. One that waits for another comes again."""
    from tallystick.adapters.clock import now_ms
    from tallystick.domain.repairing import Refused
    from tallystick.domain.withdrawals import HOLD_PREFIX
    from tallystick.services.repairing import repair

    done: dict[str, Repaired] = {}
    waiting = deque(sorted(names, key=lambda name: not name.startswith(HOLD_PREFIX)))
    while waiting:
        name = waiting.popleft()
        one = repair(workshop=workshop, account_id=name, operator=site.operator, agree=agree, now_ms=now_ms)
        done[name] = one
        remedy = one.diagnosis.remedy
        first = remedy.instead if isinstance(remedy, Refused) else None
        if first is not None and first not in done:
            waiting.extend([name] if first in waiting else [first, name])
    return done


def _show(report: Report, wallet: str | None, *, as_json: bool) -> None:
    from cli.operate import views

    if as_json:
        typer.echo(views.as_json(report))
    elif wallet is None:
        views.show_all(report)
    else:
        views.show_one(report)


def _existing(found: "Diagnosis") -> "Diagnosis":
    from tallystick.domain.reconciliation import Fault

    if any(finding.fault is Fault.MISSING for finding in found.findings):
        raise CannotRun(f"There is no account {found.head.account_id}.")
    if not found.is_clear:
        raise CannotRun(f"{found.head.account_id} was being written whenever it was looked at; try again.")
    return found


def _diagnosed(workshop: "Workshop", name: str, *, full: bool) -> "Diagnosis":
    from tallystick.adapters.clock import now_ms
    from tallystick.services.repairing import diagnose

    return diagnose(workshop=workshop, account_id=name, full=full, now_ms=now_ms())


def _workshop(site: "Site") -> "Workshop":
    """Connect what examining and repairing need."""
    from tallystick.adapters.clock import pause
    from tallystick.adapters.dynamo.book import DynamoBook
    from tallystick.adapters.dynamo.checkpoints import DynamoCheckpoints
    from tallystick.adapters.dynamo.flows import DynamoFlows
    from tallystick.adapters.dynamo.journal import DynamoJournal
    from tallystick.adapters.dynamo.repairs import DynamoRepairs
    from tallystick.adapters.dynamo.wallets import DynamoWallets
    from tallystick.services.examining import Desk
    from tallystick.services.ledger import Ledger
    from tallystick.services.repairing import Workshop
    from tallystick.services.settling import Books

    connection = site.connection
    quick, exact = (DynamoJournal(connection, consistent=consistent) for consistent in (False, True))
    flows = DynamoFlows(connection)
    books = Books(Ledger(DynamoBook(connection), pause), flows, DynamoWallets().create)
    desk = Desk(quick, exact, DynamoCheckpoints(connection), pause)
    return Workshop(desk, books, flows, DynamoRepairs(connection))


def _cover(site: "Site", workshop: "Workshop") -> "Cover":
    from cli.operate.surveying import PAGE
    from tallystick.adapters.dynamo.tallies import DynamoTallies
    from tallystick.services.surveying import onlooker

    tallies = DynamoTallies(site.connection)
    return onlooker(desk=workshop.desk, flows=workshop.withdrawals, tallies=tallies, page_size=PAGE)
