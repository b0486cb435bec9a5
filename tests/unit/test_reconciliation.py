"""Reconcile while things are not as they should be: items being written, lags, accidents, late and double messages."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from tallystick.domain.accounts import AccountKind
from tallystick.domain.errors import Forbidden, IllegalTransition, NotYet, StoreUnavailable
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.reconciliation import Fault
from tallystick.domain.runs import Mode, Part, Verdict
from tallystick.domain.transfers import Tombstone
from tallystick.services import examining, holdings, integrity
from tallystick.services.integrity import Check, Standing
from tallystick.services.ports.journal import SnapshotConflict
from tallystick.services.ports.paging import Page
from tallystick.services.reconciling import MAX_LOOKS, STALE_MS, Rhythm, begin, tick, work
from tests.support.planting import CONSERVATION, TALLIED, A, B, Planted
from tests.support.reconciling import MARGIN_MS, never
from tests.support.scene import ADA, ADMIN, claim, once

EVERY_MS = {Mode.CHANGED: 900_000, Mode.FULL: 7 * 86_400_000}
DAY_MS = 86_400_000


@pytest.fixture
def it() -> Planted:
    return Planted()


def at(call: str, act: Callable[[], object], times: int = 1) -> Callable[[str], None]:
    """Make a hook that does something before the first calls of a name."""
    left = [act] * times

    def hook(name: str) -> None:
        if name == call and left:
            left.pop()()

    return hook


def conflict() -> None:
    raise SnapshotConflict


def start(it: Planted, mode: Mode = Mode.CHANGED) -> None:
    it.settle()
    assert begin(bureau=it.bureau, mode=mode, reason="test", now_ms=it.now_ms)


def faults(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.account_id, finding.fault) for finding in verdict.sums.findings]


# Examining


def test_what_is_being_written_whenever_one_looks_is_unclear_and_looked_at_again(it: Planted) -> None:
    it.alter(B, balance=1)
    it.store.before = at("exact.snapshot", conflict, times=1000)
    start(it)
    it.work_off()
    (_, _, changed, full, again) = it.runs.verdicts.values()
    assert (changed.sums.findings, full.sums.findings, again.sums.findings) == ((), (), ())
    assert changed.sums.counted.unclear >= 1
    assert (changed.suspicion, set(full.unconfirmed)) == (f"Not zero: {CONSERVATION}.", {CONSERVATION})
    assert (set(again.differences), again.unconfirmed) == ({CONSERVATION}, {})
    it.store.before = lambda _call: None
    assert faults(it.reconcile(Mode.FULL)) == [(B, Fault.BALANCE)]


def test_an_account_that_is_gone_when_it_is_confirmed_is_missing(it: Planted) -> None:
    (found,) = examining.confirmed(desk=it.desk, account_id="wal_gone", newest=None).findings
    assert (found.account_id, found.fault) == ("wal_gone", Fault.MISSING)


def test_transfers_are_read_in_batches(it: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "BATCH", 2)
    assert it.reconcile(Mode.FULL).is_sound
    assert it.store.calls.count("quick.records") > 5


@pytest.mark.parametrize("journal", ["quick", "exact"])
def test_a_movement_that_is_made_meanwhile_stands_behind_the_head(it: Planted, journal: str) -> None:
    if journal == "exact":
        it.alter(A, balance=1)
    start(it)
    it.store.before = at(f"{journal}.entries", lambda: it.credit("meanwhile", "1.00", A, ledger=it.new_ledger()))
    if journal == "exact":
        it.store.before = at("exact.entries", lambda: it.insert_entry(A, 9, sequence=10, later_ms=1))
    it.work_off()
    found = [fault for name, fault in faults(list(it.runs.verdicts.values())[2]) if name == A]
    assert found == ([] if journal == "quick" else [Fault.ORPHAN, Fault.BALANCE])


# Holds


def test_a_hold_that_has_ended_is_empty(it: Planted) -> None:
    it.cancel(it.first)
    assert it.reconcile().is_sound
    assert it.reconcile(Mode.FULL).is_sound


def test_a_hold_that_was_emptied_while_its_withdrawal_goes_on_is_found(it: Planted) -> None:
    cancelled = it.cancel(it.first)
    it.store.flow_items[cancelled.flow_id] = replace(cancelled, state=it.first.state)
    it.alter(A, held=it.store.account_items[A].held + cancelled.total_units)
    assert faults(it.reconcile()) == [(it.hold, Fault.HOLD)]


def test_holds_that_are_being_written_are_unclear(it: Planted) -> None:
    it.alter(A, held=1)
    it.store.before = at("exact.snapshot", conflict, times=1000)
    assert it.reconcile().sums.counted.unclear == 3
    assert not it.told


def test_what_the_index_does_not_list_yet_is_found_by_the_entries_of_the_wallet(it: Planted) -> None:
    it.ask("w3", "1.00")
    it.flows.owned_by = lambda *_: Page([])  # type: ignore[method-assign] # it lags
    assert it.reconcile().is_sound


def test_holds_are_looked_at_again_while_the_wallet_moves(it: Planted) -> None:
    it.alter(A, held=1)
    keys = iter(range(1000))
    act = at("exact.entries", lambda: it.credit(f"moving-{next(keys)}", "0.01", A, ledger=it.new_ledger()), times=1000)
    it.store.before = act
    start(it)
    it.work_off()
    assert list(it.runs.verdicts.values())[2].sums.counted.unclear >= 1
    assert A not in it.told


@pytest.mark.parametrize("most", [0, 1])
def test_more_withdrawals_than_can_be_compared_are_unclear(
    it: Planted, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(holdings, "MAX_FLOWS", most)
    it.flows.owned_by = lambda *_: Page([it.first, it.second] if most else [])  # type: ignore[method-assign]
    it.alter(A, held=100_000)
    assert it.reconcile().sums.counted.unclear == 1


def test_more_withdrawals_than_are_listed_are_unclear(it: Planted) -> None:
    it.flows.owned_by = lambda *_: Page([], "more")  # type: ignore[method-assign]
    assert it.reconcile().sums.counted.unclear == 1
    assert not it.told


# Going through pages


def test_what_moves_after_the_cut_is_counted_by_the_next_run(it: Planted) -> None:
    before = it.reconcile(Mode.FULL)
    it.settle()
    it.credit("late", "1.00", A)
    it.ask("w3", "1.00")
    it.tally()
    assert begin(bureau=it.bureau, mode=Mode.FULL, reason="test", now_ms=it.now_ms)
    during = it.work_off()
    assert (during.is_sound, during.sums.at_cut) == (True, before.sums.at_cut)
    assert during.sums.counted.transfers == before.sums.counted.transfers
    after = it.reconcile(Mode.FULL)
    assert (after.is_sound, after.sums.at_cut["USD"]) == (True, before.sums.at_cut["USD"] + 100)


def test_a_wallet_without_entries_is_sound(it: Planted) -> None:
    it.wallet("wal_empty")
    it.reconcile()
    assert it.reconcile(Mode.FULL).is_sound
    assert it.vouched.checkpoints["wal_empty", 0].balance == 0


def test_a_tombstone_needs_no_entries(it: Planted) -> None:
    tombstone = Tombstone(claim("voided"), it.now_ms)
    it.store.records[tombstone.claim.key.digest] = tombstone
    assert it.reconcile(Mode.FULL).is_sound


def test_what_the_stream_has_lost_is_suspected_and_added(it: Planted) -> None:
    it.credit("lost", "7.00", B)
    it.now_ms += MARGIN_MS * 2
    assert begin(bureau=it.bureau, mode=Mode.CHANGED, reason="test", now_ms=it.now_ms)
    verdict = it.work_off()
    assert (verdict.run.mode, verdict.is_sound, verdict.sums.counted.late) == (Mode.FULL, True, 1)
    assert it.reconcile().is_sound
    assert not it.told


@pytest.mark.parametrize("call", ["runs.save_segment", "runs.segment", "runs.conclude", "checkpoints.word"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_accident_costs_no_more_than_a_repetition(it: Planted, call: str, moment: str) -> None:
    start(it)
    setattr(it.store, moment, once(StoreUnavailable("lost"), call))
    keys = it.messages.sent.copy()
    with pytest.raises(StoreUnavailable):
        it.work_off()
    it.messages.sent = keys
    assert it.work_off().is_sound
    assert it.run.ended_at_ms is not None
    verdict = it.reconcile()
    assert (verdict.is_sound, verdict.run.mode, it.told) == (True, Mode.CHANGED, [])


def test_a_verdict_that_was_kept_before_an_accident_stands(it: Planted) -> None:
    start(it)
    it.store.after = once(StoreUnavailable("lost"), "runs.conclude")
    with pytest.raises(StoreUnavailable):
        it.work_off()
    kept = it.runs.newest()
    assert it.run.ended_at_ms is None
    tick(bureau=it.bureau, now_ms=it.now_ms)
    assert it.messages.sent == it.run.keys[:1]
    assert it.work_off() == kept
    assert (it.run.ended_at_ms, it.run.looked) == (kept.run.ended_at_ms if kept else 0, 0)


# Runs


def test_a_tick_begins_what_is_due_and_queues_what_is_left() -> None:
    it = Planted()
    it.runs.verdicts.clear()
    run = tick(bureau=it.bureau, now_ms=it.now_ms)
    assert run is not None
    assert (run.mode, it.messages.sent) == (Mode.FULL, run.keys)
    it.messages.sent = []
    assert tick(bureau=it.bureau, now_ms=it.now_ms + STALE_MS - 1) is None
    assert it.messages.sent == run.keys
    assert begin(bureau=it.bureau, mode=Mode.CHANGED, reason="test", now_ms=it.now_ms) is None
    another = tick(bureau=it.bureau, now_ms=it.now_ms + STALE_MS)
    assert another is not None
    assert another.run_id != run.run_id
    work(bureau=it.bureau, key=run.keys[0], is_time_up=never, now_ms=lambda: it.now_ms)
    assert not it.runs.segments.get((Part.TRANSFERS, 0))


def test_of_two_that_begin_at_once_one_does(it: Planted) -> None:
    other = replace(it.run, version=it.run.version + 1)
    it.store.before = at("runs.save", lambda: setattr(it.runs, "run", other))
    assert begin(bureau=it.bureau, mode=Mode.FULL, reason="test", now_ms=it.now_ms) is None
    assert it.messages.sent == []


def test_a_suspicion_is_not_followed_by_a_full_run_before_its_pause_is_over(it: Planted) -> None:
    it.bureau = replace(it.bureau, rhythm=Rhythm(2, MARGIN_MS, full_pause_ms=DAY_MS))
    it.reconcile(Mode.FULL)
    it.drop_total()
    verdict = it.reconcile()
    assert (verdict.run.mode, verdict.suspicion) == (Mode.CHANGED, f"Not zero: {CONSERVATION}.")
    assert it.run.ended_at_ms is not None
    it.now_ms += DAY_MS
    run = tick(bureau=it.bureau, now_ms=it.now_ms)
    assert run is not None
    assert (run.mode, run.reason) == (Mode.FULL, verdict.suspicion)
    it.now_ms += MARGIN_MS
    assert it.work_off().differences == {TALLIED: 1}


def test_time_up_hands_on_and_late_messages_find_nothing_to_do(it: Planted) -> None:
    start(it)
    key = it.messages.sent[0]
    assert work(bureau=it.bureau, key=key, is_time_up=lambda: True, now_ms=lambda: it.now_ms) == "continued"
    assert it.messages.sent.count(key) == 2
    it.work_off()
    assert work(bureau=it.bureau, key=key, is_time_up=never, now_ms=lambda: it.now_ms) == "over"


def test_of_two_that_go_through_a_page_one_counts(it: Planted) -> None:
    start(it)
    key = it.messages.sent[0]

    def work_too() -> None:
        assert work(bureau=it.bureau, key=key, is_time_up=never, now_ms=lambda: it.now_ms) == "done"

    it.store.before = at("runs.save_segment", work_too)
    assert work(bureau=it.bureau, key=key, is_time_up=never, now_ms=lambda: it.now_ms) == "overtaken"
    verdict = it.work_off()
    assert (verdict.is_sound, verdict.sums.counted.accounts) == (True, 5)


def test_sums_are_looked_at_again_before_they_are_believed(it: Planted) -> None:
    it.credit("slow", "7.00", B)
    it.now_ms += MARGIN_MS * 2
    assert begin(bureau=it.bureau, mode=Mode.CHANGED, reason="test", now_ms=it.now_ms)
    first, second = it.messages.sent
    work(bureau=it.bureau, key=first, is_time_up=never, now_ms=lambda: it.now_ms)
    with pytest.raises(NotYet) as later:
        work(bureau=it.bureau, key=second, is_time_up=never, now_ms=lambda: it.now_ms)
    assert (later.value.wait_ms, it.run.looked) == (10_000, 1)
    it.tally()  # now the stream has brought it
    assert it.work_off().is_sound
    assert it.runs.newest(Mode.FULL) is None


@pytest.mark.parametrize("number", range(2))
def test_no_run_confirms_what_it_has_found_itself(it: Planted, number: int) -> None:
    it.drop_total()
    start(it, Mode.FULL)
    *others, last = it.messages.sent

    def working(key: str = last) -> str:
        return work(bureau=it.bureau, key=key, is_time_up=never, now_ms=lambda: it.now_ms)

    assert [working(key) for key in others] == ["done"] * len(others)
    for _ in range(MAX_LOOKS):
        with pytest.raises(NotYet):
            working()
    calls = count()

    def work_too(call: str) -> None:
        if call == "runs.newest" and next(calls) == number:
            it.store.before = lambda _: None
            assert working() == "concluded"

    it.store.before = work_too
    working()
    newest = it.runs.newest(Mode.FULL)
    assert newest is not None
    assert (it.told, newest.differences, bool(newest.unconfirmed)) == ([], {}, True)


@pytest.mark.parametrize("mode", Mode)
def test_totals_of_too_long_ago_are_not_judged(it: Planted, mode: Mode) -> None:
    start(it, mode)
    it.now_ms += DAY_MS
    verdict = it.work_off()
    assert (verdict.is_judged, verdict.booked, verdict.is_sound) == (False, {}, True)


# How every check stands


def checks(it: Planted) -> dict[str, Check]:
    found = integrity.checks(runs=it.runs, caller=ADMIN, now_ms=it.now_ms, every_ms=EVERY_MS)
    return {check.name: check for check in found}


def house(it: Planted) -> list[integrity.House]:
    return integrity.house(book=it.store, tallies=it.tallies, runs=it.runs, assets=DEFAULT_ASSETS, caller=ADMIN)


def standings(it: Planted) -> list[Standing]:
    return [check.standing for check in checks(it).values()]


def test_checks_stand_as_their_newest_runs_have_ended(it: Planted) -> None:
    ok, unknown = Standing.OK, Standing.UNKNOWN
    assert standings(it) == [ok, unknown, ok, unknown]
    it.reconcile(Mode.FULL)
    assert standings(it) == [ok] * 4
    it.runs.verdicts.clear()
    assert standings(it) == [unknown] * 4
    assert [one.difference for one in house(it)] == [None]


def test_checks_that_found_something_fail(it: Planted) -> None:
    it.alter(A, balance=1)
    it.drop_total()
    it.reconcile()
    failing = Standing.FAILING
    assert standings(it) == [failing] * 4
    found = checks(it)
    assert found["totals"].facts[TALLIED] == 1
    assert "suspicion" in found["wallets"].facts
    assert found["conservation"].facts["USD"] == house(it)[0].difference != 0


def test_checks_are_late_when_they_have_not_run_for_long(it: Planted) -> None:
    it.now_ms = it.verdicts[-1].run.started_at_ms + 3 * EVERY_MS[Mode.CHANGED] + MARGIN_MS
    assert checks(it)["wallets"].standing is Standing.LATE


def test_what_is_not_known_is_not_shown_as_sound(it: Planted) -> None:
    start(it)
    it.now_ms += DAY_MS
    it.work_off()
    assert checks(it)["conservation"].standing is Standing.UNKNOWN


def test_the_house_shows_its_accounts_and_the_sum_over_all(it: Planted) -> None:
    suspense = replace(it.store.account_items["wal_c"], account_id="suspense:USD", kind=AccountKind.SYSTEM)
    it.store.account_items["suspense:USD"] = suspense
    (shown,) = house(it)
    assert dict(shown.accounts) == {TALLIED: -10_300, "suspense:USD": 500}
    assert (shown.asset.code, shown.units, shown.difference) == ("USD", -9_800, 0)
    assert shown.cut_ms == it.verdicts[-1].run.cut_ms


def test_an_admin_begins_a_run_unless_one_is_under_way(it: Planted) -> None:
    run = integrity.order_run(bureau=it.bureau, admin=it.admin(), full=True)
    assert (run.mode, it.store.audited[-1].action) == (Mode.FULL, "begin-run")
    with pytest.raises(IllegalTransition):
        integrity.order_run(bureau=it.bureau, admin=it.admin(), full=False)


def test_nobody_else_asks(it: Planted) -> None:
    with pytest.raises(Forbidden):
        integrity.checks(runs=it.runs, caller=ADA, now_ms=it.now_ms, every_ms=EVERY_MS)
    with pytest.raises(Forbidden):
        integrity.house(book=it.store, tallies=it.tallies, runs=it.runs, assets=DEFAULT_ASSETS, caller=ADA)
    with pytest.raises(Forbidden):
        integrity.order_run(bureau=it.bureau, admin=it.admin(ADA), full=False)
