from collections.abc import Callable
from dataclasses import replace

import pytest

from tallystick.domain.errors import InvariantViolated, StoreUnavailable
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.tallies import CutTooOld, Rejected, Tallied, Total
from tallystick.domain.transfers import Posting, Transfer
from tallystick.services import tallying
from tallystick.services.ports.tallies import TallyConflict, TallyRefused
from tallystick.services.spiking import SpikeWatch
from tallystick.services.tallying import MAX_ATTEMPTS, TallyOffice
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeSpikes, FakeTallies
from tests.support.fake_webhooks import FakeAlerts
from tests.support.scene import NOW_MS, Pauses, once
from tests.support.tallying import FEES, STRIPE, between_wallets, credit, keys, sums, transfer_of, wallet


class Office:
    """Tally on the fake store."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.tallies, self.alerts, self.pauses = FakeTallies(self.store), FakeAlerts(self.store), Pauses()

    def add(self, *transfers: Transfer) -> Tallied:
        return tallying.add(tallies=self.tallies, pause=self.pauses, transfers=transfers)

    def tally(self, *transfers: Transfer, unreadable: tuple[Rejected, ...] = ()) -> Tallied:
        watch = SpikeWatch(FakeSpikes(self.store, self.tallies), self.alerts, {})
        office = TallyOffice(self.tallies, watch, self.pauses)
        return tallying.tally(office=office, transfers=transfers, unreadable=unreadable)

    def total_at(self, cut_ms: int, now_ms: int = NOW_MS, account_id: str = STRIPE) -> Total | None:
        return tallying.total_at(
            tallies=self.tallies, pause=self.pauses, account_id=account_id, cut_ms=cut_ms, now_ms=now_ms
        )

    @property
    def totals(self) -> dict[str, tuple[int, int]]:
        return {total.account_id: (total.balance, total.postings) for total in self.tallies.totals()}


@pytest.fixture
def office() -> Office:
    return Office()


def test_transfers_are_added_in_one_transaction(office: Office) -> None:
    moved = [credit("a"), credit("b", 50), credit("c", 7, FEES)]
    assert office.add(*moved) == Tallied(added=keys(*moved))
    assert office.store.calls == ["tallies.write"]
    assert office.totals == sums(moved) == {STRIPE: (-150, 2), FEES: (-7, 1)}


def test_what_was_added_is_known_and_changes_nothing(office: Office) -> None:
    moved = [credit("a"), credit("b", 50)]
    office.add(*moved)
    assert office.add(*moved) == Tallied(known=keys(*moved))
    assert office.totals == sums(moved)


def test_what_is_new_among_what_was_added_is_added(office: Office) -> None:
    old, new = [credit("a"), credit("b", 50)], [credit("c", 7), credit("d", 9, FEES)]
    office.add(*old)
    office.store.calls.clear()
    assert office.add(old[0], *new, old[1]) == Tallied(added=keys(*new), known=keys(*old))
    assert office.store.calls == ["tallies.write", "tallies.unmarked", "tallies.write"]
    assert office.totals == sums([*old, *new])


def test_a_transfer_twice_in_a_batch_is_added_once(office: Office) -> None:
    assert office.add(credit("a"), credit("a")) == Tallied(added=keys(credit("a")))
    assert office.totals == {STRIPE: (-100, 1)}


def test_a_transfer_between_wallets_needs_nothing(office: Office) -> None:
    assert office.add(between_wallets("t")) == Tallied()
    assert office.store.calls == []


def test_many_are_added_in_several_transactions(office: Office) -> None:
    moved = [credit(f"k{number}", number + 1) for number in range(230)]
    assert office.add(*moved) == Tallied(added=keys(*moved))
    assert office.store.calls == ["tallies.write"] * 3
    assert office.totals == sums(moved)


POISONS: dict[str, Callable[[], Transfer]] = {
    "out of balance": lambda: transfer_of("poison", wallet(100), Posting(STRIPE, -99)),
    "of another asset": lambda: transfer_of("poison", wallet(100), Posting("external:stripe:EUR", -100)),
    "in other units": lambda: replace(credit("poison"), scale=3),
    "too much": lambda: credit("poison", MAX_UNITS),
    "of too many accounts": lambda: transfer_of(
        "poison", wallet(60), *(Posting(f"external:p{number}:USD", -1) for number in range(60))
    ),
}


@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("position", [0, 3, 6])
def test_a_transfer_that_cannot_be_added_does_not_hold_up_the_others(office: Office, name: str, position: int) -> None:
    known, poison = credit("known"), POISONS[name]()
    office.add(known)
    good = [credit(f"k{number}", number + 1) for number in range(6)]
    tallied = office.add(*good[:position], poison, *good[position:])
    assert (tallied.added, tallied.known) == (keys(*good), frozenset())
    assert [one.transfer_key for one in tallied.rejected] == list(keys(poison))
    assert office.totals == sums([known, *good])
    assert office.tallies.markers == keys(known, *good)


def test_several_poisons_are_each_found(office: Office) -> None:
    office.add(credit("known"))
    poisons = [credit(f"p{number}", MAX_UNITS) for number in range(5)]
    good = [credit(f"k{number}", number + 1) for number in range(40)]
    mixed = [one for number in range(5) for one in (*good[number * 8 : number * 8 + 8], poisons[number])]
    tallied = office.add(*mixed, credit("known"))
    assert tallied.added == keys(*good)
    assert tallied.known == keys(credit("known"))
    assert {one.transfer_key for one in tallied.rejected} == keys(*poisons)


def test_a_poison_is_told_of_and_the_others_are_added(office: Office) -> None:
    unreadable, poison = Rejected("0" * 64, "it lacks a kind"), POISONS["out of balance"]()
    tallied = office.tally(credit("a"), poison, unreadable=(unreadable,))
    assert tallied.added == keys(credit("a"))
    assert [(alert.kind, alert.severity, alert.subject) for alert in office.alerts.raised] == [
        ("TALLY_REJECTED", "critical", poison.claim.key.digest),
        ("TALLY_REJECTED", "critical", "0" * 64),
    ]
    assert office.alerts.raised[1].facts == {"transfer_key": "0" * 64, "reason": "it lacks a kind"}
    assert tallied.rejected[0].reason == office.alerts.raised[0].facts["reason"] == "the postings do not sum to zero"


def test_nobody_is_told_of_what_is_in_order(office: Office) -> None:
    office.tally(credit("a"), between_wallets("t"))
    assert office.alerts.raised == []


def test_an_alert_that_fails_leaves_the_batch_to_be_done_again(office: Office) -> None:
    office.store.before = once(StoreUnavailable("silence"), "alerts.raise")
    batch = credit("a"), POISONS["too much"](), credit("known")
    office.add(credit("known"))
    with pytest.raises(StoreUnavailable):
        office.tally(*batch)
    office.tally(*batch)
    assert (office.alerts.kinds, office.totals) == (["TALLY_REJECTED"], sums([credit("a"), credit("known")]))


def test_a_conflict_is_tried_again_after_a_pause(office: Office) -> None:
    office.store.before = once(TallyConflict(), "tallies.write")
    assert office.add(credit("a")) == Tallied(added=keys(credit("a")))
    assert (office.pauses, office.totals) == ([0], sums([credit("a")]))


def test_endless_conflicts_are_given_up(office: Office) -> None:
    def conflict(_call: str) -> None:
        raise TallyConflict

    office.store.before = conflict
    with pytest.raises(StoreUnavailable, match="at every try"):
        office.add(credit("a"))
    assert office.pauses == list(range(MAX_ATTEMPTS))
    assert office.tallies.markers == set()


def test_a_lost_answer_is_found_by_the_marker(office: Office) -> None:
    office.store.after = once(StoreUnavailable("silence"), "tallies.write")
    with pytest.raises(StoreUnavailable):
        office.add(credit("a"))
    assert office.add(credit("a")) == Tallied(known=keys(credit("a")))
    assert office.totals == sums([credit("a")])


def test_what_another_adds_meanwhile_is_left_out(office: Office) -> None:
    moved = [credit(f"k{number}") for number in range(4)]

    def race(call: str) -> None:
        if call == "tallies.write" and len(office.tallies.markers) < 3:
            office.store.before = lambda _call: None
            office.add(moved[len(office.tallies.markers)])
            office.store.before = race

    office.store.before = race
    tallied = office.add(*moved)
    assert (tallied.known, tallied.added) == (keys(*moved[:3]), keys(moved[3]))
    assert office.totals == sums(moved)


def test_a_refusal_without_a_reason_rejects(office: Office) -> None:
    office.store.before = once(TallyRefused(), "tallies.write")
    assert office.add(credit("a")).rejected == (
        Rejected(credit("a").claim.key.digest, "the store does not take the sum"),
    )


def test_a_total_is_told_as_it_was_at_a_cut(office: Office) -> None:
    moved = [credit(f"k{number}", number + 1, at_ms=NOW_MS + 5_000 * number) for number in range(8)]
    office.add(*moved)
    for cut_ms in range(NOW_MS - 20_000, NOW_MS + 60_000, 10_000):
        units, count = sums(moved, cut_ms).get(STRIPE, (0, 0))
        assert office.total_at(cut_ms) == Total(STRIPE, "USD", 2, units, count)


def test_an_account_that_nothing_was_added_to_has_no_total(office: Office) -> None:
    assert office.total_at(NOW_MS) is None


def test_a_total_that_is_being_written_is_read_again(office: Office) -> None:
    office.add(credit("a"))
    office.store.before = once(TallyConflict(), "tallies.without")
    assert office.total_at(NOW_MS + 10_000) == Total(STRIPE, "USD", 2, -100, 1)
    assert office.pauses == [0]


def test_a_total_cannot_be_told_of_long_ago_or_within_a_bucket(office: Office) -> None:
    with pytest.raises(CutTooOld):
        office.total_at(NOW_MS - 3_600_000)
    with pytest.raises(InvariantViolated):
        office.total_at(NOW_MS + 1)
    assert office.store.calls == []
