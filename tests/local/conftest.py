"""A private local cloud for the tests of this folder, one for each worker, beside what a developer may have running.

Which tests meet in one cloud is not known beforehand: each leaves the ledger as sound as it was.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.local import cloud
from cli.local.deployment import Deployment
from tests.support.sandbox import RunningSandbox


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
