"""A planted mistake counts as found when a seed breaks a rule with it and none without it."""

import sys
from collections import Counter
from functools import partial

import pytest

from tests.simulation import stub
from tests.simulation.bugs.hunting import Bag, Hit, hunt, hunt_all
from tests.simulation.bugs.planting import Bug, Patch
from tests.simulation.judge import Breach
from tests.simulation.plays import Play
from tests.simulation.simulate import Outcome

LEAKS_FROM = sys.maxsize
HERE = sys.modules[__name__]
EARLY = Bug("early", "it leaks soon", "sums", "movements", (Patch(HERE, "LEAKS_FROM", 4),))
LATE = Bug("late", "it leaks late", "sums", "movements", (Patch(HERE, "LEAKS_FROM", 18),))
NEVER = Bug("never", "it does not leak", "nothing", "movements", ())


def leaking(named: Play, *, trace: bool = False) -> Outcome:  # noqa: ARG001 (as it is called)
    """Break a rule from some seed on; 5 breaks one anyway."""
    is_broken = named.seed >= LEAKS_FROM or named.seed == 5
    breaches = (Breach("sum", ""), Breach("held", ""), Breach("sum", "")) if is_broken else ()
    return Outcome(named, ("paying",), Counter(), Counter(), Counter(), Counter(), breaches, ())


def hunter(name: str, most: int) -> Hit | None:
    (bug,) = [bug for bug in (EARLY, LATE, NEVER) if bug.name == name]
    return hunt(bug, range(most), leaking)


def bag(*tried: int | None) -> Bag:
    return Bag({str(number): Hit(0, one, (), ()) if one else None for number, one in enumerate(tried)}, early=100)


def test_the_first_seed_that_shows_it() -> None:
    assert hunt(EARLY, range(100), leaking) == Hit(4, 5, ("sum", "held"), ("paying",))
    assert hunt(EARLY, range(10, 100), leaking) == Hit(10, 1, ("sum", "held"), ("paying",))


def test_a_seed_that_breaks_a_rule_anyway_shows_nothing() -> None:
    assert hunt(NEVER, range(20), leaking) is None
    assert hunt(EARLY, [5], leaking) is None


def test_the_mistake_is_gone_afterwards() -> None:
    hunt(EARLY, range(10), leaking)
    assert sys.maxsize == LEAKS_FROM


def test_that_a_seed_cannot_be_played_is_a_rule_too() -> None:
    broken = Bug("broken", "", "", "movements", (Patch(stub, "_outcome", None),))
    hit = hunt(broken, [3], stub.sound)
    assert hit is not None
    assert hit.rules == ("simulation",)


def test_workers_hunt_one_each() -> None:
    told: list[str] = []
    found = hunt_all(
        [NEVER, LATE, EARLY],
        partial(hunter, most=20),
        jobs=1,
        early=10,
        show=lambda name, _: told.append(name),
    )
    assert sorted(told) == ["early", "late", "never"]
    assert [(name, hit and hit.tried) for name, hit in found.hits.items()] == [
        ("never", None),
        ("late", 19),
        ("early", 5),
    ]
    assert found.found_early == 1
    assert not found.is_good
    assert found.document()["hits"]["early"]["seed"] == 4


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (bag(*[100] * 25), True),
        (bag(*[100] * 23, 101, 2000), True),
        (bag(*[100] * 22, 101, 101, 101), False),
        (bag(*[100] * 24, None), False),
        (bag(*[100] * 46, *[101] * 4), True),
        (bag(*[100] * 45, *[101] * 5), False),
    ],
)
def test_nearly_all_are_to_be_found_early_and_all_in_the_end(found: Bag, good: bool) -> None:  # noqa: FBT001
    assert found.is_good is good
