"""What is repaired becomes exactly what it was; what is not is left as it is, with a reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tallystick.domain.accounts import Account
from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.reconciliation import Fault, Head, Tail
from tallystick.domain.repairing import MakeUp, Rederive, Refused, rederive
from tallystick.domain.transfers import TransferKind
from tallystick.domain.withdrawals import Withdrawal, WithdrawalAction, WithdrawalState
from tallystick.services import holdings, repairing
from tallystick.services.ports.journal import SnapshotConflict
from tallystick.services.ports.paging import Page
from tallystick.services.repairing import MAX_ATTEMPTS, Diagnosis, Outcome
from tests.support.repairing import OPERATOR, Repairing
from tests.support.scene import BOB, EUR, NOW_MS


@pytest.fixture
def one() -> Repairing:
    return Repairing()


def state(one: Repairing) -> tuple[Any, ...]:
    """Copy all that is stored."""
    store = one.store
    stored = (store.account_items, store.entry_items, store.records, store.flow_items, store.audited)
    return tuple(part.copy() for part in stored)


def refusal(found: Diagnosis) -> str:
    assert isinstance(found.remedy, Refused)
    return found.remedy.reason


# --- what is sound ---


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("vouched", [True, False])
def test_nothing_is_done_about_what_is_sound(one: Repairing, *, full: bool, vouched: bool) -> None:
    if vouched:
        one.vouch()
    one.asked()
    before = state(one)
    found = one.diagnose(full=full)
    assert (found.findings, found.remedy, found.is_clear, found.head.version) == ((), None, True, 5)
    assert (found.checkpoint is not None) == vouched
    assert found.entries == (1 if vouched and not full else 5)
    assert one.repair(agree=lambda _found: pytest.fail("was asked")).outcome is Outcome.SOUND
    assert state(one) == before


# --- what is derived anew ---

TAMPERED: list[dict[str, Any]] = [
    {"balance": 10**9},
    {"balance": 0},
    {"held": 2600},
    {"held": 0},
    {"version": 3},
    {"version": 7},
    {"head_hash": "f" * 64},
    {"head_time_ms": NOW_MS + 10_000},
    {"balance": 1, "held": 1},
    {"balance": 1, "held": 9, "version": 4, "head_hash": "0" * 64},
]


@pytest.mark.parametrize("vouched", [True, False])
@pytest.mark.parametrize("members", TAMPERED, ids=str)
def test_an_account_becomes_what_its_entries_and_withdrawals_say(
    one: Repairing, members: dict[str, Any], *, vouched: bool
) -> None:
    one.asked()
    if vouched:
        one.vouch()
    accounts, *rest, _ = state(one)
    right: Account = accounts["wal_a"]
    one.tamper(**members)
    repaired = one.repair()
    assert repaired.outcome is Outcome.REPAIRED
    assert repaired.diagnosis.findings == ()
    expected = {**accounts, "wal_a": replace(right, needs_reconciliation=True)}
    *now, audited = state(one)
    assert now == [expected, *rest]
    changes = {name: f"{value} -> {getattr(right, name)}" for name, value in members.items()}
    (record,) = audited
    assert (record.subject, record.action, record.at_ms) == ("wal_a", "account-repaired", NOW_MS)
    assert (record.actor_id, record.source_ip) == (OPERATOR.name, OPERATOR.source)
    details = dict(record.details)
    assert details.pop("reason")
    assert details == {"version_seen": str(members.get("version", 5)), **changes}


def test_an_account_without_entries_becomes_empty(one: Repairing) -> None:
    one.wallet("wal_c")
    right = one.store.account_items["wal_c"]
    one.tamper("wal_c", balance=5)
    assert one.repair("wal_c").outcome is Outcome.REPAIRED
    assert one.store.account_items["wal_c"] == replace(right, needs_reconciliation=True)


def test_a_wallet_with_more_withdrawals_than_are_looked_through_is_told_about_its_balance(
    one: Repairing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it shows as on hold fits the newest ones; that suffices to leave it as it is."""
    monkeypatch.setattr(holdings, "MAX_LISTED", 100)
    monkeypatch.setattr(one.flows, "owned_by", lambda *_: Page([], "more"))
    one.tamper(balance=1)
    assert one.repair().outcome is Outcome.REPAIRED
    one.tamper(held=1)
    assert not one.diagnose().is_clear


