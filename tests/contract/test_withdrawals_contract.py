from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import pytest

from tallystick.adapters.dynamo.tables import FlowItem
from tallystick.domain.audit import AuditRecord
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.errors import InvariantViolated
from tallystick.domain.money import MAX_UNITS, Asset
from tallystick.domain.payouts import Draft
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import (
    OPEN,
    Sending,
    Taken,
    Withdrawal,
    WithdrawalAction,
    WithdrawalState,
)
from tallystick.services.ports.agenda import Overdue
from tallystick.services.ports.paging import Page
from tests.contract.test_flows_contract import DEPOSIT
from tests.support.scene import NOW_MS
from tests.support.tables import Ports, Tables
from tests.support.withdrawals import submitted, withdrawal

FAR_MS: Final = NOW_MS + 10_000_000
NEW: Final = replace(withdrawal(), version=0, not_before_ms=NOW_MS)
DRAFT: Final = Draft("AAAA" * 200, "ab" * 32, NOW_MS + 60_000)
FULL: Final = replace(
    submitted(draft=DRAFT),
    version=0,
    flow_id="wdr_ffffffffffffffffffffffffffffffff",
    provider=Provider.STELLAR,
    environment="live",
    asset=Asset("ÐOGE", 18, "crypto"),
    units=MAX_UNITS - 1,
    fee_units=1,
    destination=Destination(
        DestinationType.STELLAR, "G" + "A" * 55, bank_code="011", name="Ädä 😀", memo="größer 😀", memo_type="text"
    ),
    quota_day="2026-01-31",
    history=(
        Taken(WithdrawalAction.REQUEST, NOW_MS, "ada"),
        Taken(WithdrawalAction.REVIEW, NOW_MS, "rule", "above 100.00 USD"),
        Taken(WithdrawalAction.APPROVE, NOW_MS + 1, "root", 'größer\n😀"\\'),
        Taken(WithdrawalAction.SUBMIT, NOW_MS + 2, "rule", ""),
    ),
    sending=Sending(7, NOW_MS, NOW_MS + 5, DRAFT, "op_no_destination"),
    payout_id="po_1",
    failure="account_closed",
    checks=10**6,
    alerted_at_ms=NOW_MS + 9,
)
"""Uses every member, with numbers of 38 digits."""

