"""Leave a provider alone that does not answer, and find out when it does again."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from tallystick.domain.breaker import PROBE_MS, Breaker, BreakerState
from tallystick.domain.errors import ProviderUnavailable, StoreUnavailable
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.breakers import Breakers

BREAKER_OPEN: Final = "CIRCUIT_BREAKER_OPEN"
MAX_ATTEMPTS: Final = 3
"""Tries of a change that meets those of others; one that is not counted in the end does no harm."""


class CircuitOpen(Exception):
    """No call may be made before `until_ms`."""

    def __init__(self, until_ms: int) -> None:
        """Say when."""
        super().__init__(f"open until {until_ms}")
        self.until_ms = until_ms


def shown(*, breakers: Breakers, names: Iterable[str]) -> list[Breaker] | None:
    """Give the breakers of these providers; nothing while they cannot be read."""
    try:
        return [breakers.get(name) for name in names]
    except StoreUnavailable:
        return None


@contextmanager
def protected(*, breakers: Breakers, alerts: Alerts, name: str, now_ms: int) -> Iterator[None]:
    """Let calls to a provider pass, and count how they end: no answer is a failure, any answer a success.

    Raises:
        CircuitOpen: none may be made now.
    """
    breaker = breakers.get(name)
    if breaker.state is not BreakerState.CLOSED:
        _probe(breakers, breaker, now_ms)
    try:
        yield
    except ProviderUnavailable:
        _change(breakers, name, lambda known: known.failed(now_ms), alerts)
        raise
    if breaker != Breaker(name, version=breaker.version):
        _change(breakers, name, Breaker.succeeded, alerts)


def _probe(breakers: Breakers, breaker: Breaker, now_ms: int) -> None:
    until_ms = breaker.waits_until(now_ms)
    if until_ms is None and not breakers.save(breaker.probing(now_ms)):
        until_ms = now_ms + PROBE_MS  # somebody else makes the probe
    if until_ms is not None:
        raise CircuitOpen(until_ms)


def _change(breakers: Breakers, name: str, change: Callable[[Breaker], Breaker], alerts: Alerts) -> None:
    for _ in range(MAX_ATTEMPTS):
        breaker = breakers.get(name)
        following = change(breaker)
        # Before it is written: what is told twice is kept once, what is lost is lost.
        if BreakerState.OPEN is following.state is not breaker.state:
            facts = {"provider": name, "failures": str(following.failures)}
            alerts.raise_alert(Alert(BREAKER_OPEN, "high", facts, subject=name))
        if BreakerState.CLOSED is following.state is not breaker.state:
            alerts.end_alert(BREAKER_OPEN, name)
        if breakers.save(following):
            return
