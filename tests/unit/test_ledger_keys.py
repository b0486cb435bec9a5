"""What stands under an idempotency key ranks before every other answer."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.errors import (
    AlreadyReversed,
    IdempotencyKeyReused,
    IdempotencyKeyVoided,
    InsufficientFunds,
    InvariantViolated,
    NotReversible,
    StoreUnavailable,
)
from tallystick.domain.transfers import Tombstone, client_key
from tallystick.services import idempotency
from tests.support.fake_store import Reason
from tests.support.scene import NOW_MS, SERVICE, Scene, claim, once

KEY = client_key(SERVICE.caller_id, "k1")


def spend(scene: Scene) -> None:
    scene.debit("spend", "5.00", ledger=scene.new_ledger())


def freeze(scene: Scene) -> None:
    scene.mark("wal_a", Status.FROZEN)


def close(scene: Scene) -> None:
    spend(scene)
    scene.mark("wal_a", Status.CLOSED)


def nothing(_scene: Scene) -> None:
    pass


@pytest.mark.parametrize("meanwhile", [nothing, spend, freeze, close])
@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("reports", [slice(None), slice(1), slice(-1, None)])
def test_a_retry_gets_the_first_answer_whatever_happened_since(
    scene: Scene,
    meanwhile: Callable[[Scene], None],
    reports: slice,
    cold: bool,  # noqa: FBT001
) -> None:
    first = scene.debit("k1", "5.00")
    meanwhile(scene)
    scene.store.reported = lambda reasons: reasons[reports]
    again = scene.debit("k1", "5.00", ledger=scene.new_ledger() if cold else None)
    assert again.transfer == first.transfer
    assert (first.replayed, again.replayed) == (False, True)


def test_a_warm_retry_is_one_call(scene: Scene) -> None:
    scene.debit("k1", "5.00")
    scene.store.calls.clear()
    scene.debit("k1", "5.00")
    assert scene.store.calls == ["commit"]


def test_a_warm_retry_that_the_remembered_balance_cannot_pay_reads_the_account_and_the_key(scene: Scene) -> None:
    scene.debit("k1", "10.00")
    scene.store.calls.clear()
    assert scene.debit("k1", "10.00").replayed
    assert scene.store.calls == ["accounts", "record"]


def test_a_retry_under_reported_as_stale_is_a_replay(scene: Scene) -> None:
    def stale_only(reasons: list[Reason]) -> list[Reason]:
        return [reason for reason in reasons if reason.condition == "account"] or reasons

    scene.credit("k0", "1.00")
    scene.debit("k1", "11.00", ledger=scene.new_ledger())
    scene.store.reported = stale_only
    scene.store.calls.clear()
    assert scene.debit("k1", "11.00").replayed
    assert scene.store.calls == ["commit", "record"]


@pytest.mark.parametrize("meanwhile", [nothing, spend, freeze, close])
def test_the_key_of_another_request_is_refused_before_anything_else(
    scene: Scene, meanwhile: Callable[[Scene], None]
) -> None:
    scene.debit("k1", "5.00")
    meanwhile(scene)
    with pytest.raises(IdempotencyKeyReused):
        scene.debit("k1", "5.01")
    with pytest.raises(IdempotencyKeyReused):
        scene.debit("k1", "5000.00")
    with pytest.raises(IdempotencyKeyReused):
        scene.debit("k1", "1.00", "wal_nowhere")


@pytest.mark.parametrize("meanwhile", [nothing, spend, freeze])
def test_a_voided_key_is_refused_before_anything_else(scene: Scene, meanwhile: Callable[[Scene], None]) -> None:
    idempotency.void(ledger=scene.ledger, key=KEY, now_ms=NOW_MS)
    meanwhile(scene)
    for amount in ("1.00", "5000.00"):
        with pytest.raises(IdempotencyKeyVoided):
            scene.debit("k1", amount)
    with pytest.raises(IdempotencyKeyVoided):
        scene.reverse("k1", "trf_nowhere")


def test_a_lost_answer_is_found_by_trying_again(scene: Scene) -> None:
    scene.store.after = once(StoreUnavailable("answer lost"), "commit")
    with pytest.raises(StoreUnavailable):
        scene.debit("k1", "10.00")
    again = scene.debit("k1", "10.00")
    assert again.replayed
    assert scene.units() == 0
    assert len(scene.store.entries_of("wal_a")) == 2


def test_two_keys_with_one_hash_are_a_bug(scene: Scene) -> None:
    scene.store.records[KEY.digest] = Tombstone(claim("other"), NOW_MS)
    with pytest.raises(InvariantViolated, match="share one hash"):
        scene.debit("k1", "1.00")


def test_reversing_again_under_the_same_key_is_a_replay(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    first = scene.reverse("r1", moved.transfer_id)
    again = scene.reverse("r1", moved.transfer_id)
    assert again.replayed
    assert again.transfer == first.transfer
    assert first.transfer.reverses == moved.transfer_id


@pytest.mark.parametrize("meanwhile", [nothing, spend, freeze, close])
@pytest.mark.parametrize("reports", [slice(None), slice(1), slice(-1, None)])
def test_a_second_reversal_under_another_key_names_the_first(
    scene: Scene, meanwhile: Callable[[Scene], None], reports: slice
) -> None:
    moved = scene.credit("k1", "5.00").transfer
    first = scene.reverse("r1", moved.transfer_id).transfer
    meanwhile(scene)
    scene.store.reported = lambda reasons: reasons[reports]
    with pytest.raises(AlreadyReversed) as refused:
        scene.reverse("r2", moved.transfer_id, ledger=scene.new_ledger())
    assert refused.value.members == {"reversed_by": first.transfer_id}
    assert scene.reverse("r1", moved.transfer_id).replayed


def test_a_replayed_reversal_ranks_before_already_reversed_however_little_is_reported(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    scene.reverse("r1", moved.transfer_id)
    scene.store.reported = lambda reasons: [reason for reason in reasons if reason.condition == "reversal"]
    assert scene.reverse("r1", moved.transfer_id).replayed


def test_the_key_of_a_reversal_that_was_used_otherwise_is_refused_first(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    scene.reverse("r1", moved.transfer_id)
    with pytest.raises(IdempotencyKeyReused):
        scene.reverse("k1", moved.transfer_id)


def test_a_reversal_that_the_wallet_cannot_pay_is_refused(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    scene.debit("k2", "11.00")
    with pytest.raises(InsufficientFunds):
        scene.reverse("r1", moved.transfer_id)
    assert scene.store.reversals == {}


def test_a_reversal_cannot_be_reversed_but_its_key_is_asked_first(scene: Scene) -> None:
    moved = scene.credit("k1", "5.00").transfer
    undone = scene.reverse("r1", moved.transfer_id).transfer
    with pytest.raises(NotReversible) as refused:
        scene.reverse("r2", undone.transfer_id)
    assert refused.value.members == {"kind": "reversal"}
    with pytest.raises(IdempotencyKeyReused):
        scene.reverse("r1", undone.transfer_id)


def test_a_reversal_restores_what_was_before(scene: Scene) -> None:
    moved = scene.transfer("k1", "3.00").transfer
    undone = scene.reverse("r1", moved.transfer_id).transfer
    assert (scene.units("wal_a"), scene.units("wal_b")) == (1000, 0)
    assert replace(undone, claim=moved.claim).label == "api:k1:wal_a:reversal"
