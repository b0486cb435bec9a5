"""Build what tells people where they work."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tallystick.domain.alerts import Priority
from tallystick.services.notifying import Outlet
from tallystick.wiring import region, settings


def outlets() -> list[Outlet]:
    """Give every channel that there is a key for; a key that is missing leaves its channel out."""
    from tallystick.adapters.channels.pagerduty import PagerDuty
    from tallystick.adapters.channels.slack import Slack

    keys, chosen = _keys()(), settings().notifier
    found = []
    if url := keys.get("slack_webhook_url"):
        found.append(Outlet(Slack(url), chosen.slack))
    if routing_key := keys.get("pagerduty_routing_key"):
        channel = PagerDuty(chosen.pagerduty_url, routing_key, settings().stage)
        found.append(Outlet(channel, chosen.pagerduty))
    return found


@cache
def priorities() -> Mapping[str, Priority]:
    """Say of which priority each topic is."""
    arns = settings().require(*(f"alerts_topic_{priority.lower()}_arn" for priority in Priority))
    return dict(zip(arns, Priority, strict=True))


@cache
def _keys() -> Callable[[], Mapping[str, Any]]:
    from tallystick.adapters.caching import Fetched
    from tallystick.adapters.secrets import JsonSecrets

    (secret_id,) = settings().require("notifier_keys_secret")
    secrets = JsonSecrets(region())
    return Fetched(lambda: secrets.read(secret_id)).value
