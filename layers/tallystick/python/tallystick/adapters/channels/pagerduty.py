"""Wake people through PagerDuty (Events API v2)."""

from typing import Final

from tallystick.adapters.channels.posting import Poster
from tallystick.domain.alerts import Severity
from tallystick.domain.notices import Notice

MAX_SUMMARY: Final = 1024
SOURCE: Final = "tallystick"
_SEVERITIES: Final = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


class PagerDuty:
    """Implement `tallystick.services.ports.notifying.Channel`; what has the same key is one incident."""

    def __init__(self, base_url: str, routing_key: str, stage: str) -> None:
        """Take the address of the API, the integration's key, and the stage that incidents name as their source."""
        self._url = f"{base_url.rstrip('/')}/v2/enqueue"
        self._routing_key = routing_key
        self._source = f"{SOURCE}-{stage}"
        self._poster = Poster("pagerduty")

    def send(self, notice: Notice) -> None:
        """Open an incident, or resolve it."""
        event = {
            "routing_key": self._routing_key,
            "event_action": "resolve" if notice.is_over else "trigger",
            "dedup_key": notice.key,
            "payload": {
                "summary": f"{notice.priority} {notice.title} {notice.event}"[:MAX_SUMMARY],
                "severity": _SEVERITIES[notice.severity],
                "source": self._source,
                "custom_details": dict(notice.facts),
            },
        }
        self._poster.post(self._url, event)
