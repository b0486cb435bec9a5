"""What people read where they work: an alert of ours, or an alarm of CloudWatch's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.domain.alerts import Priority, Severity
from tallystick.domain.chain import digest

MAX_KEY: Final = 255
"""Characters that PagerDuty allows for what it knows an incident by."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Say how a condition stands; `is_over` when nobody has to do anything about it any more."""

    condition: str
    title: str
    event: str
    severity: Severity
    priority: Priority
    facts: Mapping[str, str]
    is_over: bool

    @property
    def key(self) -> str:
        """Name the condition, so that what is told twice, and its end, is known as the same."""
        return self.condition if len(self.condition) <= MAX_KEY else digest("tallystick/notice/1", self.condition)
