import pytest

from tallystick.domain.runs import Mode
from tests.support.reconciling import Reconciled


def scene() -> Reconciled:
    """Two wallets with movements between them and from outside; both are sound."""
    one = Reconciled()
    one.wallet("wal_a", units=1000)
    one.wallet("wal_b")
    one.transfer("t1", "2.50")
    one.transfer("t2", "1.25")
    assert one.reconcile().is_sound
    return one


@pytest.mark.parametrize("wallet_id", ["wal_a", "wal_b"])
def test_an_account_that_is_gone_is_named(wallet_id: str) -> None:
    one = scene()
    one.store.account_items.pop(wallet_id)
    verdict = one.reconcile()
    assert (verdict.run.mode, [found.account_id for found in verdict.sums.findings]) == (Mode.FULL, [wallet_id])
    assert "no such account" in verdict.sums.findings[0].detail
    assert verdict.sums.findings[0].transfer_id in one.told


def test_an_account_that_is_gone_with_nothing_in_it_is_named_too() -> None:
    one = scene()
    one.debit("d1", "3.75", "wal_b")
    assert one.reconcile().is_sound
    one.store.account_items.pop("wal_b")
    verdict = one.reconcile()
    assert verdict.differences == {}
    assert [found.account_id for found in verdict.sums.findings] == ["wal_b"]


def test_the_alert_ends_when_the_account_is_back() -> None:
    one = scene()
    gone = one.store.account_items.pop("wal_b")
    finding = one.reconcile().sums.findings[0]
    one.store.account_items["wal_b"] = gone
    one.reconcile(Mode.FULL)
    assert ("BALANCE_MISMATCH", finding.transfer_id) in one.alerts.ended
