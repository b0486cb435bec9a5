from dataclasses import replace

from tallystick.domain.runs import Mode
from tests.support.reconciling import Reconciled


def scene() -> Reconciled:
    """Two wallets with movements between them and from outside."""
    one = Reconciled()
    one.wallet("wal_a", units=1000)
    one.wallet("wal_b")
    one.transfer("t1", "2.50")
    one.transfer("t2", "1.25")
    one.debit("d1", "3.00")
    return one


def test_a_sound_ledger_is_sound() -> None:
    one = scene()
    verdict = one.reconcile()
    assert (verdict.is_sound, verdict.is_judged, one.told) == (True, True, [])
    assert verdict.sums.counted.accounts == verdict.sums.counted.checked == 2
    assert verdict.sums.at_cut == {"USD": 700}
    assert verdict.booked == {"external:adjustment:USD": -700}


def test_what_has_not_changed_is_not_read_again() -> None:
    one = scene()
    one.reconcile()
    one.store.calls.clear()
    verdict = one.reconcile()
    assert (verdict.is_sound, verdict.sums.counted.checked) == (True, 0)
    assert "quick.entries" not in one.store.calls


def test_a_full_run_is_sound_too() -> None:
    one = scene()
    verdict = one.reconcile(Mode.FULL)
    assert (verdict.is_sound, verdict.sums.counted.transfers) == (True, 4)
    assert one.reconcile().is_sound


def test_an_altered_balance_is_found_and_ends() -> None:
    one = scene()
    one.reconcile()
    sound = one.store.account_items["wal_b"]
    one.store.account_items["wal_b"] = replace(sound, balance=10_000)
    verdict = one.reconcile()
    assert not verdict.is_sound
    assert "wal_b" in one.told
    assert one.store.account_items["wal_b"].needs_reconciliation
    one.store.account_items["wal_b"] = replace(one.store.account_items["wal_b"], balance=375)
    assert one.reconcile().is_sound
    assert ("BALANCE_MISMATCH", "wal_b") in one.alerts.ended
    assert not one.store.account_items["wal_b"].needs_reconciliation
