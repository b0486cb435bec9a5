"""Measure what a run costs by wallet, unchanged and changed, and work out what a million of them would."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from cli.local.deployment import Deployment
from tallystick.adapters.clock import now_ms
from tallystick.domain.runs import Mode, Run
from tests.bench.reconciliation import place
from tests.bench.reconciliation.meter import Meter
from tests.bench.reconciliation.moving import Mover
from tests.bench.reconciliation.pages import PAGE, Answers, cpu_s, enter, head, item_of, passed_through

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ACCOUNTS: Final = 50_000
SIZES: Final = (1_000, 10_000, 50_000)
WALLETS: Final = 1_000_000
CHANGED_SHARE: Final = 0.01
BATCH: Final = 25

SCAN_MS: Final = 20.0
"""Assumed of AWS: a scan's page of 200 accounts."""

CALL_MS: Final = 5.0
"""Assumed of AWS: any other call."""

VCPU_MB: Final = 1769
"""Memory at which Lambda gives one vCPU (AWS Lambda: "Configure Lambda function memory")."""

MEMORY_MB: Final = 1024
WITHIN_S: Final = 300
READ_USD, WRITE_USD = 0.125e-6, 0.625e-6
LAMBDA_USD_GB_S: Final = 0.0000133334
"""Lambda on arm64, us-east-1."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Hold what one pass over all accounts took."""

    accounts: int
    checked: int
    cpu_s: float
    wall_s: float
    read_units: float
    write_units: int
    calls: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Hold what was measured; of changed wallets by wallet."""

    unchanged_cpu_ms_per_1000: float
    unchanged_units_per_1000: float
    rss_mb: Mapping[int, float]
    local: Mapping[str, Pass]

    @property
    def changed(self) -> dict[str, float]:
        """Take the pass without a change from the one with some."""
        some, none = self.local["changed"], self.local["unchanged"]
        members = ("cpu_s", "wall_s", "read_units", "write_units", "calls")
        return {name: (getattr(some, name) - getattr(none, name)) / some.checked for name in members}


def measure(wallets: int, out: Console) -> Figures:
    """Measure everything; the checker alone first, then against a local cloud."""
    memory = {size: _in_process(size)["rss_mb"] for size in SIZES}
    alone = _in_process(ACCOUNTS)
    with place.place() as deployment:
        out.print(f"{wallets} wallets in a local cloud …")
        local = _in_cloud(deployment, wallets)
    units = Answers(PAGE).units_a_page * 1000 / PAGE
    return Figures(alone["cpu_s"] / ACCOUNTS * 1e6, units, memory, local)


def show(figures: Figures, out: Console) -> None:
    """Print what was measured and what follows from it."""
    alone = Table("the checker alone", "value")
    alone.add_row("CPU ms per 1,000 unchanged", f"{figures.unchanged_cpu_ms_per_1000:.1f}")
    alone.add_row("read units per 1,000 unchanged", f"{figures.unchanged_units_per_1000:.1f}")
    for size, rss in figures.rss_mb.items():
        alone.add_row(f"most memory, {size:,} accounts", f"{rss:.0f} MB")
    passes = Table("local cloud", "accounts", "examined", "CPU s", "wall s", "calls", "read units", "write units")
    for name, one in figures.local.items():
        cells = (one.accounts, one.checked, f"{one.cpu_s:.2f}", f"{one.wall_s:.2f}", one.calls)
        passes.add_row(name, *map(str, cells), f"{one.read_units:g}", str(one.write_units))
    out.print(alone, passes)
    for name, value in {**{f"each changed: {name}": value for name, value in figures.changed.items()}}.items():
        out.print(f"{name} {value:.4f}")
    for line in extrapolated(figures):
        out.print(line)


def extrapolated(figures: Figures) -> list[str]:
    """Show the arithmetic for a million wallets, one in a hundred changed."""
    changed, each, share = WALLETS * CHANGED_SHARE, figures.changed, MEMORY_MB / VCPU_MB
    scan_s = WALLETS / PAGE * SCAN_MS / 1000 + WALLETS / 1000 * figures.unchanged_cpu_ms_per_1000 / 1000 / share
    change_s = changed * (each["calls"] * CALL_MS / 1000 + each["cpu_s"] / share)
    reads = WALLETS / 1000 * figures.unchanged_units_per_1000 + changed * each["read_units"]
    writes = changed * each["write_units"]
    total_s = scan_s + change_s
    usd = (reads * READ_USD, writes * WRITE_USD, total_s * MEMORY_MB / 1024 * LAMBDA_USD_GB_S)
    return [
        (
            f"scan: {WALLETS / PAGE:,.0f} pages x {SCAN_MS:g} ms + {WALLETS / 1000:,.0f} x "
            f"{figures.unchanged_cpu_ms_per_1000:.1f} ms CPU / {share:.2f} vCPU = {scan_s:,.0f} s"
        ),
        (
            f"changed: {changed:,.0f} x ({each['calls']:.1f} calls x {CALL_MS:g} ms "
            f"+ {each['cpu_s'] * 1000:.1f} ms CPU "
            f"/ {share:.2f} vCPU) = {change_s:,.0f} s"
        ),
        f"together {total_s:,.0f} s of work: {total_s / WITHIN_S:.1f} workers for {WITHIN_S} s",
        (
            f"{reads:,.0f} read units {usd[0]:.4f} USD, {writes:,.0f} write units {usd[1]:.4f} USD, "
            f"Lambda {usd[2]:.4f} USD: {sum(usd):.4f} USD a run"
        ),
    ]


def plain(figures: Figures) -> dict[str, Any]:
    """Write everything as JSON takes it."""
    return {**asdict(figures), "changed": figures.changed, "extrapolated": extrapolated(figures)}


def alone(accounts: int) -> None:
    """Print what a process takes that goes through so many unchanged accounts; it is one of its own."""
    enter()
    cpu_s(PAGE)
    took_s = cpu_s(accounts)
    print(json.dumps({"cpu_s": took_s, "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))  # noqa: T201


def _in_process(accounts: int) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.reconciliation", "alone", "--wallets", str(accounts)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 (our own)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _in_cloud(deployment: Deployment, wallets: int) -> dict[str, Pass]:
    """Go over wallets of which nearly all are unchanged: when the others are new, checked, and moved since."""
    place.enter(place.variables(deployment))
    from tallystick.wiring import _connection
    from tallystick.wiring.reconciliation import cover

    changing = int(wallets * CHANGED_SHARE)
    _write_unchanged(deployment, wallets - changing)
    mover = Mover("scale")
    moved = [mover.open() for _ in range(changing)]
    for wallet in moved:
        mover.credit(wallet, "100.00")
        mover.credit(wallet, "50.00")
    meter = Meter(_connection().client.meta.events)
    found = {}
    for number, name in enumerate(("new", "unchanged", "changed")):
        if name == "changed":
            for wallet in moved:
                mover.debit(wallet, "1.00")
        found[name] = _pass(cover(), number, meter)
    return found


def _pass(cover: Any, number: int, meter: Meter) -> Pass:  # noqa: ANN401 (wiring is imported late)
    run = Run(f"run_of_bench_{number}", Mode.CHANGED, "bench", now_ms(), now_ms(), segments=1)
    meter.reset()
    cpu, wall = time.process_time(), time.perf_counter()
    counted = passed_through(cover, run).counted
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if counted.findings or counted.unclear:
        raise AssertionError(f"unexpected: {counted}")
    calls = meter.calls.total()
    return Pass(counted.accounts, counted.checked, cpu, wall, meter.read_units, meter.write_units, calls)


def _write_unchanged(deployment: Deployment, count: int) -> None:
    """Write accounts that say they were checked; nobody asks for their entries."""
    client: DynamoDBClient = deployment.client("dynamodb")
    table = deployment.outputs["AccountsTable"]
    for start in range(0, count, BATCH):
        items = [item_of(head(number)) for number in range(start, min(start + BATCH, count))]
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
