"""Play Slack's incoming web hooks and PagerDuty's Events API v2, and keep what they are sent."""

from typing import Final

from cli.local.sandbox.messages import Answer, Request, Thing

SLACK_PATH: Final = "services/T0/B0/local"
_ACTIONS: Final = {"trigger": "triggered", "resolve": "resolved"}
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})
_INVALID: Final = Answer(400, {"status": "invalid event", "message": "Event object is invalid"})


class Slack:
    """Keep messages by their number."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Take a message."""
        if request.path.strip("/") != SLACK_PATH:
            return Answer(404, {"error": "no_service"})
        text = request.json.get("text")
        if not isinstance(text, str) or not text:
            return Answer(400, {"error": "no_text"})
        number = str(len(self.things) + 1)
        self.things[number] = {"id": number, "text": text}
        return Answer(200, {"ok": True})


class PagerDuty:
    """Keep incidents by their key: what is triggered under one that is open belongs to it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.things: dict[str, Thing] = {}
        self.changed: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Take an event."""
        event = request.json
        if request.path.strip("/") != "v2/enqueue" or not event.get("routing_key"):
            return _INVALID
        key, status = event.get("dedup_key"), _ACTIONS.get(event.get("event_action", ""))
        payload = event.get("payload", {})
        if not key or status is None or payload.get("severity") not in _SEVERITIES or not payload.get("source"):
            return _INVALID
        known = self.things.get(key, {"id": key, "events": 0})
        self.things[key] = {**known, **payload, "status": status, "events": known["events"] + 1}
        return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})
