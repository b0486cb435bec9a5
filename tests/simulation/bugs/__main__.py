"""Measure what the simulator finds: `python -m tests.simulation.bugs` plants every mistake of the bank.

Exits with 0 when each was found, and at least 23 of any 25 within the first seeds; with 1 otherwise.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.simulation.bugs.bank import BUGS
from tests.simulation.bugs.hunting import Bag, Hit, hunt_all, hunt_named
from tests.simulation.bugs.planting import Bug


def main() -> None:
    """Hunt what was asked for."""
    asked = _arguments()
    bugs = [bug for bug in BUGS if not asked.only or bug.name in asked.only]
    hunter = partial(hunt_named, most=asked.most)
    bag = hunt_all(bugs, hunter, jobs=asked.jobs, early=asked.seeds, show=_tell)
    Console(width=140, highlight=False).print(_table(bugs, bag))
    if asked.json:
        asked.json.write_text(json.dumps(bag.document(), indent=1), encoding="utf-8")
    sys.exit(0 if bag.is_good else 1)


def _tell(name: str, hit: Hit | None) -> None:
    sys.stderr.write(f"{name}: {f'seed {hit.seed}' if hit else 'not found'}\n")


def _table(bugs: Sequence[Bug], bag: Bag) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("area", "planted", "mistake", "seeds", "broken rules", "scenes"):
        table.add_column(name, justify="right" if name == "seeds" else "left")
    for bug in bugs:
        table.add_row(bug.area, bug.name, bug.what, *_cells(bag.hits[bug.name], bag.early))
    table.caption = f"{bag.found_early} of {len(bugs)} within {bag.early} seeds, {len(bag.found)} in all"
    return table


def _cells(hit: Hit | None, early: int) -> tuple[Text, str, str]:
    if hit is None:
        return Text("not found", "bold red"), "", ""
    style = "green" if hit.tried <= early else "yellow"
    return Text(str(hit.tried), style), ", ".join(hit.rules), ", ".join(hit.scenes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.bugs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="within which a mistake is found early")
    parser.add_argument("--most", type=int, default=2_000, help="seeds that are played for one mistake")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--json", type=Path, help="a file for everything that was found")
    names = [bug.name for bug in BUGS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="these mistakes alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
