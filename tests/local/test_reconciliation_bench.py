"""The benchmark of reconciliation, short: one fault of each kind, all found while money moves, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.reconciliation.faults import KINDS

PROJECT = Path(__file__).parents[2]


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    chosen = ["--wallets", "20", "--faults-each", "1", "--seconds", "1", "--rate", "10", "--margin", "3"]
    command = [sys.executable, "-m", "tests.bench.reconciliation", *chosen, "--json", str(figures)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603 (our own)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert {line["kind"]: line["by_runs"] for line in found["kinds"]} == dict.fromkeys(KINDS, 1)
    assert found["false"] == 0
    assert found["movements_meanwhile"] > 0
