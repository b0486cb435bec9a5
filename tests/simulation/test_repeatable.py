"""A seed is the same in any process and after any other seed; otherwise no finding could be played again."""

import json
import os
import subprocess
import sys
from typing import Any

SEEDS = tuple(range(12))
PLAY = """
import json, sys
from tests.simulation.plays import Play
from tests.simulation.simulate import simulate
outcomes = {seed: simulate(Play(seed), trace=True) for seed in map(int, sys.argv[1:])}
print(json.dumps({seed: [*one.timeline, str(one.breaches)] for seed, one in outcomes.items()}))
"""


def played(seeds: tuple[int, ...], salt: str) -> dict[str, Any]:
    """Play seeds in a process of their own, where Python hashes text in its own way."""
    command = [sys.executable, "-c", PLAY, *map(str, seeds)]
    environment = {**os.environ, "PYTHONHASHSEED": salt}
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_a_seed_says_everything() -> None:
    there, back = played(SEEDS, "1"), played(SEEDS[::-1], "2")
    assert {seed for seed in there if there[seed] != back[seed]} == set()
