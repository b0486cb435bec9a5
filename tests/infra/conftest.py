"""Synthesize each stage once, when the first test asks for it."""

from collections.abc import Callable
from functools import cache

import pytest

from infra.node import use_bundled_node

use_bundled_node()

from tests.infra.connected import connected  # noqa: E402
from tests.infra.synthesis import STAGES, Synthesis, stage_of, synthesize  # noqa: E402


@pytest.fixture(scope="session")
def synthesis_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Synthesis]:
    """Give the synthesis of a stage by its name."""

    @cache
    def synthesis(name: str) -> Synthesis:
        return synthesize(stage_of(name), tmp_path_factory.mktemp("synth") / name)

    return synthesis


@pytest.fixture(params=STAGES)
def synthesis(request: pytest.FixtureRequest, synthesis_of: Callable[[str], Synthesis]) -> Synthesis:
    """Give the synthesis of each stage in turn."""
    return synthesis_of(request.param)


@pytest.fixture(scope="session")
def with_providers(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Give the synthesis of production with every provider."""
    return synthesize(connected(), tmp_path_factory.mktemp("connected") / "production")


@pytest.fixture
def production(synthesis_of: Callable[[str], Synthesis]) -> Synthesis:
    """Give the synthesis of the production stage."""
    return synthesis_of("production")


@pytest.fixture
def local(synthesis_of: Callable[[str], Synthesis]) -> Synthesis:
    """Give the synthesis of the local stage."""
    return synthesis_of("local")
