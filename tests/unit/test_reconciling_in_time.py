from collections.abc import Callable

from tallystick.domain.runs import Mode, Part
from tallystick.services.reconciling import begin, work
from tests.support.reconciling import Reconciled


def scene() -> Reconciled:
    """Five wallets and their credits, all in one page of one segment."""
    one = Reconciled(segments=1, page_size=100)
    for name in "abcde":
        one.wallet(f"wal_{name}", units=100)
    one.settle()
    assert begin(bureau=one.bureau, mode=Mode.FULL, reason="test", now_ms=one.now_ms)
    return one


def after_one() -> Callable[[], bool]:
    """Have time to begin and for one more look at the clock."""
    looks = iter([False, True])
    return lambda: next(looks, True)


def test_a_worker_that_runs_out_of_time_keeps_what_it_has_gone_through_of_a_page() -> None:
    one = scene()
    for part, counted in ((Part.ACCOUNTS, "accounts"), (Part.TRANSFERS, "transfers")):
        key = f"{one.run.run_id}/{part}/0"
        for number in range(1, 5):
            one.messages.sent.remove(key)
            assert work(bureau=one.bureau, key=key, is_time_up=after_one(), now_ms=lambda: one.now_ms) == "continued"
            assert getattr(one.runs.segment(one.run.run_id, part, 0).sums.counted, counted) == number
    verdict = one.work_off()
    assert (verdict.is_sound, verdict.is_judged) == (True, True)
    assert (verdict.sums.counted.accounts, verdict.sums.counted.transfers) == (5, 5)
    assert verdict.sums.at_cut == {"USD": 500}
    assert verdict.sums.rebuilt == {"external:adjustment:USD": -500}


def test_the_last_of_a_page_ends_it_however_late_it_is() -> None:
    one = scene()
    key = f"{one.run.run_id}/{Part.ACCOUNTS}/0"
    for _ in range(5):
        work(bureau=one.bureau, key=key, is_time_up=after_one(), now_ms=lambda: one.now_ms)
    assert one.runs.segment(one.run.run_id, Part.ACCOUNTS, 0).is_done
