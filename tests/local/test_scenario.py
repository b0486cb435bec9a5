"""The demo's scenario, end to end on the local cloud with IAM enforced; and whether its judge can see."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.demo import report, tables
from cli.demo.judge import Claims, judge
from cli.demo.report import Report
from cli.demo.scenario import Step
from cli.demo.stored import Stored
from cli.local import cloud, tokens
from cli.local.deployment import Deployment
from cli.local.errors import NotRunning
from cli.main import app
from cli.progress import Steps
from tallystick.domain.callers import Role


@pytest.fixture(scope="module")
def played(deployment: Deployment) -> Report:
    return report.make(deployment, Steps(quiet=True))


@pytest.fixture(scope="module")
def stored(played: Report, deployment: Deployment) -> Stored:
    assert played
    return Stored.read(deployment)


def test_every_step_is_as_expected(played: Report) -> None:
    assert [step for step in played.outcome.steps if not step.ok] == []
    assert len(played.outcome.steps) > 40


def test_nothing_that_must_hold_is_broken(played: Report) -> None:
    assert [found for found in played.invariants if found.violations or not found.checked] == []


def test_an_altered_entry_is_noticed(played: Report) -> None:
    assert [step for step in played.ending.steps if not step.ok] == []
    assert [check["status"] for check in played.ending.checks] == ["ok"] * 4
    assert len(played.ending.steps) == 8


def test_the_altered_entry_is_put_back(stored: Stored, played: Report) -> None:
    first = next(iter(stored.entries_of(played.outcome.names["ada_usd"])))
    assert (first["sequence"], first["units"]) == (1, 10_000)


def test_movements_write_no_more_than_they_should(played: Report) -> None:
    assert {kind: round(units, 1) for kind, units in played.write_units.items()} == {
        "credit": 6,
        "debit": 6,
        "transfer": 10,
        "reversal": 12,
        "deposit": 10,
        "withdrawal-hold": 15.3,
        "withdrawal": 12,
        "withdrawal-release": 14,
        "withdrawal-return": 10,
    }


def _entry(stored: Stored, **changes: Any) -> Stored:  # noqa: ANN401 (any member)
    first, *others = stored.entries
    return replace(stored, entries=({**first, **changes}, *others))


def _account(stored: Stored, **changes: Any) -> Stored:  # noqa: ANN401 (any member)
    moved, *others = sorted(stored.accounts, key=lambda account: -account["version"])
    return replace(stored, accounts=({**moved, **changes}, *others))


def _transfer(stored: Stored, **changes: Any) -> Stored:  # noqa: ANN401 (any member)
    moved, *others = sorted(stored.records, key=lambda record: record["item"] != "transfer")
    return replace(stored, records=({**moved, **changes}, *others))


def _without_marker(stored: Stored) -> Stored:
    return replace(stored, records=tuple(record for record in stored.records if record["item"] != "reversal"))


TAMPERED: dict[str, tuple[Callable[[Stored], Stored], str]] = {
    "an entry is gone": (lambda stored: replace(stored, entries=stored.entries[1:]), "numbered"),
    "an entry is there twice": (
        lambda stored: replace(stored, entries=(stored.entries[0], *stored.entries)),
        "numbered",
    ),
    "an entry's amount": (lambda stored: _entry(stored, units=1), "sum of its entries"),
    "an entry's hash": (lambda stored: _entry(stored, hash="0" * 64), "hash chain"),
    "an entry's time": (lambda stored: _entry(stored, time_ms=2**50), "time is later"),
    "an entry's transfer": (lambda stored: _entry(stored, transfer_id="trf_none"), "each entry has its transfer"),
    "a balance": (lambda stored: _account(stored, balance=10**9), "sum to zero"),
    "a balance below zero": (lambda stored: _account(stored, balance=-1), "below zero"),
    "a head": (lambda stored: _account(stored, head_hash="0" * 64), "hash chain"),
    "a version": (lambda stored: _account(stored, version=0), "numbered"),
    "a posting is gone": (lambda stored: _transfer(stored, postings=[]), "postings of each transfer"),
    "a transfer is gone": (lambda stored: _transfer(stored, item="void"), "each entry has its transfer"),
    "a key": (lambda stored: _transfer(stored, key_reference="another"), "each key"),
    "payouts are gone": (lambda stored: replace(stored, payouts=()), "paid once"),
    "payouts are there twice": (lambda stored: replace(stored, payouts=stored.payouts * 2), "paid once"),
    "a reversal's marker is gone": (_without_marker, "each reversal"),
}


@pytest.mark.parametrize(("tamper", "rule"), TAMPERED.values(), ids=TAMPERED.keys())
def test_judge_notices(stored: Stored, played: Report, tamper: Callable[[Stored], Stored], rule: str) -> None:
    claims = Claims(played.outcome.record.acknowledged, played.outcome.wallets)
    broken = [found.name for found in judge(tamper(stored), claims) if found.violations]
    assert any(rule in name for name in broken), broken


def test_judge_notices_a_movement_that_is_lost(stored: Stored) -> None:
    claims = Claims({"trf_lost": {"postings": [{"amount": "1.00"}, {"amount": "-1.00"}]}}, ())
    broken = [found.name for found in judge(stored, claims) if found.violations]
    assert broken == ["each acknowledged movement is stored"]


def test_judge_notices_a_movement_that_nobody_was_told_of(stored: Stored, played: Report) -> None:
    broken = [found.name for found in judge(stored, Claims({}, played.outcome.wallets)) if found.violations]
    assert broken == ["each stored movement was acknowledged"]


@pytest.mark.parametrize("ran_before", [True, False])
def test_command_shows_tables_and_takes_down_what_it_brought_up(
    played: Report, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, ran_before: bool
) -> None:
    taken_down: list[bool] = []
    _pretend(monkeypatch, played, deployment, ran_before=ran_before)
    monkeypatch.setattr(cloud, "down", lambda: taken_down.append(True))
    shown = CliRunner().invoke(app, ["demo"])
    assert shown.exit_code == 0, shown.output
    assert "100 debits of 1.00 at once" in shown.output
    assert "hash chain holds" in shown.output
    assert "not corrected" in shown.output
    assert taken_down == ([] if ran_before else [True])
    assert max(map(len, shown.stdout.splitlines())) <= 100


def test_command_fails_when_an_altered_entry_is_not_noticed(
    played: Report, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnoticed = replace(played.ending, steps=(Step("an entry is altered", "told", "silence"),))
    _pretend(monkeypatch, replace(played, ending=unnoticed), deployment, ran_before=True)
    shown = CliRunner().invoke(app, ["demo"])
    assert shown.exit_code == 1
    assert "silence" in shown.output


def test_command_fails_when_something_is_broken(
    played: Report, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(played.invariants[0], violations=("money is missing",))
    _pretend(monkeypatch, replace(played, invariants=(broken,)), deployment, ran_before=True)
    shown = CliRunner().invoke(app, ["demo"])
    assert shown.exit_code == 1
    assert "money is missing" in shown.output


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_printed_calls_work(played: Report, deployment: Deployment, tmp_path: Path) -> None:
    names = played.outcome.names
    who = {Role.USER: "ada", Role.SERVICE: "service"}
    issued = {role: tokens.issue(deployment, role, names[f"{name}_email"]) for role, name in who.items()}
    cases = "".join(f"{role}) echo {token} ;;\n" for role, token in issued.items())
    command = tmp_path / "tallystick"  # stands for the real one, which knows one cloud only
    command.write_text(f'#!/bin/sh\ncase "$4" in\n{cases}esac\n')
    command.chmod(0o700)
    lines = tables.calls_to_try(deployment.base_url, names).splitlines()
    script = "\n".join(line for line in lines if "tallystick local down" not in line)
    done = subprocess.run(
        ["/bin/sh", "-e"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert '"instance": "urn:' not in done.stdout
    assert done.stdout.count('"transfer_id"') >= 4


def _pretend(monkeypatch: pytest.MonkeyPatch, played: Report, deployment: Deployment, *, ran_before: bool) -> None:
    """Let the command work with what this module has deployed and played."""

    def attach() -> Deployment:
        if not ran_before:
            raise NotRunning
        return deployment

    monkeypatch.setattr(cloud, "attach", attach)
    monkeypatch.setattr(cloud, "up", lambda **_options: deployment)
    monkeypatch.setattr(report, "make", lambda _deployment, _steps: played)
