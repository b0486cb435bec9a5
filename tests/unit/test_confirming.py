"""A sum that does not fit is told once a second full run finds it, too: the first may have met a wrong clock."""

from dataclasses import replace

import pytest

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.runs import Mode, Part, Run, Sums, Verdict
from tallystick.domain.tallies import Total, cut_before
from tallystick.domain.transfers import Posting
from tallystick.services import integrity
from tallystick.services.integrity import Standing
from tallystick.services.judging import confirmed
from tallystick.services.reconciling import MAX_CONFIRMING, Rhythm, begin, tick
from tests.support.planting import CONSERVATION, TALLIED, C, Planted
from tests.support.reconciling import MARGIN_MS
from tests.support.scene import ADMIN

DAY_MS = 86_400_000
OTHER = "external:other:USD"
EVERY_MS = {Mode.CHANGED: 900_000, Mode.FULL: 7 * DAY_MS}


@pytest.fixture
def it() -> Planted:
    """Let hardly any full run follow on a suspicion."""
    made = Planted()
    made.bureau = replace(made.bureau, rhythm=Rhythm(2, MARGIN_MS, full_pause_ms=DAY_MS))
    return made


def full_runs(it: Planted) -> list[Verdict]:
    return [verdict for verdict in it.runs.verdicts.values() if verdict.run.mode is Mode.FULL]


def one_run(it: Planted, mode: Mode = Mode.FULL) -> Verdict:
    """Make a run, and leave the one that follows from it queued."""
    it.settle()
    run = begin(bureau=it.bureau, mode=mode, reason="test", now_ms=it.now_ms)
    assert run
    it.work_off(run_id=run.run_id)
    return it.runs.verdicts[run.run_id]


def move_with_an_old_time(it: Planted) -> None:
    """Credit with a clock that is five minutes slow; the stream brings it at once."""
    it.now_ms -= 300_000
    it.credit("slow", "7.00", C, ledger=it.new_ledger())
    it.now_ms += 300_000
    it.tally()


def shown(it: Planted) -> tuple[Standing, Standing, int | None]:
    """Say how conservation and totals stand, and what the sum over all accounts is."""
    found = integrity.checks(runs=it.runs, caller=ADMIN, now_ms=it.now_ms, every_ms=EVERY_MS)
    checks = {check.name: check.standing for check in found}
    (house,) = integrity.house(book=it.store, tallies=it.tallies, runs=it.runs, assets=DEFAULT_ASSETS, caller=ADMIN)
    return checks["conservation"], checks["totals"], house.difference


SOUND = (Standing.OK, Standing.OK, 0)


def test_a_movement_whose_clock_is_slow_is_no_difference(it: Planted) -> None:
    it.reconcile()
    it.now_ms += 300_000
    run = begin(bureau=it.bureau, mode=Mode.FULL, reason="test", now_ms=it.now_ms)
    assert run
    it.work_off(run_id=f"{run.run_id}/{Part.ACCOUNTS}")
    move_with_an_old_time(it)
    it.work_off(run_id=run.run_id)
    first = it.runs.verdicts[run.run_id]
    assert (first.differences, first.unconfirmed) == ({}, {CONSERVATION: -700})
    assert first.suspicion == f"To be confirmed: {CONSERVATION}."
    assert shown(it) == (Standing.UNKNOWN, Standing.OK, None)
    assert (it.run.mode, it.run.reason, it.run.confirming) == (Mode.FULL, first.suspicion, 1)
    assert it.work_off().is_sound
    assert it.reconcile().is_sound
    assert (it.told, len(full_runs(it)), shown(it)) == ([], 2, SOUND)


def test_a_loss_is_told_when_the_second_run_finds_it(it: Planted) -> None:
    it.drop_total()
    first = one_run(it)
    assert (first.differences, first.unconfirmed) == ({}, {TALLIED: 1})
    assert (it.told, shown(it)) == ([], (Standing.OK, Standing.UNKNOWN, 0))
    second = it.work_off()
    assert (second.differences, second.unconfirmed, second.suspicion) == ({TALLIED: 1}, {}, None)
    assert (it.told, len(full_runs(it))) == ([TALLIED], 2)


def test_a_sum_of_all_accounts_is_failing_when_it_is_confirmed(it: Planted) -> None:
    it.reconcile(Mode.FULL)
    it.alter(C, balance=1)
    changed = one_run(it, Mode.CHANGED)
    assert changed.suspicion == f"Not zero: {CONSERVATION}."
    assert shown(it)[::2] == (Standing.UNKNOWN, None)
    one_run(it)
    assert shown(it)[::2] == (Standing.UNKNOWN, None)
    it.work_off()
    assert shown(it)[::2] == (Standing.FAILING, -499)
    assert one_run(it, Mode.CHANGED).suspicion
    assert shown(it)[::2] == (Standing.FAILING, -499)


