"""Put the product into the simulator: its calls, its clock, its dice and what it keeps are those of the running world.

Once a process; each world is made the running one for as long as it runs.
"""

import logging
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache, partial
from io import StringIO
from threading import get_ident
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from tests.functions import providers
from tests.functions.world import SERVICE_LIMITS
from tests.simulation import schemas
from tests.simulation.boundary import OutOfOrder
from tests.simulation.lambdas import handlers
from tests.support.moto import ENVIRONMENT, forget_wiring

if TYPE_CHECKING:
    from tests.simulation.world import World

SHARED: Final = frozenset({"settings", "_connection"})
"""What is kept once a process and not once a container: it holds nothing that changes, and is dear to make."""

PAYOUT_CHECKS_S: Final = "[15, 15, 15, 120, 300]"
"""Looked at three times while what was signed for Stellar still holds, which is a minute."""

_world: "World | None" = None
_thread = 0
_is_installed = False


def running() -> "World":
    """Give the world that runs."""
    if _world is None:
        raise RuntimeError("no world is running")
    return _world


@contextmanager
def run_in(world: "World") -> Iterator[None]:
    """Make a world the running one, of this thread."""
    global _world, _thread  # noqa: PLW0603 (the product reaches it through what is patched)
    _world, _thread = world, get_ident()
    random.seed(world.dice.getrandbits(64))
    try:
        yield
    finally:
        _world = None


@contextmanager
def installed() -> Iterator[None]:
    """Patch the process, unless it is."""
    global _is_installed  # noqa: PLW0603 (it is the process that is patched)
    if _is_installed:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment()))
        forget_wiring()
        stack.callback(forget_wiring)
        schemas.all_tables()
        handlers()
        for change in (*_outside(), *_kept_once(), *_clocks(), *_metrics()):
            stack.enter_context(change)
        stack.enter_context(_silence())
        _is_installed = True
        try:
            yield
        finally:
            _is_installed = False


def environment() -> dict[str, str]:
    """Give the environment of all functions together."""
    return {
        **ENVIRONMENT,
        **providers.environment(providers.settings()),
        "TALLYSTICK_SERVICE_LIMITS": SERVICE_LIMITS,
        "TALLYSTICK_PAYOUT_CHECKS_S": PAYOUT_CHECKS_S,
        "TALLYSTICK_RECONCILIATION": '{"segments": 1, "page_size": 3}',
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    }


def _outside() -> Iterator[Any]:
    yield patch.object(BaseClient, "_make_api_call", _call_aws)
    yield patch.object(PoolManager, "request", _call_provider)


def _call_aws(client: BaseClient, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    attempts = client.meta.config.retries.get("total_max_attempts", 3)  # type: ignore[attr-defined] # botocore sets it
    service = client.meta.service_model.service_name
    with _in_order(BotoCoreError, ClientError):
        return running().boundary.aws(service, operation, parameters, attempts)


def _call_provider(
    _pool: PoolManager,
    method: str,
    url: str,
    body: bytes | None = None,
    fields: object = None,  # noqa: ARG001
    headers: dict[str, str] | None = None,
    **_: object,
) -> Any:  # noqa: ANN401 (looks like urllib3's)
    with _in_order(HTTPError):
        return running().boundary.http(method, url, headers or {}, body)


@contextmanager
def _in_order(*expected: type[Exception]) -> Iterator[None]:
    """Let no fault of the simulator itself look like one of the product."""
    try:
        yield
    except expected:
        raise
    except Exception as error:
        raise OutOfOrder(repr(error)) from error


def _kept_once() -> Iterator[Any]:
    """Let what the product keeps once a process be kept once a container."""
    from tallystick.adapters import sdk

    replaced: dict[int, Any] = {id(sdk.open_client): cache(sdk.open_client)}
    for name, module in _product():
        for attribute, value in [*vars(module).items()]:
            if id(value) in replaced:
                yield patch.object(module, attribute, replaced[id(value)])
            elif isinstance(value, _CACHED) and attribute not in SHARED and name.startswith("tallystick.wiring"):
                replaced[id(value)] = partial(_of_container, value.__wrapped__)
                yield patch.object(module, attribute, replaced[id(value)])


_CACHED: Final = type(lru_cache(lambda: None))


def _product() -> list[tuple[str, Any]]:
    """Give the product's modules, those that others import from first."""
    names = sorted(name for name in sys.modules if name.partition(".")[0] in {"tallystick", "functions"})
    names.sort(key=lambda name: not name.startswith("tallystick.wiring"))
    return [(name, sys.modules[name]) for name in names]


def _of_container(build: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 (whatever is kept)
    task = running().kernel.current
    kept = task.container.kept if task else {}
    key = (build, arguments)
    if key not in kept:
        kept[key] = build(*arguments)
    return kept[key]


def _clocks() -> Iterator[Any]:
    for source, name, simulated in _NATURE:
        yield patch.object(source, name, _of_world(simulated, getattr(source, name)))
    for module in ("cli.local.sandbox.stellar", "cli.local.sandbox.truelayer"):
        yield patch(f"{module}.datetime", _Datetime)


def _of_world(simulated: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """Leave what is outside of a world, as another thread is, with what is real."""

    def choose(*arguments: Any) -> Any:  # noqa: ANN401 (as the other)
        return (simulated if _world is not None and get_ident() == _thread else real)(*arguments)

    return choose


def _skewed_us() -> int:
    kernel = running().kernel
    container = kernel.current.container if kernel.current else None
    return kernel.now_us + (container.skew_us if container else 0)


def _sleep(seconds: float) -> None:
    running().kernel.sleep(int(seconds * 1_000_000))


def _random_bytes(size: int) -> bytes:
    return running().dice.randbytes(size)


_NATURE: Final[tuple[tuple[ModuleType, str, Callable[..., Any]], ...]] = (
    (time, "time", lambda: _skewed_us() / 1e6),
    (time, "time_ns", lambda: _skewed_us() * 1000),
    (time, "monotonic", lambda: running().kernel.now_us / 1e6),
    (time, "perf_counter", lambda: running().kernel.now_us / 1e6),
    (time, "sleep", _sleep),
    (os, "urandom", _random_bytes),
    (random, "_urandom", _random_bytes),
)


class _Datetime(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = UTC) -> "_Datetime":
        return cls.fromtimestamp(running().kernel.now_us / 1e6, tz)


def _metrics() -> Iterator[Any]:
    """Name what metrics belong to, also where a handler was imported without its environment."""
    for handler in handlers().values():
        if metrics := getattr(sys.modules[handler.__module__], "metrics", None):
            yield patch.object(metrics.provider, "namespace", "Tallystick")


@contextmanager
def _silence() -> Iterator[None]:
    """Write no log and no metrics: nobody reads them, and they are most of what a line costs."""
    from tallystick.observability import logger

    level = logger.log_level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(_Nowhere()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No application metrics to publish")
            yield
    finally:
        logger.setLevel(level)


class _Nowhere(StringIO):
    def write(self, text: str) -> int:
        return len(text)
