"""`tallystick demo`: the whole of Tallystick in a minute."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.local.commands import Port
from cli.local.errors import LocalCloudError, NotRunning

if TYPE_CHECKING:
    from cli.demo.report import Report

Keep = Annotated[bool, typer.Option("--keep", help="Leave the local cloud running, and print calls to try.")]


def demo(keep: Keep = False, port: Port = None) -> None:  # noqa: FBT002 - Typer reads the default from here.
    """Deploy to the local cloud, move money through the API, and check that nothing is lost or doubled."""
    from cli.local import cloud

    try:
        stays = keep or _is_running()
        try:
            ok = _play(port, keep=keep)
        finally:
            if not stays:
                cloud.down()
    except LocalCloudError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    raise typer.Exit(0 if ok else 1)


def _is_running() -> bool:
    from cli.local import cloud

    try:
        cloud.attach()
    except NotRunning:
        return False
    return True


def _play(port: int | None, *, keep: bool) -> bool:
    from cli.demo import report, tables
    from cli.local import cloud
    from cli.progress import Steps

    steps = Steps()
    deployment = cloud.up(port=port, steps=steps)
    found = report.make(deployment, steps)
    _show(found)
    if keep:
        typer.echo(tables.calls_to_try(deployment.base_url, found.outcome.names))
    return found.ok


def _show(found: "Report") -> None:
    from cli.demo import tables

    out = tables.console()
    out.print()
    out.print(tables.steps(found.outcome.steps))
    out.print(tables.calls(found.outcome.record, found.write_units))
    out.print(tables.invariants(found.invariants))
    out.print(tables.checks(found.ending))
    out.print(tables.tampering(found.ending))
    out.print(tables.verdict(found))
