import pytest

from tallystick.domain.errors import IdempotencyKeyCommitted, IdempotencyKeyVoided, StoreUnavailable, TooMuchContention
from tallystick.domain.transfers import Claim, Tombstone, client_key
from tallystick.services import idempotency
from tallystick.services.idempotency import MAX_ATTEMPTS
from tallystick.services.ledger import Ledger
from tallystick.services.ports.ledger import CommitConflict
from tests.support.scene import NOW_MS, SERVICE, Pauses, Scene, once

KEY = client_key(SERVICE.caller_id, "k1")


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.wallet("wal_a")
    return scene


def void(scene: Scene, now_ms: int = NOW_MS) -> Tombstone:
    return idempotency.void(ledger=scene.ledger, key=KEY, now_ms=now_ms)


def test_nothing_stands_under_an_unused_key(scene: Scene) -> None:
    assert idempotency.find(book=scene.store, key=KEY) is None


def test_a_used_key_leads_to_its_transfer(scene: Scene) -> None:
    moved = scene.credit("k1", "1.00").transfer
    assert idempotency.find(book=scene.store, key=KEY) == moved


def test_voiding_leaves_a_tombstone(scene: Scene) -> None:
    assert void(scene) == Tombstone(Claim(KEY, ""), NOW_MS) == idempotency.find(book=scene.store, key=KEY)


def test_voiding_again_answers_the_first_tombstone(scene: Scene) -> None:
    first = void(scene)
    assert void(scene, NOW_MS + 5) == first


def test_a_voided_key_never_moves_money(scene: Scene) -> None:
    void(scene)
    with pytest.raises(IdempotencyKeyVoided):
        scene.credit("k1", "1.00")
    assert scene.units() == 0


def test_a_committed_key_cannot_be_voided(scene: Scene) -> None:
    moved = scene.credit("k1", "1.00").transfer
    with pytest.raises(IdempotencyKeyCommitted) as refused:
        void(scene)
    assert refused.value.members == {"transfer_id": moved.transfer_id}


@pytest.mark.parametrize("attempts", range(1, MAX_ATTEMPTS))
def test_conflicts_are_waited_for(scene: Scene, attempts: int) -> None:
    waited = Pauses()
    scene.ledger = Ledger(scene.store, waited)

    def conflicts(call: str) -> None:
        if call == "void" and len(waited) < attempts:
            raise CommitConflict

    scene.store.before = conflicts
    assert void(scene).created_at_ms == NOW_MS
    assert waited == list(range(attempts))


def test_waiting_is_bounded(scene: Scene) -> None:
    waited = Pauses()
    scene.ledger = Ledger(scene.store, waited)

    def always(_call: str) -> None:
        raise CommitConflict

    scene.store.before = always
    with pytest.raises(TooMuchContention):
        void(scene)
    assert waited == list(range(MAX_ATTEMPTS))
    assert scene.store.records == {}


def test_a_refusal_without_an_image_is_looked_up(scene: Scene) -> None:
    moved = scene.credit("k1", "1.00").transfer
    scene.store.reported = lambda _reasons: []
    with pytest.raises(IdempotencyKeyCommitted) as refused:
        void(scene)
    assert refused.value.members == {"transfer_id": moved.transfer_id}


def test_a_refusal_that_nothing_explains_is_contention(scene: Scene) -> None:
    void(scene)
    scene.store.reported = lambda _reasons: []
    scene.store.before = lambda call: scene.store.records.clear() if call == "record" else None
    with pytest.raises(TooMuchContention):
        void(scene)


def test_a_void_whose_answer_was_lost_is_found_by_trying_again(scene: Scene) -> None:
    scene.store.after = once(StoreUnavailable("lost"), "void")
    with pytest.raises(StoreUnavailable):
        void(scene)
    assert void(scene, NOW_MS + 5).created_at_ms == NOW_MS


def test_of_a_movement_and_a_void_at_the_same_moment_one_happens(scene: Scene) -> None:
    def void_first(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            void(scene)

    scene.store.before = void_first
    with pytest.raises(IdempotencyKeyVoided):
        scene.credit("k1", "1.00")
    assert scene.units() == 0
