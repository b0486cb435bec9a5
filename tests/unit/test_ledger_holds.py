"""What belongs to a movement besides accounts: what it opens, holds, counts, names and has audited, all at once."""

from dataclasses import replace
from typing import Any, Final

import pytest

from tallystick.domain.audit import AuditRecord
from tallystick.domain.errors import InsufficientFunds, LimitExceeded, TooMuchContention
from tallystick.domain.posting import Leg, Order
from tallystick.domain.quotas import Quota, Used
from tallystick.domain.transfers import Tombstone, TransferKind
from tallystick.services.ledger import FlowChanged, Movement, Receipt, post
from tallystick.services.ports.ledger import CommitRefused
from tests.support.scene import NOW_MS, USD, Scene, account, claim
from tests.support.withdrawals import withdrawal

FLOW: Final = replace(withdrawal(units=240, fee_units=10), version=0)
QUOTA: Final = Quota("day", USD, 240, 1, NOW_MS, max_units=500, max_count=2)
AUDIT: Final = AuditRecord(FLOW.flow_id, "withdrawal-rejected", "root", NOW_MS, "203.0.113.7", {})


def hold(key: str = "h1", number: int = 1, **changes: Any) -> Movement:  # noqa: ANN401 (any member of the order)
    """Put 2.50 of wal_a on hold for a withdrawal."""
    flow = replace(FLOW, flow_id=f"wdr_{number}")
    order = Order(
        claim(key),
        TransferKind.WITHDRAWAL_HOLD,
        USD,
        (Leg("wal_a", -250), Leg(flow.hold_id, 250)),
        opens=(flow.hold,),
        flow=flow,
        held={"wal_a": 250},
        quota=QUOTA,
    )
    return Movement(claim(key), ("wal_a",), lambda _accounts: replace(order, **changes))


def release(**changes: Any) -> Movement:  # noqa: ANN401 (any member of the order)
    """Give it back."""
    flow = replace(FLOW, flow_id="wdr_1", version=1)
    bound = flow.claim(TransferKind.WITHDRAWAL_RELEASE)
    legs = (Leg(flow.hold_id, -250), Leg("wal_a", 250))
    back = replace(QUOTA, units=-240, count=-1)
    order = Order(
        bound, TransferKind.WITHDRAWAL_RELEASE, USD, legs, flow=flow, held={"wal_a": -250}, quota=back, audit=AUDIT
    )
    return Movement(bound, (flow.hold_id, "wal_a"), lambda _accounts: replace(order, **changes))


def posted(scene: Scene, movement: Movement) -> Receipt:
    return post(ledger=scene.ledger, movement=movement, now_ms=NOW_MS)


def test_a_hold_opens_its_account_counts_and_shows_in_its_wallet_in_one_write(scene: Scene) -> None:
    receipt = posted(scene, hold(references=("destination:1",)))
    assert scene.store.calls == ["accounts", "commit"]
    assert (receipt.flow, receipt.replayed) == (scene.store.flow_items["wdr_1"], False)
    wallet = scene.store.account_items["wal_a"]
    assert (wallet.balance, wallet.held, scene.units("hold:wdr_1")) == (750, 250, 250)
    assert scene.store.quotas == {"day": Used(240, 1)}
    assert scene.store.references == {"destination:1": "wdr_1"}


def test_a_release_undoes_all_of_it_and_its_audit_is_written_with_it(scene: Scene) -> None:
    posted(scene, hold())
    scene.store.calls.clear()
    posted(scene, release())
    assert scene.store.calls == ["commit"]  # the account that was opened is remembered
    wallet = scene.store.account_items["wal_a"]
    assert (wallet.balance, wallet.held, scene.units("hold:wdr_1")) == (1000, 0, 0)
    assert (scene.store.quotas, scene.store.audited) == ({"day": Used(0, 0)}, [AUDIT])


def test_a_replayed_step_hands_back_no_flow(scene: Scene) -> None:
    first = posted(scene, hold())
    again = posted(scene, hold())
    assert (again.transfer, again.replayed, again.flow) == (first.transfer, True, None)
    assert scene.store.quotas == {"day": Used(240, 1)}


