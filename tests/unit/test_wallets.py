from collections.abc import Callable

import pytest

from tallystick.domain.accounts import Account, Status
from tallystick.domain.callers import Caller
from tallystick.domain.chain import genesis
from tallystick.domain.errors import (
    AccountNotActive,
    AssetMismatch,
    Forbidden,
    IdempotencyKeyReused,
    NotFound,
    TallystickError,
    WalletNotEmpty,
)
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.services import wallets
from tallystick.services.ports.wallets import StatusChange
from tests.support.fake_store import FakeStore
from tests.support.scene import ADA, ADMIN, BOB, EVE, NOW_MS, SERVICE, USD, Scene, account

Mark = Callable[..., Account]


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.wallet("wal_a")
    return scene


def create(scene: Scene, wallet_id: str = "wal_new", asset: str = "USD", label: str | None = None) -> Account:
    account, _ = wallets.create(
        wallets=scene.store,
        caller=ADA,
        wallet_id=wallet_id,
        assets=DEFAULT_ASSETS,
        asset=asset,
        label=label,
        now_ms=scene.now_ms,
    )
    return account


def test_a_new_wallet_is_empty_active_and_the_callers(scene: Scene) -> None:
    opened = create(scene, label="Savings")
    assert (opened.owner_id, opened.asset, opened.balance, opened.held, opened.version) == ("ada", USD, 0, 0, 0)
    assert (opened.status, opened.label, opened.created_at_ms) == (Status.ACTIVE, "Savings", NOW_MS)
    assert opened.head_hash == genesis("wal_new", "USD")
    assert scene.store.account_items["wal_new"] == opened


def test_opening_again_under_the_same_id_answers_the_first_wallet(scene: Scene) -> None:
    first = create(scene)
    scene.credit("k1", "5.00", "wal_new")
    scene.now_ms += 1000
    again, replayed = wallets.create(
        wallets=scene.store,
        caller=ADA,
        wallet_id="wal_new",
        assets=DEFAULT_ASSETS,
        asset="USD",
        label=None,
        now_ms=scene.now_ms,
    )
    assert replayed
    assert (again.created_at_ms, again.balance) == (first.created_at_ms, 500)


@pytest.mark.parametrize(("asset", "label"), [("EUR", None), ("USD", "other")])
def test_an_id_cannot_be_asked_for_twice_in_different_ways(scene: Scene, asset: str, label: str | None) -> None:
    create(scene)
    with pytest.raises(IdempotencyKeyReused):
        create(scene, asset=asset, label=label)


def test_an_unknown_asset_is_refused(scene: Scene) -> None:
    with pytest.raises(AssetMismatch, match="DOGE"):
        create(scene, asset="DOGE")


@pytest.mark.parametrize("caller", [ADA, SERVICE, ADMIN])
def test_owner_service_and_admin_see_a_wallet(scene: Scene, caller: Caller) -> None:
    assert wallets.get(wallets=scene.store, caller=caller, wallet_id="wal_a").account_id == "wal_a"


@pytest.mark.parametrize(("caller", "wallet_id"), [(BOB, "wal_a"), (ADA, "wal_nowhere"), (ADMIN, "wal_nowhere")])
def test_others_see_no_wallet(scene: Scene, caller: Caller, wallet_id: str) -> None:
    with pytest.raises(NotFound):
        wallets.get(wallets=scene.store, caller=caller, wallet_id=wallet_id)
    with pytest.raises(NotFound):
        wallets.close(wallets=scene.store, caller=caller, wallet_id=wallet_id)


def test_a_caller_lists_their_own_wallets_newest_first() -> None:
    store = FakeStore()
    for number in range(5):
        store.create(account(f"wal_{number}", created_at_ms=NOW_MS + number))
    store.create(account("wal_bob", BOB))
    first = wallets.list_owned(wallets=store, caller=ADA, limit=3, after=None)
    rest = wallets.list_owned(wallets=store, caller=ADA, limit=3, after=first.next_key)
    assert [found.account_id for found in first.items] == ["wal_4", "wal_3", "wal_2"]
    assert [found.account_id for found in rest.items] == ["wal_1", "wal_0"]
    assert rest.next_key is None


