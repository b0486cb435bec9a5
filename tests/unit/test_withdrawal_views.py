"""What a withdrawal would become, who sees it, and how it is taken back."""

from dataclasses import replace

import pytest

from tallystick.domain.accounts import Status
from tallystick.domain.callers import Caller
from tallystick.domain.deposits import Deposit
from tallystick.domain.errors import (
    AccountNotActive,
    IllegalTransition,
    NotFound,
    Refusal,
    TooMuchContention,
)
from tallystick.domain.quotas import Used
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawals import Taken, Withdrawal, WithdrawalAction
from tallystick.domain.withdrawals import WithdrawalState as State
from tallystick.services import withdrawals
from tallystick.services.withdrawals import MAX_ATTEMPTS
from tests.property.invariants import check
from tests.support.fake_payer import HOUR_MS
from tests.support.payout_events import Told, kinds
from tests.support.scene import ADA, ADMIN, BOB, EVE, NOW_MS, SERVICE
from tests.support.withdrawals import STRIPE_BANK


@pytest.fixture
def scene() -> Told:
    return Told()


@pytest.fixture
def careful() -> Told:
    """Let a new destination wait for an hour."""
    scene = Told()
    scene.with_rules(delay_ms=HOUR_MS)
    return scene


def nothing_moved(scene: Told) -> bool:
    return (scene.units(), scene.wallet_held(), kinds(scene), scene.withdrawals) == (10_000, 0, [], [])


# Quotes


def quoted(scene: Told, amount: str = "25.00", *, caller: Caller = ADA, wallet_id: str = "wal_a") -> withdrawals.Quote:
    return withdrawals.quote(
        window=scene.window(),
        wallets=scene.store,
        caller=caller,
        request=withdrawals.WithdrawalRequest(wallet_id, amount, STRIPE_BANK),
        now_ms=scene.now_ms,
    )


@pytest.mark.parametrize("amount", ["25.00", "60.00"])
@pytest.mark.parametrize("delay_ms", [0, HOUR_MS])
def test_a_quote_says_what_the_request_then_becomes_and_writes_nothing(scene: Told, amount: str, delay_ms: int) -> None:
    scene.with_rules(delay_ms=delay_ms)
    quote = quoted(scene, amount)
    assert nothing_moved(scene)
    assert (scene.store.references, scene.queue.sent) == ({}, [])
    asked = scene.asked(amount=amount)
    assert replace(quote.withdrawal, flow_id=asked.flow_id, hold_transfer_id=asked.hold_transfer_id) == asked


def test_a_quote_says_what_there_is_and_what_was_used_of_the_day(scene: Told) -> None:
    assert quoted(scene).used == Used()
    scene.ask("w1", "25.00")
    quote = quoted(scene)
    assert (quote.available_units, quote.used, quote.rules) == (7450, Used(2500, 1), scene.rules["USD"])


@pytest.mark.parametrize("status", [Status.FROZEN, Status.CLOSED])
def test_a_wallet_that_is_not_active_is_quoted_nothing(scene: Told, status: Status) -> None:
    scene.mark("wal_a", status)
    with pytest.raises(AccountNotActive):
        quoted(scene)


def test_without_limits_a_quote_asks_for_no_count(scene: Told) -> None:
    scene.with_rules(daily_units=None, daily_count=None)
    assert quoted(scene).used == Used()
    assert scene.store.calls == ["get", "flows.find"]


def test_a_quote_of_what_there_is_not_enough_for_is_given_all_the_same(scene: Told) -> None:
    assert quoted(scene, "900.00").available_units == 10_000


@pytest.mark.parametrize(
    ("amount", "caller", "wallet_id"),
    [
        ("0.99", ADA, "wal_a"),
        ("1000.01", ADA, "wal_a"),
        ("x", ADA, "wal_a"),
        ("25.00", BOB, "wal_a"),
        ("25.00", SERVICE, "wal_a"),
        ("25.00", ADMIN, "wal_a"),
        ("25.00", ADA, "wal_nowhere"),
    ],
)
def test_a_quote_is_refused_as_the_request_would_be(scene: Told, amount: str, caller: Caller, wallet_id: str) -> None:
    with pytest.raises(Refusal) as asked:
        scene.ask(amount=amount, caller=caller, wallet_id=wallet_id)
    with pytest.raises(Refusal) as quoted_:
        quoted(scene, amount, caller=caller, wallet_id=wallet_id)
    assert (type(asked.value), asked.value.members) == (type(quoted_.value), quoted_.value.members)


def test_a_quote_for_a_destination_that_is_known_says_when_it_can_be_sent(careful: Told) -> None:
    careful.ask()
    careful.now_ms += HOUR_MS
    assert quoted(careful).withdrawal.state is State.APPROVED


# Looking


@pytest.mark.parametrize("caller", [ADA, SERVICE, ADMIN])
def test_a_withdrawal_is_shown_to_its_owner_to_services_and_to_admins(scene: Told, caller: Caller) -> None:
    asked = scene.asked()
    assert withdrawals.get(flows=scene.flows, caller=caller, flow_id=asked.flow_id) == asked


def test_a_withdrawal_is_shown_to_nobody_else(scene: Told) -> None:
    asked = scene.asked()
    with pytest.raises(NotFound, match="no such withdrawal"):
        withdrawals.get(flows=scene.flows, caller=BOB, flow_id=asked.flow_id)


