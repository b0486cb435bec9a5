from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.money import MAX_UNITS
from tallystick.domain.tallies import Compared, CutTooOld, Rejected, Total
from tallystick.domain.transfers import Posting, Transfer
from tallystick.services import rebuilding, tallying
from tallystick.services.admin import Admin
from tallystick.services.ports.tallies import TallyConflict
from tallystick.services.rebuilding import Rebuild, Workshop, cut_of
from tests.support.fake_store import FakeStore
from tests.support.fake_tallies import FakeRecords, FakeTallies
from tests.support.scene import ADMIN, NOW_MS, Pauses, once
from tests.support.tallying import FEES, STRIPE, between_wallets, credit, sums, transfer_of, wallet

CUT_MS: Final = NOW_MS + 30_000
BROKEN: Final = transfer_of("broken", wallet(100), Posting(STRIPE, -99))
OPERATOR: Final = Admin(ADMIN, "127.0.0.1", NOW_MS)
NOTHING: Final = Total(STRIPE, "USD", 2)


class Shop:
    """Rebuild on the fake store."""

    def __init__(self, *stored: Transfer | Rejected, segments: int = 1) -> None:
        self.store, self.pauses, self.read = FakeStore(), Pauses(), list[int]()
        self.tallies, self.records = FakeTallies(self.store), FakeRecords(self.store, list(stored))
        self.workshop = Workshop(self.tallies, self.records, self.pauses, self.read.append, segments)

    def add(self, *transfers: Transfer) -> None:
        tallying.add(tallies=self.tallies, pause=self.pauses, transfers=transfers)

    def rebuild(self, account_id: str | None = None, cut_ms: int = CUT_MS) -> Rebuild:
        return rebuilding.rebuild(workshop=self.workshop, cut_ms=cut_ms, now_ms=NOW_MS + 60_000, account_id=account_id)

    def add_missing(self, cut_ms: int = CUT_MS) -> int:
        return rebuilding.add_missing(workshop=self.workshop, cut_ms=cut_ms)

    def correct(self, compared: Compared) -> bool:
        return rebuilding.correct(workshop=self.workshop, admin=OPERATOR, compared=compared)


def stripe(balance: int, postings: int) -> Total:
    return Total(STRIPE, "USD", 2, balance, postings)


MOVED: Final = (
    credit("a", 100),
    credit("b", 20, at_ms=NOW_MS + 29_999),
    credit("c", 3, FEES),
    between_wallets("t"),
    credit("young", 5000, at_ms=CUT_MS),
)


def test_what_was_added_compares_equal() -> None:
    shop = Shop(*MOVED)
    shop.add(*MOVED)
    found = shop.rebuild()
    assert found.is_right
    assert (found.cut_ms, found.transfers, found.lost, found.rejected) == (CUT_MS, 3, 0, ())
    fees = Total(FEES, "USD", 2, -3, 1)
    assert found.accounts == (
        Compared(fees, fees, replace(fees, balance=0, postings=0)),
        Compared(stripe(-120, 2), stripe(-120, 2), NOTHING),
    )
    assert sum(shop.read) == len(MOVED)


@pytest.mark.parametrize("segments", [1, 2, 3, 7])
def test_all_segments_and_pages_are_read(segments: int) -> None:
    moved = [credit(f"k{number}", number + 1) for number in range(23)]
    shop = Shop(*moved, segments=segments)
    shop.add(*moved)
    found = shop.rebuild()
    assert (found.is_right, found.transfers) == (True, 23)
    assert {one.account_id: (one.rebuilt.balance, one.rebuilt.postings) for one in found.accounts} == sums(moved)


def test_nothing_is_right() -> None:
    found = Shop().rebuild()
    assert (found.is_right, found.accounts, found.transfers) == (True, (), 0)


def test_what_the_stream_lost_is_found_and_added() -> None:
    shop = Shop(*MOVED)
    shop.add(MOVED[0])
    found = shop.rebuild()
    assert (found.is_right, found.lost) == (False, 2)
    assert found.accounts[1] == Compared(stripe(-100, 1), stripe(-120, 2), stripe(-20, 1))
    assert found.accounts[1].difference == stripe(-20, 1)
    assert all(one.error.is_nothing for one in found.accounts)
    assert shop.add_missing() == 2
    assert shop.rebuild().is_right
    assert shop.add_missing() == 0


def test_what_the_stream_may_still_bring_is_left_to_it() -> None:
    shop = Shop(*MOVED)
    assert shop.add_missing() == 3
    assert shop.tallies.unmarked([MOVED[4].claim.key.digest]) != set()


def test_one_account_is_compared_alone() -> None:
    shop = Shop(*MOVED)
    shop.add(MOVED[0])
    found = shop.rebuild(STRIPE)
    assert [one.account_id for one in found.accounts] == [STRIPE]
    assert (found.transfers, found.lost) == (2, 1)
    assert shop.rebuild("external:none:USD") == Rebuild(CUT_MS, 0, 0, (), ())


