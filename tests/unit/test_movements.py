from collections.abc import Callable

import pytest

from tallystick.domain.callers import Caller
from tallystick.domain.errors import (
    AssetMismatch,
    Forbidden,
    InvalidAmount,
    InvalidRequest,
    NotFound,
    ServiceLimitExceeded,
)
from tallystick.domain.transfers import TransferKind, client_key, reversal_marker
from tallystick.services import idempotency, movements
from tallystick.services.ledger import Receipt
from tallystick.services.movements import ServiceMovement, WalletTransfer
from tests.support.scene import ADA, ADMIN, BOB, EUR, EVE, NOW_MS, SERVICE, Scene, claim

Call = Callable[..., Receipt]


def test_a_credit_comes_from_the_account_that_its_reference_names(scene: Scene) -> None:
    request = ServiceMovement("wal_a", "2.50", "stripe:pi_1", {"note": "x"})
    moved = movements.credit(
        ledger=scene.ledger, caller=SERVICE, claim=claim(), request=request, now_ms=NOW_MS
    ).transfer
    assert [(posting.account_id, posting.units) for posting in moved.postings] == [
        ("wal_a", 250),
        ("external:stripe:USD", -250),
    ]
    assert (moved.kind, moved.units, moved.reference) == (TransferKind.CREDIT, 250, "stripe:pi_1")
    assert moved.metadata == {"note": "x"}
    assert scene.units() == 1250


def test_a_debit_goes_to_the_adjustment_account_without_reference(scene: Scene) -> None:
    moved = scene.debit("k1", "2.50").transfer
    assert [(posting.account_id, posting.units) for posting in moved.postings] == [
        ("wal_a", -250),
        ("external:adjustment:USD", 250),
    ]
    assert moved.kind is TransferKind.DEBIT
    assert scene.units() == 750


@pytest.mark.parametrize("call", [movements.credit, movements.debit])
@pytest.mark.parametrize("caller", [ADA, ADMIN])
def test_credit_and_debit_are_for_service_only(scene: Scene, call: Call, caller: Caller) -> None:
    with pytest.raises(Forbidden):
        call(
            ledger=scene.ledger,
            caller=caller,
            claim=claim(),
            request=ServiceMovement("wal_a", "1.00"),
            now_ms=NOW_MS,
        )
    assert scene.store.calls == []


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "1e3", "NaN", "9" * 39])
def test_a_bad_amount_is_refused(scene: Scene, amount: str) -> None:
    for move in (scene.credit, scene.debit, scene.transfer):
        with pytest.raises(InvalidAmount):
            move("k1", amount)


def test_a_transfer_moves_money_between_two_wallets(scene: Scene) -> None:
    moved = scene.transfer("k1", "3.00").transfer
    assert (scene.units("wal_a"), scene.units("wal_b")) == (700, 300)
    assert [(posting.owner_id, posting.balance_after) for posting in moved.postings] == [("ada", 700), ("bob", 300)]


def test_service_may_move_anybodys_money(scene: Scene) -> None:
    assert scene.transfer("k1", "3.00", caller=SERVICE).transfer.units == 300


@pytest.mark.parametrize("caller", [BOB, EVE, ADMIN])
def test_nobody_else_may_and_the_wallet_looks_as_if_it_did_not_exist(scene: Scene, caller: Caller) -> None:
    with pytest.raises(NotFound):
        scene.transfer("k1", "3.00", caller=caller)
    assert scene.units() == 1000


def test_the_answer_for_somebody_elses_wallet_is_that_for_none(scene: Scene) -> None:
    with pytest.raises(NotFound) as others:
        scene.transfer("k1", "3.00", caller=EVE)
    with pytest.raises(NotFound) as none:
        scene.transfer("k1", "3.00", "wal_nowhere", caller=EVE)
    assert (others.value.detail, others.value.members) == (none.value.detail, none.value.members)


def test_a_stranger_learns_nothing_about_the_other_wallet_either(scene: Scene) -> None:
    scene.wallet("wal_eur", BOB, asset=EUR)
    with pytest.raises(NotFound):
        scene.transfer("k1", "bad", "wal_a", "wal_eur", caller=EVE)


def test_the_destination_must_exist(scene: Scene) -> None:
    with pytest.raises(NotFound):
        scene.transfer("k1", "3.00", destination="wal_nowhere")


def test_both_wallets_hold_the_same_asset(scene: Scene) -> None:
    scene.wallet("wal_eur", BOB, asset=EUR)
    with pytest.raises(AssetMismatch):
        scene.transfer("k1", "3.00", destination="wal_eur")


def test_a_wallet_cannot_pay_itself(scene: Scene) -> None:
    with pytest.raises(InvalidRequest) as refused:
        scene.transfer("k1", "3.00", destination="wal_a")
    assert refused.value.members["errors"] == [
        {"detail": "Source and destination are the same wallet.", "pointer": "/destination"}
    ]


@pytest.mark.parametrize("wallet", ["external:stripe:USD", "external:adjustment:USD"])
def test_a_tallied_account_is_no_wallet(scene: Scene, wallet: str) -> None:
    with pytest.raises(NotFound):
        scene.credit("k1", "1.00", wallet)
    with pytest.raises(NotFound):
        scene.transfer("k1", "1.00", destination=wallet)


