"""What comparing keeps is kept alike by the fakes and by the real adapters."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import pytest

from tallystick.adapters.dynamo.differences import DynamoDifferences, DynamoRuns
from tallystick.adapters.dynamo.flows import DynamoFlows
from tallystick.adapters.dynamo.inbox import DynamoInbox
from tallystick.adapters.dynamo.tables import DifferenceItem, FlowItem
from tallystick.domain.audit import AuditRecord
from tallystick.domain.differences import Difference, Run
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.flows import Flow
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction, ProviderRecord, Told, Unusable, Wanted
from tallystick.domain.webhooks import Failed, Paid, Pending, Provider, TakenBack
from tallystick.domain.withdrawals import WithdrawalAction
from tallystick.services.ports.paging import Page
from tests.contract.test_flows_contract import DEPOSIT
from tests.contract.test_inbox_contract import event
from tests.support.fake_records import FakeDifferences, FakeRuns
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import FakeFlows, FakeInbox
from tests.support.scene import NOW_MS
from tests.support.tables import Tables
from tests.support.withdrawals import submitted, withdrawal

AMOUNT: Final = Amount(Decimal("12345678901234567890.123456789012345678"), "ETH")
TOLD: Final[tuple[Told, ...]] = (
    Pending(),
    Failed("declined 😀"),
    Paid("pi_1", AMOUNT),
    Paid("pi_1", AMOUNT, Amount(Decimal("0.10"), "EUR")),
    TakenBack("re_1", "refund", AMOUNT),
    TakenBack("dp_1", "chargeback", AMOUNT, undone=True, payment_id="pi_1"),
    Unusable("address-mismatch"),
    Report(Outcome.FAILED, "po_1", AMOUNT, "no_account"),
    Report(Outcome.UNCLEAR),
)


@dataclass
class Kept:
    flows: Any
    inbox: Any
    differences: Any
    runs: Any


@pytest.fixture(params=["fake", "dynamo"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "fake":
        store = FakeStore()
        return Kept(FakeFlows(store), FakeInbox(store), FakeDifferences(store), FakeRuns(store))
    made: Tables = request.getfixturevalue("dynamo")
    connection = made.connection
    return Kept(DynamoFlows(connection), DynamoInbox(connection), DynamoDifferences(), DynamoRuns())


def record(told: Told = TOLD[2], record_id: str = "pi_1", provider: Provider = Provider.STRIPE) -> ProviderRecord:
    return ProviderRecord(provider, record_id, ("dep_1", f"{provider}:{record_id}"), told, NOW_MS, given_back=True)


def difference(number: int = 1, provider: Provider = Provider.STRIPE, **members: Any) -> Difference:  # noqa: ANN401
    about = record(record_id=f"pi_{number}", provider=provider)
    made = Difference(
        provider=provider,
        wanted=about.wanted,
        match=Match.MISSING_WEBHOOK,
        record=about,
        flow_id="dep_1",
        flow_version=3,
        ours="25.00 USD",
        theirs="24.99 USD",
        first_seen_ms=NOW_MS + number,
        last_seen_ms=NOW_MS + 1000,
    )
    return replace(made, **members)


class TestMarks:
    """A flow is listed until it agrees, and again with its next version."""

    def listed(self, kept: Kept, provider: Provider = Provider.STRIPE) -> list[Flow]:
        page: Page[Flow] = kept.flows.unreconciled(provider, 100, None)
        assert page.next_key is None
        return page.items

    def test_a_deposit_is_listed_from_its_beginning(self, kept: Kept) -> None:
        kept.flows.create(DEPOSIT)
        assert self.listed(kept) == [DEPOSIT]
        assert self.listed(kept, Provider.MOONPAY) == []

    def test_a_withdrawal_is_listed_once_it_is_sent(self, kept: Kept) -> None:
        kept.flows.create(replace(withdrawal(flow_id="wdr_1"), version=0))
        assert self.listed(kept) == []
        sent = replace(submitted(flow_id="wdr_1"), version=1)
        assert sent.state == "SUBMITTED"
        assert kept.flows.save(sent)
        assert self.listed(kept) == [sent]

    def test_one_that_was_never_sent_is_never_listed(self, kept: Kept) -> None:
        asked = withdrawal(flow_id="wdr_1")
        cancelled, _ = asked.taken(WithdrawalAction.CANCEL, at_ms=NOW_MS, by="ada")
        kept.flows.create(replace(cancelled, version=0))
        assert self.listed(kept) == []

    def test_one_that_agrees_is_listed_no_more_until_it_changes(self, kept: Kept) -> None:
        kept.flows.create(DEPOSIT)
        assert kept.flows.reconciled(DEPOSIT)
        assert self.listed(kept) == []
        assert kept.flows.get("dep_1") == DEPOSIT
        following = replace(DEPOSIT, version=1, failure="declined")
        assert kept.flows.save(following)
        assert self.listed(kept) == [following]

    def test_one_that_has_changed_meanwhile_stays_listed(self, kept: Kept) -> None:
        kept.flows.create(DEPOSIT)
        following = replace(DEPOSIT, version=1)
        assert kept.flows.save(following)
        assert not kept.flows.reconciled(DEPOSIT)
        assert self.listed(kept) == [following]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    def test_all_are_listed_once_the_oldest_first(self, kept: Kept, limit: int) -> None:
        for number in (5, 3, 6, 1, 2, 0, 4):
            kept.flows.create(replace(DEPOSIT, flow_id=f"dep_{number}", created_at_ms=NOW_MS + number // 2))
        found: list[str] = []
        after: str | None = None
        for _ in range(10):
            page = kept.flows.unreconciled(Provider.STRIPE, limit, after)
            found += [flow.flow_id for flow in page.items]
            after = page.next_key
            if after is None:
                break
        assert sorted(found) == [f"dep_{number}" for number in range(7)]
        assert [number // 2 for number in (int(flow_id[4:]) for flow_id in found)] == [0, 0, 1, 1, 2, 2, 3]


class TestDifferences:
    @pytest.mark.parametrize("told", TOLD)
    def test_one_is_kept_as_it_is(self, kept: Kept, told: Told) -> None:
        about = record(told)
        made = difference(wanted=about.wanted, record=about)
        kept.differences.save(made)
        assert kept.differences.get(made.difference_id) == made
        assert kept.differences.open(Provider.STRIPE) == [made]

    def test_one_without_a_record_or_flow_is_kept_too(self, kept: Kept) -> None:
        wanted = Wanted(Direction.PAYOUT, "wdr_1", ())
        made = difference(wanted=wanted, record=None, flow_id=None, flow_version=None, ours="", theirs="")
        kept.differences.save(made)
        assert kept.differences.get("stripe:payout-wdr_1") == made

    def test_one_that_is_seen_again_is_one(self, kept: Kept) -> None:
        kept.differences.save(difference())
        later = difference(last_seen_ms=NOW_MS + 5000, match=Match.DUPLICATE)
        kept.differences.save(later)
        assert kept.differences.listed(10, None, None, None) == Page([later])

    def test_one_that_is_gone_is_not_found_until_it_comes_again(self, kept: Kept) -> None:
        kept.differences.save(difference())
        kept.differences.end(difference(), NOW_MS)
        assert kept.differences.get("stripe:pi_1") is None
        assert kept.differences.open(Provider.STRIPE) == []
        assert kept.differences.listed(10, None, None, None) == Page([])
        kept.differences.save(difference())
        assert kept.differences.get("stripe:pi_1") == difference()

    def test_what_never_was_is_not_found(self, kept: Kept) -> None:
        assert kept.differences.get("stripe:pi_1") is None
        assert kept.differences.get("") is None

    def test_those_of_a_provider_are_listed_the_oldest_first(self, kept: Kept) -> None:
        for number, provider in ((3, Provider.STRIPE), (1, Provider.PAYSTACK), (2, Provider.STRIPE)):
            kept.differences.save(difference(number, provider))
        assert kept.differences.open(Provider.STRIPE) == [difference(2), difference(3)]
        assert kept.differences.open(Provider.RAMP) == []

    @pytest.mark.parametrize("limit", [1, 2, 3, 5])
    def test_pages_hold_all_once(self, kept: Kept, limit: int) -> None:
        made = [
            difference(number, provider, match=match)
            for number, (provider, match) in enumerate(
                [(Provider.STRIPE, Match.DUPLICATE), (Provider.PAYSTACK, Match.DUPLICATE)] * 2
                + [(Provider.STRIPE, Match.MISSING_WEBHOOK)]
            )
        ]
        for one in made:
            kept.differences.save(one)
        for provider, match in ((None, None), (Provider.STRIPE, None), (None, Match.DUPLICATE)):
            found: list[Difference] = []
            after: str | None = None
            for _ in range(6):
                page = kept.differences.listed(limit, after, provider, match)
                found += page.items
                after = page.next_key
                if after is None:
                    break
            assert found == [one for one in made if provider in {None, one.provider} and match in {None, one.match}]


class TestRuns:
    def test_the_first_of_all_is_empty(self, kept: Kept) -> None:
        assert kept.runs.get(Provider.STRIPE) == Run(Provider.STRIPE)

    def test_each_follows_the_last(self, kept: Kept) -> None:
        first = Run(Provider.STRIPE).next(started_ms=NOW_MS, busy_until_ms=NOW_MS + 1)
        assert kept.runs.save(first)
        assert not kept.runs.save(first)
        whole = Run(Provider.STRIPE, 1, 2, 3, 4, 5, 6, 7, {"matched": 8}, "cut-off", 2)
        assert kept.runs.save(whole)
        assert kept.runs.get(Provider.STRIPE) == whole
        assert kept.runs.get(Provider.PAYSTACK) == Run(Provider.PAYSTACK)
        assert not kept.runs.save(first.next(failure="late"))


class TestEvents:
    def test_an_event_is_brought_once(self, kept: Kept) -> None:
        brought = event(1)
        audit = AuditRecord("stripe:pi_1", "provider-record-fetched", "root", NOW_MS, "203.0.113.7", {})
        assert kept.inbox.bring(brought, audit)
        assert kept.inbox.get(brought.inbox_key) == brought
        assert not kept.inbox.bring(replace(brought, received_at_ms=NOW_MS + 1), replace(audit, at_ms=NOW_MS + 1))
        assert kept.inbox.get(brought.inbox_key) == brought


def test_a_difference_is_found_by_its_provider_and_name(dynamo: Tables) -> None:  # noqa: ARG001 (binds the tables)
    DynamoDifferences().save(difference())
    item = DifferenceItem.get("difference#stripe#pi_1")
    assert (item.listed, item.listed_at_ms, item.told_kind) == ("difference", NOW_MS + 1, "Paid")
    DynamoDifferences().end(difference(), NOW_MS)
    gone = DifferenceItem.get("difference#stripe#pi_1")
    assert gone.listed is None
    assert gone.ended_ms == NOW_MS


def test_a_mark_is_all_that_is_taken_off(dynamo: Tables) -> None:
    flows = DynamoFlows(dynamo.connection)
    flows.create(DEPOSIT)
    before = FlowItem.get("dep_1").to_dynamodb_dict()
    flows.reconciled(DEPOSIT)
    after = FlowItem.get("dep_1").to_dynamodb_dict()
    assert before.keys() - after.keys() == {"unreconciled", "created_at_ms"}
    assert {name: before[name] for name in after} == after


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        ("Query", lambda kept: kept.differences.open(Provider.STRIPE)),
        ("Query", lambda kept: kept.differences.listed(1, None, None, None)),
        ("GetItem", lambda kept: kept.differences.get("stripe:pi_1")),
        ("PutItem", lambda kept: kept.differences.save(difference())),
        ("UpdateItem", lambda kept: kept.differences.end(difference(), NOW_MS)),
        ("GetItem", lambda kept: kept.runs.get(Provider.STRIPE)),
        ("PutItem", lambda kept: kept.runs.save(Run(Provider.STRIPE, version=1))),
        ("Query", lambda kept: kept.flows.unreconciled(Provider.STRIPE, 1, None)),
        ("UpdateItem", lambda kept: kept.flows.reconciled(DEPOSIT)),
    ],
)
def test_what_does_not_answer_is_unavailable(dynamo: Tables, operation: str, act: Any) -> None:  # noqa: ANN401
    kept = Kept(DynamoFlows(dynamo.connection), None, DynamoDifferences(), DynamoRuns())
    with dynamo.refusing(operation, "ProvisionedThroughputExceededException"), pytest.raises(StoreUnavailable):
        act(kept)
