"""What is posted for an order, and where what cannot be taken or given goes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.accounts import Account, AccountKind, Status
from tallystick.domain.errors import AccountNotActive, TooMuchContention
from tallystick.domain.house import HOUSE
from tallystick.domain.inbox import EventState
from tallystick.domain.money import format_units
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.webhooks import EventRejected, Fact, Failed, Notice, Paid, Pending, TakenBack
from tallystick.services.ledger import Ledger
from tallystick.services.settling import MAX_STEPS, Books, Settled, settle
from tests.property.invariants import check
from tests.support.incoming import Incoming, chargeback, paid, refund
from tests.support.scene import NOW_MS

OWED: Final = "external:receivable:USD"
STRIPE: Final = "external:stripe:USD"
WALLET: Final = "wal_a"
SUSPENSE: Final = "suspense:USD"


@pytest.fixture
def scene() -> Incoming:
    return Incoming()


def settled(
    scene: Incoming, *facts: Fact, names: tuple[str, ...] = (), accept: bool = False, ledger: Ledger | None = None
) -> Settled:
    """Settle the order as it stands, by default through a Lambda of its own."""
    books = Books(ledger or scene.new_ledger(), scene.flows, scene.store.create)
    notice = Notice("event", ("dep_1", *names), facts)
    outcome = settle(books=books, deposit=scene.deposit(), notice=notice, accept_any_amount=accept, now_ms=scene.now_ms)
    check(scene.store)
    return outcome


def sides(scene: Incoming) -> tuple[int, int, int]:
    """Add up the wallet, what is owed, and the provider's side."""
    return scene.units(), scene.side(OWED), scene.side(STRIPE)


def postings(transfers: Sequence[Transfer]) -> list[dict[str, int]]:
    return [{posting.account_id: posting.units for posting in moved.postings} for moved in transfers]


def wallet(scene: Incoming) -> Account:
    return scene.store.account_items[WALLET]


# What goes as it should


def test_a_payment_comes_from_the_providers_side(scene: Incoming) -> None:
    (moved,) = settled(scene, paid()).transfers
    assert (moved.kind, moved.units, moved.reference) == (TransferKind.DEPOSIT, 2500, "stripe:pi_1")
    assert postings([moved]) == [{WALLET: 2500, STRIPE: -2500}]
    assert moved.metadata == {"deposit_id": "dep_1"}
    assert moved.label == "stripe:pi_1:wal_a:deposit"
    assert scene.deposit().account_id == WALLET


@pytest.mark.parametrize(
    ("claim", "kind", "name"),
    [(refund(), TransferKind.REFUND, "re_1"), (chargeback(amount="10.00"), TransferKind.CHARGEBACK, "dp_1")],
)
def test_a_claim_goes_back_to_the_providers_side(scene: Incoming, claim: Fact, kind: TransferKind, name: str) -> None:
    settled(scene, paid())
    (moved,) = settled(scene, claim).transfers
    assert (moved.kind, moved.units, moved.reference) == (kind, 1000, f"stripe:{name}")
    assert postings([moved]) == [{WALLET: -1000, STRIPE: 1000}]
    assert wallet(scene).status is Status.ACTIVE


@pytest.mark.parametrize(
    ("claim", "undone", "kind"),
    [
        (refund(), refund(undone=True), TransferKind.REFUND_REVERSAL),
        (chargeback(), chargeback(undone=True), TransferKind.CHARGEBACK_REVERSAL),
    ],
)
def test_a_claim_that_was_undone_comes_back(scene: Incoming, claim: Fact, undone: Fact, kind: TransferKind) -> None:
    settled(scene, paid(), claim)
    (moved,) = settled(scene, undone).transfers
    assert moved.kind is kind
    assert sides(scene) == (2500, 0, -2500)