TAMPERED: Final[dict[str, tuple[Callable[[Total], Total | None], Total]]] = {
    "changed": (lambda total: replace(total, balance=total.balance + 7), stripe(-7, 0)),
    "counted wrong": (lambda total: replace(total, postings=9), stripe(0, -7)),
    "gone": (lambda _total: None, stripe(-120, 2)),
}


def tamper(shop: Shop, name: str) -> None:
    total = TAMPERED[name][0](shop.tallies.sums.pop((STRIPE, None)))
    shop.tallies.sums |= {(STRIPE, None): total} if total else {}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_wrong_total_is_found_and_corrected_with_a_record(name: str) -> None:
    shop = Shop(*MOVED[:4])
    shop.add(*MOVED[:4])
    tamper(shop, name)
    found = shop.rebuild()
    (wrong,) = [one for one in found.accounts if not one.error.is_nothing]
    assert (wrong.account_id, wrong.error, found.lost) == (STRIPE, TAMPERED[name][1], 0)
    assert shop.correct(wrong)
    assert shop.rebuild().is_right
    (record,) = shop.store.audited
    assert (record.subject, record.action, record.actor_id) == (STRIPE, "tally-corrected", "root")
    assert (record.details["after_balance"], record.details["after_postings"]) == ("-120", "2")
    assert record.details["before_balance"] == str(-120 - wrong.error.balance)


def test_a_wrong_total_of_which_something_is_missing_too_is_mended_whole() -> None:
    shop = Shop(*MOVED)
    shop.add(*MOVED[:1])
    tamper(shop, "changed")
    wrong = shop.rebuild(STRIPE).accounts[0]
    assert (wrong.difference, wrong.missing, wrong.error) == (stripe(-27, 1), stripe(-20, 1), stripe(-7, 0))
    assert shop.add_missing() == 2
    assert shop.correct(wrong)
    assert shop.rebuild().is_right


def test_what_is_added_after_the_cut_survives_a_correction() -> None:
    shop = Shop(*MOVED)
    shop.add(*MOVED[:4])
    tamper(shop, "changed")
    wrong = shop.rebuild(STRIPE).accounts[0]
    shop.add(MOVED[4])
    assert shop.correct(wrong)
    assert shop.rebuild(cut_ms=CUT_MS + 10_000).is_right


def test_a_total_that_moves_is_not_corrected() -> None:
    shop = Shop(*MOVED)
    shop.add(*MOVED[:4])
    tamper(shop, "changed")
    wrong = shop.rebuild(STRIPE).accounts[0]

    def move(call: str) -> None:
        if call == "tallies.correct":
            shop.store.before = lambda _call: None
            shop.add(MOVED[4])

    shop.store.before = move
    assert not shop.correct(wrong)
    assert shop.store.audited == []
    assert shop.correct(wrong)
    assert shop.rebuild(cut_ms=CUT_MS + 10_000).is_right


def test_a_total_that_is_being_written_is_read_again() -> None:
    shop = Shop(*MOVED[:4])
    shop.add(*MOVED[:4])
    tamper(shop, "changed")
    wrong = shop.rebuild(STRIPE).accounts[0]
    shop.store.before = once(TallyConflict(), "tallies.without")
    assert shop.correct(wrong)
    assert shop.pauses == [0]


def test_what_can_be_in_no_total_is_named() -> None:
    unreadable, huge = Rejected("0" * 64, "it lacks a kind"), credit("huge", MAX_UNITS)
    shop = Shop(credit("a"), BROKEN, unreadable, replace(credit("x"), scale=3), huge)
    shop.add(credit("a"))
    found = shop.rebuild()
    assert {one.transfer_key: one.reason for one in found.rejected} == {
        BROKEN.claim.key.digest: "the postings do not sum to zero",
        "0" * 64: "it lacks a kind",
        credit("x").claim.key.digest: f"{STRIPE} would hold USD of scale 3, too",
    }
    assert len(found.rejected) == 3
    assert (found.is_right, found.lost) == (False, 2)
    assert found.accounts[0].error.is_nothing  # 39 digits add up here
    assert shop.add_missing() == 0


def test_only_what_is_rejected_is_not_right_either() -> None:
    assert not Shop(BROKEN).rebuild().is_right


@pytest.mark.parametrize("call", ["tallies.totals", "tallies.without", "records.scan", "tallies.unmarked"])
def test_trouble_of_the_store_is_told(call: str) -> None:
    shop = Shop(*MOVED)
    shop.add(*MOVED)
    shop.store.before = once(StoreUnavailable("silence"), call)
    with pytest.raises(StoreUnavailable):
        shop.rebuild()


def test_the_cut_is_two_minutes_ago_or_as_said() -> None:
    assert cut_of(NOW_MS + 9_999) == NOW_MS - 120_000
    assert cut_of(NOW_MS + 9_999, 0) == NOW_MS
    with pytest.raises(CutTooOld):
        Shop().rebuild(STRIPE, NOW_MS - 3_600_000)


def test_progress_is_told_to_whoever_asks() -> None:
    shop = Shop(*MOVED)
    quiet = Workshop(shop.tallies, shop.records, shop.pauses)
    assert rebuilding.rebuild(workshop=quiet, cut_ms=CUT_MS, now_ms=NOW_MS).transfers == 3
