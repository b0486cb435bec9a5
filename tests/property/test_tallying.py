"""Any order, batches, duplicates, redelivery, consumers at once and accidents: each transfer is in the totals once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.spikes import SpikeRule
from tallystick.domain.tallies import BUCKET_MS, Total, bucket_of
from tallystick.domain.transfers import Posting, Transfer, TransferKind
from tallystick.services import rebuilding, tallying
from tallystick.services.ports.tallies import TallyConflict
from tallystick.services.rebuilding import Workshop
from tests.property.interleaving import MOST_STEPS, Baton
from tests.property.test_deposit_events import Killed
from tests.support import profiles
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeRecords, FakeTallies
from tests.support.scene import NOW_MS, no_pause
from tests.support.tallying import FEES, STRIPE, between_wallets, credit, keys, sums, transfer_of, wallet

EUR: Final = "external:truelayer:EUR"
SPAN_MS: Final = 45_000
RULES: Final = {"USD": SpikeRule(10**9, 10**9, Fraction(5), window_ms=10_000)}
FATES: Final = ("fine", "fine", "fine", "conflict", "before", "after", "killed before", "killed after")
MOST_TRIES: Final = 60


def payout(key: str, units: int, at_ms: int) -> Transfer:
    postings = wallet(-units - 3, "hold:wdr_1"), Posting(STRIPE, units), Posting(FEES, 3)
    return transfer_of(key, *postings, at_ms=at_ms, kind=TransferKind.WITHDRAWAL)


def uneven(key: str, units: int, at_ms: int) -> Transfer:
    return transfer_of(key, wallet(units), Posting(STRIPE, -units - 1), at_ms=at_ms)


GOOD: Final[tuple[Callable[[str, int, int], Transfer], ...]] = (
    lambda key, units, at_ms: credit(key, units, at_ms=at_ms),
    lambda key, units, at_ms: credit(key, units, EUR, at_ms=at_ms, owner="bob"),
    payout,
)
edges = st.sampled_from([edge + ms for edge in range(BUCKET_MS, SPAN_MS, BUCKET_MS) for ms in (-1, 0)])
times = st.one_of(edges, st.integers(0, SPAN_MS)).map(lambda ms: NOW_MS + ms)
amounts = st.one_of(st.integers(1, 1000), st.integers(10**30, 10**36))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Transfer], list[Transfer]]:
    """Draw transfers that can be added, and some that cannot."""
    made = draw(st.lists(st.tuples(st.sampled_from(GOOD), amounts, times), min_size=1, max_size=12))
    good = [make(f"k{number}", units, at_ms) for number, (make, units, at_ms) in enumerate(made)]
    bad = [uneven(f"p{number}", 5, at_ms) for number, at_ms in enumerate(draw(st.lists(times, max_size=2)))]
    return [*good, *([between_wallets("t")] if draw(st.booleans()) else [])], bad


@dataclass
class Plot:
    """Say what is delivered to each consumer, batch by batch, who goes on at each step, and what befalls each call."""

    transfers: list[Transfer]
    lost: frozenset[int]
    batches: list[list[list[Transfer]]]
    order: list[int]
    fates: list[str]


@st.composite
def plots(draw: st.DrawFn) -> Plot:
    """Deliver everything that is not lost, some of it twice or to several."""
    good, bad = draw(histories())
    lost = draw(st.frozensets(st.integers(0, len(good) - 1), max_size=3))
    delivered = [one for number, one in enumerate(good) if number not in lost] + bad
    more = draw(st.lists(st.sampled_from(delivered), max_size=8)) if delivered else []
    shuffled = draw(st.permutations([*delivered, *more]))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), min_size=2, max_size=5)))
    parts = [shuffled[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    consumers = draw(st.integers(1, 3))
    return Plot(
        transfers=[*good, *bad],
        lost=lost,
        batches=[parts[number::consumers] for number in range(consumers)],
        order=draw(st.lists(st.integers(0, 11), min_size=MOST_STEPS, max_size=MOST_STEPS)),
        fates=draw(st.lists(st.sampled_from(FATES), max_size=20)),
    )


@dataclass
class Stream:
    """Deliver batches until they are taken."""

    store: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        """Start with nothing added."""
        self.tallies = FakeTallies(self.store)

    def deliver(self, batch: Sequence[Transfer]) -> None:
        """Hand over a batch once, and again after each accident."""
        for _ in range(MOST_TRIES):
            try:
                tallying.add(tallies=self.tallies, pause=no_pause, transfers=batch, rules=RULES)
            except (StoreUnavailable, Killed):
                continue
            return
        pytest.fail("it is never taken")

    def disturb(self, fates: Sequence[str], hand_over: Callable[[], None] = lambda: None) -> None:
        """Let something befall each of the next calls."""
        coming, fate = iter(fates), "fine"

        def before(call: str) -> None:
            nonlocal fate
            hand_over()
            fate = next(coming, "fine")
            if fate == "conflict" and call == "tallies.write":
                raise TallyConflict
            _meet(fate, "before")

        self.store.before, self.store.after = before, lambda _call: _meet(fate, "after")

    def check(self, added: Sequence[Transfer], counted: Sequence[Transfer]) -> None:
        """Compare everything with what these transfers add up to, without the product's arithmetic."""
        tallied = {key: (total.balance, total.postings) for key, total in self.tallies.sums.items()}
        assert {name: both for (name, bucket), both in tallied.items() if bucket is None} == sums(added)
        for number in {bucket_of(one.created_at_ms) for one in added}:
            within = [one for one in added if bucket_of(one.created_at_ms) == number]
            assert {name: both for (name, bucket), both in tallied.items() if bucket == number} == sums(within)
        assert self.tallies.markers == {key for one in added if sums([one]) for key in keys(one)}
        assert self.tallies.counts == credited(counted)

    def check_cuts(self, added: Sequence[Transfer]) -> None:
        """Ask for each total as of each cut."""
        for cut_ms in range(NOW_MS - BUCKET_MS, NOW_MS + SPAN_MS + 2 * BUCKET_MS, BUCKET_MS):
            for name in sums(added):
                total = tallying.total_at(
                    tallies=self.tallies, pause=no_pause, account_id=name, cut_ms=cut_ms, now_ms=NOW_MS + SPAN_MS
                )
                expected = sums(added, cut_ms).get(name, (0, 0))
                assert isinstance(total, Total)
                assert (total.balance, total.postings) == expected