def test_one_event_may_bring_all_there_is(scene: Incoming) -> None:
    outcome = settled(scene, Pending(), paid(), refund(), refund("re_2", "5.00"), chargeback(undone=True))
    assert [moved.kind for moved in outcome.transfers] == ["deposit", "refund", "refund"]
    assert sides(scene) == (1000, 0, -1000)
    assert outcome.deposit == scene.deposit()


def test_claims_wait_for_the_payment_that_they_are_of(scene: Incoming) -> None:
    assert settled(scene, chargeback(), refund()).transfers == ()
    assert sides(scene) == (0, 0, 0)
    assert len(settled(scene, paid()).transfers) == 3


def test_facts_without_money_are_noted_and_told_again_change_nothing(scene: Incoming) -> None:
    first = settled(scene, Pending(), Failed("declined"))
    scene.store.calls.clear()
    again = settled(scene, Pending(), Failed("declined"))
    assert (first.deposit.version, again.deposit) == (1, first.deposit)
    assert scene.store.calls == []


def test_settling_again_moves_nothing_and_names_the_movements_that_stand(scene: Incoming) -> None:
    facts = (paid(), refund(), refund(undone=True))
    first = settled(scene, paid(), refund()), settled(scene, *facts)
    again = settled(scene, *facts)
    assert again.transfers == ()
    assert again.transfer_ids == [moved.transfer_id for part in first for moved in part.transfers]


def test_movements_of_other_facts_are_not_named(scene: Incoming) -> None:
    settled(scene, paid(), refund())
    (moved,) = settled(scene, chargeback()).transfers
    assert settled(scene, chargeback(), Pending()).transfer_ids == [moved.transfer_id]
    assert settled(scene, Pending()).transfer_ids == []


def test_a_refused_fact_posts_nothing_of_its_event(scene: Incoming) -> None:
    with pytest.raises(EventRejected):
        settled(scene, paid(), paid("pi_2"))
    assert (scene.store.records, scene.deposit().version) == ({}, 0)


# More than there is


@pytest.mark.parametrize("claim", [refund(amount="25.00"), chargeback()])
@pytest.mark.parametrize(("spent", "left"), [("0.01", 2499), ("24.99", 1), ("25.00", 0)])
def test_a_claim_takes_what_is_there_the_rest_is_owed_and_the_wallet_frozen(
    scene: Incoming, claim: TakenBack, spent: str, left: int
) -> None:
    settled(scene, paid())
    scene.spend(spent)
    settled(scene, claim)
    assert sides(scene) == (0, left - 2500, 0)
    assert scene.deposit().owed_units == 2500 - left
    assert wallet(scene).status is Status.FROZEN
    assert wallet(scene).status_reason == (
        f"{claim.kind} {claim.claim_id} exceeded the balance by {format_units(2500 - left, 2)} USD"
    )


def test_a_claim_of_all_there_is_freezes_nothing(scene: Incoming) -> None:
    settled(scene, paid(), chargeback())
    assert (wallet(scene).status, scene.deposit().owed_units) == (Status.ACTIVE, 0)


def test_a_claim_takes_money_that_came_from_elsewhere_too(scene: Incoming) -> None:
    settled(scene, paid())
    scene.spend("25.00")
    scene.credit("other", "30.00", ledger=scene.new_ledger())
    settled(scene, chargeback())
    assert sides(scene) == (500, 0, 0)


def test_a_claim_of_an_empty_wallet_leaves_no_entry_with_it(scene: Incoming) -> None:
    settled(scene, paid())
    scene.spend("25.00")
    before = wallet(scene).version
    (moved,) = settled(scene, chargeback()).transfers
    assert postings([moved]) == [{OWED: -2500, STRIPE: 2500}]
    assert wallet(scene).version == before


def test_a_claim_passes_a_wallet_that_is_frozen_and_its_first_reason_stays(scene: Incoming) -> None:
    settled(scene, paid())
    scene.store.account_items[WALLET] = replace(wallet(scene), status=Status.FROZEN, status_reason="police")
    settled(scene, chargeback(amount="30.00"))
    assert sides(scene) == (0, -500, 500)
    assert (wallet(scene).status, wallet(scene).status_reason) == (Status.FROZEN, "police")