DESTINATIONS: Final = (
    Destination(DestinationType.BITCOIN, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    Destination(DestinationType.EVM, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
    Destination(DestinationType.IBAN, "GB29NWBK60161331926819", name="Ada Lovelace"),
    Destination(DestinationType.NUBAN, "0000014579", bank_code="011", name="Ada Lovelace"),
    Destination(DestinationType.STELLAR, "G" + "A" * 55),
    Destination(DestinationType.STELLAR, "G" + "A" * 55, memo="0", memo_type="id"),
    Destination(DestinationType.STELLAR, "G" + "A" * 55, memo="ab" * 32, memo_type="hash"),
    Destination(DestinationType.STELLAR, "G" + "A" * 55, memo="ab" * 32, memo_type="return"),
    Destination(DestinationType.STRIPE, "card_1"),
)
AUDIT: Final = AuditRecord(NEW.flow_id, "withdrawal-approved", "root", NOW_MS, "203.0.113.7", {"notes": "größer 😀"})
FINAL: Final = tuple(state for state in WithdrawalState if state not in OPEN)


def following(flow: Withdrawal, **changes: Any) -> Withdrawal:  # noqa: ANN401 (any member)
    return replace(flow, version=flow.version + 1, **changes)


def another(number: int, **changes: Any) -> Withdrawal:  # noqa: ANN401 (any member)
    return replace(NEW, flow_id=f"wdr_{number}", **changes)


def overdue(ports: Ports, state: str = "REQUESTED", now_ms: int = FAR_MS) -> list[tuple[str, int]]:
    return [(one.key, one.due_at_ms) for one in ports.flows.overdue(state, now_ms, 100)]


def pages(listed: Callable[[str | None], Page[Withdrawal]]) -> list[list[Withdrawal]]:
    found, after = [], None
    for _ in range(10):
        page = listed(after)
        found.append(page.items)
        after = page.next_key
        if after is None:
            return found
    raise AssertionError("the pages never end")


# As they are stored


@pytest.mark.parametrize("flow", [NEW, FULL], ids=["plain", "full"])
def test_a_withdrawal_is_stored_with_all_it_says(ports: Ports, flow: Withdrawal) -> None:
    assert ports.flows.create(flow) == flow == ports.flows.get(flow.flow_id)


@pytest.mark.parametrize("destination", DESTINATIONS, ids=lambda one: f"{one.type} {one.memo_type or ''}")
def test_where_money_goes_is_stored_with_all_it_says(ports: Ports, destination: Destination) -> None:
    ports.flows.create(replace(NEW, destination=destination))
    assert ports.flows.get(NEW.flow_id) == replace(NEW, destination=destination)


@pytest.mark.parametrize("state", list(WithdrawalState))
def test_a_withdrawal_is_stored_in_every_state(ports: Ports, state: WithdrawalState) -> None:
    ports.flows.create(NEW)
    ended = following(NEW, state=state, payout_id="po_1")
    assert ports.flows.save(ended)
    assert ports.flows.get(NEW.flow_id) == ended


@pytest.mark.parametrize("sending", [Sending(0, 0, 0), Sending(1, NOW_MS, NOW_MS), None])
def test_how_it_was_sent_is_kept_and_that_nothing_was(ports: Ports, sending: Sending | None) -> None:
    ports.flows.create(replace(NEW, sending=sending))
    stored = ports.flows.get(NEW.flow_id)
    assert isinstance(stored, Withdrawal)
    assert stored.sending == sending


@pytest.mark.parametrize(("first", "second"), [(NEW, DEPOSIT), (DEPOSIT, NEW)])
def test_a_flow_of_one_kind_never_takes_the_place_of_another(ports: Ports, first: Any, second: Any) -> None:  # noqa: ANN401
    ports.flows.create(first)
    with pytest.raises((InvariantViolated, AssertionError)):
        ports.flows.create(replace(second, flow_id=first.flow_id))
    assert ports.flows.get(first.flow_id) == first


def test_a_taken_id_answers_the_withdrawal_that_stands_there(ports: Ports) -> None:
    ports.flows.create(NEW)
    assert ports.flows.create(replace(FULL, flow_id=NEW.flow_id)) == NEW == ports.flows.get(NEW.flow_id)


def test_what_is_left_out_again_is_gone(ports: Ports) -> None:
    ports.flows.create(replace(NEW, payout_id="po_1", alerted_at_ms=5, checks=3))
    plain = following(NEW)
    assert ports.flows.save(plain)
    assert ports.flows.get(NEW.flow_id) == plain


# Versions


@pytest.mark.parametrize("version", [0, 2, 3, -1])
def test_a_withdrawal_that_changed_meanwhile_is_not_saved(ports: Ports, version: int) -> None:
    ports.flows.create(NEW)
    assert not ports.flows.save(replace(NEW, payout_id="po_1", version=version), ["stripe:po_1"], AUDIT)
    assert (ports.flows.get(NEW.flow_id), ports.flows.find("stripe:po_1"), ports.audited()) == (NEW, None, [])


def test_of_two_next_versions_the_first_is_saved(ports: Ports) -> None:
    ports.flows.create(NEW)
    first, second = following(NEW, payout_id="po_1"), following(NEW, payout_id="po_2")
    assert (ports.flows.save(first), ports.flows.save(second), ports.flows.save(first)) == (True, False, False)
    assert ports.flows.get(NEW.flow_id) == first


# Audit


def test_who_decided_is_written_with_what_was_decided(ports: Ports) -> None:
    ports.flows.create(NEW)
    approved = following(NEW, state=WithdrawalState.APPROVED)
    assert ports.flows.save(approved, ["stripe:po_1"], AUDIT)
    assert (ports.flows.get(NEW.flow_id), ports.flows.find("stripe:po_1")) == (approved, NEW.flow_id)
    assert ports.audited() == [AUDIT]


def test_a_reference_of_another_takes_the_audit_along(ports: Ports) -> None:
    for flow in (NEW, another(2)):
        ports.flows.create(flow)
    ports.flows.save(following(NEW), ["stripe:po_1"])
    assert not ports.flows.save(following(another(2)), ["stripe:po_1"], AUDIT)
    assert (ports.flows.get("wdr_2"), ports.audited()) == (another(2), [])


# What should have been done by now


def test_what_is_overdue_is_listed_by_its_state_oldest_first(ports: Ports) -> None:
    for number, ms in enumerate([30, 10, 20]):
        ports.flows.create(another(number, not_before_ms=NOW_MS + ms))
    ports.flows.create(another(9, state=WithdrawalState.APPROVED))
    found = [(f"wdr_{number}", NOW_MS + ms) for number, ms in ((1, 10), (2, 20), (0, 30))]
    assert overdue(ports) == found
    assert overdue(ports, "APPROVED") == [("wdr_9", NOW_MS)]
    assert overdue(ports, "SUBMITTED") == []
    assert [one.key for one in ports.flows.overdue("REQUESTED", FAR_MS, 2)] == ["wdr_1", "wdr_2"]


def test_what_is_due_now_is_not_overdue(ports: Ports) -> None:
    ports.flows.create(NEW)
    assert overdue(ports, now_ms=NOW_MS) == []
    assert overdue(ports, now_ms=NOW_MS + 1) == [(NEW.flow_id, NOW_MS)]


@pytest.mark.parametrize("state", FINAL)
def test_what_has_come_to_its_end_is_never_overdue(ports: Ports, state: WithdrawalState) -> None:
    ports.flows.create(NEW)
    ports.flows.save(following(NEW, state=state))
    assert all(overdue(ports, name) == [] for name in WithdrawalState)
    assert all(ports.flows.in_state(name, 5, None).items == [] for name in WithdrawalState)
    assert not ports.flows.postpone(Overdue(NEW.flow_id, NOW_MS), FAR_MS)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_is_a_list_of_its_own(ports: Ports, state: WithdrawalState) -> None:
    ports.flows.create(replace(NEW, state=state))
    assert [name for name in WithdrawalState if overdue(ports, name)] == [state]


def test_a_deposit_is_on_none_of_these_lists(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    assert all(overdue(ports, name) == [] for name in (*WithdrawalState, "CREATED"))
    assert ports.flows.owned_by(DEPOSIT.owner_id, 5, None).items == []


def test_what_is_given_more_time_is_overdue_after_it_and_says_the_same(ports: Ports) -> None:
    ports.flows.create(NEW)
    assert ports.flows.postpone(Overdue(NEW.flow_id, NOW_MS), NOW_MS + 500)
    assert overdue(ports, now_ms=NOW_MS + 500) == []
    assert overdue(ports, now_ms=NOW_MS + 501) == [(NEW.flow_id, NOW_MS + 500)]
    assert ports.flows.get(NEW.flow_id) == NEW


def test_of_two_that_saw_the_same_one_gives_more_time(ports: Ports) -> None:
    ports.flows.create(NEW)
    seen = Overdue(NEW.flow_id, NOW_MS)
    assert (ports.flows.postpone(seen, FAR_MS), ports.flows.postpone(seen, FAR_MS + 5)) == (True, False)
    assert overdue(ports, now_ms=FAR_MS + 9) == [(NEW.flow_id, FAR_MS)]


def test_to_give_more_time_is_no_version(ports: Ports) -> None:
    ports.flows.create(NEW)
    ports.flows.postpone(Overdue(NEW.flow_id, NOW_MS), FAR_MS)
    second = following(NEW, not_before_ms=NOW_MS + 7)
    assert ports.flows.save(second)
    assert overdue(ports, now_ms=NOW_MS + 8) == [(NEW.flow_id, NOW_MS + 7)]
    assert not ports.flows.postpone(Overdue(NEW.flow_id, FAR_MS), FAR_MS + 1)
    assert not ports.flows.postpone(Overdue(NEW.flow_id, NOW_MS), FAR_MS + 1)
    assert ports.flows.get(NEW.flow_id) == second


def test_more_time_for_what_does_not_exist_makes_nothing(dynamo: Tables) -> None:
    assert not dynamo.ports.flows.postpone(Overdue("wdr_nowhere", NOW_MS), FAR_MS)
    assert list(FlowItem.scan()) == []


# Lists of a state


@pytest.mark.parametrize("limit", range(1, 8))
def test_withdrawals_of_a_state_come_in_their_turn_on_pages_of_any_size(ports: Ports, limit: int) -> None:
    waiting = [another(number, not_before_ms=10**number) for number in range(1, 7)]
    for flow in (waiting[3], waiting[0], *waiting[4:], *waiting[1:3], another(8, state=WithdrawalState.APPROVED)):
        ports.flows.create(flow)
    found = pages(lambda after: ports.flows.in_state("REQUESTED", limit, after))
    assert list(chain(*found)) == waiting
    assert {len(page) for page in found[:-1]} <= {limit}
    assert found[-1]


@pytest.mark.parametrize("limit", range(1, 5))
def test_withdrawals_due_in_one_millisecond_are_all_listed_once(ports: Ports, limit: int) -> None:
    waiting = [another(number) for number in range(4)]
    for flow in waiting:
        ports.flows.create(flow)
    found = chain(*pages(lambda after: ports.flows.in_state("REQUESTED", limit, after)))
    assert sorted(found, key=lambda flow: flow.flow_id) == waiting


def test_a_page_goes_on_though_what_it_ended_with_has_left_the_state(ports: Ports) -> None:
    first, second = another(1), another(2, not_before_ms=NOW_MS + 1)
    for flow in (first, second):
        ports.flows.create(flow)
    page = ports.flows.in_state("REQUESTED", 1, None)
    ports.flows.save(following(first, state=WithdrawalState.CANCELLED))
    assert page.items == [first]
    assert ports.flows.in_state("REQUESTED", 5, page.next_key).items == [second]


def test_what_an_index_that_lags_still_lists_is_left_out_and_the_pages_go_on(dynamo: Tables) -> None:
    flows = dynamo.ports.flows
    left, waits, last = (another(number, not_before_ms=NOW_MS + number) for number in range(3))
    for flow in (left, waits, last):
        flows.create(flow)
    flows.save(following(left, state=WithdrawalState.APPROVED))
    keys = [
        {"flow_id": {"S": flow.flow_id}, "open": {"S": "REQUESTED"}, "due_at_ms": {"N": str(flow.not_before_ms)}}
        for flow in (left, waits)
    ]
    with dynamo.finding("Query", keys):
        page = flows.in_state("REQUESTED", 1, None)
    assert page.items == []
    assert flows.in_state("REQUESTED", 1, page.next_key).items == [waits]


# Lists of an owner


@pytest.mark.parametrize("limit", range(1, 8))
def test_an_owners_withdrawals_come_newest_first_on_pages_of_any_size(ports: Ports, limit: int) -> None:
    made = [another(number, created_at_ms=NOW_MS + number) for number in range(6)]
    for flow in (*made[3:], *made[:3], another(7, owner_id="bob")):
        ports.flows.create(flow)
    found = pages(lambda after: ports.flows.owned_by("ada", limit, after))
    assert list(chain(*found)) == made[::-1]
    assert {len(page) for page in found[:-1]} <= {limit}
    assert found[-1]


@pytest.mark.parametrize("limit", range(1, 5))
def test_withdrawals_of_one_millisecond_are_all_listed_once(ports: Ports, limit: int) -> None:
    made = [another(number) for number in range(4)]
    for flow in made:
        ports.flows.create(flow)
    found = chain(*pages(lambda after: ports.flows.owned_by("ada", limit, after)))
    assert sorted(found, key=lambda flow: flow.flow_id) == made


@pytest.mark.parametrize("state", FINAL)
def test_what_has_come_to_its_end_stays_on_its_owners_list_as_it_is_now(ports: Ports, state: WithdrawalState) -> None:
    ports.flows.create(NEW)
    ended = following(NEW, state=state)
    ports.flows.save(ended)
    assert ports.flows.owned_by("ada", 5, None).items == [ended]


def test_an_owner_without_withdrawals_has_an_empty_list(ports: Ports) -> None:
    page = ports.flows.owned_by("nobody", 5, None)
    assert (page.items, page.next_key) == ([], None)


def test_references_are_on_no_list(ports: Ports) -> None:
    ports.flows.create(NEW)
    saved = following(NEW)
    ports.flows.save(saved, ["stripe:po_1"])
    assert ports.flows.owned_by("ada", 5, None).items == [saved] == ports.flows.in_state("REQUESTED", 5, None).items
