"""docs/withdrawals.md draws exactly the steps that there are."""

import re
from pathlib import Path

from tallystick.domain.withdrawals import TRANSITIONS, WithdrawalState

PAGE = Path(__file__).parents[2] / "docs" / "withdrawals.md"


def test_the_drawing_shows_every_transition_and_no_other() -> None:
    drawn = re.findall(r"^    (\S+) --> (\w+): (\w+) \((\w+)\)(?: posts ([\w-]+))?$", PAGE.read_text(), re.MULTILINE)
    described = [(step.before or "[*]", step.after, step.action, step.actor, step.posts or "") for step in TRANSITIONS]
    assert drawn == [tuple(map(str, step)) for step in described]


def test_every_state_can_be_reached() -> None:
    assert {step.after for step in TRANSITIONS} == set(WithdrawalState)
