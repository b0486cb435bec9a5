"""Give the tests of gateways a sandbox of the providers' APIs."""

from collections.abc import Iterator

import pytest

from tallystick.adapters.providers import http
from tests.support.sandbox import RunningSandbox, running_sandbox


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSandbox]:
    """Start one sandbox for all tests."""
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    """Give an empty sandbox, and do not wait before further tries."""
    monkeypatch.setattr(http, "PAUSES_S", (0.0, 0.0))
    running.reset()
    return running