def test_a_hold_that_shows_something_on_hold_itself_is_repaired(one: Repairing) -> None:
    hold_id = one.asked().hold_id
    right = one.store.account_items[hold_id]
    one.tamper(hold_id, held=5)
    assert one.repair(hold_id).outcome is Outcome.REPAIRED
    assert one.store.account_items[hold_id] == replace(right, needs_reconciliation=True)


def test_what_the_wallet_shows_too_little_is_repaired_in_the_wallet(one: Repairing) -> None:
    hold_id = one.asked().hold_id
    one.tamper(held=0)
    found = one.diagnose(hold_id)
    assert found.remedy == Refused("Its wallet wal_a shows less as on hold.", "wal_a")
    assert one.repair().outcome is Outcome.REPAIRED
    assert one.diagnose(hold_id).findings == ()


def test_a_look_from_the_checkpoint_on_becomes_one_at_all_of_it(one: Repairing) -> None:
    one.vouch()
    one.tamper(balance=1)
    found = one.diagnose(full=False)
    assert isinstance(found.remedy, Rederive)
    assert found.entries == 4


# --- what is refused ---


def entry_altered(one: Repairing) -> None:
    one.tamper_entry(2, units=-1)


def entry_in_the_middle_gone(one: Repairing) -> None:
    one.delete_entry(2)


def newest_entry_gone(one: Repairing) -> None:
    one.delete_entry(4)


def newest_movement_gone(one: Repairing) -> None:
    del one.store.records[one.transfer_of(4).claim.key.digest]
    one.delete_entry(4)


def newest_entry_gone_and_head_moved_back(one: Repairing) -> None:
    entries = one.store.entries_of("wal_a")
    one.delete_entry(4)
    one.tamper(version=3, head_hash=entries[2].hash, head_time_ms=entries[2].time_ms)


def newest_entry_gone_and_only_counted(one: Repairing) -> None:
    entries = one.store.entries_of("wal_a")
    one.delete_entry(4)
    one.tamper(head_hash=entries[2].hash, head_time_ms=entries[2].time_ms)


def head_moved_back(one: Repairing) -> None:
    third = one.store.entries_of("wal_a")[2]
    one.tamper(version=3, head_hash=third.hash, head_time_ms=third.time_ms, balance=third.balance_after)


def transfer_gone(one: Repairing) -> None:
    del one.store.records[one.transfer_of(2).claim.key.digest]


def transfer_altered(one: Repairing) -> None:
    transfer = one.transfer_of(2)
    one.store.records[transfer.claim.key.digest] = replace(transfer, units=1)


def other_leg_gone(one: Repairing) -> None:
    one.delete_entry(2, "wal_b")


def checkpoint_ahead(one: Repairing) -> None:
    checkpoint = one.vouch()
    one.vouched.checkpoints["wal_a", 9] = replace(checkpoint, sequence=9)


def checkpoint_forged(one: Repairing) -> None:
    checkpoint = one.vouch()
    one.vouched.checkpoints["wal_a", 2] = replace(checkpoint, sequence=2)


def owner_changed(one: Repairing) -> None:
    one.tamper(owner_id=BOB.caller_id)


def asset_changed(one: Repairing) -> None:
    one.tamper(asset=EUR)


def unreadable(one: Repairing) -> None:
    one.vouched.unreadable.add("wal_a")


def gone(one: Repairing) -> None:
    del one.store.account_items["wal_a"]


