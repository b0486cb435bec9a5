"""Simulate one seed: scenes play while things go wrong, then all comes to its end and is judged."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from tests.simulation.faults import FAULTS, Chooser, Dice, applicable
from tests.simulation.judge import Breach, judge
from tests.simulation.machine import installed, run_in
from tests.simulation.plays import Play
from tests.simulation.scenes import Scene, chosen
from tests.simulation.scenes.common import pages
from tests.simulation.world import World

__all__ = ["FAULTS", "Outcome", "applicable", "play", "simulate"]

CREATED: Final = 201
SHARES: Final = (0.0, 0.1, 0.3)
RECONCILED: Final = 0.15
"""The share of seeds that end with a full reconciliation, which is dear."""

SPECTATED: Final = 0.15
"""The share of seeds in which somebody reads a statement at the end."""

TICKED: Final = ("webhook_sweep", "withdrawal_sweep", "spike_sweep", "watchdog", "reconciliation_planner")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tell what happened in a play, and what should not have."""

    play: Play
    scenes: tuple[str, ...]
    invocations: Counter[str]
    calls: Counter[tuple[str, str]]
    faults: Counter[tuple[str, str, str]]
    accidents: Counter[str]
    breaches: tuple[Breach, ...]
    timeline: tuple[str, ...] = ()


def simulate(named: Play, *, trace: bool = False) -> Outcome:
    """Play scenes of the seed's choice under faults of its choice, and under those that are aimed."""
    return play(named, None, Dice, trace=trace)


def play(
    named: Play, scenes: Sequence[Scene] | None, chooser: Callable[[Random], Chooser], *, trace: bool = False
) -> Outcome:
    """Play scenes, or those that the seed chooses, with faults by a chooser."""
    with installed(), _no_garbage():
        world = World(named.seed, chooser, trace=trace)
        world.boundary.aims = named.aims
        dice = world.dice
        played = tuple(scenes) if scenes else chosen(dice)
        _choose_weather(world)
        with run_in(world):
            _play(world, played)
            world.end(reconcile=dice.random() < RECONCILED or bool(world.tampered))
        return Outcome(
            play=named,
            scenes=tuple(scene.name for scene in played),
            invocations=world.fleet.invocations,
            calls=world.boundary.calls,
            faults=world.boundary.faults,
            accidents=world.fleet.accidents,
            breaches=tuple(judge(world.evidence())),
            timeline=tuple(world.timeline),
        )


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Collect what is left over between seeds: looking for it meanwhile costs more than it frees."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _choose_weather(world: World) -> None:
    dice, weather = world.dice, world.deliveries.weather
    weather.twice, weather.late, weather.again = (dice.choice(SHARES) for _ in range(3))
    world.fleet.skewed = dice.choice(SHARES)
    world.boundary.gradual = dice.choice((0.0, 0.2, 1.0))
    world.cloud.hidden_reasons = dice.choice(SHARES)
    world.boundary.unprocessed = dice.choice(SHARES)
    world.lost_answers = dice.choice(SHARES)


def _play(world: World, scenes: Sequence[Scene]) -> None:
    dice = world.dice

    def conduct() -> None:
        playing = [world.spawn(scene.name, partial(scene.play, world)) for scene in scenes]
        for _ in range(dice.choice((0, 0, 1, 2))):
            world.pause(dice.uniform(0, 5))
            world.tick(dice.choice(TICKED))
        world.join(*playing)
        if dice.random() < SPECTATED:
            _read_statement(world)
        world.pause(world.dice.uniform(0, 120))

    world.kernel.run_through(world.kernel.spawn("conductor", conduct))


def _read_statement(world: World) -> None:
    """Read all entries of a wallet, page by page."""
    answers = [one.answer for called in world.told.calls if called.path == "/v1/wallets" for one in called.tries]
    opened = [answer.document["wallet_id"] for answer in answers if answer and answer.status == CREATED]
    if opened:
        pages(world, "root", f"/v1/wallets/{world.dice.choice(opened)}/entries")
