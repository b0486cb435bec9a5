"""Whatever the order, the repetitions and the accidents: an order's events end in the same balances, posted once."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.inbox import EventState, InboxEvent
from tallystick.domain.transfers import Transfer
from tests.property.interleaving import Baton
from tests.property.invariants import check
from tests.support.incoming import FACTS, Incoming

UNITS: Final = {"refunded": 1000, "refunded more": 500, "disputed": 2500}
UNDOES: Final = {"refund failed": "refunded", "dispute won": "disputed"}


class Killed(BaseException):
    """End a Lambda at this very point."""


def expected_units(names: set[str]) -> int:
    """Say what the order is worth to its wallet and its receivable together, from the names of its events alone."""
    undone = {UNDOES[name] for name in names if name in UNDOES}
    return sum(-units for name, units in UNITS.items() if name in names - undone) + 2500 if "succeeded" in names else 0


def worth(scene: Incoming) -> int:
    """Add up what the wallet holds and what is owed for it."""
    return scene.units() + scene.side("external:receivable:USD")


def play(scene: Incoming, names: Sequence[str]) -> None:
    for name in names:
        scene.handle_until_finished(scene.event(name))


@pytest.mark.parametrize(
    "names",
    [("created", "succeeded", "refunded", "refund failed"), ("succeeded", "refunded more", "disputed", "dispute won")],
)
def test_every_permutation_ends_in_the_same_balances(names: tuple[str, ...]) -> None:
    outcomes = set()
    for order in permutations(names):
        scene = Incoming()
        play(scene, order)
        check(scene.store)
        outcomes.add((scene.units(), scene.side("external:receivable:USD"), scene.side("external:stripe:USD")))
    assert outcomes == {(expected_units(set(names)), 0, -expected_units(set(names)))}


@pytest.mark.parametrize("order", list(permutations(("created", "succeeded", "refunded", "disputed"))))
def test_an_order_that_most_events_know_by_its_providers_name_only_is_found_in_time(order: tuple[str, ...]) -> None:
    scene = Incoming()
    for name in order:
        scene.event(name, order=("dep_1", "stripe:pi_1") if name == "succeeded" else ("stripe:pi_1",))
    play_by_time(scene)
    check(scene.store)
    assert worth(scene) == expected_units(set(order))
    assert {event.state for event in scene.inbox.events.values()} == {EventState.DONE}


def play_by_time(scene: Incoming) -> None:
    """Handle the events as their retries say, whichever is first."""
    while waiting := [event for event in scene.inbox.events.values() if event.state is EventState.OPEN]:
        event = min(waiting, key=lambda event: event.not_before_ms)
        scene.now_ms = max(scene.now_ms, event.not_before_ms)
        scene.handle(event)


@given(st.lists(st.sampled_from(sorted(FACTS)), max_size=14))
def test_any_events_in_any_order_and_number_end_in_what_they_say(names: list[str]) -> None:
    scene = Incoming()
    play(scene, names)
    check(scene.store)
    assert worth(scene) == expected_units(set(names))
    assert scene.side("external:stripe:USD") == -expected_units(set(names))
    assert {event.state for event in scene.inbox.events.values()} <= {EventState.DONE}


@given(
    st.lists(st.sampled_from(sorted(FACTS)), max_size=10),
    st.integers(0, 9),
    st.sampled_from(["1.00", "24.00", "25.00"]),
)
def test_a_user_who_spends_in_between_owes_the_rest(names: list[str], position: int, amount: str) -> None:
    scene = Incoming()
    play(scene, names[:position])
    spent = int(amount.replace(".", "")) if scene.units() >= int(amount.replace(".", "")) else 0
    if spent and scene.store.account_items["wal_a"].status == "ACTIVE":
        scene.spend(amount)
    else:
        spent = 0
    play(scene, names[position:])
    check(scene.store)
    assert worth(scene) == expected_units(set(names)) - spent
    assert scene.units() >= 0


Accident = tuple[str, Callable[[], BaseException]]
ACCIDENTS: Final[tuple[Accident, ...]] = (
    ("killed", Killed),
    ("no answer", lambda: StoreUnavailable("silence")),
    ("a fault of ours", lambda: RuntimeError("bug")),
)
SITUATIONS: Final = (
    ("succeeded",),
    ("refunded", "succeeded"),
    ("disputed", "refunded", "succeeded"),
    ("succeeded", "disputed"),
    ("succeeded", "disputed", "dispute won"),
)


def calls_of_last(names: Sequence[str], *, spend: bool) -> int:
    """Count the calls to the outside that handling the last event makes."""
    scene = prepared(names, spend=spend)
    scene.store.calls.clear()
    scene.handle(scene.event(names[-1]))
    return len(scene.store.calls)


def prepared(names: Sequence[str], *, spend: bool) -> Incoming:
    scene = Incoming()
    play(scene, names[:-1])
    if spend and scene.units():
        scene.spend("20.00")
    return scene


@pytest.mark.parametrize("spend", [False, True])
@pytest.mark.parametrize("names", SITUATIONS, ids=" then ".join)
def test_an_accident_before_or_after_any_call_changes_nothing_in_the_end(names: tuple[str, ...], spend: bool) -> None:  # noqa: FBT001
    undisturbed = prepared(names, spend=spend)
    undisturbed.handle_until_finished(undisturbed.event(names[-1]))
    for position in range(calls_of_last(names, spend=spend)):
        for moment in ("before", "after"):
            for _name, accident in ACCIDENTS:
                scene = prepared(names, spend=spend)
                suffer(scene, names[-1], position, moment, accident)
                check(scene.store)
                assert transfer_ids(scene) == transfer_ids(undisturbed)
                assert (scene.units(), worth(scene)) == (undisturbed.units(), worth(undisturbed))
                assert set(scene.alerts.kinds) == set(undisturbed.alerts.kinds)


def suffer(scene: Incoming, name: str, position: int, moment: str, accident: Callable[[], BaseException]) -> None:
    """Handle an event, with an accident at its n-th call, then again until it is finished."""
    event = scene.event(name)
    seen = [0]

    def hook(_call: str) -> None:
        seen[0] += 1
        if seen[0] == position + 1:
            raise accident()

    setattr(scene.store, moment, hook)
    try:
        handled = scene.handle(event)
        scene.now_ms += handled.wait_ms or 0
    except (Killed, StoreUnavailable, RuntimeError):
        pass
    setattr(scene.store, moment, lambda _call: None)
    scene.now_ms += 4_000_000
    assert scene.handle_until_finished(event).event.state is EventState.DONE


def transfer_ids(scene: Incoming) -> set[str]:
    return {record.transfer_id for record in scene.store.records.values() if isinstance(record, Transfer)}


@given(
    st.lists(st.sampled_from(sorted(FACTS)), min_size=2, max_size=4),
    st.lists(st.integers(0, 3), min_size=40, max_size=40),
)
def test_lambdas_that_handle_events_of_one_order_at_once_agree(names: list[str], order: list[int]) -> None:
    scene = Incoming()
    baton = Baton(order)
    scene.store.before = lambda _call: baton.hand_over()
    events = [scene.event(name) for name in names]
    baton.run([partial(handle_once, scene, event) for event in events])
    scene.store.before = lambda _call: None
    scene.now_ms += 4_000_000
    for event in events:
        scene.handle_until_finished(event)
    check(scene.store)
    assert worth(scene) == expected_units(set(names))
    assert {event.state for event in scene.inbox.events.values()} == {EventState.DONE}


def handle_once(scene: Incoming, event: InboxEvent) -> None:
    scene.handle(event)


def test_one_event_handled_a_hundred_times_moves_money_once() -> None:
    scene = Incoming()
    for _ in range(100):
        scene.handle(scene.event("succeeded"))
    check(scene.store)
    assert len(scene.store.records) == 1