BROKEN: list[tuple[Callable[[Repairing], None], str]] = [
    (entry_altered, "transfer: The transfer of entry 2 does not post it."),
    (entry_in_the_middle_gone, "sequence: Entry 3 follows entry 1."),
    (newest_entry_gone, "wal_a has no entry of the -300 units that trf_"),
    (newest_movement_gone, "Entries are missing: it names entry 4, and its last one is 3."),
    (newest_entry_gone_and_head_moved_back, "wal_a has no entry of the -300 units that trf_"),
    (newest_entry_gone_and_only_counted, "wal_a has no entry of the -300 units that trf_"),
    (head_moved_back, "orphan: The entry at 2026-01-01T00:00:00.003Z#000000000004 stands behind the account's last"),
    (transfer_gone, "transfer: Entry 2 has no transfer."),
    (transfer_altered, "transfer: The transfer says that it moves 1 units, and its postings do not."),
    (other_leg_gone, "leg: wal_b has no entry of the 250 units that trf_"),
    (checkpoint_ahead, "rolled-back: The account has 4 entries; 9 were checked before."),
    (checkpoint_forged, "checkpoint: Entry 2 is not what was checked before."),
    (owner_changed, "identity: Entry 1 was posted for another owner."),
    (asset_changed, "chain: Entry 1 does not continue the chain of entry 0."),
    (unreadable, "It cannot be read."),
    (gone, "There is no such account."),
]


@pytest.mark.parametrize(("break_it", "reason"), BROKEN, ids=lambda part: getattr(part, "__name__", ""))
@pytest.mark.parametrize("balance", [None, 1])
def test_nothing_is_repaired_where_the_ledger_itself_is_broken(
    one: Repairing, break_it: Callable[[Repairing], None], reason: str, balance: int | None
) -> None:
    """The balance alone could be derived anew, and is not."""
    break_it(one)
    if balance is not None and "wal_a" in one.store.account_items:
        one.tamper(balance=balance)
    before = state(one)
    repaired = one.repair(agree=lambda _found: pytest.fail("was asked"))
    assert repaired.outcome is Outcome.REFUSED
    assert reason in refusal(repaired.diagnosis)
    assert state(one) == before


@pytest.mark.parametrize("full", [True, False])
def test_there_is_no_such_account(one: Repairing, *, full: bool) -> None:
    found = one.diagnose("wal_none", full=full)
    assert (found.remedy, found.findings[0].fault) == (Refused("There is no such account."), Fault.MISSING)


def test_all_pages_of_transfers_are_looked_through(one: Repairing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repairing, "PAGE", 1)
    newest_entry_gone_and_head_moved_back(one)
    assert "has no entry of the -300 units" in refusal(one.diagnose())
    one.tamper("wal_b", balance=0)
    assert one.repair("wal_b").outcome is Outcome.REPAIRED
    assert "quick.transfers" in one.store.calls


def test_an_account_that_names_a_later_entry_proves_that_one_is_missing() -> None:
    head = Head("wal_a", version=3, head_hash="b", head_time_ms=2, balance=5)
    assert isinstance(rederive(head, Tail(2, 4, "a", 1), 0), Refused)
    assert isinstance(rederive(replace(head, head_hash="a", head_time_ms=1), Tail(2, 4, "a", 1), 0), Rederive)
    assert isinstance(rederive(replace(head, version=2), Tail(2, 4, "a", 1), 0), Rederive)


# --- what was left on hold ---

