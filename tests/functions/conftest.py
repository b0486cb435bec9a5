"""Give every test of this folder the small world of `world.py`, on moto."""

import io
from collections.abc import Iterator

import pytest

from tallystick import wiring
from tallystick.observability import logger
from tests.functions import world
from tests.functions.identity import FakeIdentity
from tests.support.moto import Snapshot, ledger_tables


@pytest.fixture(scope="module")
def built_world() -> Iterator[Snapshot]:
    """Build the world once a module, with a clock and ids that give the same answers each time."""
    clock = world.Clock()
    with ledger_tables(TALLYSTICK_SERVICE_LIMITS=world.SERVICE_LIMITS), pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "now_ms", clock)
        patch.setattr(wiring, "new_wallet_id", lambda: "wal_new")
        patch.setattr(wiring, "identity", FakeIdentity)
        world.build(clock)
        yield Snapshot.take()


@pytest.fixture
def small_world(built_world: Snapshot) -> None:
    """Go back to the world as it was built, and forget what functions remember of it."""
    built_world.restore()
    wiring.ledger.cache_clear()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Catch what the functions log."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream
