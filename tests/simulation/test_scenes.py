"""Every scene can be played: in a world where nothing goes wrong, nothing that was promised is broken."""

import pytest

from tests.simulation.faults import Calm
from tests.simulation.machine import installed
from tests.simulation.plays import Play
from tests.simulation.scenes import SCENES, Scene
from tests.simulation.simulate import play

SEEDS = range(3)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_nothing_breaks_in_a_calm_world(scene: Scene) -> None:
    with installed():
        outcomes = [play(Play(seed), [scene], Calm) for seed in SEEDS]
    for outcome in outcomes:
        assert not outcome.breaches
        assert outcome.invocations


def test_scenes_have_names_of_their_own() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES)