def test_a_frozen_wallet_keeps_the_first_reason(scene: Scene) -> None:
    wallets.freeze(wallets=scene.store, caller=ADMIN, wallet_id="wal_a", reason="one")
    again = wallets.freeze(wallets=scene.store, caller=ADMIN, wallet_id="wal_a", reason="two")
    assert (again.status, again.status_reason) == (Status.FROZEN, "one")


def test_unfreezing_makes_it_active_and_again_changes_nothing(scene: Scene) -> None:
    wallets.freeze(wallets=scene.store, caller=ADMIN, wallet_id="wal_a", reason="one")
    for reason in ("two", "three"):
        thawed = wallets.unfreeze(wallets=scene.store, caller=ADMIN, wallet_id="wal_a", reason=reason)
        assert (thawed.status, thawed.status_reason) == (Status.ACTIVE, "two")


@pytest.mark.parametrize("mark", [wallets.freeze, wallets.unfreeze])
@pytest.mark.parametrize("caller", [ADA, SERVICE])
def test_only_an_admin_freezes_and_unfreezes(scene: Scene, mark: Mark, caller: Caller) -> None:
    with pytest.raises(Forbidden):
        mark(wallets=scene.store, caller=caller, wallet_id="wal_a", reason="x")


@pytest.mark.parametrize("mark", [wallets.freeze, wallets.unfreeze])
def test_a_missing_wallet_cannot_be_marked(scene: Scene, mark: Mark) -> None:
    with pytest.raises(NotFound):
        mark(wallets=scene.store, caller=ADMIN, wallet_id="wal_nowhere", reason="x")


@pytest.mark.parametrize("mark", [wallets.freeze, wallets.unfreeze])
def test_a_closed_wallet_stays_closed(scene: Scene, mark: Mark) -> None:
    scene.mark("wal_a", Status.CLOSED)
    with pytest.raises(AccountNotActive) as refused:
        mark(wallets=scene.store, caller=ADMIN, wallet_id="wal_a", reason="x")
    assert "CLOSED" in refused.value.members.values()


@pytest.mark.parametrize("caller", [ADA, ADMIN])
def test_owner_and_admin_close_an_empty_wallet_and_again_changes_nothing(scene: Scene, caller: Caller) -> None:
    for _ in range(2):
        assert wallets.close(wallets=scene.store, caller=caller, wallet_id="wal_a").status is Status.CLOSED


@pytest.mark.parametrize("caller", [EVE, SERVICE])
def test_nobody_else_closes_it(scene: Scene, caller: Caller) -> None:
    with pytest.raises(NotFound):
        wallets.close(wallets=scene.store, caller=caller, wallet_id="wal_a")


def test_a_frozen_wallet_is_closed_by_an_admin_only(scene: Scene) -> None:
    scene.mark("wal_a", Status.FROZEN)
    with pytest.raises(AccountNotActive):
        wallets.close(wallets=scene.store, caller=ADA, wallet_id="wal_a")
    assert wallets.close(wallets=scene.store, caller=ADMIN, wallet_id="wal_a").status is Status.CLOSED


def test_a_wallet_with_money_is_not_closed(scene: Scene) -> None:
    scene.credit("k1", "5.00")
    with pytest.raises(WalletNotEmpty) as refused:
        wallets.close(wallets=scene.store, caller=ADA, wallet_id="wal_a")
    assert refused.value.members == {"balance": "5.00", "held": "0.00", "asset": "USD"}


def test_a_wallet_emptied_while_it_is_being_closed_makes_no_internal_error(scene: Scene) -> None:
    scene.credit("k1", "5.00")

    def empty_it_before_the_refusal_is_read(call: str) -> None:
        if call == "get" and scene.store.calls[-2:] == ["change_status", "get"]:
            scene.store.before = lambda _call: None
            scene.debit("k2", "5.00")

    scene.store.before = empty_it_before_the_refusal_is_read
    try:
        closed = wallets.close(wallets=scene.store, caller=ADA, wallet_id="wal_a")
    except WalletNotEmpty:
        return
    assert closed.status is Status.CLOSED


class Contrary(FakeStore):
    """Refuse a change that fits, as a bug would."""

    def change_status(self, change: StatusChange) -> tuple[bool, Account]:
        return False, self.account_items[change.account_id]


def test_a_change_that_is_refused_though_it_fits_is_never_called_done() -> None:
    store = Contrary()
    store.create(account("wal_a"))
    with pytest.raises(TallystickError):
        wallets.close(wallets=store, caller=ADA, wallet_id="wal_a")
