"""What seeds have missed is aimed at: in the simplest play that made the call, until no cell is empty."""

import pytest

from tests.simulation import stub
from tests.simulation.coverage import aims, complete, cover
from tests.simulation.faults import Fault
from tests.simulation.plays import Aim, Play
from tests.simulation.runner import Sum, play_all
from tests.simulation.simulate import Outcome, simulate

MISSED = tuple(Aim("webhooks", stub.SEND, fault) for fault in (Fault.THROTTLED, Fault.LOST, Fault.PARTIAL))


def covered(*seeds: int) -> Sum:
    return play_all(stub.sound, map(Play, seeds))


def empty(total: Sum) -> int:
    return cover(total, stub.FAULTS, stub.applicable).empty


def test_each_fault_that_missed_is_aimed_where_the_call_was_first_made() -> None:
    total = covered(6, 4)
    assert aims(total, cover(total, stub.FAULTS, stub.applicable)) == [Play(4, (aim,)) for aim in MISSED]


def test_in_the_end_no_cell_is_empty() -> None:
    total, shown = covered(4), []
    assert empty(total) == 3
    complete(
        total,
        stub.sound,
        stub.FAULTS,
        stub.applicable,
        jobs=1,
        show=lambda *seen: shown.append((seen[0], seen[1].aimed)),
    )
    assert (empty(total), total.aimed, shown) == (0, 3, [(3, 3)])


def test_what_only_an_aimed_play_calls_is_aimed_at_from_there() -> None:
    def deeper(named: Play, *, trace: bool = False) -> Outcome:
        outcome = stub.sound(named, trace=trace)
        if MISSED[0] in named.aims:
            outcome.calls["webhooks", "Publish"] += 1
        return outcome

    total = covered(4)
    complete(total, deeper, stub.FAULTS, stub.applicable, jobs=1)
    assert empty(total) == 0
    assert total.first["webhooks", "Publish"] == Play(4, MISSED[:1])


@pytest.mark.parametrize("keep_going", [False, True])
def test_after_a_broken_rule_nothing_is_aimed_unless_told_to(*, keep_going: bool) -> None:
    total = play_all(stub.fragile, [Play(7)])
    complete(total, stub.sound, stub.FAULTS, stub.applicable, jobs=1, keep_going=keep_going)
    assert bool(total.aimed) is keep_going


def test_an_aim_hits_the_first_call_of_its_name_and_changes_nothing_before() -> None:
    plain = simulate(Play(0), trace=True)
    (function, call), _ = min(plain.calls.items())
    aimed = simulate(Play(0, (Aim(function, call, Fault.UNREACHED),)), trace=True)
    assert aimed.faults[function, call, Fault.UNREACHED] == 1
    place = next(at for at, (was, now) in enumerate(zip(plain.timeline, aimed.timeline, strict=False)) if was != now)
    assert place == next(at for at, line in enumerate(aimed.timeline) if f" {function}/" in line and call in line)


@pytest.mark.parametrize("text", ["17", "17; tally: GetItem accounts ~: throttled; debit: Publish: 504 after success"])
def test_a_play_is_written_and_read(text: str) -> None:
    assert str(Play.parse(text)) == text


@pytest.mark.parametrize("text", ["", "x", "17; tally", "17; tally: Publish: never", "17; a: b: c: lost"])
def test_what_names_no_play(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Play.parse(text)
