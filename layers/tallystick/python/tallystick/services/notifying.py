"""Tell people where they work, on every channel that is meant for so urgent a notice."""

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick.domain.alerts import Priority
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.notices import Notice
from tallystick.services.ports.notifying import Channel


@dataclass(frozen=True, slots=True)
class Outlet:
    """Say which notices a channel gets."""

    channel: Channel
    priorities: frozenset[Priority]


def notify(*, outlets: Iterable[Outlet], notice: Notice) -> int:
    """Send a notice to each channel that it is meant for; answer how many. One that fails keeps it from no other.

    Raises:
        ProviderUnavailable, ProviderRefused: one of them did not take it; the next try sends it to all of them again.
    """
    meant = [outlet.channel for outlet in outlets if notice.priority in outlet.priorities]
    failures = [failure for channel in meant if (failure := _sent(channel, notice))]
    if failures:
        raise failures[0]
    return len(meant)


def _sent(channel: Channel, notice: Notice) -> ProviderUnavailable | ProviderRefused | None:
    try:
        channel.send(notice)
    except (ProviderUnavailable, ProviderRefused) as failure:
        return failure
    return None
