"""Print what the demo did and found, readable in a terminal of 100 columns."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.demo.client import Record
from cli.demo.integrity import Ending
from cli.demo.judge import Invariant
from cli.demo.report import Report
from cli.demo.scenario import Step

WIDTH: Final = 100
MAX_VIOLATIONS: Final = 3
_TOLD: Final = ("accounts", "checked", "entries", "transfers", "findings", "late")
"""Counts of a check that are shown."""


def console() -> Console:
    """Open standard output; wide enough also when it is no terminal."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=WIDTH)


def steps(found: Iterable[Step]) -> Table:
    """Show what was done, what was expected and what came."""
    return _of_steps("Steps", found)


def calls(record: Record, write_units: Mapping[str, float]) -> Table:
    """Show how many calls there were, how long they took at the caller, and what a movement writes."""
    numbers = ("calls", "p50 ms", "p95 ms", "p99 ms", "max ms", "write units")
    table = _table("Calls", "kind", right=numbers, marked=False)
    table.caption = "at the caller, cold starts and queues included; units from the sizes of stored items"
    for kind, milliseconds in record.milliseconds.items():
        ordered = sorted(milliseconds)
        times = [f"{percentile(ordered, share):,.0f}" for share in (0.5, 0.95, 0.99, 1.0)]
        units = write_units.get(kind.partition(",")[0])
        table.add_row(kind, str(len(ordered)), *times, f"{units:g}" if units else "")
    for kind in write_units.keys() - {kind.partition(",")[0] for kind in record.milliseconds}:
        table.add_row(f"{kind}, of a flow", *[""] * 5, f"{write_units[kind]:g}")
    return table


def invariants(found: Iterable[Invariant]) -> Table:
    """Show what was checked, on how many things, and what breaks it."""
    table = _table("Invariants, from the stored items", "what must hold", right=("checked", "violations"))
    for invariant in found:
        broken = Text("\n".join([str(len(invariant.violations)), *invariant.violations[:MAX_VIOLATIONS]]))
        table.add_row(invariant.name, str(invariant.checked), broken, _mark(ok=not invariant.violations))
    return table


def checks(ending: Ending) -> Table:
    """Show how every check of the API's own stood, and what the house held of each asset."""
    table = _table("Integrity of the ledger, as GET /v1/integrity shows it", "check", "ended", "of it")
    for check in ending.checks:
        told = check["facts"]
        counts = ", ".join(f"{name} {told[name]}" for name in _TOLD if name in told)
        if check["cut"]:
            counts = ", ".join(filter(None, [counts, f"at {_time(check['cut'])}"]))
        table.add_row(check["name"], _time(check["ended_at"]), counts, _mark(ok=check["status"] == "ok"))
    for asset in ending.house.get("assets", ()):
        held = f"{asset['total']}, difference {asset['difference']}"
        table.add_row(
            f"house, {asset['asset']}", _time(asset["cut"]), held, _mark(ok=not float(asset["difference"] or 1))
        )
    return table


def tampering(ending: Ending) -> Table:
    """Show what was reconciled, what was altered then, and who noticed."""
    table = _of_steps("Reconciliation, and an entry that is altered in the table itself", ending.steps)
    table.caption = "found and told, not corrected: the demo has put the entry back; the next run ends the alert"
    return table


def verdict(report: Report) -> Text:
    """Say in one line how it went."""
    moved, retries = len(report.outcome.record.acknowledged), report.outcome.record.retries
    if report.ok:
        return Text(
            f"All is as expected: {moved} movements, each once; {retries} calls were told to come again.", "green"
        )
    return Text("Not everything is as expected: see ✗ above.", "bold red")


def calls_to_try(base_url: str, names: Mapping[str, str]) -> str:
    """Write lines for a shell that work while the local cloud is kept."""
    command = _own_command()
    issue = f"$({command} local token --role"
    return f"""
API={base_url}
ADA={issue} USER --email {names["ada_email"]})
SERVICE={issue} SERVICE --email {names["service_email"]})
WALLET={names["ada_usd"]}
BOBS={names["bob_usd"]}

curl -sw "\\n" $API/v1/wallets -H "Authorization: Bearer $ADA"
curl -sw "\\n" $API/v1/wallets/$WALLET/credit -H "Authorization: Bearer $SERVICE" \\
  -H "Idempotency-Key: credit-no-1" -H "Content-Type: application/json" -d '{{"amount": "10.00"}}'
curl -sw "\\n" $API/v1/transfers -H "Authorization: Bearer $ADA" \\
  -H "Idempotency-Key: transfer-no-1" -H "Content-Type: application/json" \\
  -d '{{"source": "'$WALLET'", "destination": "'$BOBS'", "amount": "1.00"}}'
curl -sw "\\n" "$API/v1/wallets/$WALLET/entries?limit=2" -H "Authorization: Bearer $ADA"
curl -sw "\\n" $API/openapi.json    # in a browser: {base_url}/docs

{command} local down    # when you have seen enough
"""


def _own_command() -> str:
    """Spell the command as it was called."""
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "tallystick" else "tallystick"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Pick the value that a share of all does not exceed (nearest rank)."""
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def _of_steps(title: str, found: Iterable[Step]) -> Table:
    table = _table(title, "what", "expected", "got")
    for step in found:
        table.add_row(step.what, step.expected, step.got, _mark(ok=step.ok))
    return table


def _table(title: str, *columns: str, right: Sequence[str] = (), marked: bool = True) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name)
    for name in right:
        table.add_column(name, justify="right")
    if marked:
        table.add_column("ok")
    return table


def _time(at: str | None) -> str:
    """Shorten a time to that of the day."""
    return at[11:19] if at else ""


def _mark(*, ok: bool) -> Text:
    return Text("✓", "green") if ok else Text("✗", "bold red")
