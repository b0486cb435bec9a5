"""Measure what checking a webhook's signature costs: `python -m tests.bench.seals`.

Each check is of a genuine call with a body from the vendor's cases, and of a forgery of it. An import is measured in a
fresh process, over one that imports what every seal needs of the domain.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console
from rich.table import Table

from tallystick.domain.webhooks import Delivery, Provider
from tests.support.sealed import SEALS, key_of, signed, verdict
from tests.unit.webhooks.cases import fixture

CHECKS: Final = 300
STARTS: Final = 15
SOURCES: Final = Path(__file__).parents[2] / "layers" / "tallystick" / "python"
DOMAIN: Final = "import tallystick.domain.webhooks"


def main() -> None:
    """Print one line for each provider."""
    table = Table("provider", "body bytes", "genuine µs", "forged µs", "event id µs", "import ms", title="CPU of seals")
    for provider in Provider:
        call = genuine(provider)
        forgery = replace(call, body=call.body.replace(b"0", b"1", 1))
        checks = [mean_us(partial(verdict, each)) for each in (call, forgery)]
        event_id = mean_us(partial(SEALS[provider].event_id, call))
        figures = [len(call.body), *checks, event_id, import_ms(provider)]
        table.add_row(provider, *(f"{figure:.0f}" for figure in figures))
    Console().print(table)


def genuine(provider: Provider) -> Delivery:
    """Sign a vendor's first body with a key of ours."""
    call = signed(provider, fixture(provider)["cases"][0]["body"].encode())
    SEALS[provider].verify(call, [key_of(provider)])
    return call


def mean_us(act: Callable[[], object]) -> float:
    """Measure one of many runs."""
    started = time.process_time()
    for _ in range(CHECKS):
        act()
    return (time.process_time() - started) / CHECKS * 1_000_000


def import_ms(provider: Provider) -> float:
    """Measure an import from compiled sources, as in Lambda, each beside one of the domain alone."""
    code = f"{DOMAIN}, tallystick.adapters.providers.{provider}.seal"
    with TemporaryDirectory() as compiled:
        environment = {"PYTHONPATH": str(SOURCES), "PYTHONPYCACHEPREFIX": compiled}
        _start_ms(code, environment)
        return statistics.median(_start_ms(code, environment) - _start_ms(DOMAIN, environment) for _ in range(STARTS))


def _start_ms(code: str, environment: Mapping[str, str]) -> float:
    """Take user and system time of a process that runs a line and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


if __name__ == "__main__":
    main()
