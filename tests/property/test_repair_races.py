"""While an account is repaired, its money moves: what comes of it is right, or nothing was done."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.domain.errors import Refusal
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ledger import FlowChanged
from tallystick.services.repairing import Outcome, Repaired
from tests.property.interleaving import Baton
from tests.support.profiles import examples
from tests.support.repairing import Repairing

LASTING: list[dict[str, Any]] = [{"held": 0}, {"held": 2557}, {"held": 9999}]
"""What traffic does not write into the chain."""

SPREADING: list[dict[str, Any]] = [{"balance": 7000}, {"balance": 1}, {"version": 4}, {"head_hash": "f" * 64}]
"""What becomes part of the chain with the next movement, and is refused from then on."""

MOVES: dict[str, Callable[[Repairing], object]] = {
    "credit": lambda one: one.credit("live", "1.00", ledger=one.new_ledger()),
    "transfer": lambda one: one.transfer("live", "0.50", ledger=one.new_ledger()),
    "ask": lambda one: one.ask("live", "12.00"),
    "cancel": lambda one: one.cancel(one.asked()),
}


def scene(members: dict[str, Any]) -> Repairing:
    one = Repairing()
    one.asked()
    one.vouch()
    one.tamper(**members)
    return one


def raced(one: Repairing, moves: list[str], order: list[int]) -> Repaired:
    """Repair while others move money, in an order that is data."""
    baton = Baton(order)
    repaired: list[Repaired] = []

    def traffic(move: str) -> Callable[[], None]:
        def go() -> None:
            try:
                MOVES[move](one)
            except (Refusal, FlowChanged):
                return

        return go

    one.store.before = lambda _call: baton.hand_over()
    baton.run([lambda: repaired.append(one.repair()), *map(traffic, moves)])
    one.store.before = lambda _call: None
    return repaired[0]


moves = st.lists(st.sampled_from(sorted(MOVES)), min_size=1, max_size=3, unique=True)
orders = st.lists(st.integers(0, 3), min_size=60, max_size=60)


@given(st.sampled_from(LASTING), moves, orders)
@settings(max_examples=examples(60))
def test_what_stays_beside_the_chain_is_repaired_whatever_moves(
    members: dict[str, Any], moves: list[str], order: list[int]
) -> None:
    one = scene(members)
    before = dict(one.store.entry_items)
    repaired = raced(one, moves, order)
    # A cancellation can bring what is shown to what is right by itself, or be refused because too little is shown.
    assert repaired.outcome in {Outcome.REPAIRED, Outcome.UNCLEAR, Outcome.SOUND}
    assert one.repair().outcome in {Outcome.REPAIRED, Outcome.SOUND}
    assert_right(one, before)


@given(st.sampled_from(SPREADING), moves, orders)
@settings(max_examples=examples(60))
def test_what_gets_into_the_chain_is_repaired_before_that_or_not_at_all(
    members: dict[str, Any], moves: list[str], order: list[int]
) -> None:
    one = scene(members)
    before = dict(one.store.entry_items)
    repaired = raced(one, moves, order)
    again = one.repair()
    expected = {Outcome.REFUSED: (Outcome.REFUSED, 0), Outcome.REPAIRED: (Outcome.SOUND, 1)}
    # When it moved each time, the next command finds whatever has become of it.
    assert (again.outcome, len(repaired.done)) == expected.get(repaired.outcome, (again.outcome, 0))
    assert len(one.store.audited) == len(repaired.done) + len(again.done)
    if again.outcome is not Outcome.REFUSED:
        assert_right(one, before)


def assert_right(one: Repairing, before: dict[tuple[str, int, int], Any]) -> None:
    """Nothing of the ledger was lost; the account is what its entries and withdrawals say."""
    assert before.items() <= one.store.entry_items.items()
    account = one.store.account_items["wal_a"]
    entries = one.store.entries_of("wal_a")
    held = sum(
        flow.total_units for flow in one.store.flow_items.values() if isinstance(flow, Withdrawal) and flow.is_open
    )
    assert account.balance == sum(entry.units for entry in entries)
    assert (account.version, account.head_hash) == (len(entries), entries[-1].hash)
    assert account.held == held
    assert one.diagnose().findings == ()
