"""A survey finds what a run of reconciliation finds, and writes nothing."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.runs import Mode, Run, Verdict, total
from tallystick.domain.tallies import Total
from tallystick.domain.transfers import Transfer
from tallystick.services.covering import Cover
from tallystick.services.judging import tell
from tallystick.services.surveying import MAX_ATTEMPTS, conclude, onlooker, survey, survey_of
from tests.support.reconciling import Reconciled


@pytest.fixture
def one() -> Reconciled:
    """Two wallets with movements between them and from outside, long enough ago."""
    made = Reconciled()
    made.wallet("wal_a", units=1000)
    made.wallet("wal_b")
    made.transfer("t1", "2.50")
    made.debit("d1", "3.00")
    made.tally()
    made.now_ms += 600_000
    return made


def looking(one: Reconciled) -> Cover:
    return onlooker(desk=one.desk, flows=one.flows, tallies=one.tallies, page_size=1)


def surveyed(one: Reconciled, *, full: bool) -> Verdict:
    cover = looking(one)
    run: Run = survey_of(full=full, segments=3, now_ms=one.now_ms)
    pages = [sums for part, number in run.parts for sums in survey(cover=cover, run=run, part=part, number=number)]
    return conclude(cover=cover, run=run, sums=total(pages), now_ms=one.now_ms)


def state(one: Reconciled) -> Any:  # noqa: ANN401 (all that is stored)
    store = one.store
    kept = (store.account_items, store.entry_items, store.records, store.flow_items, store.audited)
    return deepcopy((kept, one.vouched, vars(one.tallies) | {"store": None, "backing": None}, one.told))


@pytest.mark.parametrize("full", [True, False])
def test_a_sound_ledger_is_sound(one: Reconciled, *, full: bool) -> None:
    before = state(one)
    verdict = surveyed(one, full=full)
    assert (verdict.is_sound, verdict.run.mode) == (True, Mode.FULL if full else Mode.CHANGED)
    assert (verdict.sums.counted.accounts, verdict.sums.counted.checked) == (2, 2)
    assert verdict.sums.counted.transfers == (3 if full else 0)
    assert verdict.is_judged == full
    assert state(one) == before


def test_what_was_checked_is_not_read_again(one: Reconciled) -> None:
    one.reconcile()
    assert surveyed(one, full=False).sums.counted.checked == 0
    assert surveyed(one, full=True).sums.counted.checked == 2


@pytest.mark.parametrize("full", [True, False])
def test_what_differs_is_found_and_nobody_is_told(one: Reconciled, *, full: bool) -> None:
    one.store.account_items["wal_b"] = replace(one.store.account_items["wal_b"], balance=10_000)
    before = state(one)
    verdict = surveyed(one, full=full)
    assert [finding.account_id for finding in verdict.sums.findings] == ["wal_b"]
    assert verdict.differences == ({"conservation:USD": 9750} if full else {})
    assert state(one) == before


def test_what_lacks_an_entry_is_found_and_nobody_is_told(one: Reconciled) -> None:
    key = next(key for key in one.store.entry_items if key[0] == "wal_b")
    del one.store.entry_items[key]
    before = state(one)
    assert "wal_b" in {finding.account_id for finding in surveyed(one, full=True).sums.findings}
    assert state(one) == before


def test_what_the_stream_has_lost_is_told_and_not_added(one: Reconciled) -> None:
    one.debit("d2", "1.00")
    one.now_ms += 600_000
    before = state(one)
    verdict = surveyed(one, full=True)
    assert verdict.sums.counted.late == 1
    assert verdict.differences == {"external:adjustment:USD": -100}
    assert state(one) == before
    assert all(isinstance(record, Transfer) for record in one.store.records.values())


def test_who_looks_on_changes_nothing_even_at_a_conclusion(one: Reconciled) -> None:
    one.store.account_items["wal_b"] = replace(one.store.account_items["wal_b"], needs_reconciliation=True)
    one.suspects.add("trf_1", ["wal_a"])
    one.now_ms += 1
    before = state(one)
    cover = looking(one)
    verdict = surveyed(one, full=True)
    assert verdict.sums.recovered == ("wal_b",)
    tell(cover=cover, verdict=replace(verdict, differences={"conservation:USD": 1}), full=None)
    cover.suspects.remove("trf_1")
    total = Total("external:adjustment:USD", "USD", 2)
    assert not cover.tallies.correct(None, total, AuditRecord("x", "x", "x", 0, "x", {}))
    assert state(one) == before
    assert one.suspects.kept == {"trf_1": ("wal_a",)}


@pytest.mark.parametrize("failures", [1, MAX_ATTEMPTS - 1, MAX_ATTEMPTS])
def test_a_page_is_tried_again(one: Reconciled, failures: int) -> None:
    left = [StoreUnavailable("busy")] * failures

    def refuse(call: str) -> None:
        if call == "quick.heads" and left:
            raise left.pop()

    one.store.before = refuse
    if failures < MAX_ATTEMPTS:
        assert surveyed(one, full=False).is_sound
    else:
        with pytest.raises(StoreUnavailable):
            surveyed(one, full=False)
