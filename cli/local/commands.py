"""`tallystick local`: bring the local cloud up, look at it, get a token for it, take it down."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.local.errors import LocalCloudError
from tallystick.domain.callers import Role

app = typer.Typer(help="The same application on an AWS emulator on this machine.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Port = Annotated[int | None, typer.Option(min=1024, max=65535, help="Port of the API; 4566 or the next free one.")]
Email = Annotated[str, typer.Option(help="The user's address; the user is created when missing.")]
AskedRole = Annotated[Role, typer.Option(case_sensitive=False, help="What the token's bearer may do.")]


@app.command()
def up(as_json: AsJson = False, port: Port = None) -> None:  # noqa: FBT002 - Typer reads the default from here.
    """Deploy to the local cloud; start it first when it is not running."""
    from cli.local import cloud, views
    from cli.progress import Steps

    with _readable_errors():
        deployment = cloud.up(port=port, steps=Steps())
        typer.echo(views.deployment_json(deployment)) if as_json else views.show_deployment(deployment)


@app.command()
def status(as_json: AsJson = False) -> None:  # noqa: FBT002 - Typer reads the default from here.
    """Show what runs where; exit with 1 when nothing runs."""
    from cli.local import cloud, views

    with _readable_errors():
        found = cloud.status()
        typer.echo(views.status_json(found)) if as_json else views.show_status(found)
    raise typer.Exit(0 if found.running else 1)


@app.command()
def down() -> None:
    """Stop the local cloud and remove all it kept."""
    from cli.local import cloud

    with _readable_errors():
        stopped = cloud.down()
    typer.echo("The local cloud is down." if stopped else "The local cloud was not running.", err=True)


@app.command()
def token(role: AskedRole, email: Email) -> None:
    """Print an access token for a user of that role, creating the user when missing."""
    from cli.local import cloud, tokens

    with _readable_errors():
        typer.echo(tokens.issue(cloud.attach(), role, email))


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn a refusal of the local cloud into one message and exit code 1."""
    try:
        yield
    except LocalCloudError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
