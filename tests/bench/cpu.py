"""Measure processor time, of a cold start and of a warm credit: `python -m tests.bench.cpu`.

A cold start is importing a handler in a fresh process from the built local layers, as the emulator and AWS do. A warm
credit is a whole invocation but for the call to DynamoDB, which is answered at once.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.artifacts.target import LOCAL
from infra.build import build
from infra.routes import FUNCTIONS

STARTS = 5
REQUESTS = 1000
WALLET = "wal_5f2c"


def main() -> None:
    """Print both tables."""
    artifacts = build(LOCAL)
    starts = Table("cold start", "median ms", "min", "max", title=f"Import in a fresh process, {STARTS} each")
    for name in FUNCTIONS:
        times = [import_ms(artifacts, name) for _ in range(STARTS)]
        starts.add_row(name, *(f"{value:.0f}" for value in (statistics.median(times), min(times), max(times))))
    warm = Table("warm credit", "µs", title=f"CPU of one request without its AWS call, mean of {REQUESTS}")
    warm.add_row("credit", f"{warm_us():.0f}")
    Console().print(starts, warm)


def import_ms(artifacts: Path, name: str) -> float:
    """Measure user and system time of a process that imports a handler and ends."""
    layers = [artifacts / "dependencies" / "python", artifacts / "tallystick" / "python"]
    path = os.pathsep.join(map(str, [artifacts / "functions" / name, *layers]))
    code = f"import functions.{name}.handler"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"PYTHONPATH": path, "POWERTOOLS_TRACE_DISABLED": "true"}
    subprocess.run([sys.executable, "-S", "-c", code], env=environment, check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def warm_us() -> float:
    """Measure credits of a wallet that is remembered."""
    tables = {f"TALLYSTICK_{name}_TABLE": name.lower() for name in ("ACCOUNTS", "ENTRIES", "TRANSFERS")}
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    os.environ |= tables | credentials | {"TALLYSTICK_STAGE": "local", "POWERTOOLS_SERVICE_NAME": "bench"}
    from functions.credit.handler import handler
    from tallystick import wiring
    from tallystick.domain.money import DEFAULT_ASSETS
    from tallystick.observability import logger
    from tests.support.events import http_event
    from tests.support.scene import account

    wiring.ledger().memory.keep([account(WALLET, asset=DEFAULT_ASSETS["USD"])])
    client: Any = wiring._connection().client  # noqa: SLF001
    client._make_api_call = lambda _operation, _request: {}  # noqa: SLF001
    logger.handlers[0].setStream(StringIO())  # type: ignore[attr-defined]
    body, path = {"amount": "1.00", "reference": "stripe:pi_1"}, f"/v1/wallets/{WALLET}/credit"
    events = [
        http_event("POST", path, body, caller="till", groups="[SERVICE]", key=f"k{number}")
        for number in range(2 * REQUESTS)
    ]
    answers = [handler(event, None) for event in events[:REQUESTS]]  # type: ignore[arg-type]
    started = time.process_time()
    answers += [handler(event, None) for event in events[REQUESTS:]]  # type: ignore[arg-type]
    elapsed = time.process_time() - started
    if {answer["statusCode"] for answer in answers} != {201}:
        sys.exit("a credit was refused")
    return elapsed / REQUESTS * 1_000_000


if __name__ == "__main__":
    main()