def _meet(fate: str, moment: str) -> None:
    if fate == moment:
        raise StoreUnavailable("silence")
    if fate == f"killed {moment}":
        raise Killed


def credited(transfers: Sequence[Transfer]) -> dict[tuple[str, int], int]:
    """Count the credits of USD by window."""
    counts = Counter[tuple[str, int]]()
    for one in transfers:
        if one.kind is TransferKind.CREDIT and one.asset == "USD" and sums([one]):
            begins_ms = one.created_at_ms // 10_000 * 10_000
            for subject in ("USD", f"USD:{one.postings[0].owner_id}"):
                counts[subject, begins_ms] += one.units
    return dict(counts)


@given(plots())
@settings(max_examples=profiles.examples(150))
def test_each_transfer_is_in_the_totals_once_whatever_happens_and_what_was_lost_is_found(plot: Plot) -> None:
    note(str(plot))
    stream, baton = Stream(), Baton(plot.order)
    stream.disturb(plot.fates, baton.hand_over)

    def job(batches: list[list[Transfer]]) -> Callable[[], None]:
        def work() -> None:
            for batch in batches:
                stream.deliver(batch)

        return work

    baton.run([job(batches) for batches in plot.batches])
    stream.disturb([])
    good = [one for one in plot.transfers if one.claim.key.reference[0] != "p"]
    delivered = [one for number, one in enumerate(good) if number not in plot.lost]
    stream.check(delivered, delivered)
    stream.check_cuts(delivered)

    workshop = Workshop(stream.tallies, FakeRecords(stream.store, list(plot.transfers), size=3), no_pause, segments=2)
    cut_ms = rebuilding.cut_of(NOW_MS + SPAN_MS + BUCKET_MS, 0)
    found = rebuilding.rebuild(workshop=workshop, cut_ms=cut_ms, now_ms=NOW_MS + SPAN_MS)
    lost = [good[number] for number in plot.lost if sums([good[number]])]
    assert (found.lost, len(found.rejected)) == (len(lost), len(plot.transfers) - len(good))
    assert all(one.error.is_nothing for one in found.accounts)
    assert {
        one.account_id: (one.missing.balance, one.missing.postings) for one in found.accounts if one.missing.postings
    } == sums(lost)
    assert rebuilding.add_missing(workshop=workshop, cut_ms=cut_ms) == len(lost)
    stream.check(good, delivered)
    stream.check_cuts(good)


BATCH: Final = (
    credit("a", 100),
    uneven("p1", 5, NOW_MS),
    credit("b", 20, at_ms=NOW_MS + 12_000),
    credit("p2", MAX_UNITS),
    payout("c", 7, NOW_MS),
    credit("known", 3),
)
ADDED: Final = (BATCH[0], BATCH[2], BATCH[4], BATCH[5])


def calls_of_batch() -> int:
    """Count the calls that the batch takes when nothing befalls them."""
    stream = Stream()
    stream.deliver([BATCH[5]])
    stream.store.calls.clear()
    stream.deliver(BATCH)
    return len(stream.store.calls)


@pytest.mark.parametrize("fate", FATES[3:])
@pytest.mark.parametrize("position", range(calls_of_batch()))
def test_an_accident_at_any_call_loses_and_doubles_nothing(fate: str, position: int) -> None:
    stream = Stream()
    stream.deliver([BATCH[5]])
    stream.disturb([*["fine"] * position, fate])
    stream.deliver(BATCH)
    stream.check(ADDED, ADDED)


def test_the_batch_takes_all_the_ways_there_are() -> None:
    assert calls_of_batch() >= 8
