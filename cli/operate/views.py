"""Show a reconciliation to a person or, as JSON, to a program."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.demo.tables import console
from cli.operate.reconcile import Report
from tallystick.domain.money import format_units
from tallystick.domain.reconciliation import Checkpoint, Finding, Head
from tallystick.domain.repairing import MakeUp, Refused, Remedy
from tallystick.domain.times import to_rfc3339
from tallystick.services.repairing import Diagnosis

OWNER_SHOWN: Final = 8
AMOUNTS: Final = frozenset({"balance", "held"})


def show_one(report: Report) -> None:
    """Print the accounts with their last checkpoints, and a line for each finding."""
    out = console()
    out.print(_table(report))
    for found in report.accounts.values():
        _print_account(out, found)
    _print_repaired(out, report)
    out.print(_cost(report))


def show_all(report: Report) -> None:
    """Print what differs, and count the rest."""
    out = console()
    if report.accounts or report.transfers:
        out.print(_table(report))
    for found in report.accounts.values():
        _print_findings(out, found)
    _print_repaired(out, report)
    out.print(_counts(report))
    for subject, units in (report.verdict.differences if report.verdict else {}).items():
        hint = "; see `tallystick tally`" if subject.startswith("external:") else ""
        out.print(Text(f"✗ {subject}: {units} units differ{hint}", "bold red"))
    out.print(_cost(report))


def show_remedy(found: Diagnosis) -> None:
    """Say on standard error what is wrong with an account and what would be done, before somebody is asked."""
    head, remedy = found.head, found.remedy
    typer.echo(f"\n{head.account_id} ({head.asset}, owner {head.owner_id})", err=True)
    for finding in found.findings:
        typer.echo(f"  {finding}", err=True)
    for line in _steps(head, remedy):
        typer.echo(f"  {line}", err=True)


def as_json(report: Report) -> str:
    """Write all that was found."""
    verdict = report.verdict
    counted = verdict.sums.counted if verdict else None
    document = {
        "sound": report.exit_code == 0,
        "mode": "full" if report.full else "changed",
        "cut": to_rfc3339(verdict.run.cut_ms) if verdict and report.full else None,
        "counted": {name: getattr(counted, name) for name in counted.__slots__} if counted else None,
        "totals_judged": verdict.is_judged if verdict else None,
        "differences": {name: str(units) for name, units in (verdict.differences if verdict else {}).items()},
        "accounts": [_account_json(report, found) for found in report.accounts.values()],
        "transfers": {name: [_finding_json(one) for one in found] for name, found in report.transfers.items()},
        "unnamed_findings": report.unnamed,
        "read_units": report.read_units,
        "seconds": report.seconds,
    }
    return json.dumps(document, indent=2)


def _table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("account", "owner", "asset"):
        table.add_column(name, overflow="fold")
    for name in ("balance", "entries"):
        table.add_column(name, justify="right")
    table.add_column("state", overflow="fold")
    for found in report.accounts.values():
        head = found.head
        amount, owner = format_units(head.balance, head.scale), _short(head.owner_id)
        table.add_row(head.account_id, owner, head.asset, amount, str(head.version), _state(found))
    for name, findings in report.transfers.items():
        table.add_row(name, "", "", "", "", Text(", ".join(map(str, findings)), "red"))
    return table


def _state(found: Diagnosis) -> Text:
    if not found.is_clear:
        return Text("unclear", "yellow")
    if not found.findings:
        return Text("sound", "green")
    faults = dict.fromkeys(found.fault for found in found.findings)
    first = next((one.sequence for one in found.findings if one.sequence is not None), None)
    return Text(", ".join(faults) + (f" at entry {first}" if first is not None else ""), "bold red")


def _print_account(out: Console, found: Diagnosis) -> None:
    head = found.head
    out.print(f"on hold      {format_units(head.held, head.scale)}")
    out.print(f"checkpoint   {_vouched(found.checkpoint)}")
    out.print(f"entries read {found.entries}")
    _print_findings(out, found)


def _print_findings(out: Console, found: Diagnosis) -> None:
    for finding in found.findings:
        out.print(Text(f"✗ {finding.account_id}  {finding}", "red"), soft_wrap=True)
    for line in _steps(found.head, found.remedy):
        out.print(f"  {line}", soft_wrap=True)


def _print_repaired(out: Console, report: Report) -> None:
    for name, repaired in report.repaired.items():
        out.print(f"{name}: {repaired.outcome}")


def _vouched(checkpoint: Checkpoint | None) -> str:
    if checkpoint is None:
        return "none"
    return f"entry {checkpoint.sequence} of {to_rfc3339(checkpoint.time_ms)}, by {checkpoint.run_id}"


def _steps(head: Head, remedy: Remedy | None) -> Iterator[str]:
    """Say what is, or would be, done."""
    if isinstance(remedy, Refused):
        yield f"not repaired: {remedy.reason}"
        if remedy.instead:
            yield f"first: tallystick reconcile {remedy.instead} --fix"
    elif remedy is not None:
        for name, (before, after) in remedy.changes.items():
            yield f"{name}: {_shown(head, name, before)} → {_shown(head, name, after)}"
    if isinstance(remedy, MakeUp):
        yield _movement(head, remedy)


def _movement(head: Head, remedy: MakeUp) -> str:
    withdrawal = remedy.withdrawal
    amount = f"{format_units(withdrawal.total_units, head.scale)} {head.asset}"
    less = ", and shows as much less on hold" if remedy.is_held else ""
    return f"{remedy.posts} of {amount} for {withdrawal.flow_id}, of wallet {withdrawal.wallet_id}{less}"


def _shown(head: Head, name: str, value: str) -> str:
    return format_units(int(value), head.scale) if name in AMOUNTS else value


def _counts(report: Report) -> Text:
    if report.verdict is None:
        return Text()
    counted = report.verdict.sums.counted
    text = f"{counted.accounts} accounts, {counted.checked} examined with {counted.entries} entries"
    if report.full:
        text += f"; {counted.transfers} transfers before {to_rfc3339(report.verdict.run.cut_ms)}"
        text += "" if report.verdict.is_judged else "; it took too long to judge the totals"
    text += f"; {len(report.accounts)} differ" if report.accounts else ""
    text += f"; {report.unnamed} findings more" if report.unnamed else ""
    text += f"; {counted.unclear} were being written" if counted.unclear else ""
    return Text(text, "green" if report.exit_code == 0 else "red")


def _cost(report: Report) -> str:
    return f"{report.seconds:.2f} s, {report.read_units:g} read units"


def _account_json(report: Report, found: Diagnosis) -> dict[str, Any]:
    head = found.head
    repaired = report.repaired.get(head.account_id)
    return {
        "account_id": head.account_id,
        "owner_id": head.owner_id,
        "asset": head.asset,
        "balance": format_units(head.balance, head.scale),
        "held": format_units(head.held, head.scale),
        "entries": head.version,
        "entries_read": found.entries,
        "state": _state_word(found),
        "findings": [_finding_json(finding) for finding in found.findings],
        "checkpoint": _checkpoint_json(found.checkpoint),
        "remedy": _remedy_json(found.remedy),
        "repair": repaired.outcome if repaired else None,
    }


def _state_word(found: Diagnosis) -> str:
    if not found.is_clear:
        return "unclear"
    return "differs" if found.findings else "sound"


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "fault": finding.fault,
        "detail": finding.detail,
        "sequence": finding.sequence,
        "transfer_id": finding.transfer_id,
    }


def _checkpoint_json(checkpoint: Checkpoint | None) -> Mapping[str, Any] | None:
    if checkpoint is None:
        return None
    return {"sequence": checkpoint.sequence, "time": to_rfc3339(checkpoint.time_ms), "run_id": checkpoint.run_id}


def _remedy_json(remedy: Remedy | None) -> dict[str, Any] | None:
    if remedy is None:
        return None
    if isinstance(remedy, Refused):
        return {"possible": False, "reason": remedy.reason, "instead": remedy.instead}
    changes = {name: {"before": before, "after": after} for name, (before, after) in remedy.changes.items()}
    return {"possible": True, "changes": changes}


def _short(owner_id: str) -> str:
    return owner_id if len(owner_id) <= OWNER_SHOWN else owner_id[:OWNER_SHOWN] + "…"