def test_a_service_moves_up_to_its_limit_and_no_more(scene: Scene) -> None:
    limited = scene.new_ledger(USD="2.50")
    for move in (scene.credit, scene.debit):
        assert move(f"fits-{move.__name__}", "2.50", ledger=limited).transfer.units == 250
        with pytest.raises(ServiceLimitExceeded) as refused:
            move(f"more-{move.__name__}", "2.51", ledger=limited)
        assert refused.value.members == {"limit": "2.50", "asset": "USD"}


def test_the_limit_holds_for_transfers_by_a_service_but_not_by_the_owner(scene: Scene) -> None:
    limited = scene.new_ledger(USD="2.50", EUR="0.01")
    with pytest.raises(ServiceLimitExceeded):
        scene.transfer("k1", "2.51", caller=SERVICE, ledger=limited)
    assert scene.transfer("k2", "2.51", ledger=limited).transfer.units == 251


def test_a_service_without_a_limit_for_the_asset_is_not_limited(scene: Scene) -> None:
    assert scene.credit("k1", "99999.00", ledger=scene.new_ledger(EUR="0.01")).transfer.units == 9_999_900


def test_a_lowered_limit_does_not_stop_a_replay(scene: Scene) -> None:
    scene.credit("k1", "9.00")
    assert scene.credit("k1", "9.00", ledger=scene.new_ledger(USD="1.00")).replayed


@pytest.mark.parametrize("caller", [SERVICE, ADMIN])
def test_service_and_admin_may_reverse(scene: Scene, caller: Caller) -> None:
    moved = scene.debit("k1", "3.00").transfer
    undone = scene.reverse("r1", moved.transfer_id, caller=caller).transfer
    assert (undone.kind, undone.reverses, undone.units) == (TransferKind.REVERSAL, moved.transfer_id, 300)
    assert [posting.units for posting in undone.postings] == [300, -300]
    assert scene.units() == 1000


def test_the_owner_may_not_reverse(scene: Scene) -> None:
    moved = scene.transfer("k1", "3.00").transfer
    with pytest.raises(Forbidden):
        scene.reverse("r1", moved.transfer_id, caller=ADA)


def test_a_reversal_keeps_the_reference_and_takes_metadata_of_its_own(scene: Scene) -> None:
    request = ServiceMovement("wal_a", "2.50", "stripe:pi_1", {"note": "x"})
    moved = movements.credit(ledger=scene.ledger, caller=SERVICE, claim=claim(), request=request, now_ms=NOW_MS)
    undone = movements.reverse(
        ledger=scene.ledger,
        caller=SERVICE,
        claim=claim("r1"),
        transfer_id=moved.transfer.transfer_id,
        metadata={"why": "fraud"},
        now_ms=NOW_MS,
    ).transfer
    assert (undone.reference, undone.metadata) == ("stripe:pi_1", {"why": "fraud"})
    assert undone.postings[1].account_id == "external:stripe:USD"


@pytest.mark.parametrize("transfer_id", ["", "trf_", "nothing", "trf_nothing", "trf_" + "0" * 64])
def test_what_is_no_transfer_is_not_found(scene: Scene, transfer_id: str) -> None:
    with pytest.raises(NotFound):
        scene.reverse("r1", transfer_id)
    with pytest.raises(NotFound):
        movements.get_transfer(book=scene.store, caller=SERVICE, transfer_id=transfer_id)


def test_a_voided_key_is_no_transfer(scene: Scene) -> None:
    key = client_key("svc", "k1")
    idempotency.void(ledger=scene.ledger, key=key, now_ms=NOW_MS)
    assert movements.find_transfer(scene.store, key.transfer_id) is None


def test_a_reversals_marker_is_no_transfer(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    scene.reverse("r1", moved.transfer_id)
    assert movements.find_transfer(scene.store, f"trf_{reversal_marker(moved.transfer_id)}") is None


@pytest.mark.parametrize("caller", [ADA, BOB, SERVICE, ADMIN])
def test_its_parties_service_and_admin_see_a_transfer_and_its_reversal(scene: Scene, caller: Caller) -> None:
    moved = scene.transfer("k1", "3.00").transfer
    assert movements.get_transfer(book=scene.store, caller=caller, transfer_id=moved.transfer_id) == (moved, None)
    undone = scene.reverse("r1", moved.transfer_id).transfer
    seen = movements.get_transfer(book=scene.store, caller=caller, transfer_id=moved.transfer_id)
    assert seen == (moved, undone.transfer_id)


def test_nobody_else_sees_it(scene: Scene) -> None:
    moved = scene.transfer("k1", "3.00").transfer
    with pytest.raises(NotFound):
        movements.get_transfer(book=scene.store, caller=EVE, transfer_id=moved.transfer_id)


def test_metadata_of_a_transfer_is_kept(scene: Scene) -> None:
    request = WalletTransfer("wal_a", "wal_b", "1.00", {"invoice": "7"})
    moved = movements.transfer(
        ledger=scene.ledger, caller=ADA, claim=claim(caller=ADA), request=request, now_ms=NOW_MS
    ).transfer
    assert moved.metadata == {"invoice": "7"}
