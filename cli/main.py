"""Register every command; heavy imports stay inside the commands, so that `--help` is instant."""

import typer

from cli.demo.commands import demo
from cli.local import commands as local
from cli.operate.reconcile import reconcile
from cli.operate.tally import tally
from cli.simulate import simulate
from cli.webhooks import commands as webhooks

app = typer.Typer(
    name="tallystick",
    help="Run Tallystick on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(local.app, name="local")
app.add_typer(webhooks.app, name="webhook")
app.command(name="demo")(demo)
app.command(name="reconcile")(reconcile)
app.command(name="simulate")(simulate)
app.command(name="tally")(tally)


@app.command()
def openapi() -> None:
    """Write the API's contract anew from the functions' code."""
    from cli.openapi import CONTRACT, build

    CONTRACT.write_text(build())


if __name__ == "__main__":
    app()
