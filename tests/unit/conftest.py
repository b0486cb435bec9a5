"""Set the scene that most tests of movements play in."""

import pytest

from tests.support.scene import BOB, Scene


@pytest.fixture
def scene() -> Scene:
    """Give ada 10.00 in wal_a and bob an empty wal_b."""
    scene = Scene()
    scene.wallet("wal_a", units=1000)
    scene.wallet("wal_b", BOB)
    return scene
