"""What clients, providers and operators do in a seed's world."""

from random import Random
from typing import Final, Protocol

from tests.simulation.scenes.deposits import DEPOSIT_SCENES
from tests.simulation.scenes.inspections import INSPECTIONS
from tests.simulation.scenes.movements import MOVEMENTS
from tests.simulation.scenes.withdrawals import WITHDRAWAL_SCENES
from tests.simulation.world import World


class Scene(Protocol):
    """A short piece that is played in a world, at once with others; all that is left to chance, its dice decide."""

    @property
    def name(self) -> str: ...

    def play(self, world: World) -> None: ...


_CHOSEN_OF: Final[tuple[tuple[Scene, ...], ...]] = (
    *(MOVEMENTS,) * 6,
    *(DEPOSIT_SCENES,) * 4,
    *(WITHDRAWAL_SCENES,) * 5,
    INSPECTIONS,
    INSPECTIONS[1:-1],
)
"""What a scene is chosen of: inspections are few and dear, and some of them show more than the others."""

SCENES: Final[tuple[Scene, ...]] = (*MOVEMENTS, *DEPOSIT_SCENES, *WITHDRAWAL_SCENES, *INSPECTIONS)


def chosen(dice: Random) -> tuple[Scene, ...]:
    """Choose a scene, or two that are played at once."""
    return tuple(dice.choice(dice.choice(_CHOSEN_OF)) for _ in range(dice.choice((1, 1, 2, 2))))
