"""What commands against a deployment have in common: their options, and how they end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from cli.local.errors import LocalCloudError
from tallystick.domain.errors import StoreUnavailable

SOUND: Final = 0
DIFFERENCES: Final = 1
COULD_NOT_RUN: Final = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Fix = Annotated[bool, typer.Option("--fix", help="Show what would put it right, and ask before each.")]
Force = Annotated[bool, typer.Option("--force", help="With --fix: do not ask.")]
Stack = Annotated[str | None, typer.Option(help="A stack on AWS; without it, the local cloud.")]
Region = Annotated[str | None, typer.Option(help="The stack's region; the one that is configured otherwise.")]


class CannotRun(Exception):
    """What was asked for could not be done or not be told, in words for the person at the keyboard."""


def is_asked() -> bool:
    """Tell whether somebody is there who can be asked."""
    return sys.stdin.isatty()


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what keeps a command from its work into one message and its exit code."""
    from botocore.exceptions import BotoCoreError, ClientError
    from pynamodb.exceptions import PynamoDBException

    try:
        yield
    except StoreUnavailable as silence:
        raise _ended("The tables did not answer. What was begun is whole or was not done; run it again.") from silence
    except PynamoDBException as error:
        raise _ended(f"{error}: {error.cause}") from error
    except (CannotRun, LocalCloudError, BotoCoreError, ClientError) as trouble:
        raise _ended(str(trouble)) from trouble
    except (KeyboardInterrupt, typer.Abort) as stop:
        raise _ended("Stopped. What was begun is whole, and nothing else was done.") from stop


def _ended(message: str) -> typer.Exit:
    typer.secho(message, err=True, fg="red")
    return typer.Exit(COULD_NOT_RUN)
