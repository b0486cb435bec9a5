"""A private local cloud for the tests of this folder, beside the one a developer may have running."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.local import cloud
from cli.local.deployment import Deployment
from tests.support.sandbox import RunningSandbox

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep this folder's tests in one worker of xdist, so that they share one cloud (`--dist loadgroup`)."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("local-cloud"))


@pytest.fixture(scope="session")
def local_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local-cloud") / "home"


@pytest.fixture(scope="session")
def deployment(local_home: Path) -> Iterator[Deployment]:
    """Deploy this checkout once for all tests, with IAM enforced, on free ports."""
    yield cloud.up(home=local_home, port=0)
    cloud.down(home=local_home)


@pytest.fixture(scope="session")
def sandbox(deployment: Deployment) -> Iterator[RunningSandbox]:
    with httpx.Client(base_url=deployment.sandbox_url, trust_env=False, timeout=30) as http:
        yield RunningSandbox(http)
