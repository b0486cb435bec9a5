"""Run one suite on the fake and on the real adapters, so that the fake can be believed elsewhere."""

from collections.abc import Iterator

import pytest

from tests.support.fake_store import FakeStore
from tests.support.moto import Snapshot
from tests.support.tables import Ports, Tables, tables


@pytest.fixture(scope="module")
def built_tables() -> Iterator[tuple[Tables, Snapshot]]:
    """Make tables in moto once a module, every call to them remembered."""
    with tables() as made:
        made.watch()
        yield made, Snapshot.take()


@pytest.fixture
def dynamo(built_tables: tuple[Tables, Snapshot]) -> Tables:
    """Give empty tables."""
    made, empty = built_tables
    empty.restore()
    made.calls.clear()
    return made


@pytest.fixture(params=["fake", "dynamo"])
def ports(request: pytest.FixtureRequest) -> Ports:
    """Give the ports of the fake, then those of the real adapters."""
    if request.param == "fake":
        return Ports.of(FakeStore())
    made: Tables = request.getfixturevalue("dynamo")
    return made.ports
