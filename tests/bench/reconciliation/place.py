"""Have a local cloud of one's own, and work in it with the product's services and administrator's credentials."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from cli.local import cloud
from cli.local.deployment import Deployment
from tests.local.changes import variables_of, with_environment

_READ_BY: Final = ("withdrawals", "reconciler", "credit")
"""Functions whose variables together name all that is used here."""

_RUNNERS: Final = ("reconciliation_planner", "reconciler", "integrity")


@contextmanager
def place() -> Iterator[Deployment]:
    """Deploy this checkout beside whatever else runs, and leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="reconciliation-bench-") as folder:
        home = Path(folder) / "home"
        try:
            yield cloud.up(home=home, port=0)
        finally:
            cloud.down(home=home)


@contextmanager
def with_rhythm(deployment: Deployment, rhythm: str | None) -> Iterator[None]:
    """Let runs be made in another rhythm, JSON as in cdk.json."""
    with ExitStack() as stack:
        for function in _RUNNERS if rhythm else ():
            stack.enter_context(with_environment(deployment, function, TALLYSTICK_RECONCILIATION=str(rhythm)))
        yield


def variables(deployment: Deployment) -> dict[str, str]:
    """Give what a process needs to be let into the cloud."""
    of_functions: dict[str, str] = {}
    for function in _READ_BY:
        of_functions |= variables_of(deployment, function)
    credentials = deployment.access.credentials
    return {
        **of_functions,
        "AWS_ENDPOINT_URL": deployment.endpoint_url,
        "AWS_ACCESS_KEY_ID": credentials["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": credentials["aws_secret_access_key"],
        "AWS_REGION": deployment.access.region,
        "POWERTOOLS_TRACE_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def enter(found: Mapping[str, str]) -> None:
    """Let this process use `tallystick.wiring` in the cloud; a process enters one only."""
    os.environ.update(found)
