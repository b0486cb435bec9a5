"""What asking for a withdrawal puts on hold, when it is refused, and what it answers when it is sent again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.accounts import AccountKind, Status
from tallystick.domain.callers import Caller
from tallystick.domain.errors import (
    AccountNotActive,
    AssetMismatch,
    IdempotencyKeyReused,
    IdempotencyKeyVoided,
    InsufficientFunds,
    InvalidAmount,
    InvariantViolated,
    NotFound,
    ProviderRefused,
    StoreUnavailable,
    WalletNotEmpty,
)
from tallystick.domain.house import suspense_account
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawal_rules import DAY_MS
from tallystick.domain.withdrawals import Taken, Withdrawal, WithdrawalAction, withdrawal_id
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services import idempotency, wallets
from tests.property.invariants import check
from tests.support.payout_events import Told, kinds
from tests.support.scene import ADA, ADMIN, BOB, EUR, NOW_MS, SERVICE, claim, once
from tests.support.withdrawals import STRIPE_BANK

TODAY: Final = "withdrawals#ada#USD#2026-01-01"


@pytest.fixture
def scene() -> Told:
    return Told()


def hold_of(scene: Told, key: str = "w1") -> Transfer:
    """Look at the movement that stands under the key of a request."""
    record = scene.store.records[claim(key, caller=ADA).key.digest]
    assert isinstance(record, Transfer)
    return record


def nothing_moved(scene: Told) -> bool:
    return (scene.units(), scene.wallet_held(), kinds(scene), scene.withdrawals) == (10_000, 0, [], [])


# What goes as it should


def test_a_request_puts_amount_and_fee_on_hold_in_one_movement(scene: Told) -> None:
    asked, replayed = scene.ask()
    assert (asked.units, asked.fee_units, replayed) == (2500, 50, False)
    assert (scene.units(), scene.wallet_held(), scene.held(asked)) == (7450, 2550, 2550)
    moved = hold_of(scene)
    assert moved.kind is TransferKind.WITHDRAWAL_HOLD
    assert {posting.account_id: posting.units for posting in moved.postings} == {"wal_a": -2550, asked.hold_id: 2550}
    assert (moved.reference, moved.metadata) == (None, {"withdrawal_id": asked.flow_id})
    assert scene.store.account_items[asked.hold_id].kind is AccountKind.HOLD
    check(scene.store)


def test_a_request_is_one_read_of_the_destination_one_of_the_wallet_and_one_write(scene: Told) -> None:
    scene.ask()
    assert scene.store.calls == ["flows.find", "accounts", "commit", "queue.send"]


def test_what_is_stored_is_what_is_answered(scene: Told) -> None:
    asked = scene.asked()
    assert asked == scene.standing(asked)
    assert (asked.flow_id, asked.version) == (withdrawal_id(claim("w1", caller=ADA).key), 0)
    assert asked.transfer_ids == [hold_of(scene).transfer_id]
    assert (asked.owner_id, asked.wallet_id, asked.destination) == ("ada", "wal_a", STRIPE_BANK)
    assert (asked.provider, asked.environment, asked.quota_day) == ("stripe", "test", "2026-01-01")
    assert (asked.created_at_ms, asked.submit_after_ms, asked.not_before_ms) == (NOW_MS, NOW_MS, NOW_MS)


def test_a_small_one_is_approved_and_queued_at_once(scene: Told) -> None:
    asked = scene.asked(amount="50.00")
    assert asked.state is State.APPROVED
    assert [(taken.action, taken.by) for taken in asked.history] == [("request", "ada"), ("approve", "rule")]
    assert scene.queue.sent == [asked.flow_id]


def test_a_large_one_waits_for_a_person(scene: Told) -> None:
    asked = scene.asked(amount="50.01")
    assert asked.state is State.IN_REVIEW
    assert asked.history[-1] == Taken(WithdrawalAction.REVIEW, NOW_MS, "rule", "above 50.00 USD")
    assert (scene.queue.sent, scene.wallet_held()) == ([], 5077)


def test_what_cannot_be_queued_now_is_left_to_the_sweep(scene: Told) -> None:
    scene.store.before = once(StoreUnavailable("no queue"), "queue.send")
    asked = scene.asked()
    assert (asked.state, scene.queue.sent) == (State.APPROVED, [])
    scene.now_ms += 1
    scene.sweep()
    assert scene.queue.sent == [asked.flow_id]


# Wallets


@pytest.mark.parametrize("caller", [BOB, SERVICE, ADMIN])
def test_nobody_but_its_owner_withdraws_from_a_wallet(scene: Told, caller: Caller) -> None:
    with pytest.raises(NotFound):
        scene.ask(caller=caller)
    assert nothing_moved(scene)


def test_what_does_not_exist_is_no_wallet(scene: Told) -> None:
    with pytest.raises(NotFound):
        scene.ask(wallet_id="wal_nowhere")


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_from_a_wallet_that_is_not_active_nothing_is_withdrawn(scene: Told, status: Status) -> None:
    scene.mark("wal_a", status)
    with pytest.raises(AccountNotActive):
        scene.ask()
    assert nothing_moved(scene)


def holding_accounts(scene: Told) -> list[str]:
    """Put money into an account of a withdrawal and into one of the house."""
    suspense = replace(suspense_account(scene.store.account_items["wal_a"].asset, NOW_MS), balance=5000)
    scene.store.account_items["suspense:USD"] = suspense
    return [scene.asked().hold_id, "suspense:USD"]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    "move",
    [
        lambda scene, account: scene.credit("k", "1.00", account),
        lambda scene, account: scene.debit("k", "1.00", account),
        lambda scene, account: scene.transfer("k", "1.00", account, "wal_a", caller=SERVICE),
        lambda scene, account: scene.transfer("k", "1.00", "wal_a", account),
        lambda scene, account: scene.ask("k", wallet_id=account),
    ],
    ids=["credit", "debit", "transfer from", "transfer to", "withdrawal"],
)
def test_an_account_that_holds_money_for_something_is_no_wallet(
    scene: Told, number: int, move: Callable[[Told, str], object]
) -> None:
    account = holding_accounts(scene)[number]
    owner = scene.store.account_items[account].owner_id
    with pytest.raises(NotFound):
        move(scene, account)
    with pytest.raises(NotFound):
        scene.ask("k2", caller=Caller(owner), wallet_id=account)


def test_a_wallet_cannot_be_closed_while_its_money_is_on_hold(scene: Told) -> None:
    scene.ask(amount="98.75")
    scene.now_ms += 1
    assert scene.units() == 1
    scene.debit("rest", "0.01", ledger=scene.new_ledger())
    with pytest.raises(WalletNotEmpty):
        wallets.close(wallets=scene.store, caller=ADA, wallet_id="wal_a")
    scene.cancel(scene.withdrawals[0])
    scene.debit("all", "99.99", ledger=scene.new_ledger())
    wallets.close(wallets=scene.store, caller=ADA, wallet_id="wal_a")


# Amounts


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "25.001", "0.99", "1000.01", "", "9" * 40])
def test_what_is_no_amount_or_outside_the_limits_is_refused(scene: Told, amount: str) -> None:
    with pytest.raises(InvalidAmount):
        scene.ask(amount=amount)
    assert nothing_moved(scene)


def test_too_little_money_says_how_much_there_is_and_the_fee_counts(scene: Told) -> None:
    with pytest.raises(InsufficientFunds) as refused:
        scene.ask(amount="98.77")
    assert refused.value.members == {"account": "wal_a", "available": "100.00", "asset": "USD", "scale": 2}
    assert nothing_moved(scene)


def test_all_that_there_is_can_be_withdrawn() -> None:
    scene = Told(units=9974)
    scene.ask(amount="98.50")
    assert scene.units() == 0


def test_what_is_on_hold_is_not_there_a_second_time(scene: Told) -> None:
    scene.ask("w1", "60.00")
    with pytest.raises(InsufficientFunds) as refused:
        scene.ask("w2", "60.00")
    assert refused.value.members["available"] == "39.15"


def test_an_asset_without_rules_cannot_be_withdrawn(scene: Told) -> None:
    scene.wallet("wal_e", units=1000, asset=EUR)
    with pytest.raises(AssetMismatch):
        scene.ask(amount="5.00", wallet_id="wal_e")


def test_what_the_provider_cannot_pay_is_refused_before_anything_is_held(scene: Told) -> None:
    with pytest.raises(ProviderRefused):
        scene.ask(destination=replace(STRIPE_BANK, account="ba_impossible"))
    assert nothing_moved(scene)


# The same key


def cancelled(scene: Told) -> None:
    scene.cancel(scene.withdrawals[0])


def paid(scene: Told) -> None:
    scene.payer.pays_at_once = True
    scene.work(scene.withdrawals[0])


def refusing(scene: Told) -> None:
    def check(_: Withdrawal) -> None:
        raise ProviderRefused("Not any more.", provider="stripe")

    scene.payer.check = check  # type: ignore[method-assign,assignment] # an instance of its own


CHANGES: Final[dict[str, Callable[[Told], object]]] = {
    "nothing": lambda _scene: None,
    "no money": lambda scene: scene.debit("spent", "74.50", ledger=scene.new_ledger()),
    "frozen": lambda scene: scene.mark("wal_a", Status.FROZEN),
    "closed": lambda scene: scene.mark("wal_a", Status.CLOSED),
    "a higher minimum": lambda scene: scene.with_rules(min_units=90_000),
    "a lower maximum": lambda scene: scene.with_rules(max_units=100),
    "no more that day": lambda scene: scene.with_rules(daily_units=0, daily_count=0),
    "another fee": lambda scene: scene.with_rules(fee_units=999),
    "no rules": lambda scene: scene.rules.clear(),
    "reviews": lambda scene: scene.with_rules(automatic_units=0),
    "a delay": lambda scene: scene.with_rules(delay_ms=DAY_MS),
    "the provider refuses": refusing,
    "cancelled": cancelled,
    "paid": paid,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_sent_again_is_answered_whatever_has_changed_since(scene: Told, change: str) -> None:
    first = scene.asked()
    CHANGES[change](scene)
    moved, standing = kinds(scene), scene.standing(first)
    scene.now_ms += 5000
    assert scene.ask() == (standing, True)
    assert (kinds(scene), scene.store.quotas[TODAY].count) == (moved, 0 if change == "cancelled" else 1)
    check(scene.store)


def test_a_request_sent_again_is_queued_again_in_case_its_message_was_lost(scene: Told) -> None:
    asked = scene.asked()
    scene.queue.sent.clear()
    scene.ask()
    assert scene.queue.sent == [asked.flow_id]


@pytest.mark.parametrize("state", sorted(set(State) - {State.APPROVED}))
def test_what_does_not_wait_to_be_sent_is_not_queued_again(scene: Told, state: State) -> None:
    asked = scene.asked()
    scene.put_in_state(asked, state=state)
    scene.queue.sent.clear()
    assert scene.ask()[0].state is state
    assert scene.queue.sent == []


def test_another_body_under_the_key_is_refused(scene: Told) -> None:
    scene.ask(amount="25.00")
    with pytest.raises(IdempotencyKeyReused):
        scene.ask(amount="25.01")
    with pytest.raises(IdempotencyKeyReused):
        scene.ask(amount="9999.00")
    assert scene.wallet_held() == 2550


def test_a_key_that_was_voided_never_holds_money(scene: Told) -> None:
    idempotency.void(ledger=scene.ledger, key=claim("w1", caller=ADA).key, now_ms=NOW_MS)
    with pytest.raises(IdempotencyKeyVoided):
        scene.ask()
    assert (scene.units(), kinds(scene)) == (10_000, [])


def test_a_refused_request_may_succeed_later_under_its_key(scene: Told) -> None:
    with pytest.raises(InsufficientFunds):
        scene.ask(amount="100.00")
    scene.credit("more", "10.00", ledger=scene.new_ledger())
    assert not scene.ask(amount="100.00")[1]


def test_the_same_key_of_somebody_else_is_another_request(scene: Told) -> None:
    scene.wallet("wal_b", BOB, units=10_000)
    first = scene.asked()
    other, replayed = scene.ask(caller=BOB, wallet_id="wal_b")
    assert (other.owner_id, replayed, other.flow_id != first.flow_id) == ("bob", False, True)


def test_a_hold_without_its_withdrawal_is_a_bug(scene: Told) -> None:
    asked = scene.asked()
    del scene.store.flow_items[asked.flow_id]
    with pytest.raises(InvariantViolated, match="without its withdrawal"):
        scene.ask()