LEFT = [
    (WithdrawalAction.COMPLETE, TransferKind.WITHDRAWAL, {"external:stripe:USD": 2500, "external:fees:USD": 50}),
    (WithdrawalAction.FAIL, TransferKind.WITHDRAWAL_RELEASE, {"wal_a": 2550}),
]


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(("action", "kind", "reached"), LEFT)
def test_the_movement_of_a_last_step_is_made_up_for(
    one: Repairing, action: WithdrawalAction, kind: TransferKind, reached: dict[str, int], *, shown: bool
) -> None:
    withdrawal = one.without_movement(one.submitted(), action)
    if not shown:
        one.tamper(held=0)
    repaired = one.repair(withdrawal.hold_id)
    assert repaired.outcome is Outcome.REPAIRED
    assert repaired.done == (MakeUp(withdrawal, kind, is_held=shown),)
    made = one.store.records[withdrawal.claim(kind).key.digest]
    postings = {leg.account_id: leg.units for leg in made.postings}  # type: ignore[union-attr] # it is a transfer
    assert postings == {withdrawal.hold_id: -2550, **reached}
    assert (one.held(withdrawal), one.store.account_items["wal_a"].held) == (0, 0)
    (record,) = one.store.audited
    assert record.subject == withdrawal.hold_id
    assert record.details["transfer_id"] == withdrawal.claim(kind).key.transfer_id
    assert (record.actor_id, record.source_ip) == (OPERATOR.name, OPERATOR.source)
    assert one.diagnose().findings == ()
    assert one.standing(withdrawal) == replace(withdrawal, version=withdrawal.version + 1)


@pytest.mark.parametrize(
    ("decide", "action"), [("cancel", WithdrawalAction.CANCEL), ("reject", WithdrawalAction.REJECT)]
)
def test_what_was_taken_back_goes_back(one: Repairing, decide: str, action: WithdrawalAction) -> None:
    """What comes of it is what would have come of the step itself."""
    other = Repairing()
    getattr(other, decide)(other.asked())
    withdrawal = one.without_movement(one.asked(), action)
    assert one.repair(withdrawal.hold_id).outcome is Outcome.REPAIRED
    assert one.store.account_items == other.store.account_items
    assert one.store.quotas == other.store.quotas


def test_what_was_paid_and_came_back_is_made_up_for_where_it_is_missing(one: Repairing) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.COMPLETE)
    returned = one.stepped(withdrawal, WithdrawalAction.RETURN)
    repaired = one.repair(withdrawal.hold_id)
    assert repaired.done == (MakeUp(returned, TransferKind.WITHDRAWAL, is_held=True),)
    assert (one.units(), one.held(withdrawal)) == (9325, 0)


def test_two_movements_that_are_missing_are_not_made_up_for(one: Repairing) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.COMPLETE)
    one.without_movement(withdrawal, WithdrawalAction.RETURN)
    assert refusal(one.diagnose(withdrawal.hold_id)) == (
        f"{withdrawal.flow_id} is RETURNED, and more is missing than the movement that emptied its hold."
    )


def open_with_less(one: Repairing) -> Withdrawal:
    withdrawal = one.asked()
    one.store.flow_items[withdrawal.flow_id] = replace(withdrawal, units=2400)
    return withdrawal


def flow_gone(one: Repairing) -> Withdrawal:
    withdrawal = one.asked()
    del one.store.flow_items[withdrawal.flow_id]
    return withdrawal


def state_forged(one: Repairing) -> Withdrawal:
    withdrawal = one.asked()
    one.store.flow_items[withdrawal.flow_id] = replace(withdrawal, state=WithdrawalState.COMPLETED)
    return withdrawal


def history_forgotten(one: Repairing) -> Withdrawal:
    withdrawal = one.asked()
    forged = replace(withdrawal, state=WithdrawalState.COMPLETED, history=())
    one.store.flow_items[withdrawal.flow_id] = forged
    return withdrawal


def history_forged(one: Repairing) -> Withdrawal:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.COMPLETE)
    returned = withdrawal.taken(WithdrawalAction.RETURN, at_ms=NOW_MS, by="stripe")[0]
    one.store.flow_items[withdrawal.flow_id] = replace(returned, history=returned.history[-1:])
    return withdrawal


def ended_with_more(one: Repairing) -> Withdrawal:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    one.store.flow_items[withdrawal.flow_id] = replace(withdrawal, units=2600)
    return withdrawal


