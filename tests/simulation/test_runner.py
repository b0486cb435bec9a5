"""Seeds are played by worker processes, added up, and no more are begun once a rule was broken."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from itertools import count

import pytest

from tests.simulation import stub
from tests.simulation.faults import Fault
from tests.simulation.plays import Aim, Play
from tests.simulation.runner import CHUNK, Stopwatch, Sum, play_all, play_one, run
from tests.simulation.simulate import Outcome


def dying(named: Play, *, trace: bool = False) -> Outcome:
    os._exit(named.seed if trace else 4)


def plays(seeds: Iterable[int]) -> Iterator[Play]:
    return map(Play, seeds)


@pytest.mark.parametrize("jobs", [1, 2])
def test_outcomes_are_added_up(jobs: int) -> None:
    watch = Stopwatch()
    total = run(stub.sound, plays(range(45)), jobs=jobs)
    spent = watch.spent()
    assert min(spent.cpu_s, spent.wall_s) > 0
    assert (total.seeds, total.broken) == (45, [])
    assert total.scenes == {"paying": 45, "returning": 22}
    assert total.invocations == {"credit": 90, "webhooks": 45}
    assert total.calls == {("credit", stub.GET): 135, ("webhooks", stub.SEND): 45}
    assert total.faults == {("credit", stub.GET, "throttled"): 45, ("webhooks", stub.SEND, "lost"): 22}
    assert total.accidents == {"message twice": 45}


def test_a_broken_rule_ends_it_and_names_the_seed() -> None:
    total = run(stub.fragile, plays(count()), jobs=1)
    assert total.seeds == CHUNK
    first = total.broken[0]
    assert (first.play.seed, first.scenes) == (7, ("paying", "returning"))
    assert [breach.rule for breach in first.breaches] == ["sum", *["key"] * 5]
    assert [one.play.seed for one in total.broken] == sorted(one.play.seed for one in total.broken)


def test_no_more_is_played_than_enough() -> None:
    seen: list[int] = []
    total = run(
        stub.sound,
        plays(count()),
        jobs=1,
        is_enough=lambda total: total.invocations.total() >= 100,
        show=lambda total: seen.append(total.seeds),
    )
    assert total.seeds == 40
    assert seen == [20, 40]


def test_seeds_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def seeds() -> Iterator[int]:
        for seed in count():
            taken.append(seed)
            yield seed

    run(stub.sound, plays(seeds()), jobs=1, is_enough=lambda total: total.seeds >= CHUNK)
    assert len(taken) <= 2 * CHUNK


def test_a_seed_that_cannot_be_played_is_a_finding() -> None:
    outcome = play_one(stub.fragile, Play(13))
    (breach,) = outcome.breaches
    assert (outcome.play.seed, breach.rule) == (13, "simulation")
    assert "the drain has no end" in breach.detail
    assert [one.play.seed for one in play_all(stub.fragile, plays(range(20))).broken] == [7, 13, 17]


def test_the_dead_worker_is_told() -> None:
    with pytest.raises(BrokenProcessPool):
        run(dying, plays(range(3)), jobs=2)


def test_nothing_is_shared_between_sums() -> None:
    one, other = Sum(), play_all(stub.sound, [Play(1)])
    one += other
    one += other
    assert (one.seeds, other.seeds) == (2, 1)
    assert other.invocations == {"credit": 2, "webhooks": 1}


def test_the_simplest_play_of_a_call_is_known() -> None:
    aimed = Play(2, (Aim("credit", stub.GET, Fault.LOST),))
    total = play_all(stub.sound, [aimed, Play(9)])
    assert total.first == dict.fromkeys(total.calls, Play(9))
    total += play_all(stub.sound, [Play(5), Play(7)])
    assert total.first == dict.fromkeys(total.calls, Play(5))
    assert (total.seeds, total.aimed) == (3, 1)