@pytest.mark.parametrize("claim", [refund(), chargeback()])
def test_a_claim_of_a_wallet_that_was_closed_is_owed_as_a_whole(scene: Incoming, claim: TakenBack) -> None:
    settled(scene, paid())
    scene.spend("25.00")
    scene.mark(WALLET, Status.CLOSED)
    settled(scene, claim)
    units = int(claim.amount.value * 100)
    assert sides(scene) == (0, -units, units - 2500)
    assert (wallet(scene).status, wallet(scene).status_reason) == (Status.CLOSED, None)
    assert SUSPENSE not in scene.store.account_items


def test_another_movement_at_the_same_moment_changes_what_can_be_taken(scene: Incoming) -> None:
    settled(scene, paid())

    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            scene.spend("20.00")

    scene.store.before = rival
    settled(scene, chargeback())
    assert sides(scene) == (0, -2000, 0)
    assert wallet(scene).status is Status.FROZEN


def test_a_wallet_that_an_admin_unfroze_is_frozen_again_by_the_next_claim_whatever_a_lambda_remembers(
    scene: Incoming,
) -> None:
    ledger = scene.new_ledger()
    settled(scene, paid())
    scene.spend("25.00")
    settled(scene, chargeback(), ledger=ledger)
    scene.mark(WALLET, Status.ACTIVE)
    settled(scene, refund(), ledger=ledger)
    assert scene.deposit().owed_units == 3500
    assert wallet(scene).status is Status.FROZEN


# What is given back


@pytest.mark.parametrize(("spent", "owed"), [("25.00", 2500), ("10.00", 1000)])
def test_what_is_given_back_settles_what_is_owed_before_it_reaches_the_wallet(
    scene: Incoming, spent: str, owed: int
) -> None:
    settled(scene, paid())
    scene.spend(spent)
    settled(scene, chargeback())
    (moved,) = settled(scene, chargeback(undone=True)).transfers
    expected = {WALLET: 2500 - owed, OWED: owed, STRIPE: -2500}
    assert postings([moved]) == [{account: units for account, units in expected.items() if units}]
    assert sides(scene) == (2500 - owed, 0, -2500)
    assert scene.deposit().owed_units == 0


def test_what_another_claim_left_owed_is_settled_too(scene: Incoming) -> None:
    settled(scene, paid(), chargeback())
    settled(scene, refund())
    assert sides(scene) == (0, -1000, 1000)
    settled(scene, chargeback(undone=True))
    assert sides(scene) == (1500, 0, -1500)


def test_a_wallet_that_was_frozen_for_what_it_owed_stays_frozen_until_an_admin_says_otherwise(scene: Incoming) -> None:
    settled(scene, paid())
    scene.spend("25.00")
    settled(scene, chargeback())
    settled(scene, chargeback(undone=True))
    assert (wallet(scene).status, scene.deposit().owed_units) == (Status.FROZEN, 0)


# Suspense


def test_money_for_a_closed_wallet_is_put_aside_in_the_houses_own_account(scene: Incoming) -> None:
    scene.mark(WALLET, Status.CLOSED)
    (moved,) = settled(scene, paid()).transfers
    assert postings([moved]) == [{SUSPENSE: 2500, STRIPE: -2500}]
    suspense = scene.store.account_items[SUSPENSE]
    assert (suspense.owner_id, suspense.kind, suspense.balance) == (HOUSE, AccountKind.SYSTEM, 2500)
    assert scene.deposit().account_id == SUSPENSE


def test_the_suspense_account_is_opened_once(scene: Incoming) -> None:
    scene.mark(WALLET, Status.CLOSED)
    settled(scene, paid())
    scene.now_ms += 1000
    settled(scene, paid("pi_2", "1.00"), accept=True)
    assert (scene.units(SUSPENSE), scene.store.account_items[SUSPENSE].created_at_ms) == (2600, NOW_MS)


