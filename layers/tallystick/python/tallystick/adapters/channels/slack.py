"""Tell people in a channel of Slack's, by an incoming web hook."""

from typing import Final

from tallystick.adapters.channels.posting import Poster
from tallystick.domain.notices import Notice

MAX_FACT: Final = 500
"""Characters that are shown of one fact; the alert itself has all of it."""


class Slack:
    """Implement `tallystick.services.ports.notifying.Channel`; Slack knows no duplicates and shows them."""

    def __init__(self, url: str) -> None:
        """Take the address of the web hook, which is a secret."""
        self._url = url
        self._poster = Poster("slack")

    def send(self, notice: Notice) -> None:
        """Post a message."""
        sign = ":white_check_mark:" if notice.is_over else ":rotating_light:"
        title = f"{sign} *{notice.priority} {_shown(notice.title)}* {notice.event} ({notice.severity})"
        facts = [f"• {_shown(name)}: {_shown(text[:MAX_FACT])}" for name, text in notice.facts.items() if text]
        self._poster.post(self._url, {"text": "\n".join([title, *facts])})


def _shown(text: str) -> str:
    """Escape what Slack would take for a link or a mention (Slack: Formatting text)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
