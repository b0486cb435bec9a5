from tallystick.domain.accounts import AccountKind, Status, is_tallied
from tallystick.domain.chain import genesis
from tallystick.domain.house import HOUSE, receivable_account, suspense_account
from tests.support.scene import EUR, NOW_MS, USD


def test_what_is_owed_is_tallied_by_asset() -> None:
    assert receivable_account("USD") == "external:receivable:USD"
    assert is_tallied(receivable_account("EUR"))


def test_money_that_cannot_reach_its_wallet_is_guarded_by_asset() -> None:
    account = suspense_account(USD, NOW_MS)
    assert account.account_id == "suspense:USD" != suspense_account(EUR, NOW_MS).account_id
    assert not is_tallied(account.account_id)
    assert (account.asset, account.created_at_ms) == (USD, NOW_MS)


def test_the_suspense_account_is_the_houses_own_empty_and_active() -> None:
    account = suspense_account(USD, NOW_MS)
    assert (account.owner_id, account.kind, account.status) == (HOUSE, AccountKind.SYSTEM, Status.ACTIVE)
    assert (account.balance, account.version, account.head_hash) == (0, 0, genesis("suspense:USD", "USD"))