def test_what_is_no_withdrawal_is_not_shown(scene: Told) -> None:
    scene.ask()
    deposit = Deposit.__new__(Deposit)
    scene.store.flow_items |= {"dep_1": deposit, "wdr_dep": deposit}
    for flow_id in ("wdr_nowhere", "wdr_dep", "dep_1", *scene.store.references):
        with pytest.raises(NotFound, match="no such withdrawal"):
            withdrawals.get(flows=scene.flows, caller=ADMIN, flow_id=flow_id)
    assert scene.store.calls.count("flows.get") == 2  # of what is named like one


def test_everybody_lists_their_own_newest_first_page_by_page(scene: Told) -> None:
    scene.wallet("wal_b", BOB, units=10_000)
    mine = []
    for number in range(3):
        scene.now_ms += 1000
        mine.append(scene.asked(f"w{number}", "1.00"))
    scene.ask(caller=BOB, wallet_id="wal_b")
    first = withdrawals.list_owned(flows=scene.flows, caller=ADA, limit=2, after=None)
    rest = withdrawals.list_owned(flows=scene.flows, caller=ADA, limit=2, after=first.next_key)
    assert [*first.items, *rest.items] == mine[::-1]
    assert (len(first.items), rest.next_key) == (2, None)
    assert withdrawals.list_owned(flows=scene.flows, caller=EVE, limit=2, after=None).items == []


# Taking it back


def waiting(scene: Told, state: State) -> Withdrawal:
    """Ask for what comes to stand in a state in which nothing was sent."""
    amount = {State.REQUESTED: "25.00", State.APPROVED: "25.00", State.IN_REVIEW: "60.00"}[state]
    scene.with_rules(delay_ms=HOUR_MS if state is State.REQUESTED else 0)
    asked = scene.asked(amount=amount)
    assert asked.state is state
    return asked


@pytest.mark.parametrize("state", [State.REQUESTED, State.IN_REVIEW, State.APPROVED])
@pytest.mark.parametrize("status", [Status.ACTIVE, Status.FROZEN])
def test_while_nothing_was_sent_the_owner_gets_all_of_it_back(scene: Told, state: State, status: Status) -> None:
    asked = waiting(scene, state)
    scene.mark("wal_a", status)
    scene.now_ms += 10
    cancelled = scene.cancel(asked)
    assert (cancelled.state, scene.units(), scene.wallet_held(), scene.held(asked)) == (State.CANCELLED, 10_000, 0, 0)
    assert cancelled.history[-1] == Taken(WithdrawalAction.CANCEL, NOW_MS + 10, "ada")
    assert cancelled == scene.standing(asked)
    record = scene.store.records[asked.claim(TransferKind.WITHDRAWAL_RELEASE).key.digest]
    assert isinstance(record, Transfer)
    assert {posting.account_id: posting.units for posting in record.postings} == {
        asked.hold_id: -asked.total_units,
        "wal_a": asked.total_units,
    }
    assert (record.reference, record.metadata) == (None, {"withdrawal_id": asked.flow_id})
    check(scene.store)


def test_to_take_it_back_again_changes_nothing(scene: Told) -> None:
    first = scene.cancel(scene.asked())
    scene.now_ms += 10
    assert scene.cancel(first) == first
    assert kinds(scene) == ["withdrawal-hold", "withdrawal-release"]


@pytest.mark.parametrize("state", [State.SUBMITTED, State.COMPLETED, State.FAILED, State.REJECTED, State.RETURNED])
def test_what_was_sent_or_is_at_its_end_is_not_taken_back(scene: Told, state: State) -> None:
    asked = scene.put_in_state(scene.asked(), state=state)
    with pytest.raises(IllegalTransition) as refused:
        scene.cancel(asked)
    assert refused.value.members == {"state": state}
    assert kinds(scene) == ["withdrawal-hold"]


@pytest.mark.parametrize("caller", [BOB, SERVICE, ADMIN])
def test_nobody_but_its_owner_takes_it_back(scene: Told, caller: Caller) -> None:
    asked = scene.asked()
    with pytest.raises(NotFound):
        scene.cancel(asked, caller)
    assert scene.standing(asked) == asked


def test_what_was_approved_at_the_same_moment_is_taken_back_all_the_same(scene: Told) -> None:
    asked = scene.asked(amount="60.00")

    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.approve(asked)

    scene.store.before = rival
    assert [taken.action for taken in scene.cancel(asked).history] == ["request", "review", "approve", "cancel"]
    check(scene.store)


def test_what_was_sent_at_the_same_moment_is_not_taken_back(scene: Told) -> None:
    asked = scene.asked()

    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.work(asked)

    scene.store.before = rival
    with pytest.raises(IllegalTransition):
        scene.cancel(asked)
    assert (scene.held(asked), len(scene.payer.payouts)) == (2550, 1)


def test_when_other_steps_always_come_first_nothing_is_taken_back(scene: Told) -> None:
    asked = scene.asked()

    def rival(call: str) -> None:
        if call == "commit":
            scene.put_in_state(asked, version=scene.standing(asked).version + 1)

    scene.store.before = rival
    with pytest.raises(TooMuchContention):
        scene.cancel(asked)
    assert scene.store.calls.count("flows.get") == MAX_ATTEMPTS
    assert scene.held(asked) == 2550


def test_the_same_request_after_it_was_taken_back_asks_for_nothing_new(scene: Told) -> None:
    scene.cancel(scene.asked())
    again, replayed = scene.ask()
    assert (again.state, replayed, scene.wallet_held()) == (State.CANCELLED, True, 0)
