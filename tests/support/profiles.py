"""Say how long property tests search, by HYPOTHESIS_PROFILE or pytest's `--hypothesis-profile`.

short: other examples each time; ci: the same ones each time, so that what passed before a push passes after it; long:
for minutes.
"""

import os
import random
from collections.abc import Sequence
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, settings

Case = TypeVar("Case")

SHORT: Final = "short"
CI: Final = "ci"
LONG: Final = "long"

settings.register_profile(
    SHORT,
    deadline=None,
    derandomize=False,
    print_blob=True,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # it traces every line, in every thread
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(CI, settings.get_profile(SHORT), derandomize=True)
settings.register_profile(LONG, settings.get_profile(SHORT), max_examples=2000, stateful_step_count=80)


def load() -> None:
    """Use the profile that the environment names; pytest's own option is applied after this and wins."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", SHORT))


def examples(short: int) -> int:
    """Scale a test's own number of examples by the profile in use (the short one has Hypothesis' default of 100)."""
    return max(1, short * settings().max_examples // 100)


def some(cases: Sequence[Case], one_in: int = 3) -> Sequence[Case]:
    """Take one in so many cases, other ones each time, as the examples are; in the long profile all."""
    step = max(1, one_in * 100 // settings().max_examples)
    first = 0 if settings().derandomize else random.randrange(step)  # noqa: S311 (no secret)
    return cases[first::step]
