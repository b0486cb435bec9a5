"""A profile says which seeds are played, and when it is enough."""

from datetime import date
from itertools import islice
from pathlib import Path

from tests.simulation import stub
from tests.simulation.faults import Fault
from tests.simulation.plays import Aim, Play
from tests.simulation.profiles import PROFILES, SEEDS_A_DAY, Plan, Profile, first_of, saved_plays
from tests.simulation.runner import Sum, play_all


def test_saved_plays_are_played_before_fresh_ones() -> None:
    plan = Plan(Profile(seeds=3), 100, saved=(Play(5), Play(9)))
    assert [play.seed for play in plan.plays()] == [5, 9, 100, 101, 102]


def test_without_a_number_of_seeds_they_never_end() -> None:
    plan = Plan(PROFILES["release"], 100, saved=(Play(5),))
    assert [play.seed for play in islice(plan.plays(), 4)] == [5, 100, 101, 102]


def test_the_farthest_goal_says_how_much_is_done() -> None:
    plan = Plan(Profile(invocations=100, faults=40), 0)
    assert plan.share(Sum()) == 0
    total = play_all(stub.sound, map(Play, range(20)))
    assert (total.invocations.total(), total.faults.total()) == (60, 30)
    assert plan.share(total) == 0.6
    assert not plan.is_reached(total)
    assert plan.is_reached(play_all(stub.sound, map(Play, range(34))))


def test_saved_plays_count_on_top() -> None:
    plan = Plan(Profile(seeds=10), 0, saved=(Play(1), Play(2)))
    assert not plan.is_reached(Sum(seeds=11))
    assert plan.is_reached(Sum(seeds=12))


def test_each_day_has_seeds_of_its_own() -> None:
    assert first_of(date(2026, 2, 3)) == 20260203_000000
    assert first_of(date(2026, 2, 4)) - first_of(date(2026, 2, 3)) == SEEDS_A_DAY


def test_the_profiles_are_what_the_guide_says() -> None:
    assert {name: profile.seeds for name, profile in PROFILES.items()} == {"ci": 5_000, "nightly": 50_000, "release": 0}
    assert (PROFILES["release"].invocations, PROFILES["release"].faults) == (1_000_000, 750_000)


def test_what_stands_behind_a_saved_seed_is_for_people(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("# all\n12  # 2026-02-03, a credit twice\n\n7; tally: GET horizon /: lost\n")
    assert saved_plays(path) == (Play(12), Play(7, (Aim("tally", "GET horizon /", Fault.LOST),)))


def test_kept_seeds_are_readable_and_kept_once() -> None:
    kept = saved_plays()
    assert len(set(kept)) == len(kept)