def test_what_was_told_stays_until_it_fits(it: Planted) -> None:
    it.drop_total()
    it.reconcile(Mode.FULL)
    it.drop_total()
    other = one_run(it)
    assert (other.differences, other.unconfirmed) == ({TALLIED: 2}, {})
    assert other.suspicion == f"To be confirmed: {TALLIED}."
    assert shown(it)[1] is Standing.FAILING
    assert it.work_off().suspicion is None
    assert (it.kept.standing, it.kept.times[TALLIED]) == ({TALLIED}, 1)
    it.drop_total(-2)
    assert it.reconcile(Mode.FULL).is_sound
    assert (it.kept.standing, len(full_runs(it))) == (set(), 5)


def test_what_fits_again_ends_whatever_else_is_to_be_confirmed(it: Planted) -> None:
    it.drop_total()
    it.reconcile(Mode.FULL)
    it.drop_total(-1)
    it.insert_record(Posting(OTHER, -5), units=0)
    verdict = one_run(it)
    assert (verdict.differences, set(verdict.unconfirmed)) == ({}, {CONSERVATION, OTHER})
    assert ("BALANCE_MISMATCH", TALLIED) in it.kept.ended
    assert TALLIED not in it.kept.standing
    assert not {CONSERVATION, OTHER} & it.kept.standing
    it.work_off()
    assert {CONSERVATION, OTHER} <= it.kept.standing


def test_runs_that_confirm_nothing_end(it: Planted) -> None:
    """Another total is off each time."""
    it.settle()
    names = iter([f"external:{number}:USD" for number in range(9)])

    def lose_another(call: str) -> None:
        if call == "runs.conclude":
            it.tallies.sums = {**sums, (name := next(names), None): Total(name, "USD", 2, balance=1)}

    sums = dict(it.tallies.sums)
    lose_another("runs.conclude")
    it.store.after = lose_another
    verdict = it.reconcile(Mode.FULL)
    assert [one.run.confirming for one in full_runs(it)] == [0, *range(1, MAX_CONFIRMING + 1)]
    assert (it.told, verdict.unconfirmed) == ([], {f"external:{MAX_CONFIRMING}:USD": 1})
    for wait_ms, mode in ((0, Mode.CHANGED), (DAY_MS, Mode.FULL)):
        it.now_ms += wait_ms
        run = tick(bureau=it.bureau, now_ms=it.now_ms)
        assert run
        assert (run.mode, run.confirming) == (mode, 0)
        it.runs.run = replace(run, ended_at_ms=it.now_ms)


@pytest.mark.parametrize("call", ["runs.conclude", "runs.save"])
def test_what_is_to_be_confirmed_survives_an_accident(it: Planted, call: str) -> None:
    it.drop_total()
    it.settle()
    assert begin(bureau=it.bureau, mode=Mode.FULL, reason="test", now_ms=it.now_ms)

    def fail(name: str) -> None:
        if name == call and full_runs(it):
            it.store.after = lambda _call: None
            raise StoreUnavailable("lost")

    it.store.after = fail
    with pytest.raises(StoreUnavailable):
        it.work_off()
    for _ in range(2):
        tick(bureau=it.bureau, now_ms=it.now_ms)
        it.work_off()
    assert [one.run.confirming for one in full_runs(it)] == [0, 1]
    assert it.told == [TALLIED]


def test_a_run_begins_after_the_one_before_it_whatever_its_clock_says(it: Planted) -> None:
    before = it.run.started_at_ms
    run = begin(bureau=it.bureau, mode=Mode.FULL, reason="test", now_ms=before - 300_000)
    assert run
    assert (run.started_at_ms, run.cut_ms) == (before + 1, cut_before(before - 300_000, MARGIN_MS))


def verdict_of(
    differences: dict[str, int], *, is_judged: bool = True, unconfirmed: dict[str, int] | None = None
) -> Verdict:
    run = Run("run_1", Mode.FULL, "test", 0, 0, 1)
    return Verdict(run, Sums(), differences, is_judged=is_judged, unconfirmed=unconfirmed or {})


def test_what_a_run_cannot_judge_stays_as_it_was() -> None:
    earlier = verdict_of({CONSERVATION: 1, TALLIED: 2}, unconfirmed={"conservation:EUR": 3, OTHER: 4})
    found = confirmed(verdict_of({"conservation:EUR": 3}, is_judged=False), earlier)
    assert (found.differences, found.unconfirmed) == ({TALLIED: 2, "conservation:EUR": 3}, {OTHER: 4})
    assert found.suspicion == f"To be confirmed: {OTHER}."
    found = confirmed(verdict_of({}), found)
    assert (found.differences, found.unconfirmed, found.suspicion) == ({}, {}, None)
