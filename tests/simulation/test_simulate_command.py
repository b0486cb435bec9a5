"""`tallystick simulate`: what it plays, shows and exits with."""

import builtins
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.simulation import profiles, report, simulate, stub
from tests.simulation.coverage import cover
from tests.simulation.plays import Play
from tests.simulation.profiles import Profile
from tests.simulation.runner import play_all


@pytest.fixture(autouse=True)
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "FAULTS", stub.FAULTS)
    monkeypatch.setattr(simulate, "applicable", stub.applicable)
    monkeypatch.setattr(simulate, "simulate", stub.fragile)
    monkeypatch.setattr(profiles, "PROFILES", {"ci": Profile(seeds=4), "release": Profile(invocations=50, faults=9)})
    monkeypatch.setattr(profiles, "saved_plays", lambda: (Play(22),))


def called(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", "--jobs", "1", *arguments])


def test_sound_seeds() -> None:
    result = called("--seeds", "5", "--from", "20")
    assert result.exit_code == 0, result.output
    assert "No rule was broken in 5 seeds." in result.output
    assert "0 saved seeds, then from 20 on" in result.output


def test_a_broken_rule_is_told_with_the_way_to_see_it_again() -> None:
    result = called("--seeds", "100", "--from", "0")
    assert result.exit_code == 1
    assert "✗ seed 7 (paying, returning)\n    sum: usd: 1\n    key: twice\n" in result.output
    assert "and 1 more\n  tallystick simulate --replay 7\n" in result.output
    assert "seed 27" not in result.output


def test_it_goes_on_when_told_to() -> None:
    result = called("--seeds", "200", "--from", "0", "--keep-going")
    assert result.exit_code == 1
    assert "✗ seed 87" in result.output
    assert "✗ seed 97" not in result.output
    assert "Broken in 21 of 200 seeds: sum 20, key 20, simulation 1" in result.output


def test_without_a_profile_it_is_ci_with_the_seeds_that_were_kept() -> None:
    result = called("--from", "30")
    assert "No rule was broken in 5 seeds." in result.output
    assert "1 saved seeds, then from 30 on" in result.output


def test_a_profile_can_have_other_goals_than_seeds() -> None:
    result = called("--profile", "release", "--from", "20")
    assert result.exit_code == 1
    assert "✗ seed 27" in result.output


def test_the_day_says_where_fresh_seeds_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "first_of", lambda day: day.year * 10)
    assert "then from 20" in called("--seeds", "2").output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--profile", "never"], "There is no profile never: ci, release."),
        (["--profile", "ci", "--seeds", "4"], "--seeds and --profile exclude each other."),
        (["--replay", "4; tally"], "No play is named 4; tally: a seed, then perhaps `; function: call: fault`."),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], why: str) -> None:
    result = called(*arguments)
    assert (result.exit_code, result.stderr.strip()) == (2, why)


def test_lacking_requirements_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    truly = builtins.__import__

    def without_greenlet(name: str, *further: Any, **named: Any) -> Any:  # noqa: ANN401 (as Python has it)
        if name == "tests.simulation.profiles":
            raise ModuleNotFoundError(name="greenlet")
        return truly(name, *further, **named)

    monkeypatch.setattr(builtins, "__import__", without_greenlet)
    result = called()
    assert result.exit_code == 2
    assert "needs greenlet. `make .venv/.dev` installs" in result.stderr


def test_a_replay_tells_everything() -> None:
    result = called("--replay", "4")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "seed 4: paying",
        "12:00:00.000 ada POST /v1/transfers [lost]",
        "3 invocations; throttled 1, message twice 1",
        "No rule was broken.",
    ]


def test_a_replay_of_what_was_aimed() -> None:
    result = called("--replay", f"4; webhooks: {stub.SEND}: lost")
    assert result.output.startswith(f"seed 4; webhooks: {stub.SEND}: lost: paying")
    assert "lost 1" in result.output


def test_a_profile_that_covers_aims_at_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "PROFILES", {"ci": Profile(seeds=4, covers=True)})
    result = called("--profile", "ci", "--from", "30", "--coverage")
    assert result.exit_code == 0
    assert "No rule was broken in 5 seeds and 2 aimed plays." in result.output
    assert "0 of 4 cells that can be filled." in result.output


def test_a_replay_of_a_broken_seed() -> None:
    result = called("--replay", "7")
    assert result.exit_code == 1
    assert "✗ seed 7 (paying, returning)" in result.output


def test_a_replay_of_a_seed_that_cannot_be_played() -> None:
    result = called("--replay", "13")
    assert result.exit_code == 1
    assert "the drain has no end" in result.output


def lines(output: str) -> dict[str, str]:
    """Key lines by their first word."""
    return {line.split()[0]: " ".join(line.split()[1:]) for line in output.splitlines() if line.split()}


def test_tables() -> None:
    found = lines(called("--seeds", "4", "--from", "20").output)
    assert found["throttled"] == "4 1 1"
    assert found["lost"] == "2 1 1"
    assert found["partial"] == "0 0 0"
    assert found["message"] == "twice 4"
    assert found["credit"] == "8 4 1 1 0"
    assert found["webhooks"] == "4 2 1 3 2"
    assert found["invocations"].startswith("12 ")


def test_functions_that_were_not_invoked_are_named() -> None:
    assert "tally" in report.unplayed(play_all(stub.sound, [Play(1)]))
    assert "credit" not in report.unplayed(play_all(stub.sound, [Play(1)]))


def test_the_whole_coverage() -> None:
    found = called("--seeds", "4", "--from", "20", "--coverage").output
    assert "GetItem accounts" in found
    assert lines(found)["GetItem"] == "accounts 12 4 · ·"
    assert lines(found)["SendMessageBatch"] == "webhooks 4 0 2 0"
    assert "1 throttled, 2 lost, 3 partial" in found
    assert "2 of 4 cells that can be filled." in found


def test_a_hit_is_counted_even_where_none_was_thought_possible() -> None:
    (row,) = cover(play_all(stub.sound, [Play(2)]), stub.FAULTS, lambda _: ()).of("credit").rows
    assert row.cells == (1, None, None)


def test_the_document_holds_everything(tmp_path: Path) -> None:
    path = tmp_path / "simulation.json"
    assert called("--seeds", "8", "--from", "0", "--json", str(path)).exit_code == 1
    found: Mapping[str, Any] = json.loads(path.read_text())
    assert (found["sound"], found["profile"], found["first_seed"]) == (False, None, 0)
    assert found["done"] == {"seeds": 8, "aimed": 0, "invocations": 24, "faults": 12}
    assert found["faults"]["lost"] == {"times": 4, "functions": 1, "calls": 1}
    assert found["broken"][0]["breaches"][0] == {"rule": "sum", "detail": "usd: 1"}
    assert found["coverage"]["rows"][0] == {
        "function": "credit",
        "call": stub.GET,
        "times": 24,
        "cells": {"throttled": 8, "lost": None, "partial": None},
    }
    assert set(found["speed"]["invocations"]) == {"per_cpu_s", "per_wall_s"}
