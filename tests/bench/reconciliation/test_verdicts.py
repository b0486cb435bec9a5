"""Whether the benchmark's judge can see."""

from dataclasses import replace

from tallystick.domain.runs import Counted, Mode, Run, Sums, Verdict
from tests.bench.reconciliation.benchmark import Outcome
from tests.bench.reconciliation.faults import Planted
from tests.bench.reconciliation.verdicts import false_alerts, lines_of
from tests.bench.reconciliation.watching import OVERWRITTEN, Received

FAULT = Planted(frozenset({"wal_a"}), frozenset({"wal_b", "conservation:USD"}), at_s=100.0, kind="balance altered")
LOST = Planted(frozenset({"tallied#1"}), at_s=100.0, kind="lost", is_made_good=lambda: True)
RUNS = [
    Verdict(Run(name, mode, "", started * 1000, 0, 1, ended_at_ms=started * 1000 + 5000), Sums())
    for name, mode, started in (("run_1", Mode.CHANGED, 110), ("run_2", Mode.FULL, 120))
]


def told(at_s: float, subject: str, kind: str = "BALANCE_MISMATCH", **facts: str) -> Received:
    return Received(at_s, kind, subject, facts)


def outcome(*alerts: Received) -> Outcome:
    return Outcome(lines_of([FAULT], alerts, RUNS), false_alerts([FAULT], alerts), RUNS, {})


def test_a_fault_is_found_by_the_run_that_was_under_way() -> None:
    (line,) = outcome(told(112.5, "wal_a"), told(121, "wal_a")).lines
    assert (line.found, line.by_runs, line.seconds, line.found_by) == (1, 1, (12.5,), {"changed": 1})
    (line,) = outcome(told(121, "trf_1", account_id="wal_a")).lines
    assert line.found_by == {"full": 1}


def test_what_only_the_guard_saw_was_not_found_by_runs() -> None:
    seen = outcome(told(101, "entries:wal_a:1", OVERWRITTEN, account_id="wal_a"))
    assert (seen.lines[0].found, seen.lines[0].by_runs, seen.is_perfect) == (1, 0, False)


def test_neither_what_is_touched_nor_what_was_told_before_counts_as_found() -> None:
    seen = outcome(told(112, "wal_b"), told(99, "wal_a"))
    assert (seen.lines[0].found, seen.false, seen.is_perfect) == (0, [], False)


def test_an_alert_that_nothing_explains_is_false() -> None:
    alerts = (told(112, "wal_a"), told(113, "wal_c"))
    assert outcome(*alerts).false == [alerts[1]]
    assert not outcome(*alerts).is_perfect
    assert outcome(alerts[0]).is_perfect


def test_what_is_made_good_needs_a_run_that_says_so_and_the_deed() -> None:
    late = [RUNS[0], replace(RUNS[1], sums=Sums(Counted(late=1)))]
    assert lines_of([LOST], [], late)[0].found_by == {"full": 1}
    assert lines_of([LOST], [], RUNS)[0].found == 0
    assert lines_of([replace(LOST, is_made_good=lambda: False)], [], late)[0].found == 0
