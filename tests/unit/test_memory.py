from dataclasses import replace

from tallystick.services.ledger import Memory
from tests.support.scene import account

A, B, C = account("a"), account("b"), account("c")


def test_it_recalls_all_of_the_accounts_or_nothing() -> None:
    memory = Memory()
    memory.keep([A, B])
    assert memory.recall(["a", "b"]) == {"a": A, "b": B}
    assert memory.recall(["a", "c"]) is None


def test_the_last_thing_seen_counts() -> None:
    memory = Memory()
    memory.keep([A])
    memory.keep([replace(A, version=1)])
    assert memory.recall(["a"]) == {"a": replace(A, version=1)}


def test_it_is_bounded_and_drops_what_was_kept_longest_ago() -> None:
    memory = Memory(capacity=2)
    memory.keep([A, B])
    memory.keep([A])
    memory.keep([C])
    assert memory.recall(["b"]) is None
    assert memory.recall(["a", "c"]) == {"a": A, "c": C}


def test_one_batch_larger_than_the_bound_keeps_its_end() -> None:
    memory = Memory(capacity=1)
    memory.keep([A, B, C])
    assert memory.recall(["c"]) == {"c": C}
    assert memory.recall(["a"]) is memory.recall(["b"]) is None
