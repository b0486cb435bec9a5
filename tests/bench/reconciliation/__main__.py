"""Measure how well, and how fast, reconciliation finds what is wrong: `python -m tests.bench.reconciliation`.

A local cloud of its own is deployed. While money moves all the time, faults are planted behind the API's back; runs
are made by the deployed functions, and judged by what was planted. Exits with 1 unless all was found and nothing else.
`python -m tests.bench.reconciliation scale` measures what a run costs instead.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.bench.reconciliation import scale
from tests.bench.reconciliation.benchmark import Plan, bench, show
from tests.bench.reconciliation.place import place
from tests.bench.reconciliation.verdicts import plain

OUT: Final = Console(width=140, highlight=False)


def main() -> None:
    """Carry out what was asked for."""
    asked = _arguments()
    match asked.what:
        case "alone":
            scale.alone(asked.wallets)
        case "scale":
            _scale(asked)
        case _:
            _faults(asked)


def _faults(asked: argparse.Namespace) -> None:
    rate_per_s = asked.rate / asked.processes
    plan = Plan(asked.wallets, asked.faults_each, asked.seconds, asked.processes, rate_per_s, asked.margin)
    with place() as deployment:
        outcome = bench(plan, deployment, OUT)
    show(outcome, OUT)
    _write(asked.json, plain(outcome.lines, outcome.facts))
    sys.exit(0 if outcome.is_perfect else 1)


def _scale(asked: argparse.Namespace) -> None:
    figures = scale.measure(asked.wallets, OUT)
    scale.show(figures, OUT)
    _write(asked.json, scale.plain(figures))


def _write(path: Path | None, figures: Mapping[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reconciliation", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("faults", "scale", "alone"), default="faults")
    parser.add_argument("--wallets", type=int, default=500, help="among which money moves all the time")
    parser.add_argument("--faults-each", type=int, default=5, help="planted faults of each kind")
    parser.add_argument("--seconds", type=float, default=10, help="for which money moves before faults are planted")
    parser.add_argument("--processes", type=int, default=2, help="that move money")
    parser.add_argument("--rate", type=float, default=40, help="movements a second, of all processes")
    parser.add_argument("--margin", type=int, help="seconds between a run's beginning and its cut")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