@pytest.mark.parametrize("claim", [chargeback(amount="30.00"), refund(amount="30.00")])
def test_a_claim_on_money_that_was_put_aside_takes_it_from_there_and_freezes_nothing(
    scene: Incoming, claim: Fact
) -> None:
    scene.mark(WALLET, Status.CLOSED)
    settled(scene, paid(), claim)
    assert (scene.units(SUSPENSE), scene.side(OWED), scene.side(STRIPE)) == (0, -500, 500)
    assert scene.store.account_items[SUSPENSE].status is Status.ACTIVE
    assert wallet(scene).status is Status.CLOSED


def test_what_is_given_back_goes_where_the_money_was_put_aside(scene: Incoming) -> None:
    scene.mark(WALLET, Status.CLOSED)
    settled(scene, paid(), chargeback())
    settled(scene, chargeback(undone=True))
    assert (scene.units(SUSPENSE), scene.side(OWED), scene.side(STRIPE)) == (2500, 0, -2500)


def test_what_is_given_back_to_a_wallet_that_was_closed_meanwhile_is_put_aside(scene: Incoming) -> None:
    settled(scene, paid(), chargeback())
    scene.mark(WALLET, Status.CLOSED)
    settled(scene, chargeback(undone=True))
    assert (scene.units(), scene.units(SUSPENSE)) == (0, 2500)


def test_a_frozen_wallet_gets_nothing_and_nothing_is_put_aside(scene: Incoming) -> None:
    scene.mark(WALLET, Status.FROZEN)
    with pytest.raises(AccountNotActive):
        settled(scene, paid())
    assert (scene.store.records, scene.deposit().version) == ({}, 0)
    assert SUSPENSE not in scene.store.account_items


# What an admin accepted


@pytest.mark.parametrize("amount", ["24.99", "26.00", "0.01"])
def test_an_amount_that_an_admin_accepted_is_credited_as_it_came(scene: Incoming, amount: str) -> None:
    with pytest.raises(EventRejected):
        settled(scene, paid(amount=amount))
    settled(scene, paid(amount=amount), accept=True)
    assert format_units(scene.units(), 2) == amount


def test_two_payments_of_one_order_are_both_credited_once_an_admin_accepted_the_second(scene: Incoming) -> None:
    settled(scene, paid())
    settled(scene, paid("pi_2", "7.00"), accept=True)
    assert (scene.units(), scene.deposit().credited_units) == (3200, 3200)
    assert settled(scene, paid("pi_2", "7.00")).transfers == ()  # what is known needs no acceptance


# Names


def test_names_that_the_provider_has_for_an_order_are_kept_with_it(scene: Incoming) -> None:
    settled(scene, Pending(), names=("stripe:pi_1", "stripe:ch_1"))
    assert scene.deposit().references == ("stripe:pi_1", "stripe:ch_1")
    assert scene.store.references == {"stripe:pi_1": "dep_1", "stripe:ch_1": "dep_1"}
    assert (scene.deposit().version, scene.deposit().pending) == (1, True)


def test_names_that_are_known_are_not_written_again(scene: Incoming) -> None:
    settled(scene, paid(), names=("stripe:pi_1",))
    scene.store.calls.clear()
    settled(scene, paid(), names=("stripe:pi_1",))
    assert scene.store.calls == []


def test_names_are_kept_before_money_moves(scene: Incoming) -> None:
    settled(scene, paid(), names=("stripe:pi_1",))
    assert scene.store.calls == ["flows.save", "accounts", "commit"]