def test_what_is_used_up_is_refused_with_what_is_left_and_nothing_is_written(scene: Scene) -> None:
    for number in (1, 2):
        posted(scene, hold(f"h{number}", number))
    scene.store.calls.clear()
    with pytest.raises(LimitExceeded) as refused:
        posted(scene, hold("h3", 3))
    assert refused.value.members["remaining_count"] == 0
    assert scene.store.calls == ["commit", "record"]
    assert (scene.units(), "wdr_3" in scene.store.flow_items) == (500, False)


def test_what_was_asked_for_before_is_a_replay_though_nothing_is_left(scene: Scene) -> None:
    first = posted(scene, hold("h1", 1))
    posted(scene, hold("h2", 2))
    assert posted(scene, hold("h1", 1)).transfer == first.transfer


@pytest.mark.parametrize("told", ["quota", "flow", "key"])
def test_a_replay_is_one_whichever_reason_the_store_tells(scene: Scene, told: str) -> None:
    first = posted(scene, hold("h1", 1))
    posted(scene, hold("h2", 2))
    scene.store.reported = lambda reasons: [reason for reason in reasons if reason.condition == told]
    again = post(ledger=scene.new_ledger(), movement=hold("h1", 1), now_ms=NOW_MS)
    assert (again.transfer, again.replayed) == (first.transfer, True)


def test_what_is_used_up_is_said_once_the_wallet_was_seen_as_it_is(scene: Scene) -> None:
    posted(scene, hold("h1", 1))
    post(ledger=scene.new_ledger(), movement=hold("h2", 2), now_ms=NOW_MS)
    scene.store.calls.clear()
    with pytest.raises(LimitExceeded):
        posted(scene, hold("h3", 3))
    assert scene.store.calls == ["commit", "commit", "record"]  # the first refusal brought the wallet as it is


def test_too_little_money_ranks_before_what_is_used_up(scene: Scene) -> None:
    for number in (1, 2):
        posted(scene, hold(f"h{number}", number))
    scene.debit("spent", "4.00")
    with pytest.raises(InsufficientFunds):
        posted(scene, hold("h3", 3))


def test_a_name_that_leads_to_another_flow_means_that_the_flow_has_changed(scene: Scene) -> None:
    scene.store.references["destination:1"] = "wdr_other"
    with pytest.raises(FlowChanged):
        posted(scene, hold(references=("destination:1",)))
    assert (scene.units(), scene.store.account_items["wal_a"].held, scene.store.quotas) == (1000, 0, {})


def test_more_than_is_on_hold_is_never_taken_from_it(scene: Scene) -> None:
    posted(scene, hold())
    scene.store.account_items["wal_a"] = replace(scene.store.account_items["wal_a"], held=249)
    with pytest.raises(TooMuchContention):
        posted(scene, release())
    assert (scene.units("hold:wdr_1"), scene.store.audited) == (250, [])


def test_an_account_that_is_there_is_not_opened_again(scene: Scene) -> None:
    posted(scene, hold())
    del scene.store.flow_items["wdr_1"]
    with pytest.raises(TooMuchContention):
        posted(scene, hold("h2"))
    assert scene.units("hold:wdr_1") == 250


ACCOUNT: Final = {"wal_a": account()}


@pytest.mark.parametrize(
    ("refused", "final"),
    [
        (CommitRefused(), False),
        (CommitRefused(accounts=ACCOUNT), False),
        (CommitRefused(used=Used(1, 1)), True),
        (CommitRefused(accounts=ACCOUNT, used=Used(1, 1)), False),
        (CommitRefused(flow_changed=True), True),
        (CommitRefused(accounts=ACCOUNT, flow_changed=True), True),
        (CommitRefused(reversed_by="trf_1", accounts=ACCOUNT), True),
        (CommitRefused(Tombstone(claim(), NOW_MS), ACCOUNT), True),
    ],
)
def test_a_refusal_is_final_when_the_same_plan_made_anew_would_be_refused_too(
    refused: CommitRefused,
    final: bool,  # noqa: FBT001
) -> None:
    assert refused.is_final is final
    assert str(refused) == "commit refused"
