"""Give every test of this folder the small world of `world.py`, on moto."""

import io
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tallystick import wiring
from tallystick.adapters import caching
from tallystick.adapters.dynamo import readiness
from tallystick.adapters.providers import http
from tallystick.adapters.providers.truelayer import jwks
from tallystick.domain.webhooks import Provider
from tallystick.observability import logger
from tallystick.wiring import alerting
from tests.functions import cloud, comparing, orders, payouts, providers, world
from tests.functions.identity import FakeIdentity
from tests.support.moto import Snapshot, ledger_tables
from tests.support.sandbox import RunningSandbox, running_sandbox

OF_EVENTS: Final = (
    *("webhooks", "webhook_processor", "webhook_sweep", "stellar_poller"),
    *("payout_worker", "withdrawal_sweep", "spike_sweep", "provider_reconciler"),
    *("reconciler", "reconciliation_planner"),
)
MEASURED: Final = (*OF_EVENTS[1:], "watchdog", "notifier")
"""Functions that have the clock by name, and those whose metrics took their namespace when they were imported."""

_built: dict[str, Snapshot] = {}
"""The world, once it was built (that takes a second or two), and dora's wallets alone."""


@pytest.fixture(scope="module")
def provider_url() -> str:
    """Say where the providers' APIs are; a module that needs them starts the sandbox."""
    return providers.NOWHERE


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """Start the providers' APIs; a module's own `provider_url` leads there."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def built_world(provider_url: str) -> Iterator[world.Clock]:
    """Give every module the same world, with a clock and ids that give the same answers each time."""
    clock = world.Clock()
    environment = providers.environment(providers.settings(provider_url))
    with (
        ledger_tables(TALLYSTICK_SERVICE_LIMITS=world.SERVICE_LIMITS, **environment),
        pytest.MonkeyPatch.context() as patch,
    ):
        _replace_the_outside(patch, clock)
        cloud.create()
        if not _built:
            _build(clock)
        yield clock


@pytest.fixture
def clock(built_world: world.Clock) -> world.Clock:
    """Set the time that it is in the world."""
    built_world.now_ms = world.NOW_MS
    return built_world


@pytest.fixture
def small_world(clock: world.Clock) -> None:  # noqa: ARG001 (sets the time)
    """Go back to the world as it was built, and forget what functions remember of it."""
    _restore("world")


@pytest.fixture
def wallets_alone(clock: world.Clock) -> None:  # noqa: ARG001 (sets the time)
    """Go to where dora has her wallets and nothing else has happened."""
    _restore("wallets")


@pytest.fixture
def when_cases_were_signed(clock: world.Clock) -> None:
    """Set the time to that of the genuine cases in `tests/fixtures/providers`."""
    clock.now_ms = providers.SIGNED_AT_MS


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, provider_url: str) -> Iterator[Callable[..., None]]:
    """Let other Lambdas start, with other settings of providers (None: without it) and other variables."""

    def start(changed: Mapping[Provider, dict[str, Any] | None] | None = None, **variables: str) -> None:
        settings = {**providers.settings(provider_url), **(changed or {})}
        given = providers.environment({name: setting for name, setting in settings.items() if setting is not None})
        for name, value in {**given, **variables}.items():
            monkeypatch.setenv(name, value)
        cloud.forget_settings()

    yield start
    monkeypatch.undo()
    cloud.forget_settings()


@pytest.fixture
def age(monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> SimpleNamespace:
    """Start a Lambda that knows no key, and set for how many seconds it has been running."""
    running = SimpleNamespace(s=1000.0)
    monkeypatch.setattr(caching, "time", SimpleNamespace(monotonic=lambda: running.s))
    configure()
    return running


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Catch what the functions log."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def _build(clock: world.Clock) -> None:
    empty = Snapshot.take()
    payouts.open_wallets(clock)
    _built["wallets"] = Snapshot.take()
    empty.restore()
    cloud.forget_ledger()
    clock.now_ms = world.BEGIN_MS
    world.build(clock)
    orders.build(clock)
    payouts.build(clock)
    comparing.build(clock)
    _built["world"] = Snapshot.take()


def _restore(name: str) -> None:
    _built[name].restore()
    cloud.reset()
    cloud.forget_ledger()


def _replace_the_outside(patch: pytest.MonkeyPatch, clock: world.Clock) -> None:
    for name in OF_EVENTS:
        patch.setattr(f"functions.{name}.handler.now_ms", clock)
    for name in MEASURED:
        patch.setattr(f"functions.{name}.handler.metrics.provider.namespace", "Tallystick")
    patch.setattr(wiring, "now_ms", clock)
    patch.setattr(alerting, "now_ms", clock)
    patch.setattr(wiring, "new_wallet_id", lambda: "wal_new")
    patch.setattr(wiring, "identity", FakeIdentity)
    patch.setattr(jwks, "published_keys", lambda _url: providers.truelayer_keys())
    patch.setattr(http, "PAUSES_S", (0, 0))
    patch.setattr(readiness, "time", SimpleNamespace(perf_counter=lambda: 0.0))
