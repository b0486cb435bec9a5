"""Every planted bug can be planted and taken away again, and no two are the same."""

import inspect
from itertools import permutations
from typing import Any, get_args

import pytest

from tests.simulation.bugs.bank import BUGS
from tests.simulation.bugs.planting import Area, Bug

LEAST = 30


def attributes(bug: Bug) -> list[object]:
    """Give what stands in the places that a bug replaces, as it is stored there; `None` for what is inherited."""
    return [vars(patch.target).get(patch.name) for patch in bug.patches]


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_bug_is_planted_and_taken_away_again(bug: Bug) -> None:
    before = attributes(bug)
    with bug.plant():
        planted = attributes(bug)
    after = attributes(bug)
    assert all(one is patch.value for one, patch in zip(planted, bug.patches, strict=True))
    assert all(one is not patch.value for one, patch in zip(before, bug.patches, strict=True))
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_names_are_unique() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= LEAST


def written(value: Any) -> object:  # noqa: ANN401 (whatever is planted)
    """Give what a replacement is made of: a function's code and what it was made with, or the value."""
    function = getattr(value, "fget", value)
    code = getattr(function, "__code__", None)
    if code is None:
        return value
    return code.co_code, code.co_names, str(code.co_consts), inspect.getclosurevars(function).nonlocals.items()


def test_no_two_bugs_are_the_same() -> None:
    planted = [{str((patch.target, patch.name, written(patch.value))) for patch in bug.patches} for bug in BUGS]
    assert not [(one, other) for one, other in permutations(planted, 2) if one <= other]


def test_every_area_has_bugs() -> None:
    assert {bug.area for bug in BUGS} == set(get_args(Area))


def test_a_bug_says_what_it_is_and_what_it_breaks() -> None:
    assert all(bug.what.endswith(".") and bug.breaks.endswith(".") for bug in BUGS)
    assert len({(bug.what, bug.breaks) for bug in BUGS}) == len(BUGS)