def entry_of_the_movement_gone(one: Repairing) -> Withdrawal:
    withdrawal = one.stepped(one.submitted(), WithdrawalAction.COMPLETE)
    first = one.store.entries_of(withdrawal.hold_id)[0]
    one.delete_entry(2, withdrawal.hold_id)
    one.tamper(
        withdrawal.hold_id,
        version=1,
        balance=first.balance_after,
        head_hash=first.hash,
        head_time_ms=first.time_ms,
    )
    return withdrawal


def wallet_broken(one: Repairing) -> Withdrawal:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    one.tamper(balance=1)
    return withdrawal


def wallet_shows_something_else(one: Repairing) -> Withdrawal:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    one.tamper(held=7)
    return withdrawal


@pytest.mark.parametrize(
    ("leave", "reason", "instead"),
    [
        (open_with_less, "has other units than it asks for; nothing says which is right.", None),
        (flow_gone, "that it belongs to.", None),
        (state_forged, "is COMPLETED, and its history does not say so.", None),
        (history_forgotten, "is COMPLETED, and its history does not say so.", None),
        (history_forged, "is RETURNED, and its history does not say so.", None),
        (ended_with_more, "is FAILED; its hold has 2550 units and had 2650.", None),
        (entry_of_the_movement_gone, ", which emptied it.", None),
        (wallet_broken, "Its wallet wal_a is not sound itself.", "wal_a"),
        (wallet_shows_something_else, "Its wallet wal_a does not show what is on hold.", "wal_a"),
    ],
)
def test_a_hold_stays_when_nothing_says_where_its_money_belongs(
    one: Repairing, leave: Callable[[Repairing], Withdrawal], reason: str, instead: str | None
) -> None:
    hold_id = leave(one).hold_id
    before = state(one)
    repaired = one.repair(hold_id, agree=lambda _found: pytest.fail("was asked"))
    assert repaired.outcome is Outcome.REFUSED
    assert isinstance(repaired.diagnosis.remedy, Refused)
    assert refusal(repaired.diagnosis).endswith(reason)
    assert repaired.diagnosis.remedy.instead == instead
    assert state(one) == before


def test_an_account_may_need_both(one: Repairing) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    one.tamper(withdrawal.hold_id, balance=7)
    asked = []

    def agree(found: Diagnosis) -> bool:
        asked.append(found.remedy)
        return True

    repaired = one.repair(withdrawal.hold_id, agree=agree)
    assert [type(remedy) for remedy in repaired.done] == [Rederive, MakeUp]
    assert asked == list(repaired.done)
    assert one.diagnose().findings == one.diagnose(withdrawal.hold_id).findings == ()


# --- who asks, and what happens meanwhile ---


def test_nothing_is_repaired_that_nobody_agreed_to(one: Repairing) -> None:
    one.tamper(balance=1)
    before = state(one)
    repaired = one.repair(agree=lambda _found: False)
    assert repaired.outcome is Outcome.DECLINED
    assert repaired.diagnosis.findings[0].fault is Fault.BALANCE
    assert state(one) == before


def test_what_moves_meanwhile_is_examined_again_and_not_asked_about_again(one: Repairing) -> None:
    one.tamper(held=7)
    asked = []

    def agree(found: Diagnosis) -> bool:
        asked.append(found.head.version)
        one.credit("meanwhile", "1.00", ledger=one.new_ledger())
        return True

    assert one.repair(agree=agree).outcome is Outcome.REPAIRED
    assert asked == [4]
    assert (one.units(), one.store.account_items["wal_a"].held) == (9425, 0)


def test_what_became_another_repair_is_asked_about_again(one: Repairing) -> None:
    one.tamper(held=7)
    asked = []

    def agree(found: Diagnosis) -> bool:
        asked.append(found.head.held)
        if len(asked) == 1:
            one.tamper(held=8)
        return True

    assert one.repair(agree=agree).outcome is Outcome.REPAIRED
    assert asked == [7, 8]