def test_a_name_of_another_order_contradicts_and_nothing_is_kept(scene: Incoming) -> None:
    scene.store.references["stripe:pi_1"] = "dep_2"
    with pytest.raises(EventRejected) as rejected:
        settled(scene, paid(), names=("stripe:ch_1", "stripe:pi_1"))
    assert (rejected.value.reason, rejected.value.final) == ("contradiction", True)
    assert scene.store.references == {"stripe:pi_1": "dep_2"}
    assert (scene.deposit().version, scene.units()) == (0, 0)


@pytest.mark.parametrize("others", [(), ("stripe:pi_1",), ("stripe:ch_1",), ("stripe:pi_1", "stripe:ch_1")])
def test_an_event_that_changes_or_names_the_order_at_the_same_moment_is_no_contradiction(
    scene: Incoming, others: tuple[str, ...]
) -> None:
    def rival(call: str) -> None:
        if call == "flows.save":
            scene.store.before = lambda _call: None
            settled(scene, refund(), Pending(), names=others)

    scene.store.before = rival
    settled(scene, paid(), names=("stripe:pi_1",))
    assert scene.units() == 1500
    assert set(scene.deposit().references) == set(scene.store.references) == {"stripe:pi_1", *others}


def test_names_are_kept_beside_those_that_other_events_told(scene: Incoming) -> None:
    settled(scene, Pending(), names=("stripe:pi_1",))
    settled(scene, paid(), names=("stripe:ch_1", "stripe:pi_1"))
    assert scene.deposit().references == ("stripe:pi_1", "stripe:ch_1")


def test_an_id_of_an_order_is_no_name_for_another(scene: Incoming) -> None:
    scene.order("dep_2")
    settled(scene, paid(), names=("dep_2", "dep_9"))
    assert (scene.deposit().references, scene.store.references, scene.units()) == ((), {}, 2500)


# Contention


def test_another_event_of_the_order_at_the_same_moment_is_joined(scene: Incoming) -> None:
    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            settled(scene, refund())

    scene.store.before = rival
    outcome = settled(scene, paid())
    assert [moved.kind for moved in outcome.transfers] == ["deposit", "refund"]
    assert scene.units() == 1500


def test_a_movement_that_another_made_meanwhile_is_not_claimed(scene: Incoming) -> None:
    def rival(call: str) -> None:
        if call == "commit":
            scene.store.before = lambda _call: None
            settled(scene, paid())

    scene.store.before = rival
    outcome = settled(scene, paid())
    assert (outcome.transfers, len(outcome.transfer_ids), scene.units()) == ((), 1, 2500)


@pytest.mark.parametrize("facts", [(Pending(),), (paid(),)])
def test_an_order_that_others_always_change_first_is_given_up_for_now(scene: Incoming, facts: tuple[Fact, ...]) -> None:
    tries = []

    def rival(call: str) -> None:
        if call in {"flows.save", "commit"}:
            tries.append(call)
            stored = scene.deposit()
            scene.store.flow_items["dep_1"] = replace(stored, version=stored.version + 1)

    scene.store.before = rival
    with pytest.raises(TooMuchContention):
        settled(scene, *facts)
    assert (len(tries), scene.store.records) == (MAX_STEPS, {})


def test_an_order_with_as_many_claims_as_there_may_be_is_settled_by_one_event(scene: Incoming) -> None:
    claims = [refund(f"re_{number:02}", "0.10") for number in range(49)]
    settled(scene, paid(), *claims)
    undone = [refund(f"re_{number:02}", "0.10", undone=True) for number in range(49)]
    assert len(settled(scene, *undone).transfers) == 49
    assert sides(scene) == (2500, 0, -2500)


def test_the_same_money_told_by_two_kinds_of_events_is_posted_once(scene: Incoming) -> None:
    for name in ("checkout.completed", "payment.succeeded"):
        event = scene.event(name, Paid("pi_1", paid().delivered), order=("dep_1", "stripe:pi_1"))
        assert scene.handle(event).event.state is EventState.DONE
    assert (scene.units(), len(scene.store.records)) == (2500, 1)
