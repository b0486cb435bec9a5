"""What is outside of a world keeps its own clock: servers of other tests live in this process, and look at it."""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.simulation.faults import Calm
from tests.simulation.kernel import BEGIN_US
from tests.simulation.machine import installed, run_in
from tests.simulation.world import World


def test_only_the_world_has_its_clock() -> None:
    began = time.time()
    with installed(), ThreadPoolExecutor() as pool:
        assert time.time() >= began
        with run_in(World(0, Calm)):
            assert time.time() == BEGIN_US / 1e6
            assert pool.submit(time.time).result() >= began
            pool.submit(time.sleep, 0).result()
        assert time.time() >= began