def test_a_withdrawal_that_goes_on_meanwhile_is_looked_at_again(one: Repairing) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.COMPLETE)

    def agree(_found: Diagnosis) -> bool:
        one.store.flow_items[withdrawal.flow_id] = replace(withdrawal, version=withdrawal.version + 1)
        return True

    repaired = one.repair(withdrawal.hold_id, agree=agree)
    assert repaired.outcome is Outcome.REPAIRED
    assert len(repaired.done) == 1


def test_an_account_that_never_holds_still_is_left_alone(one: Repairing) -> None:
    one.tamper(held=7)
    numbers = iter(range(100))

    def move(call: str) -> None:
        if call == "repairs.rederive":
            one.store.account_items["wal_a"] = replace(one.store.account_items["wal_a"], held=next(numbers) + 8)

    one.store.before = move
    repaired = one.repair()
    assert (repaired.outcome, repaired.done, next(numbers)) == (Outcome.UNCLEAR, (), MAX_ATTEMPTS)
    assert one.store.audited == []


@pytest.mark.parametrize("account_id", ["wal_a", "hold"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_an_account_that_is_always_being_written_is_unclear(one: Repairing, account_id: str, number: int) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    seen: list[str] = []

    def conflict(call: str) -> None:
        seen.extend([call] if call == "exact.snapshot" else [])
        if len(seen) >= number and call == "exact.snapshot":
            raise SnapshotConflict

    one.store.before = conflict
    is_wallet = account_id == "wal_a"
    found = one.diagnose("wal_a" if is_wallet else withdrawal.hold_id)
    assert found.is_clear == (is_wallet and number > 5)
    one.store.before = lambda _call: None
    assert one.diagnose(withdrawal.hold_id).is_clear


def test_a_wallet_that_moves_whenever_one_looks_is_unclear(one: Repairing) -> None:
    withdrawal = one.without_movement(one.submitted(), WithdrawalAction.FAIL)
    before = state(one)[1:]

    def move(call: str) -> None:
        if call == "exact.snapshot":
            one.tamper(held=len(one.store.calls))

    one.store.after = move
    for account_id in ("wal_a", withdrawal.hold_id):
        repaired = one.repair(account_id, agree=lambda _found: pytest.fail("was asked"))
        assert (repaired.outcome, repaired.done) == (Outcome.UNCLEAR, ())
    assert state(one)[1:] == before


# --- what dies in between ---


def left_on_hold(one: Repairing) -> str:
    return one.without_movement(one.submitted(), WithdrawalAction.FAIL).hold_id


def altered(one: Repairing) -> str:
    one.asked()
    one.tamper(balance=1, held=1)
    return "wal_a"


@pytest.mark.parametrize("spoil", [left_on_hold, altered])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_dies_the_next_command_finds_it_whole_or_untouched(
    spoil: Callable[[Repairing], str], when: str
) -> None:
    undisturbed = Repairing()
    account_id = spoil(undisturbed)
    undisturbed.store.calls.clear()
    assert undisturbed.repair(account_id).outcome is Outcome.REPAIRED
    for number in range(len(undisturbed.store.calls)):
        one = Repairing()
        spoil(one)
        one.store.calls.clear()
        untouched = state(one)

        def die(_call: str, one: Repairing = one, number: int = number) -> None:
            if len(one.store.calls) == number + 1:
                raise StoreUnavailable("gone")

        setattr(one.store, when, die)
        with pytest.raises(StoreUnavailable):
            one.repair(account_id)
        setattr(one.store, when, lambda _call: None)
        is_done = state(one) != untouched
        assert one.repair(account_id).outcome is (Outcome.SOUND if is_done else Outcome.REPAIRED)
        assert state(one) == state(undisturbed)
        assert all(isinstance(record, AuditRecord) for record in one.store.audited)
        assert len(one.store.audited) == 1
