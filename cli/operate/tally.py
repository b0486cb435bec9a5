"""`tallystick tally`: compare the totals of tallied accounts with the transfers, and mend them."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.operate.common import (
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
from tallystick.domain.callers import Caller, Role
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import format_units
from tallystick.domain.tallies import CutTooOld
from tallystick.domain.times import to_rfc3339

if TYPE_CHECKING:
    from cli.operate.site import Site
    from tallystick.domain.tallies import Compared
    from tallystick.services.rebuilding import Progress, Rebuild, Workshop
    from tallystick.services.repairing import Operator

COLUMNS: Final = ("account", "stored", "rebuilt", "difference", "missing", "postings")
CORRECTIONS: Final = 3
"""Tries of a correction; a total that moves each time is told of."""

Account = Annotated[str | None, typer.Argument(help="One account alone, such as external:stripe:USD.")]
Settled = Annotated[int, typer.Option(min=0, max=600, help="Leave out what is younger than so many seconds.")]


def tally(
    account: Account = None,
    fix: Fix = False,  # noqa: FBT002 - Typer reads the default from here.
    force: Force = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
    settled: Settled = 120,
    stack: Stack = None,
    region: Region = None,
) -> None:
    """Compare the totals of tallied accounts with the transfers; exit with 1 when they differ, with 2 when unknown."""
    with readable_errors():
        from cli.operate.site import open_site

        refuse_unasked(fix=fix, force=force)
        try:
            found = _run(open_site(stack, region), account, settled * 1000, fix=fix, force=force)
        except (InvariantViolated, CutTooOld) as error:
            raise CannotRun(str(error)) from error
    typer.echo(json.dumps(_document(found), indent=2)) if as_json else _show(found)
    raise typer.Exit(SOUND if found.is_right else DIFFERENCES)


def _run(site: "Site", account: str | None, settled_ms: int, *, fix: bool, force: bool) -> "Rebuild":
    """Compare; fix what was asked to be fixed, and compare again."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    bar = Progress(TextColumn("{task.completed} records read"), TimeElapsedColumn(), console=Console(stderr=True))
    task = bar.add_task("", total=None)
    workshop = _workshop(site, lambda count: bar.advance(task, count))
    with bar:
        found = _compare(workshop, account, settled_ms)
    if not fix or found.is_right or not (force or _is_wanted(found)):
        return found
    with bar:
        _mend(workshop, found, site.operator)
        return _compare(workshop, account, settled_ms)


def _workshop(site: "Site", progress: "Progress") -> "Workshop":
    from tallystick.adapters.clock import pause
    from tallystick.adapters.dynamo.records import DynamoTransferRecords
    from tallystick.adapters.dynamo.tallies import DynamoTallies
    from tallystick.services.rebuilding import Workshop

    return Workshop(DynamoTallies(site.connection), DynamoTransferRecords(site.connection), pause, progress)


def _compare(workshop: "Workshop", account: str | None, settled_ms: int) -> "Rebuild":
    from tallystick.adapters.clock import now_ms
    from tallystick.services.rebuilding import cut_of, rebuild

    now = now_ms()
    return rebuild(workshop=workshop, cut_ms=cut_of(now, settled_ms), now_ms=now, account_id=account)


def _is_wanted(found: "Rebuild") -> bool:
    _show(found, to_stderr=True)
    return typer.confirm("Add what is missing and correct what is wrong?", err=True)


def _mend(workshop: "Workshop", found: "Rebuild", operator: "Operator") -> None:
    """Add what has no marker, then correct what is wrong beside that."""
    from tallystick.adapters.clock import now_ms
    from tallystick.services.admin import Admin
    from tallystick.services.rebuilding import add_missing, correct

    caller = Caller(f"operator:{operator.name}", frozenset({Role.ADMIN}))
    add_missing(workshop=workshop, cut_ms=found.cut_ms)
    for wrong in (one for one in found.accounts if not one.error.is_nothing):
        admin = Admin(caller, operator.source, now_ms())
        if not any(correct(workshop=workshop, admin=admin, compared=wrong) for _ in range(CORRECTIONS)):
            typer.secho(f"{wrong.account_id} moves: it was not corrected.", err=True, fg="yellow")


def _document(found: "Rebuild") -> dict[str, Any]:
    return {
        "right": found.is_right,
        "cut": to_rfc3339(found.cut_ms),
        "transfers": found.transfers,
        "lost": found.lost,
        "accounts": [_row(one) for one in found.accounts],
        "rejected": [{"transfer_key": one.transfer_key, "reason": one.reason} for one in found.rejected],
    }


def _row(one: "Compared") -> dict[str, str | int]:
    scale = one.stored.scale
    return {
        "account": one.account_id,
        "asset": one.stored.asset,
        "stored": format_units(one.stored.balance, scale),
        "rebuilt": format_units(one.rebuilt.balance, scale),
        "difference": format_units(one.difference.balance, scale),
        "missing": format_units(one.missing.balance, scale),
        "postings": one.rebuilt.postings,
        "postings_stored": one.stored.postings,
    }


def _show(found: "Rebuild", *, to_stderr: bool = False) -> None:
    """Print the accounts as a table, and what can be in no total."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Totals of {found.transfers} transfers before {to_rfc3339(found.cut_ms)}")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "account" else "right", overflow="fold")
    for one in found.accounts:
        row, style = _row(one), None if one.difference.is_nothing else "red"
        table.add_row(*(str(row[name]) for name in COLUMNS), style=style)
    console = Console(stderr=to_stderr, highlight=False)
    console.print(table)
    for rejected in found.rejected:
        console.print(f"[red]{rejected.transfer_key}[/red] is in no total: {rejected.reason}", soft_wrap=True)
    wrong = f"[red]The totals are not right; {found.lost} transfers are missing.[/red]"
    console.print("[green]The totals are right.[/green]" if found.is_right else wrong)
